//! The flags, in geth's groups and with geth's names; geth 1.8's `--rpc…` spellings are aliases.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Every flag. A flag that is not given is `None`, so that `--config` may speak.
#[derive(Debug, Default, Clone, Args)]
pub struct NodeFlags {
    /// TOML file with the configuration; flags go before it
    #[arg(long, global = true, value_name = "FILE", help_heading = "Node")]
    pub config: Option<PathBuf>,
    /// Directory for the database and the key files (default: ~/.ethereum)
    #[arg(long, global = true, value_name = "DIR", help_heading = "Node")]
    pub datadir: Option<PathBuf>,
    /// Network id (default: the chain id of the genesis; 1 for mainnet)
    #[arg(long, global = true, value_name = "N", help_heading = "Node")]
    pub networkid: Option<u64>,
    /// A private development chain (chain id 1337), in memory unless --datadir is given
    #[arg(long, global = true, help_heading = "Node")]
    pub dev: bool,
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
    /// Megabytes for the database's cache (default: 48)
    #[arg(long, global = true, value_name = "MB", help_heading = "Node")]
    pub cache: Option<u64>,

    /// Log level: 0 silent, 1 error, 2 warn, 3 info, 4 debug, 5 trace
    #[arg(long, global = true, value_name = "0-5", value_parser = clap::value_parser!(u8).range(0..=5), help_heading = "Logging")]
    pub verbosity: Option<u8>,
    /// Log one JSON object a line
    #[arg(long = "log.json", global = true, help_heading = "Logging")]
    pub log_json: bool,

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
    /// Gas that eth_call and eth_estimateGas may use (default: 50000000; 0 for no cap)
    #[arg(
        long = "rpc.gascap",
        global = true,
        value_name = "GAS",
        help_heading = "JSON-RPC"
    )]
    pub rpc_gascap: Option<u64>,
    /// Do not open the IPC socket
    #[arg(long, global = true, help_heading = "JSON-RPC")]
    pub ipcdisable: bool,

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

    /// Port of the peer-to-peer listener (default: 30303)
    #[arg(long, global = true, value_name = "PORT", help_heading = "Networking")]
    pub port: Option<u16>,
    /// Peers at most (default: 25)
    #[arg(long, global = true, value_name = "N", help_heading = "Networking")]
    pub maxpeers: Option<u32>,
    /// Do not look for peers
    #[arg(long, global = true, help_heading = "Networking")]
    pub nodiscover: bool,
}

/// `--db.engine`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineFlag {
    /// The default
    Sled,
    /// A single file, smaller on disk
    Redb,
}

/// `--gcmode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GcModeFlag {
    /// The state of recent blocks
    Full,
    /// The state of every block
    Archive,
}
