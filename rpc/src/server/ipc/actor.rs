//! The IPC server as actors of the supervision tree.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actoreum_supervision::{
    Actor, ActorRef, ChildSpec, Ctx, DynamicRef, Exit, Failure, Handles, Message, Strategy,
    SupervisorSpec,
};
use futures_util::stream;
use tokio::net::UnixStream;

use super::IpcListener;
use super::connection_actor::{Accepted, IpcConnectionActor};
use crate::server::connection::figures::{
    ConnectionClosed, ConnectionList, Figures, OpenConnections, Reported,
};
use crate::server::dispatch::Dispatcher;
use crate::server::limits::MAX_IPC_CONNECTIONS;
use crate::server::quota::{ClientQuota, SharedQuota};

/// Pause after the system refused a connection (because no file descriptor is free, for example).
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Period in which the restarts of the server are counted.
const RESTART_PERIOD: Duration = Duration::from_secs(600);

/// The error of a server that cannot listen on its IPC socket.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {}: {error}", .path.display())]
pub struct ListenError {
    /// The socket's path.
    pub path: PathBuf,
    /// The system's error.
    pub error: io::Error,
}

/// The configuration of an IPC server.
pub struct IpcConfig<C> {
    /// The path of the socket.
    pub path: PathBuf,
    /// The dispatcher of the requests.
    pub dispatcher: Arc<Dispatcher<C>>,
    /// The quota in which the connections are counted.
    pub quota: SharedQuota,
    /// The place where the open connections are published.
    pub connections: OpenConnections,
}

/// The parts of an IPC server that its actors share, over their restarts.
pub(super) struct IpcServer<C: Send + Sync + 'static> {
    pub(super) config: IpcConfig<C>,
    pub(super) quota: ClientQuota,
    pub(super) listener: ActorRef<IpcActor<C>>,
    connections: DynamicRef,
}

/// Listens on the IPC socket, and holds the list of open connections. Each connection has an actor of
/// its own, so that a restart of the listener costs none. While [`MAX_IPC_CONNECTIONS`] are open,
/// further clients wait in the kernel's backlog.
pub struct IpcActor<C: Send + Sync + 'static> {
    server: Arc<IpcServer<C>>,
    socket: Option<Arc<IpcListener>>,
    open: ConnectionList,
    is_accepting: bool,
}

/// A client has connected, or could not.
#[derive(Message)]
struct ClientArrived(io::Result<UnixStream>);

impl<C: Send + Sync + 'static> IpcConfig<C> {
    /// Returns the specification of the server: the supervisor `ipc` with the listener and the
    /// connections. It never gives up.
    pub fn supervisor(self) -> SupervisorSpec {
        let server = Arc::new(IpcServer {
            quota: self.quota.for_ipc(),
            config: self,
            listener: ActorRef::new("listener"),
            connections: DynamicRef::with_limit("connections", MAX_IPC_CONNECTIONS),
        });
        let (connections, listener) = (server.connections.clone(), server.listener.clone());
        let factory = move || IpcActor {
            open: ConnectionList::new(&server.config.connections),
            server: Arc::clone(&server),
            socket: None,
            is_accepting: false,
        };
        SupervisorSpec::new("ipc", Strategy::OneForOne)
            .intensity(u32::MAX, RESTART_PERIOD)
            .child(SupervisorSpec::dynamic(&connections))
            .child(ChildSpec::new(&listener, factory).arbiter("rpc"))
    }
}

impl<C: Send + Sync + 'static> IpcActor<C> {
    /// Waits for the next client, if there is room for one.
    fn accept_next(&mut self, ctx: &mut Ctx<Self>) {
        let Some(socket) = self.socket.clone() else {
            return;
        };
        if self.is_accepting || self.open.len() >= MAX_IPC_CONNECTIONS {
            return;
        }
        self.is_accepting = true;
        ctx.attach(stream::once(async move {
            let accepted = socket.accept().await;
            if let Err(error) = &accepted {
                tracing::warn!(%error, "IPC accept error");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
            ClientArrived(accepted)
        }));
    }

    /// Starts the actor of a client. A client beyond the quota of all transports is disconnected.
    fn open(&mut self, stream: UnixStream, ctx: &mut Ctx<Self>) {
        let Some(permit) = self.server.quota.connect() else {
            return;
        };
        let id = self.server.config.connections.next_id();
        let figures = Figures::new(id, None);
        self.open.add(Arc::clone(&figures));
        let accepted = Accepted {
            stream,
            permit,
            // The supervisor reports the end of the actor.
            reported: Reported::open(figures, None),
        };
        let child = IpcConnectionActor::child(&self.server, id, accepted);
        let starting = self.server.connections.start(child);
        ctx.spawn_then(starting, move |actor: &mut Self, started, ctx| {
            if let Err(error) = started {
                tracing::warn!(%error, "IPC connection not taken");
                actor.close(id, ctx);
            }
        });
    }

    fn close(&mut self, id: u64, ctx: &mut Ctx<Self>) {
        self.open.remove(id);
        self.accept_next(ctx);
    }
}

impl<C: Send + Sync + 'static> Actor for IpcActor<C> {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let path = &self.server.config.path;
        let socket = IpcListener::bind(path).map_err(|error| ListenError {
            path: path.clone(),
            error,
        })?;
        self.socket = Some(Arc::new(socket));
        tracing::info!(path = %path.display(), "IPC endpoint opened");
        self.accept_next(ctx);
        Ok(())
    }

    async fn stopped(self, _: &Exit) {
        tracing::info!(path = %self.server.config.path.display(), "IPC endpoint closed");
    }
}

impl<C: Send + Sync + 'static> Handles<ClientArrived> for IpcActor<C> {
    type Answer = ();

    fn handle(&mut self, ClientArrived(accepted): ClientArrived, ctx: &mut Ctx<Self>) {
        self.is_accepting = false;
        // An error was logged where it occurred.
        if let Ok(stream) = accepted {
            self.open(stream, ctx);
        }
        self.accept_next(ctx);
    }
}

impl<C: Send + Sync + 'static> Handles<ConnectionClosed> for IpcActor<C> {
    type Answer = ();

    fn handle(&mut self, closed: ConnectionClosed, ctx: &mut Ctx<Self>) {
        self.close(closed.id, ctx);
    }
}
