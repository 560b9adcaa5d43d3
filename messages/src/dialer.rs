//! Messages to DialerActor, which decides whom to dial.

use actix::Message;
use actoreum_wire::nodes::{Enode, NodeId};

/// Dial a node now, and again whenever it is not connected.
///
/// From: ServerActor, for `admin_addPeer`. A node that is known already begins anew: it is
/// looked up again.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct AddStatic(pub Enode);

/// Stop dialling a node, and forget when it was dialled last.
///
/// From: ServerActor, for `admin_removePeer`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct RemoveStatic(pub NodeId);

/// The set of peers is another one: look whether somebody should be dialled.
///
/// From: ServerActor, after it has published the set. In the place of the turn that geth's
/// `scheduleTasks` takes before each of its loop's events.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct PeersChanged;
