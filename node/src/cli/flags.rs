//! The flags, in geth's groups and with geth's names; geth 1.8's `--rpc…` spellings are aliases.

use std::path::PathBuf;

use actoreum_primitives::{B256, Fork};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::{
    ethash::EthashFlags, miner::MinerFlags, network::NetworkFlags, rpc_limits::RpcFlags,
    txpool::TxPoolFlags,
};

/// Every flag. A flag that is not given is `None`, so that `--config` may speak.
#[derive(Debug, Default, Clone, Args)]
pub struct NodeFlags {
    /// TOML file with the configuration; flags go before it
    #[arg(long, global = true, value_name = "FILE", help_heading = "Node")]
    pub config: Option<PathBuf>,
    /// Directory for the database and the key files (default: ~/.ethereum)
    #[arg(long, global = true, value_name = "DIR", help_heading = "Node")]
    pub datadir: Option<PathBuf>,
    /// Directory for the ancient files: a path, or a name in the data directory (default: in the
    /// database's folder)
    #[arg(
        long = "datadir.ancient",
        global = true,
        value_name = "DIR",
        help_heading = "Node"
    )]
    pub datadir_ancient: Option<PathBuf>,
    /// Run on Ethereum's main network alone: refuse a data directory of another one
    #[arg(long, global = true, conflicts_with = "dev", help_heading = "Node")]
    pub mainnet: bool,
    /// Network id (default: the chain id of the genesis; 1 for mainnet)
    #[arg(long, global = true, value_name = "N", help_heading = "Node")]
    pub networkid: Option<u64>,
    /// A name of this node, which it adds to that of the client
    #[arg(long, global = true, value_name = "NAME", help_heading = "Node")]
    pub identity: Option<String>,
    /// A private development chain (chain id 1337), in memory unless --datadir is given
    #[arg(long, global = true, help_heading = "Node")]
    pub dev: bool,
    /// Seconds between blocks of --dev; 0: a block when a transaction arrives (default: 0)
    #[arg(
        long = "dev.period",
        global = true,
        value_name = "SECONDS",
        requires = "dev",
        help_heading = "Node"
    )]
    pub dev_period: Option<u64>,
    /// Gas limit of the blocks of --dev (default: 30000000)
    #[arg(long = "dev.gaslimit", global = true, value_name = "GAS", requires = "dev", value_parser = clap::value_parser!(u64).range(5_000..=i64::MAX as u64), help_heading = "Node")]
    pub dev_gaslimit: Option<u64>,
    /// Accounts with ether of the mnemonic "test test ... junk" (default: 0)
    #[arg(long = "dev.accounts", global = true, value_name = "N", requires = "dev", value_parser = clap::value_parser!(u32).range(0..=1_000), help_heading = "Node")]
    pub dev_accounts: Option<u32>,
    /// Newest fork of --dev, from its first block on (default: osaka)
    #[arg(long = "dev.fork", global = true, value_name = "FORK", requires = "dev", value_parser = crate::dev::parse_fork, help_heading = "Node")]
    pub dev_fork: Option<Fork>,
    /// Let the system write core dumps, which hold unlocked keys, and let debuggers attach
    #[arg(long, global = true, help_heading = "Node")]
    pub allow_core_dumps: bool,
    /// Storage engine of a new data directory (default: sled)
    #[arg(
        long = "db.engine",
        global = true,
        value_name = "ENGINE",
        help_heading = "Node"
    )]
    pub db_engine: Option<EngineFlag>,
    /// Keep recent state or all of it (default: full)
    #[arg(long, global = true, value_name = "MODE", help_heading = "Node")]
    pub gcmode: Option<GcModeFlag>,
    /// How an empty chain is filled: by executing every block, or with a state that peers have
    /// (default: full)
    #[arg(long, global = true, value_name = "MODE", help_heading = "Node")]
    pub syncmode: Option<SyncModeFlag>,
    /// End the node once it has the chain that its peers have
    #[arg(long, global = true, help_heading = "Node")]
    pub exitwhensynced: bool,
    /// Megabytes for the database's cache (default: 256, less on a small machine; with --dev 8, or 1 without --datadir)
    #[arg(long, global = true, value_name = "MB", help_heading = "Node")]
    pub cache: Option<u64>,

    /// Accounts
    #[command(flatten)]
    pub accounts: AccountFlags,

    /// Blocks that must stand at these numbers: no others are imported
    #[arg(long, alias = "eth.requiredblocks", global = true, value_name = "NUMBER=HASH,...", value_delimiter = ',', value_parser = parse_required, help_heading = "Node")]
    pub whitelist: Option<Vec<(u64, B256)>>,

    /// Log level: 0 silent, 1 error, 2 warn, 3 info, 4 debug, 5 trace
    #[arg(long, global = true, value_name = "0-5", value_parser = clap::value_parser!(u8).range(0..=5), help_heading = "Logging")]
    pub verbosity: Option<u8>,
    /// Log one JSON object a line
    #[arg(long = "log.json", global = true, help_heading = "Logging")]
    pub log_json: bool,
    /// How to log (default: terminal)
    #[arg(
        long = "log.format",
        global = true,
        value_name = "FORMAT",
        help_heading = "Logging"
    )]
    pub log_format: Option<LogFormatFlag>,
    /// File that the log is appended to, besides standing on stderr
    #[arg(
        long = "log.file",
        global = true,
        value_name = "FILE",
        help_heading = "Logging"
    )]
    pub log_file: Option<PathBuf>,

    /// Serve JSON-RPC over HTTP
    #[arg(long, alias = "rpc", global = true, help_heading = "JSON-RPC")]
    pub http: bool,
    /// Address of the HTTP server (default: 127.0.0.1)
    #[arg(
        long = "http.addr",
        alias = "rpcaddr",
        global = true,
        value_name = "IP",
        help_heading = "JSON-RPC"
    )]
    pub http_addr: Option<String>,
    /// Port of the HTTP server (default: 8545)
    #[arg(
        long = "http.port",
        alias = "rpcport",
        global = true,
        value_name = "PORT",
        help_heading = "JSON-RPC"
    )]
    pub http_port: Option<u16>,
    /// Namespaces over HTTP (default: eth,net,web3)
    #[arg(
        long = "http.api",
        alias = "rpcapi",
        global = true,
        value_name = "NAMES",
        value_delimiter = ',',
        help_heading = "JSON-RPC"
    )]
    pub http_api: Option<Vec<String>>,
    /// Host names that may stand in a request's Host header; * for all (default: localhost)
    #[arg(
        long = "http.vhosts",
        alias = "rpcvhosts",
        global = true,
        value_name = "NAMES",
        value_delimiter = ',',
        help_heading = "JSON-RPC"
    )]
    pub http_vhosts: Option<Vec<String>>,
    /// Origins from which browsers may call (default: none)
    #[arg(
        long = "http.corsdomain",
        alias = "rpccorsdomain",
        global = true,
        value_name = "ORIGINS",
        value_delimiter = ',',
        help_heading = "JSON-RPC"
    )]
    pub http_corsdomain: Option<Vec<String>>,
    /// Where the path of a request over HTTP begins (default: any path is served)
    #[arg(
        long = "http.rpcprefix",
        global = true,
        value_name = "PATH",
        help_heading = "JSON-RPC"
    )]
    pub http_rpcprefix: Option<String>,
    /// Serve JSON-RPC over WebSocket
    #[arg(long, global = true, help_heading = "JSON-RPC")]
    pub ws: bool,
    /// Address of the WebSocket server (default: 127.0.0.1)
    #[arg(
        long = "ws.addr",
        alias = "wsaddr",
        global = true,
        value_name = "IP",
        help_heading = "JSON-RPC"
    )]
    pub ws_addr: Option<String>,
    /// Port of the WebSocket server; it may be that of HTTP (default: 8546)
    #[arg(
        long = "ws.port",
        alias = "wsport",
        global = true,
        value_name = "PORT",
        help_heading = "JSON-RPC"
    )]
    pub ws_port: Option<u16>,
    /// Namespaces over WebSocket (default: eth,net,web3)
    #[arg(
        long = "ws.api",
        alias = "wsapi",
        global = true,
        value_name = "NAMES",
        value_delimiter = ',',
        help_heading = "JSON-RPC"
    )]
    pub ws_api: Option<Vec<String>>,
    /// Origins from which browsers may connect; * for all (default: pages of this machine)
    #[arg(
        long = "ws.origins",
        alias = "wsorigins",
        global = true,
        value_name = "ORIGINS",
        value_delimiter = ',',
        help_heading = "JSON-RPC"
    )]
    pub ws_origins: Option<Vec<String>>,
    /// Where the path of a WebSocket begins (default: any path is served)
    #[arg(
        long = "ws.rpcprefix",
        global = true,
        value_name = "PATH",
        help_heading = "JSON-RPC"
    )]
    pub ws_rpcprefix: Option<String>,
    /// IPC socket: a name in the data directory, or a path (default: geth.ipc)
    #[arg(long, global = true, value_name = "PATH", help_heading = "JSON-RPC")]
    pub ipcpath: Option<String>,
    /// Do not open the IPC socket
    #[arg(long, global = true, help_heading = "JSON-RPC")]
    pub ipcdisable: bool,

    /// What JSON-RPC allows
    #[command(flatten)]
    pub rpc: RpcFlags,

    /// Serve the admin page
    #[arg(long, global = true, help_heading = "Admin page")]
    pub admin: bool,
    /// Address of the admin page (default: 127.0.0.1)
    #[arg(
        long = "admin.addr",
        global = true,
        value_name = "IP",
        help_heading = "Admin page"
    )]
    pub admin_addr: Option<String>,
    /// Port of the admin page (default: 6061)
    #[arg(
        long = "admin.port",
        global = true,
        value_name = "PORT",
        help_heading = "Admin page"
    )]
    pub admin_port: Option<u16>,
    /// Put a button beside each actor that crashes it
    #[arg(long = "admin.chaos", global = true, help_heading = "Admin page")]
    pub admin_chaos: bool,

    /// The transaction pool's
    #[command(flatten)]
    pub txpool: TxPoolFlags,

    /// Sealing's
    #[command(flatten)]
    pub miner: MinerFlags,

    /// Ethash's
    #[command(flatten)]
    pub ethash: EthashFlags,

    /// The network's
    #[command(flatten)]
    pub network: NetworkFlags,
}

/// The flags of accounts and their keys.
#[derive(Debug, Default, Clone, Args)]
pub struct AccountFlags {
    /// Directory of the key files (default: keystore in the data directory)
    #[arg(long, global = true, value_name = "DIR", help_heading = "Accounts")]
    pub keystore: Option<PathBuf>,
    /// Accounts to open at the start, by address or by place in the list
    #[arg(
        long,
        global = true,
        value_name = "ADDRESSES",
        value_delimiter = ',',
        help_heading = "Accounts"
    )]
    pub unlock: Option<Vec<String>>,
    /// Open accounts although the node serves HTTP or WebSocket: whoever reaches it may spend
    #[arg(long, global = true, help_heading = "Accounts")]
    pub allow_insecure_unlock: bool,
    /// File with a password a line, so that nobody is asked; the last line serves the rest
    #[arg(long, global = true, value_name = "FILE", help_heading = "Accounts")]
    pub password: Option<PathBuf>,
    /// Encrypt new key files cheaply: 4 MB and little time for a guess, not 256 MB and a second
    #[arg(long, global = true, help_heading = "Accounts")]
    pub lightkdf: bool,
    /// Look for hardware wallets: Ledger and Trezor
    #[arg(long, global = true, help_heading = "Accounts")]
    pub usb: bool,
}

/// `--db.engine`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineFlag {
    /// The default
    Sled,
    /// A single file, smaller on disk
    Redb,
}

/// `--log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormatFlag {
    /// Lines for people
    Terminal,
    /// The same
    Logfmt,
    /// One JSON object a line, as with --log.json
    Json,
}

/// `--syncmode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncModeFlag {
    /// Every block is executed.
    #[default]
    Full,
    /// Blocks and receipts, and the state of a recent block; from there on as full.
    #[value(alias = "snap")]
    #[serde(alias = "snap")]
    Fast,
}

/// `--gcmode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GcModeFlag {
    /// The state of recent blocks
    Full,
    /// The state of every block
    Archive,
}

/// One entry of `--whitelist`.
fn parse_required(entry: &str) -> Result<(u64, B256), String> {
    let (number, hash) = entry
        .trim()
        .split_once('=')
        .ok_or("it takes NUMBER=HASH entries, with commas between")?;
    let number = number
        .parse()
        .map_err(|_| format!("{number:?} is not a block number"))?;
    let hash = hash
        .parse()
        .map_err(|_| format!("{hash:?} is not a block hash of 32 bytes in hex"))?;
    Ok((number, hash))
}
