//! The HTTP server as an actor of the supervision tree.

use std::net::SocketAddr;

use actix_web::dev::ServerHandle;
use actoreum_actors::shared_socket::SharedSocket;
use actoreum_supervision::{Actor, Ctx, Exit, Failure, Handles};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::{Endpoints, HttpConfig, HttpListener};
use crate::server::connection::figures::{
    ConnectionClosed, ConnectionList, ConnectionOpened, Reporter,
};

/// Runs an HTTP server from its start to its end, and holds the list of its open WebSocket
/// connections. Requests are served on the server's own threads and pass no mailbox, so a restart of
/// this actor costs its connections and nothing else: clients that connect meanwhile wait.
///
/// The actor starts only if its address can be bound. It stops when the requests in progress are
/// done, or after its stop timeout.
pub struct HttpActor<C> {
    config: HttpConfig,
    socket: SharedSocket,
    endpoints: Endpoints<C>,
    running: Option<Running>,
    open: ConnectionList,
}

/// A running server. Dropping it (after a panic, for example) closes the address and every
/// connection at once.
struct Running {
    /// The address that it listens on, with the port that was taken.
    address: SocketAddr,
    handle: ServerHandle,
    closing: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<C> HttpActor<C> {
    /// Creates an actor that listens as `config` says. Its generations share the socket.
    pub fn new(
        config: HttpConfig,
        socket: SharedSocket,
        endpoints: impl Into<Endpoints<C>>,
    ) -> Self {
        let open = ConnectionList::new(&config.connections);
        Self {
            config,
            socket,
            endpoints: endpoints.into(),
            running: None,
            open,
        }
    }
}

impl<C: Send + Sync + 'static> Actor for HttpActor<C> {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let reporter = Reporter {
            opened: ctx.me().recipient(),
            closed: ctx.me().recipient(),
        };
        let endpoints = self.endpoints.clone();
        let listener =
            HttpListener::bind_reporting(&self.config, &self.socket, endpoints, Some(reporter))?;
        let handle = listener.handle();
        let HttpListener {
            address,
            server,
            closing,
        } = listener;
        let (ended, end) = oneshot::channel();
        let task = actix_web::rt::spawn(async move {
            // The receiver is gone if the actor itself is ending.
            let _ = ended.send(server.await);
        });
        self.running = Some(Running {
            address,
            handle,
            closing,
            task,
        });
        ctx.spawn_then(end, |_, end, ctx| {
            let reason = match end {
                Ok(Err(error)) => format!("the HTTP server failed: {error}"),
                _ => "the HTTP server ended by itself".to_owned(),
            };
            ctx.fail(reason);
        });
        for (name, scheme) in self.endpoints.names() {
            tracing::info!(url = %format_args!("{scheme}://{address}"), "{name} endpoint opened");
        }
        Ok(())
    }

    async fn stopped(mut self, why: &Exit) {
        if matches!(why, Exit::Shutdown) {
            self.socket.close();
        }
        if let Some(mut running) = self.running.take() {
            let address = running.address;
            running.closing.send_replace(true);
            running.handle.stop(true).await;
            let _ = (&mut running.task).await;
            for (name, scheme) in self.endpoints.names() {
                tracing::info!(url = %format_args!("{scheme}://{address}"), "{name} endpoint closed");
            }
        }
    }
}

impl<C: Send + Sync + 'static> Handles<ConnectionOpened> for HttpActor<C> {
    type Answer = ();

    fn handle(&mut self, ConnectionOpened(figures): ConnectionOpened, _: &mut Ctx<Self>) {
        self.open.add(figures);
    }
}

impl<C: Send + Sync + 'static> Handles<ConnectionClosed> for HttpActor<C> {
    type Answer = ();

    fn handle(&mut self, closed: ConnectionClosed, _: &mut Ctx<Self>) {
        self.open.remove(closed.id);
    }
}
