//! Nodes as discovery handles them.

use std::net::SocketAddr;

use actoreum_primitives::{PeerId, PublicKey};

use super::NeighborNode;
use crate::nodes::{Enode, EnodeEndpoint};

/// A node with an endpoint. The id is stored beside the key, since every distance needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Id of the node: the hash of its key.
    pub id: PeerId,
    /// Public key of the node.
    pub public_key: PublicKey,
    /// Endpoint of the node.
    pub endpoint: EnodeEndpoint,
}

impl Node {
    /// Creates a node.
    pub fn new(public_key: PublicKey, endpoint: EnodeEndpoint) -> Self {
        Self {
            id: PeerId::of(&public_key),
            public_key,
            endpoint,
        }
    }

    /// Returns the node of a complete enode URL; `None` for an incomplete one.
    pub fn from_enode(enode: &Enode) -> Option<Self> {
        Some(Self::new(enode.public_key, enode.endpoint?))
    }

    /// Returns the node as an enode URL describes it.
    pub fn to_enode(&self) -> Enode {
        Enode {
            public_key: self.public_key,
            endpoint: Some(self.endpoint),
        }
    }

    /// Returns the address for discovery packets.
    pub fn udp_address(&self) -> SocketAddr {
        self.endpoint.udp_address()
    }

    pub(super) fn to_neighbor(self) -> NeighborNode {
        let EnodeEndpoint { address, tcp, udp } = self.endpoint;
        NeighborNode {
            address,
            udp,
            tcp,
            public_key: self.public_key,
        }
    }
}
