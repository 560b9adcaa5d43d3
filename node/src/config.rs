//! The configuration: defaults, then `--config` (TOML in geth's sections), then flags.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use actoreum_primitives::{B256, DevChain, Fork};
use actoreum_wallet::{KeyDirectory, ScryptCost};
use eyre::{WrapErr, bail, eyre};
use serde::{Deserialize, Serialize};

use crate::{
    cli::{EngineFlag, GcModeFlag, LogFormatFlag, NodeFlags, SyncModeFlag},
    ethash::EthashConfig,
    miner::MinerConfig,
    network::P2pConfig,
    rpc_limits::OracleConfig,
    txpool::TxPoolConfig,
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
    /// Address of the WebSocket server; empty: none.
    #[serde(rename = "WSHost")]
    pub ws_host: String,
    /// Port of the WebSocket server.
    #[serde(rename = "WSPort")]
    pub ws_port: u16,
    /// Origins of pages that may connect; empty: those of this machine.
    #[serde(rename = "WSOrigins")]
    pub ws_origins: Vec<String>,
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

/// Namespaces that a development chain offers besides the usual ones.
const DEV_MODULES: [&str; 6] = ["debug", "txpool", "personal", "evm", "anvil", "hardhat"];

/// Megabytes for the cache of a development chain, whose state is small.
const DEV_CACHE: u64 = 8;

/// geth's default, so that a binary swapped for geth's finds the same keys.
fn default_data_dir() -> PathBuf {
    match std::env::var_os("HOME") {
        Some(home) => PathBuf::from(home).join(".ethereum"),
        None => PathBuf::from(".ethereum"),
    }
}

/// Keys of geth's own TOML that have no meaning here (yet): taken without an error, so that a
/// file made by `geth dumpconfig` can be given as it is.
const GETH_ONLY: &[(&str, &[&str])] = &[
    ("", &["Shh", "Dashboard", "Ethstats", "Metrics"]),
    (
        "Eth",
        &[
            "LightServ",
            "LightPeers",
            "DatabaseHandles",
            "TrieCleanCache",
            "TrieDirtyCache",
            "TrieTimeout",
            "EnablePreimageRecording",
            "EWASMInterpreter",
            "EVMInterpreter",
            "Genesis",
            "DocRoot",
        ],
    ),
    (
        "Eth.GPO",
        &["Default", "MaxHeaderHistory", "MaxBlockHistory"],
    ),
    (
        "Eth.Ethash",
        &[
            "PowMode",
            "CachesLockMmap",
            "DatasetsLockMmap",
            "NotifyFull",
        ],
    ),
    ("Eth.Miner", &["NotifyFull", "NewPayloadTimeout"]),
    ("Node", &["NoUSB", "WSExposeAll", "Logger", "HTTPTimeouts"]),
    (
        "Node.P2P",
        &[
            "DialRatio",
            "DiscoveryV5",
            "BootstrapNodesV5",
            "NodeDatabase",
            "NoDial",
            "EnableMsgEvents",
        ],
    ),
];

/// Namespaces of any geth from 1.8 to 1.13, and of development nodes. Those that are not served
/// (yet) offer no methods, as in a geth that was started without them; any other name is a mistake.
const NAMESPACES: [&str; 21] = [
    "admin", "anvil", "bzz", "clique", "db", "debug", "dev", "engine", "eth", "ethash", "evm",
    "hardhat", "les", "miner", "net", "personal", "rpc", "shh", "txpool", "vflux", "web3",
];

impl Config {
    /// The configuration that a command line asks for.
    pub fn from_flags(flags: &NodeFlags) -> eyre::Result<Self> {
        let mut config = match &flags.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        config.apply(flags)?;
        Ok(config)
    }

    /// Reads a TOML file. Errors name the file and the field.
    pub fn read(path: &Path) -> eyre::Result<Self> {
        let text = fs::read_to_string(path)
            .wrap_err_with(|| format!("config file {} can't be read", path.display()))?;
        Self::from_toml(&text).map_err(|error| eyre!("config file {}: {error}", path.display()))
    }

    fn from_toml(text: &str) -> eyre::Result<Self> {
        let mut table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| eyre!("{}", one_line(&error)))?;
        move_miner(&mut table);
        drop_geth_only(&mut table);
        toml::Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| eyre!("{}", one_line(&error)))
    }

    /// The configuration as TOML.
    pub fn to_toml(&self) -> eyre::Result<String> {
        toml::to_string(self).wrap_err("the configuration can't be written as TOML")
    }

    fn apply(&mut self, flags: &NodeFlags) -> eyre::Result<()> {
        set(&mut self.node.data_dir, &flags.datadir);
        set(&mut self.node.user_ident, &flags.identity);
        if let Some(folder) = &flags.accounts.keystore {
            self.node.key_store_dir = folder.to_string_lossy().into_owned();
        }
        self.node.use_lightweight_kdf |= flags.accounts.lightkdf;
        self.node.insecure_unlock_allowed |= flags.accounts.allow_insecure_unlock;
        self.node.usb |= flags.accounts.usb;
        set_list(&mut self.unlock, &flags.accounts.unlock);
        self.password_file.clone_from(&flags.accounts.password);
        if flags.dev {
            self.apply_dev(flags);
        }
        if flags.networkid.is_some() {
            self.eth.network_id = flags.networkid;
        }
        set(&mut self.eth.sync_mode, &flags.syncmode);
        if let Some(mode) = flags.gcmode {
            self.eth.no_pruning = mode == GcModeFlag::Archive;
        }
        if flags.dev && flags.config.is_none() {
            self.eth.database_cache = DEV_CACHE;
        }
        set(&mut self.eth.database_cache, &flags.cache);
        self.eth.apply_rpc(&flags.rpc);
        self.eth.tx_pool.apply(&flags.txpool);
        self.eth.ethash.apply(&flags.ethash);
        self.eth.miner.apply(&flags.miner)?;
        if let Some(required) = &flags.whitelist {
            self.eth.whitelist = required.iter().copied().collect();
        }
        if let Some(engine) = flags.db_engine {
            self.is_engine_explicit = true;
            self.actoreum.db_engine = match engine {
                EngineFlag::Sled => "sled".into(),
                EngineFlag::Redb => "redb".into(),
            };
        }
        set(&mut self.actoreum.verbosity, &flags.verbosity);
        self.actoreum.log_json |= flags.log_json || flags.log_format == Some(LogFormatFlag::Json);
        set(&mut self.actoreum.log_file, &flags.log_file);

        endpoint(&mut self.node.http_host, flags.http, &flags.http_addr);
        set(&mut self.node.http_port, &flags.http_port);
        set_list(&mut self.node.http_cors, &flags.http_corsdomain);
        set_list(&mut self.node.http_virtual_hosts, &flags.http_vhosts);
        set_list(&mut self.node.http_modules, &flags.http_api);

        endpoint(&mut self.node.ws_host, flags.ws, &flags.ws_addr);
        set(&mut self.node.ws_port, &flags.ws_port);
        set(&mut self.node.ws_origins, &flags.ws_origins);
        set(&mut self.node.ws_modules, &flags.ws_api);
        set(&mut self.node.ipc_path, &flags.ipcpath);
        if flags.ipcdisable {
            self.node.ipc_path.clear();
        }

        let admin = flags.admin || flags.admin_chaos;
        endpoint(&mut self.actoreum.admin_host, admin, &flags.admin_addr);
        set(&mut self.actoreum.admin_port, &flags.admin_port);
        self.actoreum.admin_chaos |= flags.admin_chaos;

        self.node.p2p.apply(&flags.network);
        for (flag, addr) in [
            ("http.addr", &flags.http_addr),
            ("admin.addr", &flags.admin_addr),
        ] {
            if let Some(addr) = addr {
                check_host(flag, addr)?;
            }
        }
        self.check()
    }

    /// A development chain is there to be tried out: it offers the namespaces for that too.
    fn apply_dev(&mut self, flags: &NodeFlags) {
        self.dev = Some(DevConfig {
            in_memory: flags.datadir.is_none(),
            period: flags.dev_period.unwrap_or(0),
            gas_limit: flags.dev_gaslimit.unwrap_or(DevChain::GAS_LIMIT),
            accounts: flags.dev_accounts.unwrap_or(0),
            fork: flags.dev_fork.unwrap_or(Fork::Osaka),
        });
        if flags.config.is_none() {
            let node = &mut self.node;
            for modules in [&mut node.http_modules, &mut node.ws_modules] {
                modules.extend(DEV_MODULES.map(String::from));
            }
        }
    }

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
        self.node.p2p.check()?;
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

fn parse_host(host: &str) -> Option<IpAddr> {
    match host {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        _ => host.parse().ok(),
    }
}

fn check_host(flag: &str, host: &str) -> eyre::Result<()> {
    if parse_host(host).is_none() {
        bail!("--{flag}: {host:?} is not an IP address; use 127.0.0.1 for this machine only");
    }
    Ok(())
}

/// As [`set`], without the blanks that may stand around a comma.
fn set_list(target: &mut Vec<String>, flag: &Option<Vec<String>>) {
    if let Some(values) = flag {
        let trimmed = values.iter().map(|value| value.trim());
        *target = trimmed
            .filter(|value| !value.is_empty())
            .map(String::from)
            .collect();
    }
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

fn set<T: Clone>(target: &mut T, flag: &Option<T>) {
    if let Some(value) = flag {
        target.clone_from(value);
    }
}

/// A server is switched on by its flag, or by a host in the TOML file; its address alone does not.
fn endpoint(host: &mut String, on: bool, addr: &Option<String>) {
    if on && host.is_empty() {
        *host = "127.0.0.1".into();
    }
    if let (Some(addr), false) = (addr, host.is_empty()) {
        host.clone_from(addr);
    }
}

/// geth 1.8 has the keys of `[Eth.Miner]` in `[Eth]`, each with `Miner` before it.
fn move_miner(table: &mut toml::Table) {
    let Some(eth) = table.get_mut("Eth").and_then(|eth| eth.as_table_mut()) else {
        return;
    };
    let of_miner = |key: &String| key.len() > "Miner".len() && key.starts_with("Miner");
    let mut keys: Vec<String> = eth.keys().filter(|key| of_miner(key)).cloned().collect();
    keys.extend(
        eth.contains_key("Etherbase")
            .then(|| "Etherbase".to_owned()),
    );
    for key in keys {
        let Some(value) = eth.remove(&key) else {
            continue;
        };
        let miner = eth
            .entry("Miner")
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        if let Some(miner) = miner.as_table_mut() {
            miner.insert(key.trim_start_matches("Miner").to_owned(), value);
        }
    }
}

fn drop_geth_only(table: &mut toml::Table) {
    for (section, keys) in GETH_ONLY {
        let mut place = Some(&mut *table);
        for part in section.split('.').filter(|part| !part.is_empty()) {
            place = place
                .and_then(|table| table.get_mut(part))
                .and_then(|value| value.as_table_mut());
        }
        if let Some(place) = place {
            for key in *keys {
                place.remove(*key);
            }
        }
    }
}

/// What is wrong and where: the line of the file, or (once it is a table) the key.
fn one_line(error: &toml::de::Error) -> String {
    let rendered = error.to_string();
    let mut lines = rendered
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    match error.span() {
        Some(_) => format!("{}: {}", lines.next().unwrap_or_default(), error.message()),
        None => lines.collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dumpconfig_prints_reads_back() {
        let flags = NodeFlags {
            http: true,
            http_port: Some(9999),
            networkid: Some(7),
            datadir: Some("/tmp/somewhere".into()),
            ..NodeFlags::default()
        };
        let config = Config::from_flags(&flags).unwrap();
        assert_eq!(
            Config::from_toml(&config.to_toml().unwrap()).unwrap(),
            config
        );
        assert_eq!(config.node.http_host, "127.0.0.1");
    }

    #[test]
    fn a_file_made_by_geth_is_taken() {
        let text = "[Eth]\nNetworkId = 1337\nSyncMode = \"fast\"\nDatabaseCache = 768\n\
            MinerGasFloor = 9000000\nEtherbase = \"0x00000000000000000000000000000000000000aa\"\n\
            [Eth.Ethash]\nCacheDir = \"ethash\"\n[Shh]\nMaxMessageSize = 1048576\n\
            [Node]\nDataDir = \"/data\"\nHTTPPort = 8545\nHTTPModules = [\"net\", \"web3\"]\n\
            [Node.P2P]\nMaxPeers = 25\nStaticNodes = []\nListenAddr = \":30303\"\n\
            [Node.HTTPTimeouts]\nReadTimeout = 30000000000\n[Dashboard]\nPort = 8080\n";
        let config = Config::from_toml(text).unwrap();
        assert_eq!(config.eth.network_id, Some(1337));
        assert_eq!(config.eth.miner.gas_floor, 9_000_000);
        assert!(config.eth.miner.etherbase.ends_with("aa"));
        assert_eq!(config.node.http_modules, ["net", "web3"]);
    }

    #[test]
    fn an_unknown_key_and_a_wrong_type_are_named() {
        let error = Config::from_toml("[Node]\nHTTPPrt = 1\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("HTTPPrt"), "{error}");
        let error = Config::from_toml("[Node]\nHTTPPort = \"x\"\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("HTTPPort"), "{error}");
        let error = Config::from_toml("[Node]\nHTTPPort = \n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_namespace_that_no_geth_has_is_refused_by_name() {
        let flags = |names: &str| NodeFlags {
            http_api: Some(names.split(',').map(String::from).collect()),
            ..Default::default()
        };
        let config = Config::from_flags(&flags("eth, net ,personal")).unwrap();
        assert_eq!(config.node.http_modules, ["eth", "net", "personal"]);
        let error = Config::from_flags(&flags("eth,wbe3"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("wbe3"), "{error}");
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_a_way_out() {
        let flags = NodeFlags {
            http_addr: Some("nowhere".into()),
            ..Default::default()
        };
        let error = Config::from_flags(&flags).unwrap_err().to_string();
        assert!(
            error.contains("--http.addr") && error.contains("127.0.0.1"),
            "{error}"
        );
    }
}
