//! Messages to ServerActor, which owns the set of peers.

use std::sync::Arc;
use std::time::Duration;

use actix::Message;
use actoreum_wire::nodes::{Enode, NodeId};

use crate::filter::{FilterId, Subscriber};

/// Keep a connection to a node, whatever the limits.
///
/// From: `admin_addPeer`. In the place of geth's `addstatic` channel.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct AddPeer(pub Enode);

/// Stop keeping a connection to a node, and end the one that there is.
///
/// From: `admin_removePeer`. In the place of geth's `removestatic` channel.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct RemovePeer(pub Enode);

/// Let a node in even when all places are taken.
///
/// From: `admin_addTrustedPeer`. In the place of geth's `addtrusted` channel.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct AddTrusted(pub Enode);

/// Treat a node like any other again. It stays connected.
///
/// From: `admin_removeTrustedPeer`. In the place of geth's `removetrusted` channel.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct RemoveTrusted(pub Enode);

/// Do not connect to a node for a while: it was of no use, or wasted our time on purpose.
///
/// From: whoever sends a peer away. geth has no such thing.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Ban {
    /// Who.
    pub peer: NodeId,
    /// What was counted against it last.
    pub why: String,
    /// For how long.
    pub time: Duration,
}

/// Tell of peers that come and go.
///
/// From: a connection, right after it queued the answer to `admin_subscribe`. In the place of
/// geth's `SubscribeEvents`, whose slow subscribers held up the start of peers.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SubscribePeers {
    /// The subscription's name.
    pub id: FilterId,
    /// Who is told.
    pub subscriber: Arc<dyn Subscriber>,
}

/// A peer came, or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEvent {
    /// Whose.
    pub peer: NodeId,
    /// `None`: it came. Otherwise why it went.
    pub dropped: Option<String>,
}
