//! What JSON-RPC allows a call and a transaction, and how it suggests prices: flags, and their
//! fields of the configuration.

use std::time::Duration;

use actoreum_primitives::{ETHER, U256};
use actoreum_rpc::dispatch::DispatchLimits;
use actoreum_rpc::node::{GasOracle, NodeSettings};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    config::{EthConfig, NodeConfig},
    duration,
};

/// Blocks that the oracle looks at, at most, whatever the configuration says: each is read for
/// every suggestion.
const MAX_BLOCKS: u32 = 1024;

/// geth's `--rpc.gascap` and its kin, and `--gpo.*`
#[derive(Debug, Default, Clone, Args)]
pub struct RpcFlags {
    /// Gas that eth_call and eth_estimateGas may use (default: 50000000; 0 for no cap)
    #[arg(
        long = "rpc.gascap",
        global = true,
        value_name = "GAS",
        help_heading = "JSON-RPC"
    )]
    pub rpc_gascap: Option<u64>,
    /// Time that a call may take (default: 5s; 0s for no limit)
    #[arg(long = "rpc.evmtimeout", global = true, value_name = "TIME", value_parser = duration::parse, help_heading = "JSON-RPC")]
    pub rpc_evmtimeout: Option<Duration>,
    /// Ether that a transaction sent over RPC may pay for gas (default: 1; 0 for no cap)
    #[arg(long = "rpc.txfeecap", global = true, value_name = "ETHER", value_parser = parse_ether, help_heading = "JSON-RPC")]
    pub rpc_txfeecap: Option<f64>,
    /// Take transactions without a chain id (EIP-155) over RPC; false: refuse them (default: true)
    #[arg(
        long = "rpc.allow-unprotected-txs",
        global = true,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = crate::cli::parse_bool,
        help_heading = "JSON-RPC"
    )]
    pub rpc_allow_unprotected_txs: Option<bool>,
    /// Requests of a batch at most (default: 1000; 0 for no limit)
    #[arg(
        long = "rpc.batch-request-limit",
        global = true,
        value_name = "N",
        help_heading = "JSON-RPC"
    )]
    pub rpc_batch_request_limit: Option<usize>,
    /// Bytes of an answer, to a batch or a single request, at most (default: 25000000; 0 for no
    /// limit)
    #[arg(
        long = "rpc.batch-response-max-size",
        global = true,
        value_name = "BYTES",
        help_heading = "JSON-RPC"
    )]
    pub rpc_batch_response_max_size: Option<usize>,
    /// Blocks whose prices are looked at to suggest one (default: 20)
    #[arg(long = "gpo.blocks", alias = "gpoblocks", global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_BLOCKS)), help_heading = "Gas price oracle")]
    pub gpo_blocks: Option<u32>,
    /// Percent of those prices that the suggestion is to beat (default: 60)
    #[arg(long = "gpo.percentile", alias = "gpopercentile", global = true, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100), help_heading = "Gas price oracle")]
    pub gpo_percentile: Option<u32>,
    /// Most that is suggested, in wei (default: 500000000000)
    #[arg(
        long = "gpo.maxprice",
        global = true,
        value_name = "WEI",
        help_heading = "Gas price oracle"
    )]
    pub gpo_maxprice: Option<u64>,
    /// Prices below this, in wei, are not looked at (default: 0)
    #[arg(
        long = "gpo.ignoreprice",
        global = true,
        value_name = "WEI",
        help_heading = "Gas price oracle"
    )]
    pub gpo_ignoreprice: Option<u64>,
}

/// `[Eth.GPO]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct OracleConfig {
    /// Blocks whose prices are looked at.
    pub blocks: u32,
    /// Percent of those prices that the suggestion is to beat.
    pub percentile: u32,
    /// Most that is suggested, in wei.
    pub max_price: u64,
    /// Prices below this, in wei, are not looked at.
    pub ignore_price: u64,
}

impl Default for OracleConfig {
    fn default() -> Self {
        let oracle = GasOracle::default();
        Self {
            blocks: oracle.blocks,
            percentile: oracle.percentile,
            max_price: oracle.max_price,
            ignore_price: oracle.ignore_price,
        }
    }
}

impl NodeConfig {
    /// Lets the flags about transports speak.
    pub fn apply_rpc(&mut self, flags: &RpcFlags) {
        if let Some(is_allowed) = flags.rpc_allow_unprotected_txs {
            self.allow_unprotected_txs = is_allowed;
        }
        if let Some(limit) = flags.rpc_batch_request_limit {
            self.batch_request_limit = limit;
        }
        if let Some(limit) = flags.rpc_batch_response_max_size {
            self.batch_response_max_size = limit;
        }
    }

    /// What a dispatcher is held to.
    pub fn dispatch_limits(&self) -> DispatchLimits {
        let limit = |limit: usize| match limit {
            0 => usize::MAX,
            limit => limit,
        };
        DispatchLimits {
            batch_items: limit(self.batch_request_limit),
            response_bytes: limit(self.batch_response_max_size),
            ..DispatchLimits::default()
        }
    }
}

impl EthConfig {
    /// Lets the flags of this module speak.
    pub fn apply_rpc(&mut self, flags: &RpcFlags) {
        let set = |target: &mut u64, flag: Option<u64>| *target = flag.unwrap_or(*target);
        set(&mut self.rpc_gas_cap, flags.rpc_gascap);
        let timeout = flags.rpc_evmtimeout.map(duration::nanos);
        set(&mut self.rpc_evm_timeout, timeout);
        self.rpc_tx_fee_cap = flags.rpc_txfeecap.unwrap_or(self.rpc_tx_fee_cap);
        let oracle = &mut self.gpo;
        oracle.blocks = flags.gpo_blocks.unwrap_or(oracle.blocks);
        oracle.percentile = flags.gpo_percentile.unwrap_or(oracle.percentile);
        set(&mut oracle.max_price, flags.gpo_maxprice);
        set(&mut oracle.ignore_price, flags.gpo_ignoreprice);
    }

    /// What the methods are told.
    pub fn limit_rpc(&self, settings: &mut NodeSettings) {
        settings.gas_cap = match self.rpc_gas_cap {
            0 => u64::MAX,
            cap => cap,
        };
        settings.call_timeout = match self.rpc_evm_timeout {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        };
        // A cap that is no number, or below zero, can only come from a file: it caps nothing.
        settings.tx_fee_cap = (self.rpc_tx_fee_cap > 0.0)
            .then(|| U256::from((self.rpc_tx_fee_cap * ETHER as f64) as u128));
        settings.gas_oracle = GasOracle {
            blocks: self.gpo.blocks.clamp(1, MAX_BLOCKS),
            percentile: self.gpo.percentile.min(100),
            max_price: self.gpo.max_price,
            ignore_price: self.gpo.ignore_price,
        };
    }
}

/// An amount of ether, with a decimal point or without.
fn parse_ether(text: &str) -> Result<f64, String> {
    let amount: Option<f64> = text.parse().ok();
    amount
        .filter(|ether| ether.is_finite() && *ether >= 0.0)
        .ok_or_else(|| format!("{text:?} is not an amount of ether; use one like 1 or 0.5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &RpcFlags) -> NodeSettings {
        let mut config = EthConfig::default();
        config.apply_rpc(flags);
        let mut settings = NodeSettings::new("test", 1);
        config.limit_rpc(&mut settings);
        settings
    }

    #[test]
    fn defaults_are_geths() {
        let settings = settings(&RpcFlags::default());
        assert_eq!(settings.gas_cap, 50_000_000);
        assert_eq!(settings.call_timeout, Some(Duration::from_secs(5)));
        assert_eq!(settings.tx_fee_cap, Some(U256::from(ETHER)));
        assert_eq!(settings.gas_oracle, GasOracle::default());
    }

    #[test]
    fn zero_lifts_a_limit() {
        let settings = settings(&RpcFlags {
            rpc_gascap: Some(0),
            rpc_evmtimeout: Some(Duration::ZERO),
            rpc_txfeecap: Some(0.0),
            ..RpcFlags::default()
        });
        assert_eq!(settings.gas_cap, u64::MAX);
        assert_eq!((settings.call_timeout, settings.tx_fee_cap), (None, None));
    }

    #[test]
    fn batches_are_held_to_what_is_asked_for() {
        let mut config = NodeConfig::default();
        assert_eq!(config.dispatch_limits(), DispatchLimits::default());
        config.apply_rpc(&RpcFlags {
            rpc_batch_request_limit: Some(7),
            rpc_batch_response_max_size: Some(0),
            rpc_allow_unprotected_txs: Some(false),
            ..RpcFlags::default()
        });
        let limits = config.dispatch_limits();
        assert_eq!((limits.batch_items, limits.response_bytes), (7, usize::MAX));
        assert!(!config.allow_unprotected_txs);
    }

    #[test]
    fn ether_is_counted_in_wei() {
        let settings = settings(&RpcFlags {
            rpc_txfeecap: parse_ether("2.5").ok(),
            gpo_percentile: Some(7),
            ..RpcFlags::default()
        });
        let half = U256::from(ETHER / 2);
        assert_eq!(settings.tx_fee_cap, Some(half * U256::from(5)));
        assert_eq!(settings.gas_oracle.percentile, 7);
        for wrong in ["", "-1", "inf", "NaN", "1 ether"] {
            assert!(parse_ether(wrong).is_err(), "{wrong}");
        }
    }
}
