//! Messages to UdpDiscoveryActor, which finds nodes (discv4).

use actoreum_primitives::PublicKey;
use actoreum_supervision::Message;
use actoreum_wire::discv4::Node;

/// Searches the network for the nodes closest to a target. Answers at most sixteen, the closest
/// first.
///
/// From: DialerActor, which does not block on the answer. Replaces geth's `LookupRandom` and
/// `Resolve`, which block their caller.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Vec<Node>)]
pub struct Lookup {
    /// A node's public key; that node comes first in the answer if it was found. `None` for a
    /// random target, to meet nodes.
    pub target: Option<PublicKey>,
}

/// Reports that the local node record changed: an address or a port.
///
/// From: ListenerActor, once it listens, and NatActor, once it knows the external address.
#[derive(Debug, Clone, Copy, Message)]
pub struct LocalNodeChanged;
