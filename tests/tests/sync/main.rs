//! Networks of full nodes in one process: nodes that seal, byzantine peers, and crashes of actors.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, too, stop at the unexpected"
)]

mod byzantine;
mod convergence;
mod crashes;
mod gossip;
mod partitions;
mod sessions;

use std::ops::Range;
use std::time::Duration;

use actoreum_tests::p2p::{FullNode, MemoryNet, run_paused};

const DELAY: Duration = Duration::from_millis(20);
/// Maximum duration of a test on the paused clock. None takes half of it.
const LIMIT: Duration = Duration::from_secs(3_600);

/// Actors that restart when they crash, below `node/`.
const CRASHED: [&str; 4] = [
    "core/txpool/pool",
    "eth/protocol manager",
    "eth/fetcher",
    "eth/downloader",
];

fn on_network<F: Future<Output = ()>>(name: &str, test: impl FnOnce(MemoryNet) -> F) {
    on_seeded_network(name, 1, test);
}

/// Runs a test on a network that does the same each time, as far as the test does.
fn on_seeded_network<F: Future>(
    name: &str,
    seed: u64,
    test: impl FnOnce(MemoryNet) -> F,
) -> F::Output {
    run_paused(name, LIMIT, async {
        test(MemoryNet::seeded(DELAY, seed)).await
    })
}

/// Runs a test of networks of some kind once for each seed of [`seeds`], with the network, a name
/// and the seed.
fn for_each_seed<F: Future>(few: u64, kind: &str, test: impl Fn(MemoryNet, String, u64) -> F) {
    for seed in seeds(few) {
        let name = format!("ACTOREUM_SEED={seed} of {kind}");
        on_seeded_network(&name, seed, |net| test(net, name.clone(), seed));
    }
}

/// Returns the seeds of random schedules: `ACTOREUM_SEED=17` runs that one alone,
/// `ACTOREUM_SEEDS=200` that many from zero on, `ACTOREUM_SEEDS=59..200` that range; otherwise a
/// few.
fn seeds(few: u64) -> Range<u64> {
    let number = |text: &str| text.parse::<u64>().unwrap();
    if let Ok(seed) = std::env::var("ACTOREUM_SEED") {
        return number(&seed)..number(&seed) + 1;
    }
    let Ok(seeds) = std::env::var("ACTOREUM_SEEDS") else {
        return 0..few;
    };
    match seeds.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => 0..number(&seeds),
    }
}

async fn stop(nodes: Vec<FullNode>) {
    for node in nodes {
        node.stop().await;
    }
}
