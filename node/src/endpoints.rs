//! Where the node answers JSON-RPC: HTTP, WebSocket, the IPC socket.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use actoreum_actors::kept_socket::KeptSocket;
use actoreum_actors::supervision::{ActorRef, ChildSpec, SupervisorSpec};
use actoreum_rpc::{
    dispatch::{DispatchLimits, Dispatcher},
    http::{Endpoints, Hosts, HttpActor, HttpConfig, Origins, WsEndpoint},
    ipc::IpcActor,
    limits::MAX_HEAVY_WAITING,
    method::Method,
    node::Node,
    pool::HeavyPool,
    quota::SharedQuota,
};

use crate::{
    config::Config,
    open_files::{rpc_quota, server_limits},
};

/// What answers requests.
type Answering = Arc<Dispatcher<Node>>;

/// Makes dispatchers that share one pool of heavy threads.
struct Offers<'a> {
    node: &'a Arc<Node>,
    methods: &'a [Arc<Method<Node>>],
    pool: HeavyPool,
    limits: DispatchLimits,
}

impl Offers<'_> {
    fn of(&self, modules: &[String]) -> Answering {
        Arc::new(Dispatcher::new(
            Arc::clone(self.node),
            self.methods,
            modules,
            self.pool.clone(),
            self.limits,
        ))
    }

    /// Every namespace that there is.
    fn all(&self) -> Answering {
        let mut modules: Vec<String> = self
            .methods
            .iter()
            .map(|method| method.namespace().to_owned())
            .collect();
        modules.sort_unstable();
        modules.dedup();
        self.of(&modules)
    }
}

/// Adds a server for each endpoint that the configuration asks for. WebSocket on the address of
/// HTTP is served by the same one.
pub fn add(
    mut servers: SupervisorSpec,
    config: &Config,
    node: &Arc<Node>,
    methods: &[Arc<Method<Node>>],
) -> SupervisorSpec {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let offers = Offers {
        node,
        methods,
        pool: HeavyPool::new(threads, MAX_HEAVY_WAITING),
        limits: config.node.dispatch_limits(),
    };
    let quota = rpc_quota();
    let settings = &config.node;
    let http = config
        .http_ip()
        .map(|ip| SocketAddr::new(ip, settings.http_port));
    let ws = config
        .ws_ip()
        .map(|ip| SocketAddr::new(ip, settings.ws_port));
    let websocket = ws.map(|_| WsEndpoint {
        dispatcher: offers.of(&settings.ws_modules),
        origins: ws_origins(&settings.ws_origins),
    });
    if let Some(address) = http {
        let endpoints = Endpoints {
            http: Some(offers.of(&settings.http_modules)),
            websocket: websocket.clone().filter(|_| ws == http),
        };
        let server = HttpConfig {
            vhosts: Hosts::new(&settings.http_virtual_hosts),
            cors_origins: Origins::new(&settings.http_cors),
            limits: server_limits(threads),
            quota: quota.clone(),
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
            // Pages are told apart by their origin, which a rebound name does not change.
            vhosts: Hosts::new(&["*".to_owned()]),
            limits: server_limits(threads),
            quota: quota.clone(),
            ws_path_prefix: settings.ws_path_prefix.clone(),
            ..HttpConfig::new(address)
        };
        servers = servers.child(server_of("ws", server, endpoints));
    }
    if let Some(path) = config.ipc_socket() {
        servers = servers.child(ipc_of(path, offers.all(), quota));
    }
    servers
}

fn server_of(name: &str, config: HttpConfig, endpoints: Endpoints<Node>) -> ChildSpec {
    let socket = KeptSocket::default();
    let factory = move || HttpActor::new(config.clone(), socket.clone(), endpoints.clone());
    ChildSpec::new(&ActorRef::new(name), factory).arbiter("rpc")
}

fn ipc_of(path: PathBuf, dispatcher: Answering, quota: SharedQuota) -> ChildSpec {
    let factory = move || IpcActor::new(path.clone(), Arc::clone(&dispatcher), quota.clone());
    ChildSpec::new(&ActorRef::new("ipc"), factory).arbiter("rpc")
}

/// Pages of this machine where nothing else is said, as in geth.
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
