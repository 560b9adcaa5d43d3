//! The network: connections to peers, and the search for them.
//!
//! ```text
//! network                one_for_one
//! |- connections         rest_for_one: what ServerActor has forgotten must not live on
//! |   |- server          ServerActor: the set of peers, the checkpoints
//! |   |- peers           one PeerActor a connection, temporary, never restarted
//! |   `- edges           one_for_one
//! |       |- listener    ListenerActor: takes connections
//! |       `- dialer      DialerActor: makes them
//! |- discovery           UdpDiscoveryActor: the datagrams' socket, the table, lookups
//! `- nat                 NatActor: the router's help, where it is wanted
//! ```
//!
//! ```text
//!   socket --> ListenerActor --+                      +--> UdpDiscoveryActor <--> socket
//!                              v        lookups, the table |
//!                          PeerActor  <-------------- DialerActor
//!                              |  Admit, Greet             ^
//!                              v                           | PeersChanged
//!                         ServerActor ---------------------+
//!                              |  publishes the set of peers
//!                              v
//!                     RPC, the admin page, protocols
//! ```
//!
//! Protocols plug in through [`protocol::ProtocolHandler`]. The bytes themselves are
//! `actoreum_wire`'s; sockets come from a [`transport::Transport`], so that tests can bring a
//! network of their own. Every bound is in [`limits`].

pub mod dialer;
pub mod discovery;
pub mod dropped;
pub mod limits;
pub mod listener;
pub mod local;
pub mod nat;
pub mod peer;
mod places;
pub mod protocol;
pub mod restrict;
pub mod roster;
pub mod server;
pub mod settings;
pub mod tcp;
pub mod transport;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use self::dialer::DialerActor;
use self::discovery::{TableView, UdpDiscoveryActor};
use self::dropped::{DroppedPeer, DroppedPeers};
use self::listener::ListenerActor;
use self::local::LocalNode;
use self::nat::{Nat, NatActor};
use self::peer::PeerRecord;
use self::protocol::ProtocolHandler;
use self::roster::Roster;
use self::server::ServerActor;
use self::settings::NetworkSettings;
use self::transport::{ListenAddress, Transport};
use crate::supervision::{ActorRef, ChildSpec, DynamicRef, Strategy, SupervisorSpec};

/// The thread of everything that reads sockets.
const ARBITER: &str = "network";

/// Messages that may wait for UdpDiscoveryActor: questions of the dialer; datagrams wait outside.
const DISCOVERY_MAILBOX: usize = 256;

/// The network never gives up: a node without peers still serves its chain. Its pauses grow.
const RESTARTS: u32 = u32::MAX;
/// See [`RESTARTS`].
const PERIOD: Duration = Duration::from_secs(600);

/// What the network's actors have in common.
pub(crate) struct Shared {
    settings: NetworkSettings,
    transport: Arc<dyn Transport>,
    handler: Arc<dyn ProtocolHandler>,
    local: Arc<LocalNode>,
    roster: Arc<Roster>,
    dropped: DroppedPeers,
    server: ActorRef<ServerActor>,
    dialer: ActorRef<DialerActor>,
    discovery: ActorRef<UdpDiscoveryActor>,
    connections: DynamicRef,
    /// The set of peers, by id.
    peers: ArcSwap<Vec<Arc<PeerRecord>>>,
    table: ArcSwap<TableView>,
}

impl Shared {
    /// Where to listen. A generation behind the first keeps the port that others know.
    fn listen_address(&self) -> ListenAddress {
        match self.local.info().endpoint.tcp {
            0 => self.settings.listen,
            port => ListenAddress {
                port,
                ..self.settings.listen
            },
        }
    }
}

/// What others hold of the network: its state without a mailbox, and who takes orders.
#[derive(Clone)]
pub struct NetworkHandle {
    shared: Arc<Shared>,
}

impl NetworkHandle {
    /// The peers at this moment, by id.
    pub fn peers(&self) -> Arc<Vec<Arc<PeerRecord>>> {
        self.shared.peers.load_full()
    }

    /// Peers that were sent away lately, the last one first.
    pub fn dropped(&self) -> Vec<DroppedPeer> {
        self.shared.dropped.list()
    }

    /// The table of nodes, at most a second old.
    pub fn table(&self) -> Arc<TableView> {
        self.shared.table.load_full()
    }

    /// What the node says of itself.
    pub fn local(&self) -> Arc<local::LocalInfo> {
        self.shared.local.info()
    }

    /// What the operator decided.
    pub fn settings(&self) -> &NetworkSettings {
        &self.shared.settings
    }

    /// The owner of the set of peers.
    pub fn server(&self) -> &ActorRef<ServerActor> {
        &self.shared.server
    }

    /// Who finds nodes.
    pub fn discovery(&self) -> &ActorRef<UdpDiscoveryActor> {
        &self.shared.discovery
    }

    /// Connections that stand or are being set up.
    pub fn connections(&self) -> usize {
        self.shared.connections.children()
    }
}

/// Puts the network together: what is to be started, and what others hold of it.
pub fn assemble(
    settings: NetworkSettings,
    transport: Arc<dyn Transport>,
    handler: Arc<dyn ProtocolHandler>,
) -> (SupervisorSpec, NetworkHandle) {
    let local = LocalNode::new(settings.key.clone(), handler.record_entries());
    if let Nat::External(address) = settings.nat {
        local.set_external(Some(address));
    }
    let shared = Arc::new(Shared {
        local: Arc::new(local),
        roster: Arc::new(Roster::new(&settings.static_nodes, &settings.trusted_nodes)),
        dropped: DroppedPeers::default(),
        server: ActorRef::new("server"),
        dialer: ActorRef::new("dialer"),
        discovery: ActorRef::new("discovery"),
        connections: DynamicRef::with_limit("peers", limits::CONNECTIONS),
        peers: ArcSwap::default(),
        table: ArcSwap::default(),
        settings,
        transport,
        handler,
    });
    let mut network =
        SupervisorSpec::new("network", Strategy::OneForOne).intensity(RESTARTS, PERIOD);
    // Before discovery, whose first ping already tells the listener's port.
    network = network.child(connections(&shared));
    if shared.settings.is_discovering {
        let of = Arc::clone(&shared);
        let open = move || UdpDiscoveryActor::open(Arc::clone(&of));
        let child = ChildSpec::new(&shared.discovery, open)
            .arbiter(ARBITER)
            .mailbox(DISCOVERY_MAILBOX);
        network = network.child(child);
    }
    if shared.settings.nat.asks_router() {
        let of = Arc::clone(&shared);
        let nat = ChildSpec::new(&ActorRef::new("nat"), move || {
            NatActor::new(Arc::clone(&of))
        });
        network = network.child(nat.arbiter(ARBITER));
    }
    (network, NetworkHandle { shared })
}

fn connections(shared: &Arc<Shared>) -> SupervisorSpec {
    let (of, listens, dials) = (Arc::clone(shared), Arc::clone(shared), Arc::clone(shared));
    let server = ChildSpec::new(&shared.server, move || ServerActor::new(Arc::clone(&of)));
    let listen = move || ListenerActor::open(Arc::clone(&listens));
    let listener = ChildSpec::new(&ActorRef::new("listener"), listen);
    let dialer = ChildSpec::new(&shared.dialer, move || DialerActor::new(Arc::clone(&dials)));
    let edges = SupervisorSpec::new("edges", Strategy::OneForOne)
        .child(listener.arbiter(ARBITER))
        .child(dialer.arbiter(ARBITER))
        .intensity(RESTARTS, PERIOD);
    SupervisorSpec::new("connections", Strategy::RestForOne)
        .child(server.arbiter(ARBITER))
        .child(SupervisorSpec::dynamic(&shared.connections))
        .child(edges)
        .intensity(RESTARTS, PERIOD)
}
