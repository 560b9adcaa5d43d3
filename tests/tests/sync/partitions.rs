//! Networks are partitioned, seal on both sides, and heal: no payment is lost, and clients that
//! follow a chain by its events end with the chain that won.
//!
//! `ACTOREUM_SEEDS=200` runs 200 schedules on each kind of chain; `ACTOREUM_SEED=17` runs schedule
//! 17 again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use actoreum_primitives::B256;
use actoreum_tests::p2p::{FilterClient, FullNode, MemoryNet, Sealers, settle, until};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use super::{DELAY, for_each_seed, on_seeded_network, stop};

const NODES: u32 = 6;
/// Number of partitions.
const CUTS: usize = 3;
/// Number of seeds without `ACTOREUM_SEEDS`.
const SEEDS: u64 = 2;
/// Actors that a sync depends on, below `node/`.
const CRASHED: [&str; 3] = ["eth/protocol manager", "eth/fetcher", "eth/downloader"];
/// Rounds in which the healed network must agree and mine every payment.
const ROUNDS: usize = 120;

/// A network with a client at each node.
struct TestNetwork {
    nodes: Vec<FullNode>,
    clients: Vec<FilterClient>,
    /// Node that each payment was submitted to.
    paid: HashMap<B256, usize>,
    /// Whether blocks are sealed by clique.
    has_signers: bool,
    name: String,
}

impl TestNetwork {
    async fn start(net: &MemoryNet, sealers: &Sealers, name: &str) -> Self {
        let (mut nodes, mut clients) = (Vec::new(), Vec::new());
        for number in 1..=NODES {
            let node = FullNode::start(net, number, sealers).await;
            clients.push(FilterClient::new(&node.filters, &node.chain_reader).await);
            nodes.push(node);
        }
        for (at, node) in nodes.iter().enumerate() {
            for other in &nodes[..at] {
                node.node.add_peer(&other.node).await;
            }
        }
        until("all are connected", || {
            nodes
                .iter()
                .all(|it| it.eth.peers.list().len() + 1 == nodes.len())
        })
        .await;
        Self {
            nodes,
            clients,
            paid: HashMap::new(),
            has_signers: matches!(sealers, Sealers::Signers(_)),
            name: name.to_owned(),
        }
    }

    async fn pay(&mut self, at: usize) {
        let node = &self.nodes[at];
        if let Ok(hash) = node.pay(node.next_nonce()).await {
            self.paid.insert(hash, at);
        }
    }

    /// Lets time pass, and compares each pool with its payments and each chain with its client's
    /// events.
    async fn check(&self, time: Duration) {
        settle(time).await;
        // A pool follows its chain one message later: in between, a transaction of a block that has
        // just left the chain is in neither.
        until("the pools stand on the heads of their chains", || {
            self.nodes.iter().all(|node| {
                let snapshot = node.txpool.snapshot();
                snapshot.is_some_and(|it| it.head().hash == node.head())
            })
        })
        .await;
        for client in &self.clients {
            client.poll().await;
        }
        for (hash, at) in &self.paid {
            let node = &self.nodes[*at];
            let is_mined = node.chain_reader.transaction(hash).unwrap().is_some();
            let is_pooled = || {
                let snapshot = node.txpool.snapshot();
                snapshot.is_some_and(|it| it.get(hash).is_some())
            };
            assert!(is_mined || is_pooled(), "{}: {hash} is lost", self.name);
        }
        for (node, client) in self.nodes.iter().zip(&self.clients) {
            client.assert_matches_the_chain(&format!("{}, {}", self.name, node.node.address));
        }
    }

    /// Seals and pays on one side of a partition.
    async fn seal(&mut self, side: &[usize], blocks: usize, random: &mut StdRng) {
        for _ in 0..blocks {
            for _ in 0..random.random_range(0..3) {
                self.pay(*side.choose(random).unwrap()).await;
            }
            settle(Duration::from_millis(100)).await;
            // With clique, not every node may seal now.
            let mut order = side.to_vec();
            order.shuffle(random);
            for at in order {
                if self.nodes[at].seal().await {
                    break;
                }
            }
            settle(Duration::from_millis(random.random_range(50..1_500))).await;
        }
    }

    async fn cut_and_heal(&mut self, net: &MemoryNet, random: &mut StdRng) {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.shuffle(random);
        let mut size = random.random_range(1..order.len());
        // With clique, halves of equal total difficulty whose signers have all signed recently are
        // stuck for good, with geth too: one side keeps a majority of the signers.
        if self.has_signers && 2 * size == order.len() {
            size -= 1;
        }
        let (one, other) = order.split_at(size);
        let addresses: Vec<IpAddr> = one.iter().map(|at| self.nodes[*at].node.address).collect();
        net.cut_off(&addresses);
        // Most branches are short; some are deeper than those whose transactions geth reinjects.
        let max = if random.random_bool(0.1) { 90 } else { 12 };
        for side in [one, other] {
            let blocks = random.random_range(0..max);
            self.seal(side, blocks, random).await;
        }
        self.check(Duration::from_secs(random.random_range(0..60)))
            .await;
        net.heal();
        if random.random_bool(0.3) {
            let node = self.nodes.choose(random).unwrap();
            node.crash(CRASHED.choose(random).unwrap());
        }
        self.check(Duration::from_secs(random.random_range(1..30)))
            .await;
    }

    fn is_one(&self) -> bool {
        let head = self.nodes[0].head();
        self.nodes.iter().all(|node| node.head() == head)
    }

    fn is_all_mined(&self) -> bool {
        let is_mined = |hash| {
            let place = |node: &FullNode| node.chain_reader.transaction(hash).unwrap();
            self.nodes.iter().all(|node| place(node).is_some())
        };
        self.paid.keys().all(is_mined)
    }

    async fn until_agreed(&mut self) {
        for _ in 0..ROUNDS {
            self.check(Duration::from_secs(15)).await;
            if self.is_one() && self.is_all_mined() {
                return;
            }
            let mut order: Vec<&FullNode> = self.nodes.iter().collect();
            order.sort_by_key(|node| std::cmp::Reverse(node.total_difficulty()));
            for node in order {
                if node.seal().await {
                    break;
                }
            }
        }
        let heads: Vec<_> = self
            .nodes
            .iter()
            .map(|it| it.chain_reader.head().number)
            .collect();
        let mined = |hash: &&B256| {
            self.nodes[0]
                .chain_reader
                .transaction(hash)
                .unwrap()
                .is_some()
        };
        let count = self.paid.keys().filter(mined).count();
        panic!(
            "{}: heads {heads:?}, {count} of {} mined",
            self.name,
            self.paid.len()
        );
    }
}

async fn run_schedule(net: &MemoryNet, name: &str, sealers: &Sealers, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut network = TestNetwork::start(net, sealers, name).await;
    for _ in 0..CUTS {
        network.cut_and_heal(net, &mut random).await;
    }
    net.set_delay(DELAY);
    network.until_agreed().await;
    let syncs: usize = network.clients.iter().map(FilterClient::syncs).sum();
    println!(
        "{name}: {} payments in {} blocks, {syncs} syncs",
        network.paid.len(),
        network.nodes[0].chain_reader.head_number(),
    );
    stop(network.nodes).await;
}

fn all_heal(kind: &str, sealers: &Sealers) {
    for_each_seed(SEEDS, kind, async |net, name, seed| {
        run_schedule(&net, &name, sealers, seed).await;
    });
}

#[test]
fn a_healed_network_of_miners_loses_no_payment_and_no_event() {
    all_heal("nodes that all may seal", &Sealers::AnyNode);
}

#[test]
fn a_healed_network_of_signers_loses_no_payment_and_no_event() {
    all_heal("signers", &Sealers::Signers((1..=NODES).collect()));
}

#[test]
fn a_reorg_while_the_pool_is_down_loses_no_payment() {
    on_seeded_network("a crash", 1, async |net| {
        let mut network = TestNetwork::start(&net, &Sealers::AnyNode, "a crash").await;
        let address = network.nodes[0].node.address;
        net.cut_off(&[address]);
        for _ in 0..3 {
            network.pay(0).await;
        }
        settle(Duration::from_secs(1)).await;
        assert!(network.nodes[0].seal().await);
        for _ in 0..3 {
            assert!(network.nodes[1].seal().await);
        }
        let (lost, won) = (network.nodes[0].head(), network.nodes[1].head());
        network.check(Duration::from_secs(1)).await;
        // The journal drops mined transactions when the pool restarts.
        assert!(network.nodes[0].crash("core/txpool/pool"));
        network.check(Duration::from_secs(5)).await;
        net.heal();
        let mut crashes = 0;
        while network.nodes[0].head() == lost {
            crashes += usize::from(network.nodes[0].crash("core/txpool/pool"));
            settle(Duration::from_millis(5)).await;
        }
        assert_eq!(network.nodes[0].head(), won);
        assert!(crashes > 0);
        network.check(Duration::from_secs(10)).await;
        network.until_agreed().await;
        stop(network.nodes).await;
    });
}
