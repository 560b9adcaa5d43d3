//! Subtree of the JSON-RPC servers (HTTP, WebSocket, the IPC socket) and of the admin page, and the
//! settings of the RPC methods.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actoreum_actors::shared_socket::SharedSocket;
use actoreum_primitives::{ETHER, U256};
use actoreum_rpc::{
    namespaces,
    node::{GasOracle, GasTarget, Node, NodeSettings},
    server::dispatch::{DispatchLimits, Dispatcher},
    server::http::{Endpoints, Hosts, HttpActor, HttpConfig, Origins, WsEndpoint},
    server::ipc::IpcConfig,
    server::limits::MAX_GZIP_WAITING,
    server::method::Method,
    server::pool::HeavyPool,
};
use actoreum_supervision::{
    ActorRef, ChildSpec, Failure, Pool, Strategy, SupervisorSpec, WhenStuck,
};

use super::{RESTART_PERIOD, UNLIMITED_RESTARTS, miner::Sealing};
use crate::{
    admin::{self, AdminActor, AdminState},
    config::{Config, EthConfig, NodeConfig, rpc::MAX_ORACLE_BLOCKS},
    open_files::{rpc_quota, server_limits},
    version,
};

/// Returns the settings of the RPC methods.
pub fn settings(
    config: &Config,
    network_id: u64,
    has_datadir: bool,
    sealing: Option<&Sealing>,
    mines_on_arrival: bool,
) -> NodeSettings {
    let mut settings = NodeSettings::new(version::named(&config.node.user_ident), network_id);
    let mut fork_timeout = None;
    if let Some(dev) = &config.dev {
        settings.identity = dev.answers_as;
        fork_timeout = dev.fork_of.as_ref().map(|fork| fork.timeout);
    }
    settings.data_dir = has_datadir.then(|| config.node.data_dir.display().to_string());
    settings.quota = rpc_quota();
    settings.is_unlocking_forbidden = config.is_unlocking_forbidden();
    settings.mines_on_arrival = mines_on_arrival;
    limit_calls(&config.eth, &mut settings);
    // A call of a forked chain waits for the remote node.
    if let (Some(of_fork), Some(timeout)) = (fork_timeout, &mut settings.call_timeout) {
        *timeout = of_fork.max(*timeout);
    }
    settings.allows_unprotected = config.node.allow_unprotected_txs;
    if let Some(sealing) = sealing {
        settings.gas_target = GasTarget {
            floor: sealing.settings.gas_floor,
            ceiling: sealing.settings.gas_ceiling,
        };
    }
    settings
}

/// Writes the limits into the settings of the RPC methods.
fn limit_calls(config: &EthConfig, settings: &mut NodeSettings) {
    settings.gas_cap = match config.rpc_gas_cap {
        0 => u64::MAX,
        cap => cap,
    };
    settings.call_timeout = match config.rpc_evm_timeout {
        0 => None,
        nanos => Some(Duration::from_nanos(nanos)),
    };
    // NaN or a negative cap can only come from a file, and means no cap.
    settings.tx_fee_cap = (config.rpc_tx_fee_cap > 0.0)
        .then(|| U256::from((config.rpc_tx_fee_cap * ETHER as f64) as u128));
    settings.gas_oracle = GasOracle {
        blocks: config.gpo.blocks.clamp(1, MAX_ORACLE_BLOCKS),
        percentile: config.gpo.percentile.min(100),
        max_price: config.gpo.max_price,
        ignore_price: config.gpo.ignore_price,
    };
}

/// Returns the limits of a dispatcher.
fn dispatch_limits(config: &NodeConfig) -> DispatchLimits {
    let limit = |limit: usize| match limit {
        0 => usize::MAX,
        limit => limit,
    };
    DispatchLimits {
        batch_items: limit(config.batch_request_limit),
        response_bytes: limit(config.batch_response_max_size),
        ..DispatchLimits::default()
    }
}

/// Returns the subtree of the servers: JSON-RPC and the admin page.
pub fn assemble(config: &Config, node: &Arc<Node>) -> SupervisorSpec {
    // The methods keep their counters across restarts of the servers.
    let methods: Arc<[Arc<Method<Node>>]> = namespaces::methods(node).into();
    let mut servers = SupervisorSpec::new("rpc", Strategy::OneForOne)
        .intensity(UNLIMITED_RESTARTS, RESTART_PERIOD)
        .child(node.heavy_pool.child());
    servers = add_servers(servers, config, node, &methods);
    if let Some(ip) = config.admin_ip() {
        let address = SocketAddr::new(ip, config.actoreum.admin_port);
        let hosts = Hosts::new(&["localhost".to_owned()]);
        let state = AdminState::new(
            Arc::clone(node),
            methods,
            config.actoreum.admin_chaos,
            hosts,
        );
        let state = Arc::new(state);
        let socket = SharedSocket::default();
        let factory = move || {
            let (address, server) = admin::bind(address, &socket, Arc::clone(&state))?;
            let page = AdminActor::new(address, socket.clone(), server);
            Ok::<_, Failure>(page.with_background(admin::keep_history(Arc::clone(&state))))
        };
        servers = servers.child(on_arbiter(ChildSpec::new(&ActorRef::new("admin"), factory)));
    }
    servers
}

/// Dispatcher that a server's connections share.
type SharedDispatcher = Arc<Dispatcher<Node>>;

/// Creates dispatchers that share one thread pool for expensive methods.
struct DispatcherFactory<'a> {
    node: &'a Arc<Node>,
    methods: &'a [Arc<Method<Node>>],
    pool: HeavyPool,
    limits: DispatchLimits,
}

impl DispatcherFactory<'_> {
    /// Returns a dispatcher of the methods of these namespaces.
    fn for_modules(&self, modules: &[String]) -> SharedDispatcher {
        Arc::new(Dispatcher::new(
            Arc::clone(self.node),
            self.methods,
            modules,
            self.pool.clone(),
            self.limits,
        ))
    }

    /// Returns a dispatcher of every namespace.
    fn all(&self) -> SharedDispatcher {
        let mut modules: Vec<String> = self
            .methods
            .iter()
            .map(|method| method.namespace().to_owned())
            .collect();
        modules.sort_unstable();
        modules.dedup();
        self.for_modules(&modules)
    }
}

/// Adds a server for each endpoint that the configuration enables. WebSocket on the address of HTTP
/// is served by the HTTP server.
fn add_servers(
    mut servers: SupervisorSpec,
    config: &Config,
    node: &Arc<Node>,
    methods: &[Arc<Method<Node>>],
) -> SupervisorSpec {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let dispatchers = DispatcherFactory {
        node,
        methods,
        pool: node.heavy_pool.clone(),
        limits: dispatch_limits(&config.node),
    };
    let quota = node.settings.quota.clone();
    let settings = &config.node;
    let http = config
        .http_ip()
        .map(|ip| SocketAddr::new(ip, settings.http_port));
    let ws = config
        .ws_ip()
        .map(|ip| SocketAddr::new(ip, settings.ws_port));
    let websocket = ws.map(|_| WsEndpoint {
        dispatcher: dispatchers.for_modules(&settings.ws_modules),
        origins: ws_origins(&settings.ws_origins),
    });
    if let Some(address) = http {
        let gzip = Pool::with_queue("gzip", threads, MAX_GZIP_WAITING);
        servers = servers.child(gzip.child());
        let endpoints = Endpoints {
            http: Some(dispatchers.for_modules(&settings.http_modules)),
            websocket: websocket.clone().filter(|_| ws == http),
        };
        let server = HttpConfig {
            vhosts: Hosts::new(&settings.http_virtual_hosts),
            cors_origins: Origins::new(&settings.http_cors),
            limits: server_limits(threads),
            quota: quota.clone(),
            connections: node.connections.http.clone(),
            gzip: Some(gzip),
            path_prefix: settings.http_path_prefix.clone(),
            ws_path_prefix: settings.ws_path_prefix.clone(),
            ..HttpConfig::new(address)
        };
        servers = servers.child(server_of("http", server, endpoints));
    }
    if let (Some(address), true) = (ws, ws != http) {
        let endpoints = Endpoints {
            http: None,
            websocket,
        };
        let server = HttpConfig {
            // WebSocket requests are checked by their origin, which DNS rebinding does not change.
            vhosts: Hosts::new(&["*".to_owned()]),
            limits: server_limits(threads),
            quota: quota.clone(),
            connections: node.connections.ws.clone(),
            ws_path_prefix: settings.ws_path_prefix.clone(),
            ..HttpConfig::new(address)
        };
        servers = servers.child(server_of("ws", server, endpoints));
    }
    if let Some(path) = config.ipc_socket() {
        let server = IpcConfig {
            path,
            dispatcher: dispatchers.all(),
            quota,
            connections: node.connections.ipc.clone(),
        };
        servers = servers.child(server.supervisor());
    }
    servers
}

/// A server. Its socket is kept outside of it, so that a new generation may run beside a stuck one.
fn on_arbiter(server: ChildSpec) -> ChildSpec {
    server.arbiter("rpc").when_stuck(WhenStuck::Replace)
}

fn server_of(name: &str, config: HttpConfig, endpoints: Endpoints<Node>) -> ChildSpec {
    let socket = SharedSocket::default();
    let factory = move || HttpActor::new(config.clone(), socket.clone(), endpoints.clone());
    on_arbiter(ChildSpec::new(&ActorRef::new(name), factory))
}

/// Returns the configured origins, or by default those of this machine, as in geth.
fn ws_origins(configured: &[String]) -> Origins {
    if !configured.is_empty() {
        return Origins::new(configured);
    }
    let mut origins = vec!["http://localhost".to_owned()];
    if let Ok(name) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        origins.push(format!("http://{}", name.trim()));
    }
    Origins::new(&origins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        given::Given,
        rpc::{RpcFlags, parse_ether},
    };

    fn settings(flags: &RpcFlags) -> NodeSettings {
        let mut config = EthConfig::default();
        config.apply_rpc(flags).unwrap();
        let mut settings = NodeSettings::new("test", 1);
        limit_calls(&config, &mut settings);
        settings
    }

    #[test]
    fn the_defaults_are_those_of_geth() {
        let settings = settings(&RpcFlags::default());
        assert_eq!(settings.gas_cap, 50_000_000);
        assert_eq!(settings.call_timeout, Some(Duration::from_secs(5)));
        assert_eq!(settings.tx_fee_cap, Some(U256::from(ETHER)));
        assert_eq!(settings.gas_oracle, GasOracle::default());
    }

    #[test]
    fn zero_removes_a_limit() {
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
    fn the_configured_batch_limits_apply() {
        let mut config = NodeConfig::default();
        assert_eq!(dispatch_limits(&config), DispatchLimits::default());
        config.apply_rpc(&RpcFlags {
            rpc_batch_request_limit: Some(7),
            rpc_batch_response_max_size: Some(0),
            rpc_allow_unprotected_txs: Some(false),
            ..RpcFlags::default()
        });
        let limits = dispatch_limits(&config);
        assert_eq!((limits.batch_items, limits.response_bytes), (7, usize::MAX));
        assert!(!config.allow_unprotected_txs);
    }

    #[test]
    fn an_amount_of_ether_is_converted_to_wei() {
        let settings = settings(&RpcFlags {
            rpc_txfeecap: parse_ether("2.5").ok(),
            gpo: Given::parse(["--gpo.percentile=7"]),
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
