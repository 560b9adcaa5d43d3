//! Messages to DialerActor, which decides which nodes to dial.

use actoreum_primitives::PeerId;
use actoreum_supervision::Message;
use actoreum_wire::nodes::NodeUrl;

/// Adds a static node: it is dialled now, and again whenever it is not connected.
///
/// From: ServerActor, for `admin_addPeer`. A node that is static already starts afresh: its address
/// is looked up again.
#[derive(Debug, Clone, Message)]
pub struct AddStatic(pub NodeUrl);

/// Removes a static node, and forgets when it was dialled last.
///
/// From: ServerActor, for `admin_removePeer`.
#[derive(Debug, Clone, Copy, Message)]
pub struct RemoveStatic(pub PeerId);

/// Reports that the set of peers changed: DialerActor checks whether to dial.
///
/// From: ServerActor, after it published the set. Replaces the turn that geth's `scheduleTasks`
/// takes before each event of its loop.
#[derive(Debug, Clone, Copy, Message)]
pub struct PeerSetChanged;
