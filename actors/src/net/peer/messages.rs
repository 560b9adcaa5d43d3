//! Messages that a PeerActor sends to itself: what its streams, its timers and its protocol
//! sessions report.

use actoreum_messages::peer::DisconnectCause;
use actoreum_supervision::Message;
use tokio::sync::mpsc::{OwnedPermit, UnboundedReceiver};

use super::connection::Connection;
use crate::net::peer_control::PeerControl;
use crate::net::protocol::{Incoming, Outgoing, SessionExit};

/// Both handshakes and both checkpoints are over.
#[derive(Message)]
pub(super) struct HandshakesDone {
    pub(super) connection: Connection,
    /// The peer, which is in the set of peers now; or the reason why it is not.
    pub(super) outcome: Result<PeerControl, DisconnectCause>,
}

/// Bytes were read from the socket; the frames that they complete are in the RLPx session.
#[derive(Message)]
pub(super) struct FramesArrived(pub(super) Result<(), DisconnectCause>);

/// The connection ends after messages that are still to be passed on.
#[derive(Message)]
pub(super) struct EndDue(pub(super) DisconnectCause);

/// The socket has accepted all bytes of the last batch.
#[derive(Message)]
pub(super) struct OutputWritten(pub(super) Result<(), DisconnectCause>);

/// A message was queued for the peer while the queue was empty.
#[derive(Message)]
pub(super) struct MessageQueued {
    pub(super) first: Outgoing,
    pub(super) queue: UnboundedReceiver<Outgoing>,
}

/// A protocol session has taken its last batch of messages and has room for the next one.
#[derive(Message)]
pub(super) struct ProtocolReady {
    pub(super) capability: usize,
    pub(super) room: OwnedPermit<Vec<Incoming>>,
}

/// A protocol session has ended.
#[derive(Message)]
pub(super) struct ProtocolEnded(pub(super) SessionExit);

/// A ping is due, or the peer may have been silent for too long.
#[derive(Message)]
pub(super) struct KeepaliveDue;

/// The disconnect message was sent, and the socket is closed.
#[derive(Message)]
pub(super) struct ConnectionClosed;
