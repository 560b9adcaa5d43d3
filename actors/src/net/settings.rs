//! What the operator decides about the network.

use std::net::IpAddr;
use std::path::PathBuf;

use actoreum_primitives::SecretKey;
use actoreum_wire::nodes::Enode;

use super::limits::{DIAL_RATIO, PENDING_PEERS};
use super::nat::Nat;
use super::restrict::NetRestrict;
use super::transport::ListenAddress;
use crate::supervision::Chance;

/// The operator's decisions.
#[derive(Debug, Clone)]
pub struct NetworkSettings {
    /// The node's static key.
    pub key: SecretKey,
    /// What the node calls itself.
    pub client_name: String,
    /// Where connections and datagrams are taken.
    pub listen: ListenAddress,
    /// Where datagrams are taken, if elsewhere (`--discovery.port`).
    pub discovery_port: Option<u16>,
    /// Whether nodes are looked for (`--nodiscover` says no).
    pub is_discovering: bool,
    /// Peers at most, beside static and trusted ones.
    pub max_peers: usize,
    /// Handshakes of strangers at a time.
    pub max_pending: usize,
    /// Whom to ask while nobody else is known.
    pub bootnodes: Vec<Enode>,
    /// Nodes to stay connected with.
    pub static_nodes: Vec<Enode>,
    /// Nodes to let in always.
    pub trusted_nodes: Vec<Enode>,
    /// The networks that may be talked to; `None`: all.
    pub restrict: Option<NetRestrict>,
    /// How the outside address becomes known.
    pub nat: Nat,
    /// What decides by chance: keys of a session, pauses, whom to dial.
    pub chance: Chance,
    /// Where discovery remembers nodes over restarts; `None`: nowhere.
    pub nodes_file: Option<PathBuf>,
}

impl NetworkSettings {
    /// geth's defaults, listening at any free port of all addresses.
    pub fn new(key: SecretKey, client_name: impl Into<String>) -> Self {
        Self {
            key,
            client_name: client_name.into(),
            listen: ListenAddress { ip: None, port: 0 },
            discovery_port: None,
            is_discovering: true,
            max_peers: 25,
            max_pending: PENDING_PEERS,
            bootnodes: Vec::new(),
            static_nodes: Vec::new(),
            trusted_nodes: Vec::new(),
            restrict: None,
            nat: Nat::None,
            chance: Chance::default(),
            nodes_file: None,
        }
    }

    /// Whether there is anybody to connect to: static nodes, or nodes that discovery begins with.
    pub fn knows_nodes(&self) -> bool {
        let remembers = || {
            let file = self.nodes_file.as_deref();
            file.is_some_and(super::discovery::remembers_nodes)
        };
        !self.static_nodes.is_empty()
            || self.max_dialled() > 0 && (!self.bootnodes.is_empty() || remembers())
    }

    /// The port of discovery, where it is known before its socket is bound; 0: any free one.
    pub fn udp_port(&self) -> u16 {
        self.discovery_port.unwrap_or(self.listen.port)
    }

    /// How many peers are dialled without being static.
    pub fn max_dialled(&self) -> usize {
        if self.is_discovering {
            self.max_peers / DIAL_RATIO
        } else {
            0
        }
    }

    /// How many peers may be such as dialled us.
    pub fn max_inbound(&self) -> usize {
        self.max_peers.saturating_sub(self.max_dialled())
    }

    /// Whether an address may be talked to.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.restrict
            .as_ref()
            .is_none_or(|restrict| restrict.contains(address))
    }
}
