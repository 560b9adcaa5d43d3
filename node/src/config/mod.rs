//! The configuration: defaults, then `--config` (TOML in geth's sections), then flags.

mod file;
mod flags;
mod geth_keys;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use actoreum_primitives::{B256, Fork};
use actoreum_rpc::limits::{MAX_BATCH_ITEMS, MAX_RESPONSE_BYTES};
use actoreum_wallet::{KeyDirectory, ScryptCost};
use eyre::{WrapErr, bail};
use serde::{Deserialize, Serialize};

use crate::{
    cli::SyncModeFlag, ethash::EthashConfig, miner::MinerConfig, network::P2pConfig,
    rpc_limits::OracleConfig, txpool::TxPoolConfig,
};

/// Everything that can be configured, as `dumpconfig` prints it and `--config` reads it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Config {
    /// The chain.
    pub eth: EthConfig,
    /// The process and its endpoints.
    pub node: NodeConfig,
    /// What geth does not have.
    pub actoreum: ActoreumConfig,
    /// Whether the storage engine was asked for by flag or file, and not by default.
    #[serde(skip)]
    pub is_engine_explicit: bool,
    /// Accounts that lie open from the start: addresses, or places in the list.
    #[serde(skip)]
    pub unlock: Vec<String>,
    /// The file with passwords, where there is one.
    #[serde(skip)]
    pub password_file: Option<PathBuf>,
    /// What the log is to say of the configuration, once there is one.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// The chain must be Ethereum's main network.
    #[serde(skip)]
    pub is_mainnet_wanted: bool,
    /// End the node once it has the chain that its peers have.
    #[serde(skip)]
    pub exits_when_synced: bool,
    /// The development chain, where one was asked for.
    #[serde(skip)]
    pub dev: Option<DevConfig>,
}

/// `--dev` and its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct DevConfig {
    /// Whether everything is kept in memory: no `--datadir` was given.
    pub in_memory: bool,
    /// Seconds between blocks; 0: a block when a transaction arrives.
    pub period: u64,
    /// The gas limit of its blocks.
    pub gas_limit: u64,
    /// Accounts of the development mnemonic that hold ether.
    pub accounts: u32,
    /// The newest fork that is active.
    pub fork: Fork,
}

/// `[Eth]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct EthConfig {
    /// Network id; the chain id of the genesis where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_id: Option<u64>,
    /// Keep the state of every block (`--gcmode archive`).
    pub no_pruning: bool,
    /// Megabytes for the database's cache.
    pub database_cache: u64,
    /// Where the ancient files are; empty: in the database's folder.
    #[serde(skip_serializing_if = "is_empty")]
    pub database_freezer: PathBuf,
    /// Gas that a call may use; 0 for no cap.
    #[serde(rename = "RPCGasCap")]
    pub rpc_gas_cap: u64,
    /// Time that a call may take, in nanoseconds as in geth; 0 for no limit.
    #[serde(rename = "RPCEVMTimeout")]
    pub rpc_evm_timeout: u64,
    /// Ether that a transaction may pay for gas; 0 for no cap.
    #[serde(rename = "RPCTxFeeCap")]
    pub rpc_tx_fee_cap: f64,
    /// How a gas price is suggested.
    #[serde(rename = "GPO")]
    pub gpo: OracleConfig,
    /// The transaction pool.
    pub tx_pool: TxPoolConfig,
    /// Caches and datasets of proof of work.
    pub ethash: EthashConfig,
    /// Sealing.
    pub miner: MinerConfig,
    /// How an empty chain is filled.
    pub sync_mode: SyncModeFlag,
    /// Hashes that blocks with these numbers must have: of the command line alone, as in geth.
    #[serde(skip)]
    pub whitelist: BTreeMap<u64, B256>,
}

/// `[Node]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Where the database and the keys are.
    pub data_dir: PathBuf,
    /// A name that this node adds to its own; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_ident: String,
    /// Where the key files are; empty: in the data directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key_store_dir: String,
    /// Encrypt new key files cheaply.
    #[serde(rename = "UseLightweightKDF")]
    pub use_lightweight_kdf: bool,
    /// Open accounts although HTTP or WebSocket is served.
    pub insecure_unlock_allowed: bool,
    /// Look for hardware wallets.
    #[serde(rename = "USB")]
    pub usb: bool,
    /// Address of the HTTP server; empty: none.
    #[serde(rename = "HTTPHost")]
    pub http_host: String,
    /// Port of the HTTP server.
    #[serde(rename = "HTTPPort")]
    pub http_port: u16,
    /// Origins from which browsers may call.
    #[serde(rename = "HTTPCors")]
    pub http_cors: Vec<String>,
    /// Names that may stand in the Host header.
    #[serde(rename = "HTTPVirtualHosts")]
    pub http_virtual_hosts: Vec<String>,
    /// Namespaces over HTTP.
    #[serde(rename = "HTTPModules")]
    pub http_modules: Vec<String>,
    /// Where the path of a request over HTTP begins; empty: every path is served.
    #[serde(rename = "HTTPPathPrefix", skip_serializing_if = "String::is_empty")]
    pub http_path_prefix: String,
    /// Address of the WebSocket server; empty: none.
    #[serde(rename = "WSHost")]
    pub ws_host: String,
    /// Port of the WebSocket server.
    #[serde(rename = "WSPort")]
    pub ws_port: u16,
    /// Origins of pages that may connect; empty: those of this machine.
    #[serde(rename = "WSOrigins")]
    pub ws_origins: Vec<String>,
    /// Where the path of a WebSocket begins; empty: every path is served.
    #[serde(rename = "WSPathPrefix", skip_serializing_if = "String::is_empty")]
    pub ws_path_prefix: String,
    /// Whether transactions without a chain id (EIP-155) are taken over RPC.
    pub allow_unprotected_txs: bool,
    /// Requests of a batch at most; 0: no limit but that of the body.
    pub batch_request_limit: usize,
    /// Bytes of an answer at most, to a batch too; 0: no limit.
    pub batch_response_max_size: usize,
    /// Namespaces over WebSocket.
    #[serde(rename = "WSModules")]
    pub ws_modules: Vec<String>,
    /// The IPC socket: a name in the data directory, or a path; empty: none.
    #[serde(rename = "IPCPath")]
    pub ipc_path: String,
    /// Peer-to-peer settings.
    #[serde(rename = "P2P")]
    pub p2p: P2pConfig,
}

/// `[Actoreum]`
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
    /// Log one JSON object a line.
    pub log_json: bool,
    /// A file that the log goes to as well; empty: none.
    #[serde(skip_serializing_if = "is_empty")]
    pub log_file: PathBuf,
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
        }
    }
}

/// geth's default, so that a binary swapped for geth's finds the same keys.
fn default_data_dir() -> PathBuf {
    match std::env::var_os("HOME") {
        Some(home) => PathBuf::from(home).join(".ethereum"),
        None => PathBuf::from(".ethereum"),
    }
}

/// Namespaces of any geth from 1.8 to 1.13, and of development nodes. Those that are not served
/// (yet) offer no methods, as in a geth that was started without them; any other name is a mistake.
const NAMESPACES: [&str; 21] = [
    "admin", "anvil", "bzz", "clique", "db", "debug", "dev", "engine", "eth", "ethash", "evm",
    "hardhat", "les", "miner", "net", "personal", "rpc", "shh", "txpool", "vflux", "web3",
];

impl Config {
    /// The key files: beside the database unless a folder is named, as geth has them.
    pub fn keys(&self) -> eyre::Result<KeyDirectory> {
        let folder = match self.node.key_store_dir.as_str() {
            "" => self.node.data_dir.join("keystore"),
            named => PathBuf::from(named),
        };
        let folder = std::path::absolute(&folder)
            .wrap_err_with(|| format!("the folder of the key files, {}", folder.display()))?;
        let cost = match self.node.use_lightweight_kdf {
            true => ScryptCost::LIGHT,
            false => ScryptCost::STANDARD,
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
        self.node.p2p.check(self.dev.is_none())?;
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

    /// Whether no key may be laid open, because strangers could use it.
    pub fn is_unlocking_forbidden(&self) -> bool {
        let is_reached = self.http_ip().is_some() || self.ws_ip().is_some();
        is_reached && !self.node.insecure_unlock_allowed
    }

    /// Address of the HTTP server, where there shall be one.
    pub fn http_ip(&self) -> Option<IpAddr> {
        parse_host(&self.node.http_host)
    }

    /// Address of the WebSocket server, where there shall be one.
    pub fn ws_ip(&self) -> Option<IpAddr> {
        parse_host(&self.node.ws_host)
    }

    /// The IPC socket, where there shall be one: a bare name lies in the data directory, and
    /// without one there is none.
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

    /// Address of the admin page, where there shall be one.
    pub fn admin_ip(&self) -> Option<IpAddr> {
        parse_host(&self.actoreum.admin_host)
    }
}

/// An IP address, an IPv6 one also in the brackets that a URL puts around it.
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
