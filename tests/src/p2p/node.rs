//! A node of the network: the real actors, and the views of them that a test may use.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use actoreum_actors::net::protocol::ProtocolHandler;
use actoreum_actors::net::settings::NetworkSettings;
use actoreum_actors::net::transport::{ListenAddress, Transport};
use actoreum_actors::net::{self, NetworkHandle, nat::Nat};
use actoreum_messages::server::AddPeer;
use actoreum_primitives::{PeerId, SecretKey};
use actoreum_supervision::{Strategy, SupervisorSpec, Tree, TreeOptions, testing};
use actoreum_wire::nodes::Enode;

use super::chat::{Chat, ChatHandler};
use super::memory::MemoryNet;

/// Real time after which a paused clock that does not advance counts as stuck, however busy the
/// machine is.
const STUCK_AFTER: Duration = Duration::from_secs(120);

/// Port of every node.
const PORT: u16 = 30303;

/// Returns the key of the node with this number.
pub fn key(number: u32) -> SecretKey {
    let mut bytes = [7; 32];
    bytes[28..].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_bytes(&bytes).unwrap()
}

/// Returns the settings of the node with this number, and its address.
fn settings(number: u32) -> (NetworkSettings, IpAddr) {
    // Public networks: every node has a /24 of its own, as the table of nodes requires.
    let [_, high, middle, low] = number.to_be_bytes();
    let address = IpAddr::V4(Ipv4Addr::new(50 + high, middle, low, 1));
    let mut settings = NetworkSettings::new(key(number), format!("test/{number}"));
    settings.file_threads = 0;
    settings.listen = ListenAddress {
        ip: Some(address),
        port: PORT,
    };
    settings.nat = Nat::External(address);
    (settings, address)
}

/// A running node.
pub struct TestNode {
    /// Its IP address.
    pub address: IpAddr,
    /// Handle to its network.
    pub network: NetworkHandle,
    /// Its protocol.
    pub chat: Arc<Chat>,
    tree: Tree,
}

impl TestNode {
    /// Starts the node with this number, which determines its key and address. `change` may edit
    /// its settings.
    pub async fn start(
        net: &MemoryNet,
        number: u32,
        change: impl FnOnce(&mut NetworkSettings),
    ) -> Self {
        let (mut settings, address) = settings(number);
        settings.rng = net.rng(number);
        change(&mut settings);
        Self::with(settings, Arc::new(net.host(address))).await
    }

    /// Starts a node on the given transport.
    pub async fn with(settings: NetworkSettings, transport: Arc<dyn Transport>) -> Self {
        let chat = Arc::new(Chat::default());
        let handler = Arc::new(ChatHandler(Arc::clone(&chat)));
        let mut node = Self::run(settings, transport, handler, Vec::new()).await;
        node.chat = chat;
        node
    }

    /// Starts a node that does not search for others, with another protocol. `below` are the actors
    /// that the protocol depends on, started before the network.
    pub async fn with_protocol(
        net: &MemoryNet,
        number: u32,
        handler: Arc<dyn ProtocolHandler>,
        below: Vec<SupervisorSpec>,
    ) -> Self {
        let (mut settings, address) = settings(number);
        settings.discovery_v4 = false;
        settings.rng = net.rng(number);
        Self::run(settings, Arc::new(net.host(address)), handler, below).await
    }

    async fn run(
        settings: NetworkSettings,
        transport: Arc<dyn Transport>,
        handler: Arc<dyn ProtocolHandler>,
        below: Vec<SupervisorSpec>,
    ) -> Self {
        let options = TreeOptions::default().rng(settings.rng.clone());
        let (network_spec, network) = net::assemble(settings, transport, handler);
        let mut spec = SupervisorSpec::new("node", Strategy::OneForOne);
        for part in below {
            spec = spec.child(part);
        }
        let spec = spec.child(network_spec);
        let tree = options.single_thread().start(spec).await;
        Self {
            address: network.local().endpoint.address,
            network,
            chat: Arc::default(),
            tree: tree.unwrap(),
        }
    }

    /// Returns the node id.
    pub fn id(&self) -> PeerId {
        self.network.local().id
    }

    /// Returns the enode URL.
    pub fn enode(&self) -> Enode {
        self.network.local().enode
    }

    /// Returns the socket address of its TCP and UDP ports.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.network.local().endpoint.tcp)
    }

    /// Returns the number of its peers.
    pub fn peers(&self) -> usize {
        self.network.peers().len()
    }

    /// Returns whether `other` is its peer.
    pub fn has_peer(&self, other: &Self) -> bool {
        let id = other.id();
        self.network.peers().iter().any(|peer| peer.id == id)
    }

    /// Adds `other` as a static peer.
    pub async fn add_peer(&self, other: &Self) {
        let server = self.network.server();
        server.ask(AddPeer(other.enode().into())).await.unwrap();
    }

    /// Makes the actor at a path below `node/` panic. Returns false where it is down already.
    pub fn try_crash(&self, path: &str) -> bool {
        self.tree.handle().crash(&format!("node/{path}")).is_ok()
    }

    /// Makes the actor at a path below `node/network/` panic.
    pub fn crash(&self, path: &str) {
        self.tree
            .handle()
            .crash(&format!("node/network/{path}"))
            .unwrap();
    }

    /// Returns the number of starts of the actor at a path below `node/network/`.
    pub fn generation(&self, path: &str) -> u64 {
        let path = format!("node/network/{path}");
        let snapshot = self.tree.handle().snapshot();
        snapshot.find(&path).map_or(0, |node| node.generation)
    }

    /// Returns the paths of the actors of its connections.
    pub fn connections(&self) -> Vec<String> {
        self.children("node/network/connections/peers")
    }

    /// Returns the paths of the actors of its protocol sessions.
    pub fn sessions(&self) -> Vec<String> {
        self.children("node/network/connections/sessions")
    }

    fn children(&self, supervisor: &str) -> Vec<String> {
        let snapshot = self.tree.handle().snapshot();
        let children = snapshot
            .find(supervisor)
            .map(|node| node.children.as_slice())
            .unwrap_or_default();
        children.iter().map(|child| child.path.clone()).collect()
    }

    /// Returns the number of messages that wait in all of its mailboxes.
    pub fn waiting(&self) -> u64 {
        let snapshot = self.tree.handle().snapshot();
        let mailboxes = snapshot
            .walk()
            .into_iter()
            .filter_map(|node| node.mailbox.as_ref());
        mailboxes.map(|mailbox| mailbox.depth).sum()
    }

    /// Shuts the node down.
    pub async fn stop(self) {
        let outcome = self.tree.shutdown().await;
        assert!(outcome.is_clean(), "{outcome}");
    }
}

/// Runs a test in an actix system of its own.
pub fn run<F: Future>(test: F) -> F::Output {
    actoreum_supervision::block_on(test)
}

/// Runs a test as [`run`] does, on a paused clock, within `limit` of that clock.
///
/// Where the clock does not advance for minutes, since something keeps the thread busy, the process
/// reports that and exits.
pub fn run_paused<F: Future>(name: &str, limit: Duration, test: F) -> F::Output {
    let seconds = Arc::new(AtomicU64::new(0));
    let (_is_over, over) = mpsc::channel::<()>();
    let (watched, watched_name) = (Arc::clone(&seconds), name.to_owned());
    thread::spawn(move || watch(&watched_name, &watched, &over));
    testing::run_paused(async {
        actix::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                seconds.fetch_add(1, Relaxed);
            }
        });
        let ended = tokio::time::timeout(limit, test).await;
        ended.unwrap_or_else(|_| panic!("{name}: not over after {limit:?} of its clock"))
    })
}

/// Exits the process when a paused clock no longer advances.
fn watch(name: &str, seconds: &AtomicU64, over: &mpsc::Receiver<()>) {
    let mut before = None;
    while over.recv_timeout(STUCK_AFTER) == Err(mpsc::RecvTimeoutError::Timeout) {
        let now = seconds.load(Relaxed);
        if before.replace(now) == Some(now) {
            eprintln!("{name}: something is busy for ever in second {now} of its clock");
            std::process::exit(101);
        }
    }
}

/// Lets some time pass.
pub async fn settle(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Waits, at most ten minutes of the (paused) clock, until `condition` holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if condition() {
            return;
        }
        settle(Duration::from_millis(100)).await;
    }
    panic!("it never came true: {what}");
}
