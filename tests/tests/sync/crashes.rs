//! Actors crash at random while a chain is fetched and payments are gossiped: the chain arrives,
//! every payment is accepted, and no accepted payment is lost.
//!
//! `ACTOREUM_SEEDS=200` runs 200 schedules; `ACTOREUM_SEED=17` runs schedule 17 again.

use std::time::Duration;

use actoreum_primitives::B256;
use actoreum_tests::p2p::{FullNode, MemoryNet, Sealers, settle, until};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::{CRASHED, on_seeded_network, seeds, stop};

const BLOCKS: u64 = 400;
const PAYMENTS: u64 = 120;
const SEEDS: u64 = 3;

/// Starts a node with a payment in each block of its chain.
async fn with_chain(net: &MemoryNet, sealers: &Sealers) -> FullNode {
    let node = FullNode::start(net, 1, sealers).await;
    for nonce in 0..BLOCKS {
        node.pay(nonce).await.unwrap();
        assert!(node.seal().await);
    }
    node
}

fn is_sealed(node: &FullNode, hash: &B256) -> bool {
    node.chain_reader.transaction(hash).unwrap().is_some()
}

async fn run_schedule(net: &MemoryNet, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let sealers = Sealers::AnyNode;
    let serving = with_chain(net, &sealers).await;
    // Slow enough for crashes during every phase.
    net.set_delay(Duration::from_millis(300));
    let syncing = FullNode::start(net, 2, &sealers).await;
    syncing.node.add_peer(&serving.node).await;

    let (mut paid, mut crashes, mut crashes_of_the_sync) = (Vec::new(), 0, 0);
    while syncing.chain_reader.head_number() < BLOCKS || (paid.len() as u64) < PAYMENTS {
        match random.random_range(0..4) {
            0 => {
                // The serving node's pool has received transactions in memory only.
                let (node, first) = if random.random_bool(0.8) {
                    (&syncing, 0)
                } else {
                    (&serving, 1)
                };
                let is_down_now = node.crash(CRASHED[first..].choose(&mut random).unwrap());
                let syncs = syncing.chain_reader.head_number() < BLOCKS;
                crashes += u64::from(is_down_now);
                crashes_of_the_sync += u64::from(is_down_now && syncs);
            }
            1 if syncing.chain_reader.head_number() >= BLOCKS => {
                serving.seal().await;
            }
            _ if (paid.len() as u64) < PAYMENTS => {
                let accepted = syncing.pay(paid.len() as u64).await;
                paid.push(accepted.unwrap_or_else(|why| {
                    panic!(
                        "ACTOREUM_SEED={seed}: payment {} refused: {why}",
                        paid.len()
                    )
                }));
            }
            _ => {}
        }
        let has = |hash: &B256| {
            let snapshot = syncing.txpool.snapshot();
            snapshot.is_some_and(|it| it.get(hash).is_some()) || is_sealed(&syncing, hash)
        };
        assert!(paid.iter().all(has), "ACTOREUM_SEED={seed} loses a payment");
        settle(Duration::from_millis(random.random_range(0..400))).await;
    }
    for _ in 0..100 {
        settle(Duration::from_secs(15)).await;
        if paid.iter().all(|hash| is_sealed(&serving, hash)) {
            break;
        }
        serving.seal().await;
    }
    until("both have one head", || syncing.head() == serving.head()).await;
    assert!(paid.iter().all(|hash| is_sealed(&syncing, hash)));
    println!(
        "seed {seed}: {} of {PAYMENTS} payments, {crashes} crashes, {crashes_of_the_sync} of them \
         before block {BLOCKS} was there",
        paid.len(),
    );
    stop(vec![syncing, serving]).await;
}

#[test]
fn crashes_during_a_sync_lose_no_block_and_no_payment() {
    for seed in seeds(SEEDS) {
        let name = format!("ACTOREUM_SEED={seed}");
        on_seeded_network(&name, seed, async |net| run_schedule(&net, seed).await);
    }
}
