//! Messages to the actors that find nodes: UdpDiscoveryActor (discv4) and DiscoveryV5Actor (discv5).

use std::net::SocketAddr;

use actoreum_primitives::PublicKey;
use actoreum_supervision::Message;
use actoreum_wire::discv4::Node;

/// Searches the network for the nodes closest to a target. Answers at most sixteen, the closest
/// first.
///
/// To both actors. From: DialerActor, which does not block on the answer. Replaces geth's
/// `LookupRandom` and `Resolve`, which block their caller.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Vec<Node>)]
pub struct Lookup {
    /// A node's public key; that node comes first in the answer if it was found. `None` for a
    /// random target, to meet nodes.
    pub target: Option<PublicKey>,
}

/// Reports that the local node record changed: an address or a port. DiscoveryV5Actor compares the
/// record once a second instead.
///
/// From: ListenerActor, once it listens, and NatActor, once it knows the external address.
#[derive(Debug, Clone, Copy, Message)]
pub struct LocalNodeChanged;

/// A datagram and its sender.
pub type Datagram = (SocketAddr, Box<[u8]>);

/// Datagrams of discovery v5, at most 1,281 bytes each.
///
/// From: UdpDiscoveryActor, which reads the socket of both versions; without discovery v4 the stream of
/// DiscoveryV5Actor's own socket. Replaces geth's channel of 100 unhandled packets.
#[derive(Debug, Message)]
#[message(weight = self.0.iter().map(|(_, datagram)| datagram.len()).sum())]
pub struct V5Datagrams(pub Vec<Datagram>);
