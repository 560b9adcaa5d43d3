//! A node as discovery handles it.

use std::net::SocketAddr;

use actoreum_primitives::PublicKey;

use super::NeighborNode;
use crate::nodes::{Enode, EnodeEndpoint, NodeId};

/// A node with an endpoint. The id is kept beside the key, since every distance needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The hash of the key.
    pub id: NodeId,
    /// The key.
    pub public_key: PublicKey,
    /// Where the node is.
    pub endpoint: EnodeEndpoint,
}

impl Node {
    /// A node.
    pub fn new(public_key: PublicKey, endpoint: EnodeEndpoint) -> Self {
        Self {
            id: NodeId::of(&public_key),
            public_key,
            endpoint,
        }
    }

    /// The node of a complete URL; `None` for an incomplete one.
    pub fn from_enode(enode: &Enode) -> Option<Self> {
        Some(Self::new(enode.public_key, enode.endpoint?))
    }

    /// The node as an URL would name it.
    pub fn to_enode(&self) -> Enode {
        Enode {
            public_key: self.public_key,
            endpoint: Some(self.endpoint),
        }
    }

    /// Where its discovery packets go.
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
