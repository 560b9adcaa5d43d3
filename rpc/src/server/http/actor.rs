//! The HTTP server as an actor of the supervision tree.

use std::net::SocketAddr;

use actix_web::dev::ServerHandle;
use actoreum_actors::shared_socket::SharedSocket;
use actoreum_supervision::{Actor, Ctx, Exit, Failure};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::{Endpoints, HttpConfig, HttpListener};

/// Runs an HTTP server from its start to its end. Requests are served on the server's own threads
/// and pass no mailbox, so a restart of this actor costs its connections and nothing else: clients
/// that connect meanwhile wait.
///
/// The actor starts only if its address can be bound. It stops when the requests in progress are
/// done, or after its stop timeout.
pub struct HttpActor<C> {
    config: HttpConfig,
    socket: SharedSocket,
    endpoints: Endpoints<C>,
    running: Option<Running>,
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
        Self {
            config,
            socket,
            endpoints: endpoints.into(),
            running: None,
        }
    }
}

impl<C: Send + Sync + 'static> Actor for HttpActor<C> {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let listener = HttpListener::bind(&self.config, &self.socket, self.endpoints.clone())?;
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
