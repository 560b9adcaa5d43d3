//! Configuration of the network.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use actoreum_primitives::SecretKey;
use actoreum_wire::dns::TreeLink;
use actoreum_wire::nodes::NodeUrl;

use super::limits::{DEFAULT_MAX_PENDING_PEERS, DIAL_RATIO};
use super::nat::mechanism::Nat;
use super::restrict::NetRestrict;
use super::transport::ListenAddress;
use actoreum_supervision::SeededRng;

/// Configuration of the network.
#[derive(Debug, Clone)]
pub struct NetworkSettings {
    /// The node's static key.
    pub key: SecretKey,
    /// The client name in the Hello message.
    pub client_name: String,
    /// The address for inbound connections and datagrams.
    pub listen: ListenAddress,
    /// The UDP port of discovery, where it differs from the TCP port (`--discovery.port`).
    pub discovery_port: Option<u16>,
    /// Whether discovery v4 is on (`--nodiscover` turns it off).
    pub discovery_v4: bool,
    /// Whether discovery v5 is on (`--discovery.v5`).
    pub discovery_v5: bool,
    /// The maximum number of peers, not counting static and trusted ones.
    pub max_peers: usize,
    /// The maximum number of concurrent inbound handshakes.
    pub max_pending: usize,
    /// The nodes that discovery starts from.
    pub bootnodes: Vec<NodeUrl>,
    /// The nodes that discovery v5 starts from; empty: `bootnodes` (`--bootnodesv5`).
    pub bootnodes_v5: Vec<NodeUrl>,
    /// The trees of nodes in DNS (`--discovery.dns`).
    pub dns_trees: Vec<TreeLink>,
    /// The DNS servers for these trees; empty: those of the system.
    pub dns_servers: Vec<SocketAddr>,
    /// Nodes that the node always dials.
    pub static_nodes: Vec<NodeUrl>,
    /// Nodes that may connect above the maximum number of peers.
    pub trusted_nodes: Vec<NodeUrl>,
    /// The IP networks that communication is restricted to; `None`: all (`--netrestrict`).
    pub restrict: Option<NetRestrict>,
    /// The mechanism that determines the external address.
    pub nat: Nat,
    /// The randomness of session keys, of pauses, and of the choice of nodes to dial.
    pub rng: SeededRng,
    /// The file in which discovery keeps nodes over restarts; `None`: no file.
    pub nodes_file: Option<PathBuf>,
    /// The number of threads that write this file, and of those that resolve host names; zero where a simulation's clock would not wait for
    /// them.
    pub file_threads: usize,
}

impl NetworkSettings {
    /// Returns geth's defaults, listening at any free port of all addresses.
    pub fn new(key: SecretKey, client_name: impl Into<String>) -> Self {
        Self {
            key,
            client_name: client_name.into(),
            listen: ListenAddress { ip: None, port: 0 },
            discovery_port: None,
            discovery_v4: true,
            discovery_v5: false,
            max_peers: 25,
            max_pending: DEFAULT_MAX_PENDING_PEERS,
            bootnodes: Vec::new(),
            bootnodes_v5: Vec::new(),
            dns_trees: Vec::new(),
            dns_servers: Vec::new(),
            static_nodes: Vec::new(),
            trusted_nodes: Vec::new(),
            restrict: None,
            nat: Nat::None,
            rng: SeededRng::default(),
            nodes_file: None,
            file_threads: 1,
        }
    }

    /// Returns whether any node to connect to is known: static nodes, or nodes that discovery
    /// starts from.
    pub fn knows_nodes(&self) -> bool {
        let remembers = || {
            let files = [self.nodes_file.clone(), self.nodes_file_v5()];
            let mut files = files.into_iter().flatten();
            files.any(|file| super::discovery::store::remembers_nodes(&file))
        };
        let has_bootnodes = !self.bootnodes.is_empty() || !self.bootnodes_v5().is_empty();
        !self.static_nodes.is_empty()
            || self.max_dialled() > 0
                && (has_bootnodes || !self.dns_trees.is_empty() || remembers())
    }

    /// Returns whether a version of the discovery protocol is on.
    pub fn is_discovering(&self) -> bool {
        self.discovery_v4 || self.discovery_v5
    }

    /// Returns the bootnodes of discovery v5; none where that is off.
    pub fn bootnodes_v5(&self) -> Vec<NodeUrl> {
        match (self.discovery_v5, self.bootnodes_v5.is_empty()) {
            (false, _) => Vec::new(),
            (true, true) => self.bootnodes.clone(),
            (true, false) => self.bootnodes_v5.clone(),
        }
    }

    /// Returns the file in which discovery v5 keeps nodes, beside that of v4.
    pub fn nodes_file_v5(&self) -> Option<PathBuf> {
        let file = self.nodes_file.as_ref()?;
        Some(file.with_extension("v5"))
    }

    /// Returns the configured UDP port of discovery; 0: any free one.
    pub fn udp_port(&self) -> u16 {
        self.discovery_port.unwrap_or(self.listen.port)
    }

    /// Returns the maximum number of dialled peers that are not static.
    pub fn max_dialled(&self) -> usize {
        if self.is_discovering() || !self.dns_trees.is_empty() {
            self.max_peers / DIAL_RATIO
        } else {
            0
        }
    }

    /// Returns the maximum number of inbound peers.
    pub fn max_inbound(&self) -> usize {
        self.max_peers.saturating_sub(self.max_dialled())
    }

    /// Returns whether communication with an address is allowed.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.restrict
            .as_ref()
            .is_none_or(|restrict| restrict.contains(address))
    }
}
