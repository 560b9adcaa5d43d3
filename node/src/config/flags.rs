//! Applies the flags, which override the file and the defaults.

use actoreum_primitives::Fork;
use actoreum_rpc::namespaces::dev::DevIdentity;

use super::{
    Config, DevConfig, EthConfig, NodeConfig,
    admin::AdminFlags,
    check_host,
    logging::{LogFlags, LogFormatFlag},
    node::{DevConsensusFlag, EngineFlag, GcModeFlag, NodeFlags},
    rpc::{RpcFlags, ServerFlags},
    values::{set, set_list, without_blanks},
};
use crate::duration;

/// Namespaces that a development chain serves in addition to the default ones: those of development
/// tools, and those of geth of which anvil and Hardhat serve methods (`personal_sign`,
/// `debug_traceTransaction`, `txpool_content`). The accounts of such a chain are unlocked and its
/// keys public, so that these namespaces give nothing away.
const DEV_MODULES: [&str; 7] = [
    "evm", "anvil", "hardhat", "tenderly", "debug", "personal", "txpool",
];

/// Cache of a development chain, in megabytes. Its state is small.
const DEV_CACHE: u64 = 8;
/// Cache of a development chain without a data directory, in megabytes. The data that is not cached
/// is in the system's memory too.
const EPHEMERAL_CACHE: u64 = 1;

impl Config {
    /// Returns the configuration for a command line.
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
                None => EPHEMERAL_CACHE,
            };
        }
        set(&mut self.eth.database_cache, &flags.cache);
        self.eth.apply_rpc(&flags.rpc)?;
        self.node.apply_rpc(&flags.rpc);
        self.requires_mainnet = flags.mainnet;
        self.exits_when_synced = flags.exitwhensynced;
        set(&mut self.eth.database_freezer, &flags.datadir_ancient);
        flags.txpool.apply(&mut self.eth.tx_pool)?;
        flags.ethash.apply(&mut self.eth.ethash)?;
        flags.miner.apply(&mut self.eth.miner)?;
        self.eth.miner.check()?;
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
        self.apply_logging(&flags.logging);
        self.apply_servers(&flags.servers);
        flags.telemetry.apply(&mut self.node.open_telemetry)?;
        self.apply_admin(&flags.admin);
        self.node.p2p.apply(&flags.network)?;
        if let Some(urls) = &flags.discovery_dns {
            self.eth.eth_discovery_urls = Some(without_blanks(urls));
        }
        if let Some(servers) = &flags.discovery_dns_server {
            self.actoreum.dns_servers.clone_from(servers);
        }
        for (flag, addr) in [
            ("http.addr", &flags.servers.http_addr),
            ("admin.addr", &flags.admin.admin_addr),
        ] {
            if let Some(addr) = addr {
                check_host(flag, addr)?;
            }
        }
        self.check()
    }

    fn apply_logging(&mut self, flags: &LogFlags) {
        set(&mut self.actoreum.verbosity, &flags.verbosity);
        self.actoreum.log_json |= flags.log_json || flags.log_format == Some(LogFormatFlag::Json);
        set(&mut self.actoreum.log_file, &flags.log_file);
    }

    fn apply_servers(&mut self, flags: &ServerFlags) {
        let node = &mut self.node;
        endpoint(&mut node.http_host, flags.http, &flags.http_addr);
        set(&mut node.http_port, &flags.http_port);
        set_list(&mut node.http_cors, &flags.http_corsdomain);
        set_list(&mut node.http_virtual_hosts, &flags.http_vhosts);
        set_list(&mut node.http_modules, &flags.http_api);
        set(&mut node.http_path_prefix, &flags.http_rpcprefix);
        set(&mut node.ws_path_prefix, &flags.ws_rpcprefix);

        endpoint(&mut node.ws_host, flags.ws, &flags.ws_addr);
        set(&mut node.ws_port, &flags.ws_port);
        set(&mut node.ws_origins, &flags.ws_origins);
        set(&mut node.ws_modules, &flags.ws_api);
        set(&mut node.ipc_path, &flags.ipcpath);
        if flags.ipcdisable {
            node.ipc_path.clear();
        }
    }

    fn apply_admin(&mut self, flags: &AdminFlags) {
        let is_enabled = flags.admin || flags.admin_chaos;
        endpoint(&mut self.actoreum.admin_host, is_enabled, &flags.admin_addr);
        set(&mut self.actoreum.admin_port, &flags.admin_port);
        self.actoreum.admin_chaos |= flags.admin_chaos;
        self.stuck_after = flags.admin_chaos_stuck;
    }

    /// Applies `--dev` and `--dev.*`, and adds the namespaces of development tools.
    fn apply_dev(&mut self, flags: &NodeFlags) {
        self.dev = Some(DevConfig {
            in_memory: flags.datadir.is_none(),
            period: flags.dev_period.unwrap_or(0),
            gas_limit: flags.dev_gaslimit,
            fork_of: flags.fork.options(),
            accounts: flags.dev_accounts,
            consensus: flags.dev_consensus.map(DevConsensusFlag::consensus),
            chain_id: flags.dev_chainid,
            fork: flags.dev_fork.unwrap_or(Fork::Osaka),
            load_state: flags.load_state.clone().or_else(|| flags.state.clone()),
            dump_state: flags.dump_state.clone().or_else(|| flags.state.clone()),
            answers_as: flags.dev_as.map_or(DevIdentity::Anvil, DevIdentity::from),
        });
        if flags.config.is_none() {
            let node = &mut self.node;
            for modules in [&mut node.http_modules, &mut node.ws_modules] {
                modules.extend(DEV_MODULES.map(String::from));
            }
        }
    }
}

impl NodeConfig {
    /// Applies the flags about transports.
    pub fn apply_rpc(&mut self, flags: &RpcFlags) {
        let RpcFlags {
            rpc_allow_unprotected_txs: allow_unprotected_txs,
            rpc_batch_request_limit: request_limit,
            rpc_batch_response_max_size: response_max_size,
            ..
        } = flags;
        set(&mut self.allow_unprotected_txs, allow_unprotected_txs);
        set(&mut self.batch_request_limit, request_limit);
        set(&mut self.batch_response_max_size, response_max_size);
    }
}

impl EthConfig {
    /// Applies the flags about calls and the gas price oracle.
    ///
    /// # Errors
    /// Fails as [`super::given::Given::apply`] does.
    pub fn apply_rpc(&mut self, flags: &RpcFlags) -> Result<(), clap::Error> {
        set(&mut self.rpc_gas_cap, &flags.rpc_gascap);
        let timeout = flags.rpc_evmtimeout.map(duration::nanos);
        set(&mut self.rpc_evm_timeout, &timeout);
        set(&mut self.rpc_tx_fee_cap, &flags.rpc_txfeecap);
        flags.gpo.apply(&mut self.gpo)
    }
}

/// Sets the host of a server. The server is enabled by its flag or by a host in the TOML file, not
/// by its address flag alone.
fn endpoint(host: &mut String, on: bool, addr: &Option<String>) {
    if on && host.is_empty() {
        *host = "127.0.0.1".into();
    }
    if let (Some(addr), false) = (addr, host.is_empty()) {
        host.clone_from(addr);
    }
}
