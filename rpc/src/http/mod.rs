//! JSON-RPC over HTTP, on actix-web.
//!
//! ```text
//! accept -> worker thread -> checks (Host, method, length, content type, CORS)
//!        -> Dispatcher::answer -> bytes
//! ```
//!
//! Every path is served alike, as in geth 1.8, unless a prefix is asked for. There is no middleware: a request passes
//! one function, and its answer is the buffer that the handler wrote.

mod access;
mod actor;
mod counted_body;
#[cfg(test)]
mod deadline_tests;
mod deadlines;
mod gzip;
mod handler;
mod server;
#[cfg(test)]
mod tests;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, web};
use actoreum_actors::kept_socket::KeptSocket;
use tokio::sync::watch;

pub use access::{Hosts, Origins};
pub use actor::HttpActor;
pub use deadlines::Timeouts;
pub use server::{ServerLimits, serve};
pub use websocket::WsEndpoint;

use crate::dispatch::Dispatcher;
use crate::limits;
use crate::quota::SharedQuota;

/// How the HTTP server listens and whom it serves.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// What clients may take.
    pub limits: ServerLimits,
    /// Host names under which the server may be addressed: protects from DNS
    /// rebinding. IP addresses are always accepted.
    pub vhosts: Hosts,
    /// Origins whose pages may read answers.
    pub cors_origins: Origins,
    /// Where the path of a request over HTTP must begin; empty: any path is served.
    pub path_prefix: String,
    /// Where the path of a WebSocket must begin; empty: any path is served.
    pub ws_path_prefix: String,
    /// Longest body, in bytes.
    pub body_bytes: usize,
    /// What the clients of all servers that share it may take together.
    pub quota: SharedQuota,
}

impl HttpConfig {
    /// geth's defaults on this address: any request to `localhost` or to an IP
    /// address, no foreign pages.
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
        }
    }
}

/// What a server offers to whom; a server may have either or both.
pub struct Endpoints<C> {
    /// To requests over HTTP.
    pub http: Option<Arc<Dispatcher<C>>>,
    /// To connections over WebSocket.
    pub websocket: Option<WsEndpoint<C>>,
}

impl<C> Endpoints<C> {
    /// geth's name of each, and the scheme of its address.
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

/// The server could not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is in use, not ours, or not permitted.
    #[error("listen tcp {address}: bind: {reason}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason, in its usual words.
        reason: String,
    },
    /// The socket was bound, but could not be served.
    #[error("cannot serve {address}: {source}")]
    Serve {
        /// The address.
        address: SocketAddr,
        /// What failed.
        source: io::Error,
    },
}

/// A listening server that is not yet polled: await it to serve.
pub struct HttpListener {
    /// Where it listens, with the port that was taken.
    pub address: SocketAddr,
    /// Resolves when the server was stopped; dropping it closes every connection.
    pub server: Server,
    /// Ends the connections over WebSocket when it is dropped, or set: a graceful stop would
    /// wait for them in vain.
    pub closing: watch::Sender<bool>,
}

impl HttpListener {
    /// Takes the socket, or binds the address, and starts the workers. Fails at once where the
    /// address cannot be bound.
    pub fn bind<C: Send + Sync + 'static>(
        config: &HttpConfig,
        socket: &KeptSocket,
        endpoints: impl Into<Endpoints<C>>,
    ) -> Result<Self, ListenError> {
        let wanted = config.address;
        let listener = socket.listening(wanted, limits::HTTP_BACKLOG);
        let listener = listener.map_err(|error| ListenError::Bind {
            address: wanted,
            reason: reason(&error),
        })?;
        let serve = |source| ListenError::Serve {
            address: wanted,
            source,
        };
        let address = listener.local_addr().map_err(serve)?;
        let closing = watch::Sender::new(false);
        let state = handler::State::new(config, endpoints.into(), closing.subscribe());
        let state = web::Data::new(state);
        let application = move || {
            App::new()
                .app_data(state.clone())
                .default_service(web::to(handler::handle::<C>))
        };
        let quota = Some(config.quota.of_network());
        let server = server::serve_within(listener, &config.limits, quota, application);
        let server = server.map_err(serve)?;
        Ok(Self {
            address,
            server,
            closing,
        })
    }

    /// The handle that stops the server: gracefully, or at once.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }
}

/// A system error without its number: `address already in use`.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = plain.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
