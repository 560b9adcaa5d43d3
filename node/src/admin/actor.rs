//! The admin page's server as a child of the tree.

use std::{future::Future, net::SocketAddr, pin::Pin};

use actix_web::dev::{Server, ServerHandle};
use actoreum_actors::kept_socket::KeptSocket;
use actoreum_actors::supervision::{Actor, Ctx, Exit, Failure};
use tracing::info;

/// Runs the page's server: bound before it starts, stopped gracefully, restarted by its supervisor
/// like any actor. It handles no messages; its work is done on the server's own thread.
pub struct AdminActor {
    address: SocketAddr,
    socket: KeptSocket,
    server: Option<Server>,
    handle: ServerHandle,
    beside: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl AdminActor {
    /// Takes a server that is bound to `address` by `socket` and not yet polled.
    pub fn new(address: SocketAddr, socket: KeptSocket, server: Server) -> Self {
        Self {
            address,
            socket,
            handle: server.handle(),
            server: Some(server),
            beside: None,
        }
    }

    /// Runs a future beside the server, on the actor's thread, until the generation ends.
    pub fn beside(mut self, future: impl Future<Output = ()> + 'static) -> Self {
        self.beside = Some(Box::pin(future));
        self
    }
}

impl Actor for AdminActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        info!(url = %format_args!("http://{}", self.address), "admin page opened");
        if let Some(beside) = self.beside.take() {
            ctx.spawn(beside);
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
    /// After a panic nobody calls `stopped`: only the next generation may accept connections.
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}
