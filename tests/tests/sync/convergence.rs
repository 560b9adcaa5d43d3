//! Ten nodes seal on their own chains, on a network with delays and partitions, while actors crash:
//! they converge to one chain.
//!
//! `ACTOREUM_SEEDS=200` runs 200 schedules on each kind of chain; `ACTOREUM_SEED=17` runs schedule
//! 17 again.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use actoreum_tests::p2p::{FullNode, MemoryNet, Sealers, settle, until};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::{CRASHED, DELAY, for_each_seed, on_seeded_network, seeds, stop};

const NODES: u32 = 10;
const STEPS: usize = 20;
/// Time of the paused clock. Longer than a broken connection takes to be noticed and dialled anew.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Number of seeds without `ACTOREUM_SEEDS`.
const SEEDS: u64 = 3;

/// Describes a node's head and total difficulty, and the total difficulties that its peers claimed.
fn describe(node: &FullNode) -> String {
    let (head, own) = (node.chain_reader.head(), node.total_difficulty());
    let peers = node.eth.peers.list();
    let claimed = peers.iter().map(|it| it.head().total_difficulty);
    let claimed: Vec<_> = claimed.map(|it| it.to_string()).collect();
    let syncs = node.sync.progress().is_some();
    let (number, hash) = (head.number, head.hash());
    format!("{number} {hash:x} {own}, of its peers {claimed:?}, syncs: {syncs}")
}

fn is_one(nodes: &[FullNode]) -> bool {
    let first = nodes[0].head();
    nodes.iter().all(|node| node.head() == first)
}

/// Starts nodes that are connected with two to four others each.
async fn network(net: &MemoryNet, sealers: &Sealers, random: &mut StdRng) -> Vec<FullNode> {
    let mut nodes = Vec::new();
    for number in 1..=NODES {
        nodes.push(FullNode::start(net, number, sealers).await);
    }
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.shuffle(random);
    for (at, one) in order.iter().enumerate() {
        // A ring, so that every node can be reached, with shortcuts.
        for step in [1, random.random_range(2..5)] {
            let other = order[(at + step) % order.len()];
            nodes[*one].node.add_peer(&nodes[other].node).await;
        }
    }
    until("all nodes have peers", || {
        nodes.iter().all(|node| node.eth.peers.list().len() >= 2)
    })
    .await;
    nodes
}

/// Observable states of a run: each node's head, what it knows of its peers' chains, and the bytes
/// that each connection has carried.
#[derive(Debug, Default)]
struct Trace(Vec<String>);

impl Trace {
    fn record(&mut self, begun: Instant, nodes: &[FullNode]) {
        for node in nodes {
            let peers = node.node.network.peers();
            let carried = peers.iter().map(|it| it.traffic.bytes_in.load(Relaxed));
            let carried: Vec<u64> = carried.collect();
            let at = begun.elapsed().as_millis();
            self.0
                .push(format!("{at} ms: {} {carried:?}", describe(node)));
        }
    }
}

/// Runs a random schedule of payments, blocks, delays, partitions and crashes.
async fn schedule(net: &MemoryNet, nodes: &[FullNode], random: &mut StdRng, trace: &mut Trace) {
    let begun = Instant::now();
    let mut addresses: Vec<IpAddr> = nodes.iter().map(|node| node.node.address).collect();
    for _ in 0..STEPS {
        let node = nodes.choose(random).unwrap();
        match random.random_range(0..14) {
            0..8 => {
                for _ in 0..random.random_range(1..4) {
                    // The reorg of earlier payments may make this one invalid.
                    let _ = node.pay(node.next_nonce()).await;
                    node.seal().await;
                }
            }
            8 => net.set_delay(Duration::from_millis(random.random_range(1..400))),
            9 | 10 => {
                addresses.shuffle(random);
                let part = random.random_range(1..addresses.len());
                net.cut_off(&addresses[..part]);
            }
            11 => net.heal(),
            _ => {
                node.crash(CRASHED.choose(random).unwrap());
            }
        }
        settle(Duration::from_millis(random.random_range(0..20_000))).await;
        trace.record(begun, nodes);
    }
}

/// Seals a block on the heaviest chain on which a node may seal now.
async fn seal_on_the_heaviest(nodes: &[FullNode]) {
    let mut order: Vec<&FullNode> = nodes.iter().collect();
    order.sort_by_key(|node| std::cmp::Reverse(node.total_difficulty()));
    for node in order {
        if node.seal().await {
            return;
        }
    }
    panic!("no node may seal");
}

async fn converges(net: &MemoryNet, name: &str, sealers: &Sealers, seed: u64) -> Trace {
    let (mut random, mut trace) = (StdRng::seed_from_u64(seed), Trace::default());
    let nodes = network(net, sealers, &mut random).await;
    schedule(net, &nodes, &mut random, &mut trace).await;

    net.heal();
    net.set_delay(DELAY);
    settle(Duration::from_secs(60)).await;
    // Branches may have the same total difficulty: the next blocks decide. A node on another branch
    // does not know a block's parent, and learns of its total difficulty from the next block, as
    // geth does.
    let max = match sealers {
        Sealers::AnyNode => 2,
        // The node on the heaviest chain may not be the one whose turn it is.
        Sealers::Signers(_) => 30,
    };
    for _ in 0..max {
        seal_on_the_heaviest(&nodes).await;
        settle(Duration::from_secs(15)).await;
        if is_one(&nodes) {
            break;
        }
    }
    let begun = Instant::now();
    while !is_one(&nodes) {
        assert!(
            begun.elapsed() < TIMEOUT,
            "{name} does not converge: {:#?}",
            nodes.iter().map(describe).collect::<Vec<_>>()
        );
        settle(Duration::from_millis(500)).await;
    }
    trace.record(begun, &nodes);
    let head = nodes[0].chain_reader.head();
    let mut roots = nodes.iter().map(|it| it.chain_reader.head().state_root);
    assert!(roots.all(|root| root == head.state_root));
    println!(
        "{name}: block {} after {:.1?}",
        head.number,
        begun.elapsed()
    );
    stop(nodes).await;
    trace
}

fn all_converge(kind: &str, sealers: &Sealers) {
    for_each_seed(SEEDS, kind, async |net, name, seed| {
        converges(&net, &name, sealers, seed).await;
    });
}

#[test]
fn ten_ethash_nodes_converge_after_every_schedule() {
    all_converge("nodes that all may seal", &Sealers::AnyNode);
}

#[test]
fn ten_signers_converge_after_every_schedule() {
    all_converge("signers", &Sealers::Signers((1..=NODES).collect()));
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in seeds(1) {
        let name = format!("ACTOREUM_SEED={seed}");
        let [first, second] = [(); 2].map(|()| {
            on_seeded_network(&name, seed, async |net| {
                converges(&net, &name, &Sealers::AnyNode, seed).await
            })
        });
        for (one, other) in first.0.iter().zip(&second.0) {
            assert_eq!(one, other, "{name}");
        }
        assert_eq!(first.0.len(), second.0.len(), "{name}");
    }
}
