//! The transaction pool: flags and configuration section.

use std::time::Duration;

use actoreum_primitives::Address;
use actoreum_txpool::{PoolConfig, limits::DEFAULT_MAX_BYTES};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::flags::set;
use crate::duration::{self, nanos};

/// geth's flags `--txpool.*`.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Transaction pool")]
pub struct TxPoolFlags {
    /// Comma separated accounts to treat as locals (no flush, priority inclusion)
    #[arg(
        long = "txpool.locals",
        global = true,
        value_name = "ADDRESSES",
        value_delimiter = ','
    )]
    pub txpool_locals: Option<Vec<Address>>,
    /// Disable price exemptions for locally submitted transactions
    #[arg(long = "txpool.nolocals", global = true)]
    pub txpool_nolocals: bool,
    /// Disk journal for local transactions to survive node restarts; empty: none (default:
    /// transactions.rlp)
    #[arg(long = "txpool.journal", global = true, value_name = "FILE")]
    pub txpool_journal: Option<String>,
    /// Time interval to regenerate the local transaction journal (default: 1h0m0s)
    #[arg(long = "txpool.rejournal", global = true, value_name = "TIME", value_parser = duration::parse)]
    pub txpool_rejournal: Option<Duration>,
    /// Minimum gas price tip to enforce for acceptance into the pool, in wei (default: 1)
    #[arg(long = "txpool.pricelimit", global = true, value_name = "WEI")]
    pub txpool_pricelimit: Option<u64>,
    /// Price bump percentage to replace an already existing transaction (default: 10)
    #[arg(long = "txpool.pricebump", global = true, value_name = "PERCENT")]
    pub txpool_pricebump: Option<u64>,
    /// Minimum number of executable transaction slots guaranteed per account (default: 16)
    #[arg(long = "txpool.accountslots", global = true, value_name = "N")]
    pub txpool_accountslots: Option<u64>,
    /// Maximum number of executable transaction slots for all accounts (default: 4096)
    #[arg(long = "txpool.globalslots", global = true, value_name = "N")]
    pub txpool_globalslots: Option<u64>,
    /// Maximum number of non-executable transaction slots permitted per account (default: 64)
    #[arg(long = "txpool.accountqueue", global = true, value_name = "N")]
    pub txpool_accountqueue: Option<u64>,
    /// Maximum number of non-executable transaction slots for all accounts (default: 1024)
    #[arg(long = "txpool.globalqueue", global = true, value_name = "N")]
    pub txpool_globalqueue: Option<u64>,
    /// Maximum megabytes of memory for all transactions, whatever the slots allow (default: 128)
    #[arg(long = "txpool.memory", global = true, value_name = "MB")]
    pub txpool_memory: Option<u64>,
    /// Maximum amount of time non-executable transactions are queued (default: 3h0m0s)
    #[arg(long = "txpool.lifetime", global = true, value_name = "TIME", value_parser = duration::parse)]
    pub txpool_lifetime: Option<Duration>,
}

/// Section `[Eth.TxPool]` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct TxPoolConfig {
    /// Accounts whose transactions are local.
    pub locals: Vec<Address>,
    /// Treats transactions that are submitted locally like those of peers.
    pub no_locals: bool,
    /// Journal of local transactions, relative to the instance's folder; empty: none.
    pub journal: String,
    /// Time between two rotations of the journal, in nanoseconds as in geth.
    pub rejournal: u64,
    /// Minimum tip of a transaction that is not local, in wei per gas.
    pub price_limit: u64,
    /// Percentage by which a replacement must raise the price.
    pub price_bump: u64,
    /// Executable transactions that are guaranteed to each account.
    pub account_slots: u64,
    /// Maximum of executable transactions of all accounts.
    pub global_slots: u64,
    /// Maximum of transactions of one account that can't be executed yet.
    pub account_queue: u64,
    /// Maximum of transactions of all accounts that can't be executed yet.
    pub global_queue: u64,
    /// Maximum time that a non-executable transaction is queued, in nanoseconds as in geth.
    pub lifetime: u64,
    /// Maximum megabytes of all transactions; geth has no such limit. `None`: the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
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
    /// Applies the flags.
    pub fn apply(&mut self, flags: &TxPoolFlags) {
        set(&mut self.locals, &flags.txpool_locals);
        self.no_locals |= flags.txpool_nolocals;
        set(&mut self.journal, &flags.txpool_journal);
        set(&mut self.rejournal, &flags.txpool_rejournal.map(nanos));
        set(&mut self.price_limit, &flags.txpool_pricelimit);
        set(&mut self.price_bump, &flags.txpool_pricebump);
        set(&mut self.account_slots, &flags.txpool_accountslots);
        set(&mut self.global_slots, &flags.txpool_globalslots);
        set(&mut self.account_queue, &flags.txpool_accountqueue);
        set(&mut self.global_queue, &flags.txpool_globalqueue);
        set(&mut self.lifetime, &flags.txpool_lifetime.map(nanos));
        self.memory = flags.txpool_memory.or(self.memory);
    }

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

    #[test]
    fn flags_override_the_file() {
        let text = "PriceLimit = 7\nPriceBump = 20\nLifetime = 60000000000\n";
        let mut config: TxPoolConfig = toml::from_str(text).unwrap();
        let flags = TxPoolFlags {
            txpool_pricebump: Some(30),
            txpool_nolocals: true,
            txpool_memory: Some(16),
            ..TxPoolFlags::default()
        };
        config.apply(&flags);
        let rules = config.rules();
        assert_eq!((rules.price_limit, rules.price_bump), (7, 30));
        assert_eq!(rules.lifetime, Duration::from_secs(60));
        assert!(rules.no_locals);
        assert_eq!(rules.max_bytes, 16 << 20);
        assert_eq!(rules.global_slots, 4096);
    }
}
