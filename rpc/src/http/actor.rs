//! The HTTP server as an actor of the supervision tree.

use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actoreum_actors::supervision::{Actor, Ctx, Exit, Failure};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{HttpConfig, HttpListener};
use crate::dispatch::Dispatcher;

/// Listens from its start to its end. What it serves needs no mailbox: requests pass
/// on the server's own threads, so a restart of this actor costs its connections and
/// nothing else.
///
/// It starts only where its address can be bound, and stops when the requests that are
/// being answered are done, or its stop timeout is over.
pub struct HttpActor<C> {
    config: HttpConfig,
    dispatcher: Arc<Dispatcher<C>>,
    running: Option<Running>,
}

/// A server on this actor's thread. Dropping it (after a panic, say) closes the
/// address and every connection at once.
struct Running {
    handle: ServerHandle,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<C> HttpActor<C> {
    /// An actor that is going to listen as `config` says.
    pub fn new(config: HttpConfig, dispatcher: Arc<Dispatcher<C>>) -> Self {
        Self {
            config,
            dispatcher,
            running: None,
        }
    }
}

impl<C: Send + Sync + 'static> Actor for HttpActor<C> {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let listener = HttpListener::bind(&self.config, Arc::clone(&self.dispatcher))?;
        let (address, handle) = (listener.address, listener.handle());
        let (ended, end) = oneshot::channel();
        let task = actix_web::rt::spawn(async move {
            // Nobody waits for the end where the actor itself is ending.
            let _ = ended.send(listener.server.await);
        });
        self.running = Some(Running { handle, task });
        ctx.spawn_then(end, |_, end, ctx| {
            let reason = match end {
                Ok(Err(error)) => format!("the HTTP server failed: {error}"),
                _ => "the HTTP server ended by itself".to_owned(),
            };
            ctx.fail(reason);
        });
        tracing::info!(url = %format_args!("http://{address}"), "http endpoint opened");
        Ok(())
    }

    async fn stopped(mut self, _: &Exit) {
        let address = self.config.address;
        if let Some(mut running) = self.running.take() {
            running.handle.stop(true).await;
            let _ = (&mut running.task).await;
            tracing::info!(%address, "http endpoint closed");
        }
    }
}
