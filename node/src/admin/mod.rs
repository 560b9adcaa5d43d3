//! The admin page: the node looked at from inside.
//!
//! | path | what |
//! |---|---|
//! | `/` | the page; its style and script are in the binary |
//! | `/api/events` | server-sent events, one a second: all that the page draws |
//! | `/api/actors` | the supervision tree with every figure, as JSON |
//! | `/api/status` | chain, pool, RPC, memory and disk, as JSON |
//! | `/api/crash` | makes an actor panic (`--admin.chaos` alone) |
//! | `/metrics` | Prometheus |
//! | `/health`, `/ready` | for whoever restarts or routes to this process |
//!
//! Nothing here asks an actor: the page works when every actor is stuck.

mod actor;
mod chart;
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

use actix_web::{App, dev::Server, web};
use actoreum_actors::kept_socket::KeptSocket;
use actoreum_rpc::{
    http::{Hosts, ServerLimits, serve},
    method::Method,
    node::Node,
};
use parking_lot::Mutex;

pub use actor::AdminActor;
use chart::Chart;
use history::History;
pub use routes::keep_history;

use crate::open_files::server_limits;

/// Connections that wait until they are accepted: those of a few pages.
const BACKLOG: i32 = 64;

/// What every request may read.
pub struct AdminState {
    /// The chain and the tree.
    pub node: Arc<Node>,
    /// The methods with their counters.
    pub methods: Arc<[Arc<Method<Node>>]>,
    /// Whether `/api/crash` is served.
    pub chaos: bool,
    /// Names under which the page may be opened: keeps pages of other sites out.
    pub hosts: Hosts,
    /// When the process began.
    pub begun: Instant,
    /// Event streams that are open.
    streams: Arc<AtomicUsize>,
    chart: Mutex<Chart>,
    history: Mutex<History>,
    rates: Mutex<status::Rates>,
}

impl AdminState {
    /// A state without history.
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
            begun: Instant::now(),
            streams: Arc::default(),
            chart: Mutex::default(),
            history: Mutex::default(),
            rates: Mutex::default(),
        }
    }
}

/// Binds the page's server, or takes the socket over; the address comes back with the port that
/// was taken. One thread serves it: it must not take the place of real work.
pub fn bind(
    address: SocketAddr,
    socket: &KeptSocket,
    state: Arc<AdminState>,
) -> io::Result<(SocketAddr, Server)> {
    let explained = |error: io::Error| {
        io::Error::new(error.kind(), format!("listen tcp {address}: bind: {error}"))
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
    let server = serve(listener, &limits, application).map_err(explained)?;
    Ok((taken, server))
}
