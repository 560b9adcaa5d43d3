//! The admin page: shows the internal state of the node, and serves metrics and health checks.
//!
//! | path | content |
//! |---|---|
//! | `/` | the page; its style and script are in the binary |
//! | `/api/events` | server-sent events, one per second, with everything that the page draws |
//! | `/api/actors` | the supervision tree with all figures, as JSON |
//! | `/api/arbiters` | the threads that actors run on, with their busy share and lag, as JSON |
//! | `/api/incidents` | the last failures, restarts and hangs, also of earlier processes, as JSON |
//! | `/api/status` | chain, pool, RPC, memory and disk, as JSON |
//! | `/api/crash` | makes an actor panic (`--admin.chaos` alone, as the next two) |
//! | `/api/hang` | makes a handler of an actor hold its thread |
//! | `/api/stop-arbiter` | stops a thread that actors run on |
//! | `/metrics` | metrics in the text format of Prometheus |
//! | `/health`, `/ready` | liveness and readiness, for service managers and load balancers |
//!
//! No request sends a message to an actor, so that the page works when every actor is stuck.

mod actor;
mod chaos;
mod chart;
mod connections;
mod history;
mod limits;
mod network;
mod pool;
mod process;
mod prometheus;
mod routes;
mod status;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use actix_web::{App, HttpResponse, dev::Server, web};
use actoreum_actors::shared_socket::SharedSocket;
use actoreum_rpc::{
    node::Node,
    server::http::{Hosts, ListenError, ServerLimits, serve},
    server::method::Method,
};
use parking_lot::Mutex;

pub use actor::AdminActor;
use chart::Chart;
use history::History;
pub use routes::keep_history;

use crate::open_files::server_limits;

/// Backlog of the listener: the connections of a few pages.
const BACKLOG: i32 = 64;

/// State that the request handlers share.
pub struct AdminState {
    /// The chain and the tree.
    pub node: Arc<Node>,
    /// The RPC methods with their counters.
    pub methods: Arc<[Arc<Method<Node>>]>,
    /// Whether actors may be made to fail.
    pub chaos: bool,
    /// Host names under which the page may be opened, against DNS rebinding by other sites.
    pub hosts: Hosts,
    /// Start time of the process.
    pub started_at: Instant,
    /// Number of open event streams.
    streams: Arc<AtomicUsize>,
    chart: Mutex<Chart>,
    history: Mutex<History>,
    rates: Mutex<status::Rates>,
}

impl AdminState {
    /// Returns a state without history.
    pub fn new(
        node: Arc<Node>,
        methods: Arc<[Arc<Method<Node>>]>,
        chaos: bool,
        hosts: Hosts,
    ) -> Self {
        Self {
            node,
            methods,
            chaos,
            hosts,
            started_at: Instant::now(),
            streams: Arc::default(),
            chart: Mutex::default(),
            history: Mutex::default(),
            rates: Mutex::default(),
        }
    }
}

/// Returns the response of a node whose tree has not started.
fn starting() -> HttpResponse {
    HttpResponse::ServiceUnavailable().body("the node is starting\n")
}

/// Binds the page's server, or takes over the socket of the previous generation. Returns the
/// address with the actual port. One thread serves the page, so that it does not compete with the
/// node's work.
pub fn bind(
    address: SocketAddr,
    socket: &SharedSocket,
    state: Arc<AdminState>,
) -> Result<(SocketAddr, Server), ListenError> {
    let explained = |error: io::Error| ListenError::Bind {
        address,
        reason: error.to_string(),
    };
    let listener = socket.listening(address, BACKLOG).map_err(explained)?;
    let taken = listener.local_addr().unwrap_or(address);
    let state = web::Data::from(state);
    let application = move || {
        App::new()
            .app_data(state.clone())
            .configure(routes::configure)
    };
    let share = server_limits(1);
    let limits = ServerLimits {
        connections: share.connections.min(limits::MAX_CONNECTIONS),
        stop_timeout: Duration::from_secs(1),
        ..share
    };
    let server = serve(listener, &limits, None, application).map_err(explained)?;
    Ok((taken, server))
}
