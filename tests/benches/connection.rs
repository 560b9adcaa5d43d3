//! Throughput of a connection between two nodes: frames through PeerActor over a loopback socket,
//! requests of the eth protocol, and the sync of a chain.
//!
//! ```text
//! cargo bench -p actoreum-tests --bench connection
//! ```
//!
//! Each line has the duration and the processor time of the whole process, both sides together. The
//! processor time is the figure to compare on a machine with other load.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that fails has nothing to report"
)]

use std::fs;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actoreum_actors::eth::EthPeer;
use actoreum_actors::net::nat::Nat;
use actoreum_actors::net::protocol::{Link, PeerHandle, ProtocolHandler, SessionExit};
use actoreum_actors::net::settings::NetworkSettings;
use actoreum_actors::net::tcp::OsTransport;
use actoreum_actors::net::transport::ListenAddress;
use actoreum_actors::net::{self, NetworkHandle};
use actoreum_messages::server::AddPeer;
use actoreum_supervision::{Strategy, SupervisorSpec, Tree, TreeOptions};
use actoreum_tests::p2p::{FullNode, MemoryNet, Sealers, key, run, settle};
use actoreum_wire::eth::HashOrNumber;
use actoreum_wire::p2p::{Capability, Protocol};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use tokio::sync::Notify;

/// Blocks of the chain that is fetched.
const BLOCKS: u64 = 1_500;
/// The message code that asks for the same message back.
const ECHO: u64 = 1;

/// A protocol that counts messages.
#[derive(Default)]
struct Counter {
    peer: Mutex<Option<PeerHandle>>,
    received: AtomicU64,
    arrived: Notify,
}

struct CounterHandler(Arc<Counter>);

impl ProtocolHandler for CounterHandler {
    fn offered(&self) -> Vec<Protocol> {
        let capability = Capability::new("count", 1);
        vec![Protocol {
            capability,
            length: 2,
        }]
    }

    fn run_session(&self, mut link: Link) -> Pin<Box<dyn Future<Output = SessionExit>>> {
        let counter = Arc::clone(&self.0);
        Box::pin(async move {
            *counter.peer.lock().unwrap() = Some(link.peer.clone());
            while let Some(message) = link.receive().await {
                let payload = message.payload.decompress().unwrap();
                if message.id == ECHO {
                    link.peer.send(0, payload).await.unwrap();
                }
                counter.received.fetch_add(1, Relaxed);
                counter.arrived.notify_one();
            }
            SessionExit::Quit
        })
    }
}

impl Counter {
    async fn reaches(&self, count: u64) {
        while self.received.load(Relaxed) < count {
            self.arrived.notified().await;
        }
    }
}

/// A node with a thread of its own for the network.
struct Node {
    tree: Tree,
    network: NetworkHandle,
    counter: Arc<Counter>,
}

impl Node {
    async fn start(number: u32) -> Self {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut settings = NetworkSettings::new(key(number), "bench");
        settings.listen = ListenAddress {
            ip: Some(address),
            port: 0,
        };
        settings.nat = Nat::External(address);
        settings.discovery_v4 = false;
        let counter = Arc::new(Counter::default());
        let handler = Arc::new(CounterHandler(Arc::clone(&counter)));
        let transport = Arc::new(OsTransport::default());
        let (spec, network) = net::assemble(settings, transport, handler);
        let spec = SupervisorSpec::new("node", Strategy::OneForOne).child(spec);
        let tree = TreeOptions::default().start(spec).await.unwrap();
        Self {
            tree,
            network,
            counter,
        }
    }
}

/// Returns the processor time of this process.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    // The kernel reports hundredths of a second, on every architecture.
    let ticks: u64 = ticks.filter_map(|it| it.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// Runs a measurement and prints its rates.
async fn measure(name: &str, count: u64, bytes: u64, work: impl Future<Output = ()>) {
    let (began, busy) = (Instant::now(), processor_time());
    work.await;
    let (time, busy) = (began.elapsed().as_secs_f64(), processor_time() - busy);
    let (count, megabytes) = (count as f64, (count * bytes) as f64 / 1e6);
    print!("{name:<28} {:>9.0}/s", count / time);
    if bytes > 0 {
        print!(" {:>7.1} MB/s", megabytes / time);
    }
    println!(
        "   processor {:>7.2} s, {:>8.2} µs each",
        busy.as_secs_f64(),
        busy.as_secs_f64() * 1e6 / count
    );
}

/// Returns bytes that do not compress.
fn noise(size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    StdRng::seed_from_u64(1337).fill_bytes(&mut bytes);
    bytes.into()
}

async fn send_all(peer: &PeerHandle, to: &Counter, body: &Bytes, count: u64) {
    let before = to.received.load(Relaxed);
    for _ in 0..count {
        peer.send(0, body.clone()).await.unwrap();
    }
    to.reaches(before + count).await;
}

async fn echo_all(peer: &PeerHandle, from: &Counter, body: &Bytes, count: u64) {
    let before = from.received.load(Relaxed);
    for number in 1..=count {
        peer.send(ECHO, body.clone()).await.unwrap();
        from.reaches(before + number).await;
    }
}

/// Frames between two nodes over a loopback socket.
async fn frames() {
    let (one, two) = (Node::start(1).await, Node::start(2).await);
    let enode = two.network.local().enode;
    one.network
        .server()
        .ask(AddPeer(enode.into()))
        .await
        .unwrap();
    let peer = loop {
        let peer = one.counter.peer.lock().unwrap().clone();
        match peer {
            Some(peer) => break peer,
            None => settle(Duration::from_millis(10)).await,
        }
    };
    let (small, large) = (noise(1 << 10), noise(1 << 16));
    send_all(&peer, &two.counter, &small, 10_000).await;
    let all = send_all(&peer, &two.counter, &small, 200_000);
    measure("frames of 1 KiB", 200_000, 1 << 10, all).await;
    let all = send_all(&peer, &two.counter, &large, 5_000);
    measure("frames of 64 KiB", 5_000, 1 << 16, all).await;
    let all = echo_all(&peer, &one.counter, &small, 20_000);
    measure("round trips of 1 KiB", 20_000, 1 << 10, all).await;
    drop(peer);
    one.tree.shutdown().await;
    two.tree.shutdown().await;
}

async fn request_all(peer: &EthPeer, amount: u64, count: u64) {
    for _ in 0..count {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let from = HashOrNumber::Number(1);
        let headers = peer.headers(from, amount, 0, false, deadline).await;
        assert_eq!(headers.unwrap().len() as u64, amount);
    }
}

/// Requests and a sync between two nodes with chains, on one thread.
async fn eth() {
    let net = MemoryNet::new(Duration::ZERO);
    let one = FullNode::start(&net, 1, &Sealers::AnyNode).await;
    let two = FullNode::start(&net, 2, &Sealers::AnyNode).await;
    for _ in 0..BLOCKS {
        assert!(one.seal().await);
    }
    let sync = async {
        two.node.add_peer(&one.node).await;
        while two.head() != one.head() {
            settle(Duration::from_millis(1)).await;
        }
    };
    measure("blocks fetched and imported", BLOCKS, 0, sync).await;
    let peer = two.eth.peers.best().unwrap();
    measure(
        "requests of 1 header",
        20_000,
        0,
        request_all(&peer, 1, 20_000),
    )
    .await;
    measure(
        "requests of 192 headers",
        2_000,
        0,
        request_all(&peer, 192, 2_000),
    )
    .await;
    drop(peer);
    two.stop().await;
    one.stop().await;
}

fn main() {
    // `cargo test --benches` only checks that it is built.
    if std::env::args().any(|argument| argument == "--bench") {
        run(frames());
        run(eth());
    }
}
