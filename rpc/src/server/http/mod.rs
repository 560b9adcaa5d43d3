//! JSON-RPC over HTTP, on actix-web.
//!
//! ```text
//! accept -> worker thread -> checks (Host, method, length, content type, CORS)
//!        -> Dispatcher::answer -> bytes
//! ```
//!
//! Every path is served alike, as in geth 1.8, unless a prefix is configured. There is no
//! middleware: a request passes one function, and its answer is the buffer that the handler wrote.

mod access;
mod actor;
mod counted_body;
#[cfg(test)]
mod deadline_tests;
mod deadlines;
mod gzip;
mod handler;
mod response;
mod server;
#[cfg(test)]
mod tests;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, web};
use actoreum_actors::shared_socket::SharedSocket;
use actoreum_supervision::Pool;
use tokio::sync::watch;

pub use access::{Hosts, Origins};
pub use actor::HttpActor;
pub use deadlines::Timeouts;
pub use server::{ServerLimits, serve};
pub use websocket::WsEndpoint;

use crate::server::connection::figures::{OpenConnections, Reporter};
use crate::server::dispatch::Dispatcher;
use crate::server::limits;
use crate::server::quota::SharedQuota;

/// The configuration of an HTTP server.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The address to listen on; port 0 takes any free port.
    pub address: SocketAddr,
    /// The limits of connections and their timeouts.
    pub limits: ServerLimits,
    /// The host names by which clients may address the server, as a protection from DNS rebinding.
    /// IP addresses are always accepted.
    pub vhosts: Hosts,
    /// The origins whose pages may read answers.
    pub cors_origins: Origins,
    /// The required prefix of the path of an HTTP request. If empty, any path is served.
    pub path_prefix: String,
    /// The required prefix of the path of a WebSocket. If empty, any path is served.
    pub ws_path_prefix: String,
    /// Maximum size of a body, in bytes.
    pub body_bytes: usize,
    /// The quota of the clients of all servers that share it.
    pub quota: SharedQuota,
    /// The place where the actor of the server publishes the open WebSocket connections.
    pub connections: OpenConnections,
    /// The threads that compress long answers. Without them each is compressed on the thread of its
    /// connection.
    pub gzip: Option<Pool>,
}

impl HttpConfig {
    /// Creates a configuration with geth's defaults: requests to `localhost` or to an IP address
    /// are served, and no foreign page may read answers.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            limits: ServerLimits::new(std::thread::available_parallelism().map_or(2, usize::from)),
            vhosts: Hosts::new(&["localhost".to_owned()]),
            cors_origins: Origins::new(&[]),
            path_prefix: String::new(),
            ws_path_prefix: String::new(),
            body_bytes: limits::MAX_BODY_BYTES,
            quota: SharedQuota::default(),
            connections: OpenConnections::default(),
            gzip: None,
        }
    }
}

/// The dispatchers of a server. A server may have either or both.
pub struct Endpoints<C> {
    /// The dispatcher for requests over HTTP.
    pub http: Option<Arc<Dispatcher<C>>>,
    /// The endpoint for connections over WebSocket.
    pub websocket: Option<WsEndpoint<C>>,
}

impl<C> Endpoints<C> {
    /// Returns geth's name of each endpoint, and the scheme of its URL.
    fn names(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<C> {
        let http = self.http.as_ref().map(|_| ("HTTP", "http"));
        let websocket = self.websocket.as_ref().map(|_| ("WebSocket", "ws"));
        http.into_iter().chain(websocket)
    }
}

impl<C> Clone for Endpoints<C> {
    fn clone(&self) -> Self {
        Self {
            http: self.http.clone(),
            websocket: self.websocket.clone(),
        }
    }
}

impl<C> From<Arc<Dispatcher<C>>> for Endpoints<C> {
    fn from(dispatcher: Arc<Dispatcher<C>>) -> Self {
        Self {
            http: Some(dispatcher),
            websocket: None,
        }
    }
}

/// The reason for which the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is in use, does not belong to this host, or is not permitted.
    #[error("listen tcp {address}: bind: {reason}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason, in its usual words.
        reason: String,
    },
    /// The socket was bound but cannot be served.
    #[error("cannot serve {address}: {source}")]
    Serve {
        /// The address.
        address: SocketAddr,
        /// The error.
        source: io::Error,
    },
}

/// A listening server that is not yet polled. Await it to serve.
pub struct HttpListener {
    /// The address that it listens on, with the port that was taken.
    pub address: SocketAddr,
    /// The server. It resolves when it was stopped; dropping it closes every connection.
    pub server: Server,
    /// Ends the WebSocket connections when it is set or dropped. A graceful stop alone would wait
    /// for them until its timeout.
    pub closing: watch::Sender<bool>,
}

impl HttpListener {
    /// Takes the socket, or binds the address, and starts the workers.
    ///
    /// # Errors
    /// Fails at once if the address cannot be bound.
    pub fn bind<C: Send + Sync + 'static>(
        config: &HttpConfig,
        socket: &SharedSocket,
        endpoints: impl Into<Endpoints<C>>,
    ) -> Result<Self, ListenError> {
        Self::bind_reporting(config, socket, endpoints.into(), None)
    }

    /// Listens as [`bind`](Self::bind) does. The WebSocket connections report to `reporter`.
    fn bind_reporting<C: Send + Sync + 'static>(
        config: &HttpConfig,
        socket: &SharedSocket,
        endpoints: Endpoints<C>,
        reporter: Option<Reporter>,
    ) -> Result<Self, ListenError> {
        let wanted = config.address;
        let listener = socket.listening(wanted, limits::HTTP_BACKLOG);
        let listener = listener.map_err(|error| ListenError::Bind {
            address: wanted,
            reason: reason(&error),
        })?;
        let failed = |source| ListenError::Serve {
            address: wanted,
            source,
        };
        let address = listener.local_addr().map_err(failed)?;
        let closing = watch::Sender::new(false);
        let state = handler::State::new(config, endpoints, closing.subscribe(), reporter);
        let state = web::Data::new(state);
        let application = move || {
            App::new()
                .app_data(state.clone())
                .default_service(web::to(handler::handle::<C>))
        };
        let quota = Some(&config.quota);
        let server = serve(listener, &config.limits, quota, application);
        let server = server.map_err(failed)?;
        Ok(Self {
            address,
            server,
            closing,
        })
    }

    /// Returns the handle that stops the server, gracefully or at once.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }
}

/// Returns the text of a system error without its number: `address already in use`.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = plain.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
