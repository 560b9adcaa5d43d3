//! The transaction pool: flags and configuration section.

use std::time::Duration;

use actoreum_primitives::Address;
use actoreum_txpool::{PoolConfig, limits::DEFAULT_MAX_BYTES};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::duration::{self, nanos};

/// Section `[Eth.TxPool]` of the configuration and geth's flags `--txpool.*`. Times are in
/// nanoseconds, as geth writes them.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Transaction pool")]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct TxPoolConfig {
    /// Comma separated accounts to treat as locals (no flush, priority inclusion)
    #[arg(
        long = "txpool.locals",
        global = true,
        value_name = "ADDRESSES",
        value_delimiter = ','
    )]
    pub locals: Vec<Address>,
    /// Disable price exemptions for locally submitted transactions
    #[arg(long = "txpool.nolocals", global = true)]
    pub no_locals: bool,
    /// Disk journal for local transactions to survive node restarts; empty: none (default:
    /// transactions.rlp)
    #[arg(long = "txpool.journal", global = true, value_name = "FILE")]
    pub journal: String,
    /// Time interval to regenerate the local transaction journal (default: 1h0m0s)
    #[arg(long = "txpool.rejournal", global = true, value_name = "TIME", value_parser = duration::parse_nanos)]
    pub rejournal: u64,
    /// Minimum gas price tip to enforce for acceptance into the pool, in wei (default: 1)
    #[arg(long = "txpool.pricelimit", global = true, value_name = "WEI")]
    pub price_limit: u64,
    /// Price bump percentage to replace an already existing transaction (default: 10)
    #[arg(long = "txpool.pricebump", global = true, value_name = "PERCENT")]
    pub price_bump: u64,
    /// Minimum number of executable transaction slots guaranteed per account (default: 16)
    #[arg(long = "txpool.accountslots", global = true, value_name = "N")]
    pub account_slots: u64,
    /// Maximum number of executable transaction slots for all accounts (default: 4096)
    #[arg(long = "txpool.globalslots", global = true, value_name = "N")]
    pub global_slots: u64,
    /// Maximum number of non-executable transaction slots permitted per account (default: 64)
    #[arg(long = "txpool.accountqueue", global = true, value_name = "N")]
    pub account_queue: u64,
    /// Maximum number of non-executable transaction slots for all accounts (default: 1024)
    #[arg(long = "txpool.globalqueue", global = true, value_name = "N")]
    pub global_queue: u64,
    /// Maximum megabytes of memory for all transactions, whatever the slots allow (default: 128)
    #[arg(long = "txpool.memory", global = true, value_name = "MB")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Maximum amount of time non-executable transactions are queued (default: 3h0m0s)
    #[arg(long = "txpool.lifetime", global = true, value_name = "TIME", value_parser = duration::parse_nanos)]
    pub lifetime: u64,
}

impl Default for TxPoolConfig {
    fn default() -> Self {
        let pool = PoolConfig::default();
        Self {
            locals: pool.locals,
            no_locals: pool.no_locals,
            journal: "transactions.rlp".into(),
            rejournal: nanos(Duration::from_secs(3600)),
            price_limit: pool.price_limit,
            price_bump: pool.price_bump,
            account_slots: pool.account_slots,
            global_slots: pool.global_slots,
            account_queue: pool.account_queue,
            global_queue: pool.global_queue,
            lifetime: nanos(pool.lifetime),
            memory: None,
        }
    }
}

impl TxPoolConfig {
    /// Returns the rules of the pool.
    pub fn rules(&self) -> PoolConfig {
        let megabytes = self.memory.map(usize::try_from);
        let max_bytes = megabytes.map(|it| it.unwrap_or(usize::MAX).saturating_mul(1 << 20));
        PoolConfig {
            max_bytes: max_bytes.unwrap_or(DEFAULT_MAX_BYTES),
            locals: self.locals.clone(),
            no_locals: self.no_locals,
            price_limit: self.price_limit,
            price_bump: self.price_bump,
            account_slots: self.account_slots,
            global_slots: self.global_slots,
            account_queue: self.account_queue,
            global_queue: self.global_queue,
            lifetime: Duration::from_nanos(self.lifetime),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::given::Given;

    #[test]
    fn flags_override_the_file() {
        let text = "PriceLimit = 7\nPriceBump = 20\nLifetime = 60000000000\n";
        let mut config: TxPoolConfig = toml::from_str(text).unwrap();
        let flags = [
            "--txpool.pricebump=30",
            "--txpool.nolocals",
            "--txpool.memory=16",
        ];
        Given::parse(flags).apply(&mut config).unwrap();
        let rules = config.rules();
        assert_eq!((rules.price_limit, rules.price_bump), (7, 30));
        assert_eq!(rules.lifetime, Duration::from_secs(60));
        assert!(rules.no_locals);
        assert_eq!(rules.max_bytes, 16 << 20);
        assert_eq!(rules.global_slots, 4096);
    }

    #[test]
    fn a_switch_that_is_not_given_keeps_the_value_of_the_file() {
        let mut config: TxPoolConfig = toml::from_str("NoLocals = true\n").unwrap();
        let flags = Given::parse(["--txpool.lifetime=1m"]);
        flags.apply(&mut config).unwrap();
        assert!(config.no_locals);
        assert_eq!(config.lifetime, 60_000_000_000);
    }
}
