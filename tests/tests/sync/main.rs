//! Whole nodes in one process, on a network in memory: many that seal, some that lie, and some
//! whose actors crash.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, too, stop at the unexpected"
)]

mod convergence;
mod crashes;
mod gossip;
mod liars;
mod partitions;

use std::ops::Range;
use std::time::Duration;

use actoreum_tests::p2p::{FullNode, MemoryNet, run_paused};

const DELAY: Duration = Duration::from_millis(20);
/// What a test may take of the paused clock. None takes half of it.
const LIMIT: Duration = Duration::from_secs(3_600);

/// Actors that come back when they crash, below `node/`.
const CRASHED: [&str; 4] = [
    "core/txpool/pool",
    "eth/protocol manager",
    "eth/fetcher",
    "eth/downloader",
];

fn on_network<F: Future<Output = ()>>(name: &str, test: impl FnOnce(MemoryNet) -> F) {
    on_seeded_network(name, 1, test);
}

/// On a network that does the same each time, as far as the test does.
fn on_seeded_network<F: Future>(
    name: &str,
    seed: u64,
    test: impl FnOnce(MemoryNet) -> F,
) -> F::Output {
    run_paused(name, LIMIT, async {
        test(MemoryNet::seeded(DELAY, seed)).await
    })
}

/// Random schedules to try: `ACTOREUM_SEED=17` that one alone, `ACTOREUM_SEEDS=200` so many from
/// zero on, `ACTOREUM_SEEDS=59..200` those; otherwise a few.
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
