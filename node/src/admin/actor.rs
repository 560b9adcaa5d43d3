//! AdminActor: the server of the admin page as a child of the supervision tree.

use std::{future::Future, net::SocketAddr, pin::Pin};

use actix_web::dev::{Server, ServerHandle};
use actoreum_actors::shared_socket::SharedSocket;
use actoreum_supervision::{Actor, Ctx, Exit, Failure};
use tracing::info;

/// Actor that runs the page's server: it is bound before the actor starts, stopped gracefully, and
/// restarted by the supervisor as any actor. It handles no messages; requests are served on the
/// server's own thread.
pub struct AdminActor {
    address: SocketAddr,
    socket: SharedSocket,
    server: Option<Server>,
    handle: ServerHandle,
    background: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl AdminActor {
    /// Returns an actor for a server that is bound to `address` by `socket` and not yet polled.
    pub fn new(address: SocketAddr, socket: SharedSocket, server: Server) -> Self {
        Self {
            address,
            socket,
            handle: server.handle(),
            server: Some(server),
            background: None,
        }
    }

    /// Adds a future that runs on the actor's thread until the generation ends.
    pub fn with_background(mut self, future: impl Future<Output = ()> + 'static) -> Self {
        self.background = Some(Box::pin(future));
        self
    }
}

impl Actor for AdminActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        info!(url = %format_args!("http://{}", self.address), "admin page opened");
        if let Some(background) = self.background.take() {
            ctx.spawn(background);
        }
        if let Some(server) = self.server.take() {
            ctx.spawn_then(server, |_, ended, ctx| match ended {
                Ok(()) => ctx.fail("the server ended by itself"),
                Err(error) => ctx.fail(error),
            });
        }
        Ok(())
    }

    async fn stopped(self, why: &Exit) {
        if matches!(why, Exit::Shutdown) {
            self.socket.close();
        }
        self.handle.stop(true).await;
        info!(address = %self.address, "admin page closed");
    }
}

impl Drop for AdminActor {
    /// Stops the server after a panic, when `stopped` is not called: only the next generation may
    /// accept connections.
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}
