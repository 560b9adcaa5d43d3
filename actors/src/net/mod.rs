//! The p2p network: connections to peers, and node discovery.
//!
//! ```text
//! network                one_for_one
//! |- names              a thread pool: resolves host names
//! |- connections         rest_for_one: connections end when ServerActor loses the set of peers
//! |   |- server          ServerActor: the set of peers, the checkpoints
//! |   |- sessions        the actors of protocol sessions, one a connection, temporary
//! |   |- peers           one PeerActor a connection, temporary, never restarted
//! |   `- edges           one_for_one
//! |       |- listener    ListenerActor: accepts connections
//! |       `- dialer      DialerActor: dials nodes
//! |- nodes file          a thread pool: writes the nodes that discovery remembers
//! |- discovery           UdpDiscoveryActor: the UDP socket, the node table, lookups
//! |- discovery_v5        DiscoveryV5Actor: the same for discovery v5, where it is on
//! |- dns                 DnsDiscoveryActor: nodes of DNS, where a tree is configured
//! `- nat                 NatActor: port mappings at the router, where configured
//! ```
//!
//! ```text
//!   socket --> ListenerActor --+                      +--> UdpDiscoveryActor <--> socket
//!                              v        lookups, the table |       | V5Datagrams
//!                          PeerActor  <-------------- DialerActor -+-> DiscoveryV5Actor
//!           PostHandshakeCheck |                           ^
//!                 AddPeerCheck v                           | PeerSetChanged
//!                         ServerActor ---------------------+
//!                              |  publishes the set of peers
//!                              v
//!                     RPC, the admin page, protocols
//! ```
//!
//! Protocols plug in through [`protocol::ProtocolHandler`]; nothing here knows one of them. The
//! bytes themselves are `actoreum_wire`'s; sockets come from a [`transport::Transport`], so that
//! tests can use an in-memory network. Every bound is in [`limits`].
//!
//! The actors share the state of `shared.rs`, which contains no actor. Each gets the references to
//! others that it needs from [`assemble`]. ServerActor refers to DialerActor, and the control of a
//! peer to its connection, by message only (`Recipient`), so that the modules depend on each other
//! in one direction: `shared` <- `server` <- `peer` <- `listener`, `dialer`.

mod arbiter;
pub mod ban_list;
pub mod dialer;
pub mod discovery;
pub mod dns;
mod handshake_slots;
pub mod limits;
pub mod listener;
pub mod local;
mod names;
pub mod nat;
pub mod peer;
mod peer_control;
pub mod protocol;
pub mod record;
pub mod restrict;
pub mod server;
pub mod settings;
mod shared;
pub mod static_and_trusted;
pub mod tcp;
pub mod transport;

use std::sync::Arc;
use std::time::Duration;

use self::arbiter::on_arbiter;
use self::ban_list::DroppedPeer;
use self::dialer::{DialerActor, NodeSources};
use self::discovery::v5::DiscoveryV5Actor;
use self::discovery::{TableView, UdpDiscoveryActor};
use self::dns::DnsDiscoveryActor;
use self::dns::resolver::{HickoryResolver, TxtResolver};
use self::listener::ListenerActor;
use self::names::Names;
use self::nat::{Nat, NatActor};
use self::peer::Connections;
use self::protocol::{Link, ProtocolHandler, SessionExit};
use self::record::PeerRecord;
use self::server::{DialerRecipients, ServerActor};
use self::settings::NetworkSettings;
use self::shared::Shared;
use self::transport::Transport;
use actoreum_supervision::{ActorRef, ChildSpec, DynamicRef, Pool, Strategy, SupervisorSpec};
use actoreum_wire::p2p;
use futures_util::future::LocalBoxFuture;

/// Messages that UdpDiscoveryActor's mailbox holds: the dialer's lookups. Datagrams wait in the
/// kernel's buffer.
const DISCOVERY_MAILBOX: usize = 256;

/// Restarts within [`PERIOD`]: the network never gives up, since a node without peers still serves
/// its chain. The pauses between restarts grow.
const RESTARTS: u32 = u32::MAX;
/// The period of [`RESTARTS`].
const PERIOD: Duration = Duration::from_secs(600);

/// The public handle of the network: its published state, readable without a mailbox, and
/// references to its actors.
#[derive(Clone)]
pub struct NetworkHandle {
    shared: Arc<Shared>,
    server: ActorRef<ServerActor>,
    discovery: ActorRef<UdpDiscoveryActor>,
    discovery_v5: ActorRef<DiscoveryV5Actor>,
    connections: DynamicRef,
}

impl NetworkHandle {
    /// Returns the connected peers, sorted by id.
    pub fn peers(&self) -> Arc<Vec<Arc<PeerRecord>>> {
        self.shared.peers.load_full()
    }

    /// Returns the peers that were dropped or banned lately, the last one first.
    pub fn dropped(&self) -> Vec<DroppedPeer> {
        self.shared.bans.list()
    }

    /// Returns the node table of discovery, at most a second old.
    pub fn table(&self) -> Arc<TableView> {
        self.shared.table.load_full()
    }

    /// Returns the node table of discovery v5, at most a second old.
    pub fn table_v5(&self) -> Arc<TableView> {
        self.shared.table_v5.load_full()
    }

    /// Returns the node's own URL, endpoint and record.
    pub fn local(&self) -> Arc<local::LocalInfo> {
        self.shared.local.info()
    }

    /// Returns the network's configuration.
    pub fn settings(&self) -> &NetworkSettings {
        &self.shared.settings
    }

    /// Returns the reference to the owner of the set of peers.
    pub fn server(&self) -> &ActorRef<ServerActor> {
        &self.server
    }

    /// Returns the reference to the actor that finds nodes.
    pub fn discovery(&self) -> &ActorRef<UdpDiscoveryActor> {
        &self.discovery
    }

    /// Returns the reference to the actor of discovery v5.
    pub fn discovery_v5(&self) -> &ActorRef<DiscoveryV5Actor> {
        &self.discovery_v5
    }

    /// Returns the number of connections, including those in their handshake.
    pub fn connections(&self) -> usize {
        self.connections.children()
    }
}

/// Creates the specification of the network's supervisor, and the network's handle.
pub fn assemble(
    settings: NetworkSettings,
    transport: Arc<dyn Transport>,
    handler: Arc<dyn ProtocolHandler>,
) -> (SupervisorSpec, NetworkHandle) {
    assemble_parts(settings, transport, handler, true)
}

/// Creates the specification of the supervisor of a bootnode's network, which has discovery and no
/// connections, and its handle.
pub fn assemble_bootnode(
    settings: NetworkSettings,
    transport: Arc<dyn Transport>,
) -> (SupervisorSpec, NetworkHandle) {
    assemble_parts(settings, transport, Arc::new(NoProtocol), false)
}

/// The handler of a node without connections.
struct NoProtocol;

impl ProtocolHandler for NoProtocol {
    fn offered(&self) -> Vec<p2p::Protocol> {
        Vec::new()
    }

    fn run_session(&self, _: Link) -> LocalBoxFuture<'static, SessionExit> {
        Box::pin(std::future::pending())
    }
}

fn assemble_parts(
    settings: NetworkSettings,
    transport: Arc<dyn Transport>,
    handler: Arc<dyn ProtocolHandler>,
    has_connections: bool,
) -> (SupervisorSpec, NetworkHandle) {
    let shared = Arc::new(Shared::new(settings, transport, handler));
    if let Nat::External(address) = shared.settings.nat {
        shared.local.set_external(Some(address));
    }
    let handle = NetworkHandle {
        server: ActorRef::new("server"),
        discovery: ActorRef::new("discovery"),
        discovery_v5: ActorRef::new("discovery_v5"),
        connections: DynamicRef::with_limit("peers", limits::MAX_CONNECTIONS),
        shared: Arc::clone(&shared),
    };
    let mut network =
        SupervisorSpec::new("network", Strategy::OneForOne).intensity(RESTARTS, PERIOD);
    let names = Names::new(&shared);
    network = network.child(names.child());
    let dns = ActorRef::new("dns");
    // Started before discovery, whose first ping contains the listener's port.
    if has_connections {
        network = network.child(connections_spec(&handle, &dns, names.clone()));
    }
    if shared.settings.is_discovering() {
        network = add_discovery(network, &handle, &names);
    }
    if !shared.settings.dns_trees.is_empty() {
        let of = Arc::clone(&shared);
        let child = ChildSpec::new(&dns, move || {
            let resolver = HickoryResolver::new(&of.settings.dns_servers);
            let resolver: Arc<dyn TxtResolver> = Arc::new(resolver);
            DnsDiscoveryActor::new(Arc::clone(&of), resolver)
        });
        network = network.child(on_arbiter(child));
    }
    if shared.settings.nat.asks_router() {
        let discovery = handle.discovery.recipient();
        let nat = ChildSpec::new(&ActorRef::new("nat"), move || {
            NatActor::new(Arc::clone(&shared), discovery.clone())
        });
        network = network.child(on_arbiter(nat));
    }
    (network, handle)
}

/// Adds the actors of the versions of discovery that are on.
fn add_discovery(
    mut network: SupervisorSpec,
    handle: &NetworkHandle,
    names: &Names,
) -> SupervisorSpec {
    let settings = &handle.shared.settings;
    let threads = match settings.file_threads {
        0 => Pool::inline("nodes file"),
        threads => Pool::new("nodes file", threads),
    };
    network = network.child(threads.child());
    if settings.discovery_v4 {
        let (of, threads, names) = (Arc::clone(&handle.shared), threads.clone(), names.clone());
        let v5 = settings
            .discovery_v5
            .then(|| handle.discovery_v5.recipient());
        let open = move || {
            UdpDiscoveryActor::open(Arc::clone(&of), threads.clone(), names.clone(), v5.clone())
        };
        let child = ChildSpec::new(&handle.discovery, open);
        network = network.child(on_arbiter(child).mailbox(DISCOVERY_MAILBOX));
    }
    if settings.discovery_v5 {
        let (of, names) = (Arc::clone(&handle.shared), names.clone());
        let new = move || DiscoveryV5Actor::new(Arc::clone(&of), threads.clone(), names.clone());
        let child = ChildSpec::new(&handle.discovery_v5, new)
            .mailbox(DISCOVERY_MAILBOX)
            .mailbox_bytes(limits::MAX_V5_DATAGRAM_BYTES);
        network = network.child(on_arbiter(child));
    }
    network
}

fn connections_spec(
    network: &NetworkHandle,
    dns: &ActorRef<DnsDiscoveryActor>,
    names: Names,
) -> SupervisorSpec {
    let shared = Arc::clone(&network.shared);
    let dialer = ActorRef::new("dialer");
    let dialer_recipients = DialerRecipients {
        add_static: dialer.recipient(),
        remove_static: dialer.recipient(),
        peer_set_changed: dialer.recipient(),
    };
    let admit = move || ServerActor::new(Arc::clone(&shared), dialer_recipients.clone());
    let server = ChildSpec::new(&network.server, admit);

    let connections = Connections {
        shared: Arc::clone(&network.shared),
        server: network.server.clone(),
        supervisor: network.connections.clone(),
        sessions: DynamicRef::with_limit("sessions", limits::MAX_CONNECTIONS),
    };
    let sessions = SupervisorSpec::dynamic(&connections.sessions);
    let (inbound, local_changes) = (connections.clone(), network.discovery.recipient());
    let listen = move || ListenerActor::open(inbound.clone(), local_changes.clone());
    let listener = ChildSpec::new(&ActorRef::new("listener"), listen);
    let sources = NodeSources {
        discovery: network.discovery.clone(),
        discovery_v5: network.discovery_v5.clone(),
        dns: dns.clone(),
    };
    let dial = move || DialerActor::new(connections.clone(), sources.clone(), names.clone());
    let dialer = ChildSpec::new(&dialer, dial);
    let edges = SupervisorSpec::new("edges", Strategy::OneForOne)
        .child(on_arbiter(listener))
        .child(on_arbiter(dialer))
        .intensity(RESTARTS, PERIOD);
    SupervisorSpec::new("connections", Strategy::RestForOne)
        .child(on_arbiter(server))
        .child(sessions)
        .child(SupervisorSpec::dynamic(&network.connections))
        .child(edges)
        .intensity(RESTARTS, PERIOD)
}
