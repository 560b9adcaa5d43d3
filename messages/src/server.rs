//! Messages to ServerActor, which owns the set of peers.

use actoreum_primitives::PeerId;
use std::sync::Arc;
use std::time::Duration;

use actoreum_supervision::Message;
use actoreum_wire::nodes::NodeUrl;
use actoreum_wire::p2p::DisconnectReason;

use crate::filter::{FilterId, Subscriber};
use crate::peer::{ConnectionId, Direction, DisconnectCause};

/// The first checkpoint: whether a connection may go on once its key is proven. Answers the
/// disconnect reason to send if it may not.
///
/// From: PeerActor, after the RLPx handshake. Replaces geth's `checkpointPostHandshake` channel.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Result<(), DisconnectReason>)]
pub struct PostHandshakeCheck {
    /// Id of the connection.
    pub connection: ConnectionId,
    /// Node id of the remote node.
    pub id: PeerId,
    /// Direction of the connection.
    pub direction: Direction,
}

/// Reports that the connection of a peer ends.
///
/// From: PeerActor. Replaces geth's `delpeer` channel.
#[derive(Debug, Clone, Message)]
pub struct PeerLeft {
    /// Id of the connection.
    pub connection: ConnectionId,
    /// Cause of the end.
    pub cause: DisconnectCause,
}

/// Reports that the actor of a connection has ended, in whatever way.
///
/// From: the supervisor of the connections. geth has no such message.
#[derive(Debug, Clone, Copy, Message)]
pub struct ConnectionEnded(pub ConnectionId);

/// Adds a static peer: a connection to it is kept, whatever the limits.
///
/// From: `admin_addPeer`. Replaces geth's `addstatic` channel.
#[derive(Debug, Clone, Message)]
pub struct AddPeer(pub NodeUrl);

/// Removes a static peer, and disconnects it.
///
/// From: `admin_removePeer`. Replaces geth's `removestatic` channel.
#[derive(Debug, Clone, Message)]
pub struct RemovePeer(pub NodeUrl);

/// Adds a trusted peer: it may connect even when the maximum number of peers is reached.
///
/// From: `admin_addTrustedPeer`. Replaces geth's `addtrusted` channel.
#[derive(Debug, Clone, Message)]
pub struct AddTrusted(pub NodeUrl);

/// Removes a trusted peer. It stays connected.
///
/// From: `admin_removeTrustedPeer`. Replaces geth's `removetrusted` channel.
#[derive(Debug, Clone, Message)]
pub struct RemoveTrusted(pub NodeUrl);

/// Bans a node for a while: it was useless, or misbehaved.
///
/// From: actors that disconnect a peer. geth has no such thing.
#[derive(Debug, Clone, Message)]
pub struct Ban {
    /// Node id of the peer.
    pub peer: PeerId,
    /// The last reason for which points were counted against the peer.
    pub why: String,
    /// Duration of the ban.
    pub time: Duration,
}

/// Subscribes to peers that join and leave.
///
/// From: an RPC connection, right after it queued the answer to `admin_subscribe`. Replaces geth's
/// `SubscribeEvents`, whose slow subscribers delay the start of peers.
#[derive(Message)]
pub struct SubscribePeers {
    /// Id of the subscription.
    pub id: FilterId,
    /// Receiver of the events.
    pub subscriber: Arc<dyn Subscriber>,
}
