//! The configuration: defaults, overridden by `--config` (TOML with geth's sections), overridden by
//! flags.

pub mod accounts;
pub mod admin;
pub mod console;
pub mod ethash;
mod file;
mod flags;
pub mod fork;
mod geth_keys;
pub mod given;
pub mod logging;
pub mod miner;
pub mod network;
pub mod node;
pub mod rpc;
pub mod telemetry;
#[cfg(test)]
mod tests;
pub mod txpool;
mod values;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use actoreum_primitives::{B256, DevConsensus, Fork};
use actoreum_rpc::{
    fork::ForkOptions,
    namespaces::dev::DevIdentity,
    server::limits::{MAX_BATCH_ITEMS, MAX_RESPONSE_BYTES},
};
use actoreum_wallet::{KeyDirectory, ScryptCost};
use eyre::{WrapErr, bail};
use serde::{Deserialize, Serialize};

use self::{
    ethash::EthashConfig, miner::MinerConfig, network::P2pConfig, node::SyncModeFlag,
    rpc::OracleConfig, telemetry::TelemetryConfig, txpool::TxPoolConfig,
};

/// The whole configuration, as `dumpconfig` prints it and `--config` reads it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Config {
    /// Settings of the chain.
    pub eth: EthConfig,
    /// Settings of the process and its endpoints.
    pub node: NodeConfig,
    /// Settings that geth does not have.
    pub actoreum: ActoreumConfig,
    /// Whether the storage engine was chosen explicitly, not by default.
    #[serde(skip)]
    pub is_engine_explicit: bool,
    /// Accounts to unlock at the start: addresses, or indexes in the list of accounts.
    #[serde(skip)]
    pub unlock: Vec<String>,
    /// Password file, if one is given.
    #[serde(skip)]
    pub password_file: Option<PathBuf>,
    /// Warnings about the configuration, to be logged once logging has started.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// Whether the chain must be Ethereum mainnet.
    #[serde(skip)]
    pub requires_mainnet: bool,
    /// Whether the node exits once it is synced with its peers.
    #[serde(skip)]
    pub exits_when_synced: bool,
    /// Settings of the development chain, with `--dev`.
    #[serde(skip)]
    pub dev: Option<DevConfig>,
    /// Time after which an actor that holds its thread is stuck, for chaos tests; `None`: the default.
    #[serde(skip)]
    pub stuck_after: Option<Duration>,
}

/// Settings of `--dev` and `--dev.*`.
#[derive(Debug, Clone, PartialEq)]
pub struct DevConfig {
    /// Whether everything is kept in memory: no `--datadir` was given.
    pub in_memory: bool,
    /// Seconds between blocks; 0: a block is sealed when a transaction arrives.
    pub period: u64,
    /// Gas limit of its blocks; `None`: that of the fork block, or the default.
    pub gas_limit: Option<u64>,
    /// Number of pre-funded accounts of the development mnemonic; `None`: the default of the
    /// consensus.
    pub accounts: Option<u32>,
    /// The consensus; `None`: that of the data directory, or the default of the fork.
    pub consensus: Option<DevConsensus>,
    /// Chain id; `None`: that of the data directory, or the default.
    pub chain_id: Option<u64>,
    /// Newest fork that is active.
    pub fork: Fork,
    /// Node that its methods answer as.
    pub answers_as: DevIdentity,
    /// Remote chain that it is forked off.
    pub fork_of: Option<ForkOptions>,
    /// File with accounts of a new chain's genesis block.
    pub load_state: Option<PathBuf>,
    /// File that the state is written to when the node stops.
    pub dump_state: Option<PathBuf>,
}

/// Section `[Eth]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct EthConfig {
    /// Network id; `None`: the chain id of the genesis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_id: Option<u64>,
    /// Keeps the state of every block (`--gcmode archive`).
    pub no_pruning: bool,
    /// Size of the database's cache, in megabytes.
    pub database_cache: u64,
    /// Directory of the ancient files; empty: in the database's folder.
    #[serde(skip_serializing_if = "is_empty")]
    pub database_freezer: PathBuf,
    /// Cap on the gas of a call; 0: no cap.
    #[serde(rename = "RPCGasCap")]
    pub rpc_gas_cap: u64,
    /// Timeout of a call, in nanoseconds as in geth; 0: no limit.
    #[serde(rename = "RPCEVMTimeout")]
    pub rpc_evm_timeout: u64,
    /// Cap on the fee of a transaction, in ether; 0: no cap.
    #[serde(rename = "RPCTxFeeCap")]
    pub rpc_tx_fee_cap: f64,
    /// Gas price oracle.
    #[serde(rename = "GPO")]
    pub gpo: OracleConfig,
    /// The transaction pool.
    pub tx_pool: TxPoolConfig,
    /// Ethash caches and datasets.
    pub ethash: EthashConfig,
    /// Sealing.
    pub miner: MinerConfig,
    /// Sync mode of an empty chain.
    pub sync_mode: SyncModeFlag,
    /// Trees of nodes in DNS; `None`: mainnet's on mainnet, else none.
    #[serde(
        rename = "EthDiscoveryURLs",
        alias = "DiscoveryURLs",
        skip_serializing_if = "Option::is_none"
    )]
    pub eth_discovery_urls: Option<Vec<String>>,
    /// Required hashes of blocks, by number. Only a flag sets them, as in geth.
    #[serde(skip)]
    pub whitelist: BTreeMap<u64, B256>,
}

/// Section `[Node]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Directory of the database and the key files.
    pub data_dir: PathBuf,
    /// Custom name in the client version; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_ident: String,
    /// Directory of the key files; empty: in the data directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key_store_dir: String,
    /// Encrypts new key files with light scrypt parameters.
    #[serde(rename = "UseLightweightKDF")]
    pub use_lightweight_kdf: bool,
    /// Allows unlocked accounts although HTTP or WebSocket is served.
    pub insecure_unlock_allowed: bool,
    /// Enables hardware wallets.
    #[serde(rename = "USB")]
    pub usb: bool,
    /// Address of the HTTP server; empty: none.
    #[serde(rename = "HTTPHost")]
    pub http_host: String,
    /// Port of the HTTP server.
    #[serde(rename = "HTTPPort")]
    pub http_port: u16,
    /// Origins that may send cross-origin requests.
    #[serde(rename = "HTTPCors")]
    pub http_cors: Vec<String>,
    /// Host names that are accepted in the Host header.
    #[serde(rename = "HTTPVirtualHosts")]
    pub http_virtual_hosts: Vec<String>,
    /// Namespaces over HTTP.
    #[serde(rename = "HTTPModules")]
    pub http_modules: Vec<String>,
    /// Path prefix of requests over HTTP; empty: every path is served.
    #[serde(rename = "HTTPPathPrefix", skip_serializing_if = "String::is_empty")]
    pub http_path_prefix: String,
    /// Address of the WebSocket server; empty: none.
    #[serde(rename = "WSHost")]
    pub ws_host: String,
    /// Port of the WebSocket server.
    #[serde(rename = "WSPort")]
    pub ws_port: u16,
    /// Origins that may connect over WebSocket; empty: those of this machine.
    #[serde(rename = "WSOrigins")]
    pub ws_origins: Vec<String>,
    /// Path prefix of WebSocket; empty: every path is served.
    #[serde(rename = "WSPathPrefix", skip_serializing_if = "String::is_empty")]
    pub ws_path_prefix: String,
    /// Whether transactions without a chain id (EIP-155) are accepted over RPC.
    pub allow_unprotected_txs: bool,
    /// Maximum number of requests in a batch; 0: no limit but that of the body.
    pub batch_request_limit: usize,
    /// Maximum bytes of an answer to a request or a batch; 0: no limit.
    pub batch_response_max_size: usize,
    /// Namespaces over WebSocket.
    #[serde(rename = "WSModules")]
    pub ws_modules: Vec<String>,
    /// IPC socket: a name in the data directory, or a path; empty: none.
    #[serde(rename = "IPCPath")]
    pub ipc_path: String,
    /// Peer-to-peer settings.
    #[serde(rename = "P2P")]
    pub p2p: P2pConfig,
    /// Traces of requests.
    #[serde(skip_serializing_if = "TelemetryConfig::is_default")]
    pub open_telemetry: TelemetryConfig,
}

/// Section `[Actoreum]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ActoreumConfig {
    /// Storage engine of a new data directory: `sled` or `redb`.
    #[serde(rename = "DBEngine")]
    pub db_engine: String,
    /// Address of the admin page; empty: none.
    pub admin_host: String,
    /// Port of the admin page.
    pub admin_port: u16,
    /// Whether the admin page may crash actors.
    pub admin_chaos: bool,
    /// Log level, 0 to 5.
    pub verbosity: u8,
    /// Logs one JSON object per line.
    pub log_json: bool,
    /// File to which logs are appended in addition to stderr; empty: none.
    #[serde(skip_serializing_if = "is_empty")]
    pub log_file: PathBuf,
    /// DNS servers of DNS discovery; empty: those of the system.
    #[serde(rename = "DNSServers", skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<SocketAddr>,
}

impl Default for EthConfig {
    fn default() -> Self {
        Self {
            network_id: None,
            no_pruning: false,
            database_cache: crate::memory::cache_megabytes(),
            database_freezer: PathBuf::new(),
            rpc_gas_cap: 50_000_000,
            rpc_evm_timeout: 5_000_000_000,
            rpc_tx_fee_cap: 1.0,
            gpo: OracleConfig::default(),
            tx_pool: TxPoolConfig::default(),
            ethash: EthashConfig::default(),
            miner: MinerConfig::default(),
            sync_mode: SyncModeFlag::default(),
            eth_discovery_urls: None,
            whitelist: BTreeMap::new(),
        }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            data_dir: default_data_dir(),
            user_ident: String::new(),
            key_store_dir: String::new(),
            use_lightweight_kdf: false,
            insecure_unlock_allowed: false,
            usb: false,
            http_host: String::new(),
            http_port: 8545,
            http_cors: Vec::new(),
            http_virtual_hosts: vec!["localhost".into()],
            http_modules: ["eth", "net", "web3"].map(String::from).to_vec(),
            http_path_prefix: String::new(),
            ws_path_prefix: String::new(),
            allow_unprotected_txs: true,
            batch_request_limit: MAX_BATCH_ITEMS,
            batch_response_max_size: MAX_RESPONSE_BYTES,
            ws_host: String::new(),
            ws_port: 8546,
            ws_origins: Vec::new(),
            ws_modules: ["eth", "net", "web3"].map(String::from).to_vec(),
            ipc_path: "geth.ipc".into(),
            p2p: P2pConfig::default(),
            open_telemetry: TelemetryConfig::default(),
        }
    }
}

impl Default for ActoreumConfig {
    fn default() -> Self {
        Self {
            db_engine: "sled".into(),
            admin_host: String::new(),
            admin_port: 6061,
            admin_chaos: false,
            verbosity: 3,
            log_json: false,
            log_file: PathBuf::new(),
            dns_servers: Vec::new(),
        }
    }
}

/// Returns geth's default data directory, so that a node that replaces geth finds the same keys.
fn default_data_dir() -> PathBuf {
    match std::env::var_os("HOME") {
        Some(home) => PathBuf::from(home).join(".ethereum"),
        None => PathBuf::from(".ethereum"),
    }
}

/// Namespaces of geth 1.8 to 1.13 and of development nodes. Namespaces that are not served have no
/// methods, as in a geth that was started without them; any other name is an error.
const NAMESPACES: [&str; 23] = [
    "admin", "anvil", "bzz", "clique", "db", "debug", "dev", "engine", "eth", "ethash", "evm",
    "hardhat", "les", "miner", "net", "personal", "rpc", "shh", "tenderly", "testing", "txpool",
    "vflux", "web3",
];

impl Config {
    /// Returns the directory of the key files: the configured one, or `keystore` in the data
    /// directory, as in geth.
    pub fn keys(&self) -> eyre::Result<KeyDirectory> {
        let folder = match self.node.key_store_dir.as_str() {
            "" => self.node.data_dir.join("keystore"),
            named => PathBuf::from(named),
        };
        let folder = std::path::absolute(&folder)
            .wrap_err_with(|| format!("the folder of the key files, {}", folder.display()))?;
        let cost = if self.node.use_lightweight_kdf {
            ScryptCost::LIGHT
        } else {
            ScryptCost::STANDARD
        };
        Ok(KeyDirectory::new(folder, cost))
    }

    fn check(&self) -> eyre::Result<()> {
        for (flag, host) in [
            ("http.addr", &self.node.http_host),
            ("ws.addr", &self.node.ws_host),
            ("admin.addr", &self.actoreum.admin_host),
        ] {
            if !host.is_empty() {
                check_host(flag, host)?;
            }
        }
        for name in &self.node.http_modules {
            if !NAMESPACES.contains(&name.as_str()) {
                bail!("--http.api: {name:?} is not a namespace; the usual ones are eth,net,web3");
            }
        }
        for (what, prefix) in [
            ("HTTP", &self.node.http_path_prefix),
            ("WS", &self.node.ws_path_prefix),
        ] {
            check_prefix(what, prefix)?;
        }
        self.node.open_telemetry.check()?;
        self.node.p2p.check(self.dev.is_none())?;
        for url in self.eth.eth_discovery_urls.iter().flatten() {
            network::parse_tree(url)?;
        }
        if !matches!(self.actoreum.db_engine.as_str(), "sled" | "redb") {
            bail!(
                "DBEngine: {:?} is not an engine; use \"sled\" or \"redb\"",
                self.actoreum.db_engine
            );
        }
        if !(1..=1 << 20).contains(&self.eth.database_cache) {
            let cache = self.eth.database_cache;
            bail!("DatabaseCache: {cache} MB can't be; use 1 to 1048576 (--cache)");
        }
        if self.actoreum.verbosity > 5 {
            bail!(
                "Verbosity: {} is not a log level; use 0 to 5",
                self.actoreum.verbosity
            );
        }
        Ok(())
    }

    /// Returns whether unlocking accounts is forbidden, because clients of HTTP or WebSocket could
    /// use them.
    pub fn is_unlocking_forbidden(&self) -> bool {
        let is_reached = self.http_ip().is_some() || self.ws_ip().is_some();
        is_reached && !self.node.insecure_unlock_allowed
    }

    /// Returns the address of the HTTP server, if it is enabled.
    pub fn http_ip(&self) -> Option<IpAddr> {
        parse_host(&self.node.http_host)
    }

    /// Returns the address of the WebSocket server, if it is enabled.
    pub fn ws_ip(&self) -> Option<IpAddr> {
        parse_host(&self.node.ws_host)
    }

    /// Returns the path of the IPC socket, if it is enabled. A bare name is relative to the data
    /// directory; a chain in memory has no data directory and no socket for such a name.
    pub fn ipc_socket(&self) -> Option<PathBuf> {
        let name = &self.node.ipc_path;
        if name.is_empty() {
            return None;
        }
        if name.contains('/') {
            return Some(PathBuf::from(name));
        }
        let in_memory = self.dev.as_ref().is_some_and(|dev| dev.in_memory);
        (!in_memory).then(|| self.node.data_dir.join(name))
    }

    /// Returns the address of the admin page, if it is enabled.
    pub fn admin_ip(&self) -> Option<IpAddr> {
        parse_host(&self.actoreum.admin_host)
    }
}

/// Parses an IP address or `localhost`. An IPv6 address may be in brackets, as in a URL.
fn parse_host(host: &str) -> Option<IpAddr> {
    if host == "localhost" {
        return Some(IpAddr::from([127, 0, 0, 1]));
    }
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(address) => address.parse().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

fn check_host(flag: &str, host: &str) -> eyre::Result<()> {
    if parse_host(host).is_none() {
        bail!("--{flag}: {host:?} is not an IP address; use 127.0.0.1 for this machine only");
    }
    Ok(())
}

fn check_prefix(what: &str, prefix: &str) -> eyre::Result<()> {
    if prefix.is_empty() {
        return Ok(());
    }
    if !prefix.starts_with('/') {
        bail!("{what} RPC path prefix {prefix:?} does not contain leading \"/\"");
    }
    if prefix.contains(['?', '#']) {
        bail!("{what} RPC path prefix {prefix:?} contains URL meta-characters");
    }
    Ok(())
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}
