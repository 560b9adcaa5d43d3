//! PeerActor: one connection, from its first byte to its last byte.
//!
//! ```text
//!   accepted or dialled
//!         |  RLPx handshake
//!         v
//!   first checkpoint (ServerActor: PostHandshakeCheck)
//!         |  Hello
//!         v
//!   second checkpoint (ServerActor: AddPeerCheck)  -> in the set of peers
//!         |
//!         v
//!   protocol sessions, pings, until one side disconnects  -> out of the set
//! ```
//!
//! The actor owns all parts of a connection: the socket, the RLPx session, the protocol sessions.
//! When the actor ends, in whatever way, all of them are dropped, and the supervisor notifies
//! ServerActor. The actor is temporary: a lost peer is dialled again, not restarted.
//!
//! | message | effect |
//! |---|---|
//! | [`Disconnect`] | the reason is sent to the peer, and the actor ends |

mod connection;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use actoreum_messages::peer::{ConnectionId, Direction, Disconnect, DisconnectCause};
use actoreum_messages::server::ConnectionEnded;
use actoreum_primitives::PublicKey;
use actoreum_wire::p2p::DisconnectReason;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::handshake_slots::HandshakeSlot;
use super::limits::{CLOSE_TIMEOUT, PEER_MAILBOX};
use super::server::ServerActor;
use super::shared::{ARBITER, Shared};
use super::transport::Wire;
use actoreum_supervision::{
    Actor, ActorRef, ChildSpec, Ctx, DynamicRef, Failure, Handles, StartError,
};

/// The arguments of a new connection's actor.
pub(super) struct ConnectionArgs {
    pub wire: Wire,
    pub direction: Direction,
    /// The public key of the dialled node; `None` for an inbound connection.
    pub expected: Option<PublicKey>,
    /// The handshake slot of an inbound connection, released when its handshakes are over.
    pub slot: Option<HandshakeSlot>,
    /// Gets the result of the handshakes, after the peer was added or refused.
    pub set_up: Option<oneshot::Sender<Result<(), DisconnectCause>>>,
}

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// Starts the actors of connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) shared: Arc<Shared>,
    /// Admits peers.
    pub(super) server: ActorRef<ServerActor>,
    /// The supervisor of the connections' actors.
    pub(super) supervisor: DynamicRef,
}

impl Connections {
    /// Starts the actor of a connection.
    ///
    /// # Errors
    /// The bound on connections is reached, or their supervisor is down.
    pub(super) fn start(
        &self,
        args: ConnectionArgs,
    ) -> impl Future<Output = Result<(), StartError>> + Send + use<> {
        self.supervisor.start(self.child(args))
    }

    fn child(&self, args: ConnectionArgs) -> ChildSpec {
        let id = ConnectionId(CONNECTIONS.fetch_add(1, Relaxed));
        let me: ActorRef<PeerActor> = ActorRef::new(&id.0.to_string());
        let args = Mutex::new(Some(args));
        let factory = {
            let (shared, server) = (Arc::clone(&self.shared), self.server.clone());
            move || {
                let args = args.lock().take().ok_or("a connection begins once")?;
                Ok::<_, Failure>(PeerActor {
                    id,
                    shared: Arc::clone(&shared),
                    server: server.clone(),
                    args: Some(args),
                    disconnect_request: watch::Sender::new(None),
                })
            }
        };
        ChildSpec::new(&me, factory)
            .arbiter(ARBITER)
            .mailbox(PEER_MAILBOX)
            .stop_timeout(CLOSE_TIMEOUT)
            .monitored_by(&self.server, move |_| ConnectionEnded(id))
    }
}

/// The actor of one connection; see the module.
pub struct PeerActor {
    id: ConnectionId,
    shared: Arc<Shared>,
    server: ActorRef<ServerActor>,
    args: Option<ConnectionArgs>,
    /// The request that the connection ends, if any.
    disconnect_request: watch::Sender<Option<DisconnectReason>>,
}

impl Actor for PeerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let args = self.args.take().ok_or("a connection begins once")?;
        let session = session::PeerSession {
            id: self.id,
            shared: Arc::clone(&self.shared),
            server: self.server.clone(),
            actor: ctx.me().recipient(),
            disconnect_request: self.disconnect_request.subscribe(),
        };
        ctx.spawn_then(session.run(args), |_, (), ctx| ctx.stop());
        Ok(())
    }
}

impl Handles<Disconnect> for PeerActor {
    type Answer = ();

    fn handle(&mut self, Disconnect(reason): Disconnect, _: &mut Ctx<Self>) {
        self.disconnect_request.send_if_modified(|request| {
            let is_first = request.is_none();
            request.get_or_insert(reason);
            is_first
        });
    }
}
