//! PeerActor: one connection, from its first byte to its last.
//!
//! ```text
//!   accepted or dialled
//!         |  RLPx handshake
//!         v
//!   first checkpoint (ServerActor: is there a place for this key?)
//!         |  Hello
//!         v
//!   second checkpoint (something in common, and again a place)  -> in the set of peers
//!         |
//!         v
//!   conversations, pings, until one side ends it  -> out of the set
//! ```
//!
//! Everything of a connection is in its actor: the socket, the session, the conversations. When
//! the actor ends, in whatever way, all of it is gone, and ServerActor hears of it from the
//! supervisor. It is temporary: a lost peer is dialled again, not restarted.
//!
//! | message | what happens |
//! |---|---|
//! | `Disconnect` | the other side is told the reason, and the actor ends |

mod connection;
mod live;
mod record;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use actoreum_primitives::PublicKey;
use actoreum_wire::p2p::DisconnectReason;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

pub use connection::End;
pub use record::{ConnectionId, Direction, PeerRecord, Traffic};

use super::Shared;
use super::limits::{FAREWELL, PEER_MAILBOX};
use super::places::Place;
use super::server::ConnectionEnded;
use super::transport::Wire;
use crate::supervision::{Actor, ActorRef, ChildSpec, Ctx, Failure, Handles, Message};

/// End the connection, for this reason. From: ServerActor, and whoever holds the peer's handle.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Disconnect(pub DisconnectReason);

/// What a connection begins with.
pub(super) struct Beginning {
    pub wire: Wire,
    pub direction: Direction,
    /// Whom we dialled.
    pub expected: Option<PublicKey>,
    /// A stranger's place among the handshakes; given back when its handshakes are over.
    pub place: Option<Place>,
    /// Hears how the handshakes ended: after the peer was added, or refused.
    pub set_up: Option<oneshot::Sender<Result<(), End>>>,
}

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// The specification of a connection's actor.
pub(super) fn child(shared: &Arc<Shared>, beginning: Beginning) -> ChildSpec {
    let id = ConnectionId(CONNECTIONS.fetch_add(1, Relaxed));
    let me = ActorRef::new(&format!("{}", id.0));
    let beginning = Mutex::new(Some(beginning));
    let factory = {
        let (shared, me) = (Arc::clone(shared), me.clone());
        move || {
            let beginning = beginning.lock().take().ok_or("a connection begins once")?;
            Ok::<_, Failure>(PeerActor {
                id,
                shared: Arc::clone(&shared),
                me: me.clone(),
                beginning: Some(beginning),
                wish: watch::Sender::new(None),
            })
        }
    };
    ChildSpec::new(&me, factory)
        .arbiter(super::ARBITER)
        .mailbox(PEER_MAILBOX)
        .stop_timeout(FAREWELL)
        .tell_exit(&shared.server, move |_| ConnectionEnded(id))
}

/// See the module.
pub struct PeerActor {
    id: ConnectionId,
    shared: Arc<Shared>,
    me: ActorRef<PeerActor>,
    beginning: Option<Beginning>,
    /// The wish that the connection ends.
    wish: watch::Sender<Option<DisconnectReason>>,
}

impl Actor for PeerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let beginning = self.beginning.take().ok_or("a connection begins once")?;
        let life = live::Life {
            id: self.id,
            shared: Arc::clone(&self.shared),
            actor: self.me.clone(),
            wish: self.wish.subscribe(),
        };
        ctx.spawn_then(life.run(beginning), |_, (), ctx| ctx.stop());
        Ok(())
    }
}

impl Handles<Disconnect> for PeerActor {
    type Answer = ();

    fn handle(&mut self, Disconnect(reason): Disconnect, _: &mut Ctx<Self>) {
        self.wish.send_if_modified(|wish| {
            let is_first = wish.is_none();
            wish.get_or_insert(reason);
            is_first
        });
    }
}
