//! Networks that come apart and together again.

use std::collections::BTreeSet;
use std::time::Duration;

use actoreum_tests::p2p::{EthNode, MemoryNet, Signers, settle, until};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::{on_network, stop};

/// Nodes of the network.
const NODES: u32 = 10;

/// A network in which each node is connected with two or three others, at random.
async fn network(net: &MemoryNet, random: &mut StdRng) -> Vec<EthNode> {
    let signers = Signers((1..=NODES).collect());
    let mut nodes = Vec::new();
    for number in 1..=NODES {
        nodes.push(EthNode::start(net, number, &signers).await);
    }
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.shuffle(random);
    for (at, one) in order.iter().enumerate() {
        // A ring, so that everybody can be reached, with some shortcuts.
        let next = order[(at + 1) % order.len()];
        nodes[*one].node.add_peer(&nodes[next].node).await;
        let other = order[random.random_range(0..order.len())];
        if other != *one && random.random_bool(0.4) {
            nodes[*one].node.add_peer(&nodes[other].node).await;
        }
    }
    until("all have peers", || {
        nodes.iter().all(|node| node.eth.peers.list().len() >= 2)
    })
    .await;
    nodes
}

/// A schedule: who seals when, who is cut off from whom, who crashes.
async fn play(net: &MemoryNet, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let nodes = network(net, &mut random).await;
    let actors = ["eth/protocol manager", "eth/fetcher", "eth/downloader"];
    let mut nonces = vec![0_u64; nodes.len()];
    for _ in 0..30 {
        let at = random.random_range(0..nodes.len());
        match random.random_range(0..10) {
            0 => {
                let mut all: Vec<usize> = (0..nodes.len()).collect();
                all.shuffle(&mut random);
                let part = &all[..random.random_range(1..nodes.len())];
                let part: Vec<_> = part.iter().map(|it| nodes[*it].node.address).collect();
                net.cut_off(&part);
            }
            1 => net.heal(),
            2 => {
                nodes[at].node.try_crash(actors[random.random_range(0..3)]);
            }
            3 => {
                if nodes[at].pay(nonces[at]).await.is_ok() {
                    nonces[at] += 1;
                }
            }
            _ => {
                nodes[at].seal().await;
            }
        }
        settle(Duration::from_millis(random.random_range(0..3_000))).await;
    }
    net.heal();
    // Branches of the same weight stay apart until somebody seals.
    for _ in 0..100 {
        settle(Duration::from_secs(15)).await;
        let heads: BTreeSet<_> = nodes.iter().map(EthNode::head).collect();
        if heads.len() == 1 {
            break;
        }
        let at = random.random_range(0..nodes.len());
        nodes[at].seal().await;
    }
    let heads: Vec<_> = nodes
        .iter()
        .map(|it| (it.reader.head_number(), it.head()))
        .collect();
    assert!(
        heads.iter().all(|it| *it == heads[0]),
        "seed {seed}: {heads:?}"
    );
    let roots: BTreeSet<_> = nodes.iter().map(|it| it.reader.head().state_root).collect();
    assert_eq!(roots.len(), 1, "seed {seed}");
    stop(nodes).await;
}

/// `ACTOREUM_SEEDS` says how many schedules, `ACTOREUM_SEED` which one alone.
#[test]
fn ten_nodes_converge_after_any_schedule() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|it| it.parse::<u64>().ok())
    };
    let seeds = match number("ACTOREUM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ACTOREUM_SEEDS").unwrap_or(3),
    };
    for seed in seeds {
        on_network(async |net| play(&net, seed).await);
    }
}
