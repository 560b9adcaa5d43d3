//! Messages to UdpDiscoveryActor, which finds nodes.

use actix::Message;
use actoreum_primitives::PublicKey;
use actoreum_wire::discv4::Node;

/// Search the network for the nodes closest to a target; closest first, at most sixteen.
///
/// From: DialerActor, which waits for the answer beside its other work. In the place of geth's
/// `LookupRandom` and `Resolve`, which blocked their caller.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<Node>")]
pub struct Lookup {
    /// A node's key: that node is the first of the answer if it was found. `None`: a random
    /// target, to meet nodes.
    pub target: Option<PublicKey>,
}

/// What we say of ourselves changed: an address, a port.
///
/// From: ListenerActor, once it listens, and NatActor, once it knows the outside address.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct LocalNodeChanged;
