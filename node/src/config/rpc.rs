//! JSON-RPC: flags of the servers, limits of calls and transactions, and the gas price oracle, with
//! their fields of the configuration.

use std::time::Duration;

use actoreum_primitives::GWEI;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::given::Given;
use crate::duration;

/// Bounds the blocks that the gas price oracle reads, whatever the configuration says: each of them
/// is read for every suggestion.
pub const MAX_ORACLE_BLOCKS: u32 = 1024;

/// geth's flags of the HTTP, WebSocket and IPC servers; the `--rpc…` names of geth 1.8 are aliases.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "JSON-RPC")]
pub struct ServerFlags {
    /// Enable the HTTP-RPC server
    #[arg(long, alias = "rpc", global = true)]
    pub http: bool,
    /// HTTP-RPC server listening interface (default: 127.0.0.1)
    #[arg(
        long = "http.addr",
        alias = "rpcaddr",
        global = true,
        value_name = "IP"
    )]
    pub http_addr: Option<String>,
    /// HTTP-RPC server listening port (default: 8545)
    #[arg(
        long = "http.port",
        alias = "rpcport",
        global = true,
        value_name = "PORT"
    )]
    pub http_port: Option<u16>,
    /// APIs offered over the HTTP-RPC interface (default: eth,net,web3)
    #[arg(
        long = "http.api",
        alias = "rpcapi",
        global = true,
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub http_api: Option<Vec<String>>,
    /// Comma separated list of virtual hostnames from which to accept requests (server enforced); *
    /// for all (default: localhost)
    #[arg(
        long = "http.vhosts",
        alias = "rpcvhosts",
        global = true,
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub http_vhosts: Option<Vec<String>>,
    /// Comma separated list of domains from which to accept cross origin requests (browser
    /// enforced) (default: none)
    #[arg(
        long = "http.corsdomain",
        alias = "rpccorsdomain",
        global = true,
        value_name = "ORIGINS",
        value_delimiter = ','
    )]
    pub http_corsdomain: Option<Vec<String>>,
    /// HTTP path prefix on which JSON-RPC is served (default: all paths)
    #[arg(long = "http.rpcprefix", global = true, value_name = "PATH")]
    pub http_rpcprefix: Option<String>,
    /// Enable the WS-RPC server
    #[arg(long, global = true)]
    pub ws: bool,
    /// WS-RPC server listening interface (default: 127.0.0.1)
    #[arg(long = "ws.addr", alias = "wsaddr", global = true, value_name = "IP")]
    pub ws_addr: Option<String>,
    /// WS-RPC server listening port; may be that of HTTP (default: 8546)
    #[arg(long = "ws.port", alias = "wsport", global = true, value_name = "PORT")]
    pub ws_port: Option<u16>,
    /// APIs offered over the WS-RPC interface (default: eth,net,web3)
    #[arg(
        long = "ws.api",
        alias = "wsapi",
        global = true,
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub ws_api: Option<Vec<String>>,
    /// Origins from which to accept websockets requests; * for all (default: those of this machine)
    #[arg(
        long = "ws.origins",
        alias = "wsorigins",
        global = true,
        value_name = "ORIGINS",
        value_delimiter = ','
    )]
    pub ws_origins: Option<Vec<String>>,
    /// HTTP path prefix on which JSON-RPC over WebSocket is served (default: all paths)
    #[arg(long = "ws.rpcprefix", global = true, value_name = "PATH")]
    pub ws_rpcprefix: Option<String>,
    /// Filename for IPC socket within the datadir; explicit paths escape it (default: geth.ipc)
    #[arg(long, global = true, value_name = "PATH")]
    pub ipcpath: Option<String>,
    /// Disable the IPC-RPC server
    #[arg(long, global = true)]
    pub ipcdisable: bool,
}

/// geth's `--rpc.gascap` and related flags, and `--gpo.*`.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "JSON-RPC")]
pub struct RpcFlags {
    /// Cap on gas that can be used in eth_call/estimateGas; 0: no cap (default: 50000000)
    #[arg(long = "rpc.gascap", global = true, value_name = "GAS")]
    pub rpc_gascap: Option<u64>,
    /// Timeout used for eth_call; 0s: no limit (default: 5s)
    #[arg(long = "rpc.evmtimeout", global = true, value_name = "TIME", value_parser = duration::parse)]
    pub rpc_evmtimeout: Option<Duration>,
    /// Cap on transaction fee (in ether) that can be sent via the RPC APIs; 0: no cap (default: 1)
    #[arg(long = "rpc.txfeecap", global = true, value_name = "ETHER", value_parser = parse_ether)]
    pub rpc_txfeecap: Option<f64>,
    /// Allow for unprotected (non EIP155 signed) transactions to be submitted via RPC (default:
    /// true)
    #[arg(
        long = "rpc.allow-unprotected-txs",
        global = true,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = crate::boolean::parse
    )]
    pub rpc_allow_unprotected_txs: Option<bool>,
    /// Maximum number of requests in a batch; 0: no limit (default: 1000)
    #[arg(long = "rpc.batch-request-limit", global = true, value_name = "N")]
    pub rpc_batch_request_limit: Option<usize>,
    /// Maximum number of bytes returned from a batched call or a single one; 0: no limit (default:
    /// 25000000)
    #[arg(
        long = "rpc.batch-response-max-size",
        global = true,
        value_name = "BYTES"
    )]
    pub rpc_batch_response_max_size: Option<usize>,

    /// Flags of the gas price oracle.
    #[command(flatten)]
    pub gpo: Given<OracleConfig>,
}

/// Section `[Eth.GPO]` of the configuration and geth's flags `--gpo.*`.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Gas price oracle")]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct OracleConfig {
    /// Number of recent blocks to check for gas prices (default: 20)
    #[arg(id = "gpo.blocks", long = "gpo.blocks", alias = "gpoblocks", global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ORACLE_BLOCKS)))]
    pub blocks: u32,
    /// Suggested gas price is the given percentile of recent transaction gas prices (default: 60)
    #[arg(long = "gpo.percentile", alias = "gpopercentile", global = true, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub percentile: u32,
    /// Maximum gas price to be recommended, in wei (default: 500000000000)
    #[arg(long = "gpo.maxprice", global = true, value_name = "WEI")]
    pub max_price: u64,
    /// Gas price, in wei, below which gpo will ignore transactions (default: 0)
    #[arg(long = "gpo.ignoreprice", global = true, value_name = "WEI")]
    pub ignore_price: u64,
}

impl Default for OracleConfig {
    fn default() -> Self {
        Self {
            blocks: 20,
            percentile: 60,
            max_price: 500 * GWEI,
            ignore_price: 0,
        }
    }
}

/// Parses an amount of ether, with or without a decimal point.
pub fn parse_ether(text: &str) -> Result<f64, String> {
    let amount: Option<f64> = text.parse().ok();
    amount
        .filter(|ether| ether.is_finite() && *ether >= 0.0)
        .ok_or_else(|| format!("{text:?} is not an amount of ether; use one like 1 or 0.5"))
}
