//! What flags say over the file and the defaults.

use actoreum_primitives::{DevChain, Fork};

use super::{Config, DevConfig, check_host};
use crate::cli::{EngineFlag, GcModeFlag, LogFormatFlag, NodeFlags};

/// Namespaces that a development chain offers besides the usual ones: those of development tools.
/// What geth offers only when it is asked to (`debug`, `personal`), is asked for here too.
const DEV_MODULES: [&str; 3] = ["evm", "anvil", "hardhat"];

/// Megabytes for the cache of a development chain, whose state is small.
const DEV_CACHE: u64 = 8;
/// The same for one without a data directory: what it does not cache is in the system's memory too.
const FLEETING_CACHE: u64 = 1;

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
            self.eth.database_cache = match flags.datadir {
                Some(_) => DEV_CACHE,
                None => FLEETING_CACHE,
            };
        }
        set(&mut self.eth.database_cache, &flags.cache);
        self.eth.apply_rpc(&flags.rpc);
        self.node.apply_rpc(&flags.rpc);
        self.is_mainnet_wanted = flags.mainnet;
        self.exits_when_synced = flags.exitwhensynced;
        set(&mut self.eth.database_freezer, &flags.datadir_ancient);
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
        set(&mut self.node.http_path_prefix, &flags.http_rpcprefix);
        set(&mut self.node.ws_path_prefix, &flags.ws_rpcprefix);

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
