//! The server of every HTTP endpoint: JSON-RPC, WebSocket and the admin page.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_server::ServerBuilder;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::Error;
use actix_web::dev::{AppConfig, Server};
use tokio::net::TcpStream;

use super::deadlines::{Connections, TimedStream, Timeouts};
use crate::server::limits;
use crate::server::quota::SharedQuota;

/// The limits of a server's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// The number of threads that serve connections.
    pub workers: usize,
    /// Maximum number of connections, over all workers.
    pub connections: usize,
    /// The timeouts of clients.
    pub timeouts: Timeouts,
    /// Time that a stop waits for requests in progress.
    pub stop_timeout: Duration,
}

impl ServerLimits {
    /// Creates limits with geth's timeouts and [`limits::MAX_HTTP_CONNECTIONS`].
    pub fn new(workers: usize) -> Self {
        Self {
            workers: workers.max(1),
            connections: limits::MAX_HTTP_CONNECTIONS,
            timeouts: Timeouts::default(),
            stop_timeout: Duration::from_secs(3),
        }
    }
}

/// Serves the clients of `listener` with the application that `factory` creates on each worker.
/// Await the server to run it.
///
/// `limits` apply to this server alone. The connections are also counted in `quota`, if there is
/// one: a connection that exceeds it is closed.
pub fn serve<F, I, S, B>(
    listener: TcpListener,
    limits: &ServerLimits,
    quota: Option<&SharedQuota>,
    factory: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let builder = ServerBuilder::new()
        .workers(limits.workers)
        .max_concurrent_connections(limits.connections.div_ceil(limits.workers).max(1))
        .shutdown_timeout(limits.stop_timeout.as_secs())
        .disable_signals();
    let address = listener.local_addr()?;
    let stopping = builder.graceful_shutdown_signal();
    let timeouts = limits.timeouts;
    let quota = quota.map(SharedQuota::for_network);
    let connections = Connections::new(limits.connections, quota);
    let builder = builder.listen("http", listener, move || {
        let stopping = stopping.clone();
        let application = factory().into_factory().map_err(|error: S::Error| {
            let error: Error = error.into();
            error.error_response()
        });
        let service = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(timeouts.idle)
            .client_request_timeout(timeouts.read)
            .client_disconnect_timeout(CLOSE_TIMEOUT)
            .local_addr(address)
            .on_connect_ext(|stream: &TimedStream<TcpStream>, data| {
                data.insert(Rc::clone(&stream.activity));
            })
            .finish(map_config(application, |()| AppConfig::default()));
        let connections = connections.clone();
        fn_service(move |stream: TcpStream| {
            let _ = stream.set_nodelay(true);
            let client = stream.peer_addr().ok();
            let stream = TimedStream::new(stream, connections.clone(), timeouts);
            let opened = stream.map(|stream| (stream, Protocol::Http1, client));
            std::future::ready(opened.map_err(DispatchError::Io))
        })
        .and_then(service)
    })?;
    Ok(builder.run())
}

/// Time that a connection that is being closed waits for its client to close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
