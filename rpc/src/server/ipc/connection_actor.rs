//! IpcConnectionActor: one client of the IPC socket.

use std::sync::Arc;

use actoreum_supervision::{Actor, ActorRef, ChildSpec, Ctx, Failure};
use parking_lot::Mutex;
use tokio::net::UnixStream;

use super::actor::IpcServer;
use super::serve;
use crate::server::connection::figures::{ConnectionClosed, Reported};
use crate::server::limits::MAX_IPC_MESSAGE_BYTES;
use crate::server::quota::ConnectionPermit;

/// A client that was accepted.
pub(super) struct Accepted {
    pub(super) stream: UnixStream,
    pub(super) permit: ConnectionPermit,
    pub(super) reported: Reported,
}

/// The actor of one client. It owns the socket and the future that answers the client's requests, and
/// ends with them. A panic ends this connection alone.
pub struct IpcConnectionActor<C: Send + Sync + 'static> {
    server: Arc<IpcServer<C>>,
    accepted: Option<Accepted>,
}

impl<C: Send + Sync + 'static> IpcConnectionActor<C> {
    /// Returns the specification of the actor of the connection `id`, whose end is reported to
    /// IpcActor.
    pub(super) fn child(server: &Arc<IpcServer<C>>, id: u64, accepted: Accepted) -> ChildSpec {
        let me: ActorRef<Self> = ActorRef::new(&id.to_string());
        let accepted = Mutex::new(Some(accepted));
        let factory = {
            let server = Arc::clone(server);
            move || Self {
                server: Arc::clone(&server),
                accepted: accepted.lock().take(),
            }
        };
        ChildSpec::new(&me, factory)
            .arbiter("rpc")
            .monitored_by(&server.listener, move |_| ConnectionClosed { id })
    }
}

impl<C: Send + Sync + 'static> Actor for IpcConnectionActor<C> {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let accepted = self.accepted.take().ok_or("a connection begins once")?;
        let server = Arc::clone(&self.server);
        let serving = async move {
            let Accepted {
                stream,
                permit: _permit,
                reported,
            } = accepted;
            let (dispatcher, quota) = (&server.config.dispatcher, &server.quota);
            let figures = Arc::clone(&reported.figures);
            serve(dispatcher, stream, MAX_IPC_MESSAGE_BYTES, quota, figures).await;
        };
        ctx.spawn_then(serving, |_, (), ctx| ctx.stop());
        Ok(())
    }
}
