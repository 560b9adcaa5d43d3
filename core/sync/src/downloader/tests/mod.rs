//! Tests of the downloader in a simulated network: whatever peers do, the sync ends at the best
//! honest head.

mod chain;
mod net;
mod overclaimers;

use std::time::Duration;

use actoreum_primitives::U256;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::{Mode, SyncError, SyncPeerId};
use chain::SimChain;
use net::{Behaviour, Net};

const LONG: Duration = Duration::from_secs(3_600);

fn chain(blocks: u64) -> SimChain {
    let mut chain = SimChain::genesis();
    chain.grow(blocks, 1, 2, None);
    chain
}

/// Runs a sync with one peer of this behaviour and an honest one.
fn run_beside_honest(behaviour: Behaviour, blocks: u64) -> Net {
    let best = chain(blocks);
    let mut net = Net::new(1, &SimChain::genesis());
    net.add(1, &best, behaviour, Duration::ZERO);
    net.add(2, &best, Behaviour::Honest, Duration::from_millis(5));
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash, "{behaviour:?}");
    net
}

#[test]
fn one_honest_peer_is_enough() {
    for blocks in [1, 2, 11, 12, 13, 191, 192, 193, 269, 384, 385, 5_000] {
        let best = chain(blocks);
        let mut net = Net::new(blocks, &SimChain::genesis());
        net.add(1, &best, Behaviour::Honest, Duration::ZERO);
        net.run(LONG);
        assert_eq!(net.store.head(), best.head().header.hash, "{blocks} blocks");
        assert_eq!(net.ended, [Ok(())], "{blocks} blocks");
        assert!(net.dropped.is_empty() && net.points.is_empty());
    }
}

#[test]
fn a_sync_goes_on_from_whatever_is_common() {
    let best_chain = chain(3_000);
    for common in [0, 1, 5, 500, 2_995, 2_999] {
        for ours in [0, 1, 11, 12, 300] {
            let mut local = best_chain.up_to(common);
            local.grow(ours, 2, 1, None);
            let mut net = Net::new(common + ours, &local);
            net.add(1, &best_chain, Behaviour::Honest, Duration::ZERO);
            net.run(LONG);
            let is_best = best_chain.head().total > local.head().total;
            let best = if is_best { &best_chain } else { &local };
            let case = format!("{common} common, {ours} ours");
            assert_eq!(net.store.head(), best.head().header.hash, "{case}");
            assert!(net.dropped.is_empty(), "{case}: {:?}", net.dropped);
        }
    }
}

#[test]
fn all_peers_serve_bodies() {
    let best = chain(6_000);
    let mut net = Net::new(3, &SimChain::genesis());
    net.import_time = Duration::ZERO;
    for key in 1..=4 {
        net.add(key, &best, Behaviour::Honest, Duration::ZERO);
    }
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    for (peer, blocks) in &net.blocks_asked {
        assert!(*blocks > 500, "{peer:?} was asked for {blocks} of 6,000");
    }
    assert_eq!(net.blocks_asked.len(), 4);
}

#[test]
fn byzantine_peers_are_dropped_with_the_reason() {
    let reason = |behaviour| {
        let net = run_beside_honest(behaviour, 1_000);
        assert!(!net.dropped.contains_key(&SyncPeerId(2)), "{behaviour:?}");
        net.dropped.get(&SyncPeerId(1)).cloned()
    };
    let reason =
        |behaviour| reason(behaviour).unwrap_or_else(|| panic!("{behaviour:?} was not dropped"));
    assert_eq!(reason(Behaviour::Silent), SyncError::Timeout);
    assert_eq!(reason(Behaviour::NoHeaders), SyncError::EmptyHeaderSet);
    assert!(matches!(
        reason(Behaviour::Unlinked),
        SyncError::InvalidChain(_)
    ));
    assert!(matches!(reason(Behaviour::Gaps), SyncError::BadPeer(_)));
    assert_eq!(reason(Behaviour::WrongBodies), SyncError::InvalidBody);
    assert_eq!(reason(Behaviour::Overclaims), SyncError::StallingPeer);
    assert!(matches!(
        reason(Behaviour::Malformed),
        SyncError::BadPeer(_)
    ));
    assert!(matches!(
        reason(Behaviour::ExtraHeaders),
        SyncError::BadPeer(_)
    ));
}

#[test]
fn repeated_empty_answers_are_penalised() {
    let net = run_beside_honest(Behaviour::NoBodies, 1_000);
    assert!(net.points[&SyncPeerId(1)] >= 30);

    let mut net = Net::new(1, &SimChain::genesis());
    net.add(1, &chain(1_000), Behaviour::NoBodies, Duration::ZERO);
    net.run(LONG);
    assert_eq!(net.dropped[&SyncPeerId(1)], SyncError::PeersUnavailable);
}

#[test]
fn blocks_before_a_bad_one_are_imported_and_its_peer_dropped() {
    let honest = chain(1_500);
    let mut bad = honest.up_to(700);
    bad.grow(1_000, 5, 100, Some(900));
    let mut net = Net::new(7, &SimChain::genesis());
    net.add(1, &bad, Behaviour::Honest, Duration::ZERO);
    net.add(2, &honest, Behaviour::Honest, Duration::ZERO);
    net.run(LONG);
    let SyncError::InvalidBlock { number, .. } = &net.dropped[&SyncPeerId(1)] else {
        panic!("{:?}", net.dropped);
    };
    assert_eq!(*number, 900);
    // The blocks before the bad one are a better chain than the honest one's.
    assert_eq!(net.store.head(), bad.blocks[899].header.hash);
    assert!(!net.dropped.contains_key(&SyncPeerId(2)));
}

#[test]
fn a_stalled_request_moves_to_another_peer() {
    let best = chain(2_000);
    let mut net = Net::new(5, &SimChain::genesis());
    let mut silent = best.clone();
    silent.blocks.truncate(1_990);
    net.add(1, &best, Behaviour::Honest, Duration::ZERO);
    net.add(2, &silent, Behaviour::Silent, Duration::ZERO);
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    assert_eq!(net.ended, [Ok(())]);
    // The first request of a peer is shared after three seconds, a later one moves when it expires.
    assert!(net.now < Duration::from_secs(10), "{:?}", net.now);
}

#[test]
fn held_blocks_stay_bounded_while_the_import_stalls() {
    let best = chain(60_000);
    let mut net = Net::new(5, &SimChain::genesis());
    net.import_time = Duration::from_secs(1_000);
    net.add(1, &best, Behaviour::Honest, Duration::ZERO);
    net.add(2, &best, Behaviour::Honest, Duration::ZERO);
    net.run(Duration::from_secs(900));
    let asked: u64 = net.blocks_asked.values().sum();
    assert!(asked <= 13_000, "{asked} bodies were asked for");
    assert!(net.dropped.is_empty());
}

#[test]
fn a_fast_sync_commits_the_pivot_and_executes_the_rest() {
    for blocks in [1, 64, 65, 66, 300, 3_000] {
        let best = chain(blocks);
        let mut net = Net::with_mode(blocks, &SimChain::genesis(), Mode::Fast);
        net.add(1, &best, Behaviour::Honest, Duration::ZERO);
        net.add(2, &best, Behaviour::Stateless, Duration::ZERO);
        net.run(LONG);
        assert_eq!(net.store.head(), best.head().header.hash, "{blocks} blocks");
        assert!(net.dropped.is_empty() && net.points.is_empty());
        let pivot = &best.blocks[blocks.saturating_sub(64) as usize];
        let adopted = format!("commit_pivot {}", pivot.header.hash);
        assert_eq!(net.trace.contains(&adopted), blocks > 64, "{blocks} blocks");
        assert_eq!(net.ended, [Ok(())]);
    }
}

#[test]
fn an_interrupted_fast_sync_resumes_with_what_it_has() {
    let best = chain(2_000);
    let mut net = Net::with_mode(5, &SimChain::genesis(), Mode::Fast);
    net.add(1, &best.up_to(1_500), Behaviour::Honest, Duration::ZERO);
    for _ in 0..40 {
        net.run(net.now + Duration::from_millis(700));
        net.downloader.cancel(net.now);
        net.now += Duration::from_secs(2);
    }
    net.add(2, &best, Behaviour::Honest, Duration::ZERO);
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    let nodes = chain::state().1.len();
    let asked = net.values_asked;
    assert!(asked < 3 * nodes, "{asked} of {nodes} values came");
}

#[test]
fn a_pivot_without_state_is_replaced_and_then_given_up() {
    let best = chain(1_000);
    let mut net = Net::with_mode(5, &SimChain::genesis(), Mode::Fast);
    net.state_from = Duration::from_secs(2);
    net.add(1, &best.up_to(900), Behaviour::Honest, Duration::ZERO);
    net.add(2, &best, Behaviour::Honest, Duration::from_millis(1_500));
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    let adopted = format!("commit_pivot {}", best.blocks[936].header.hash);
    assert!(net.trace.contains(&adopted), "{}", net.trace.join("\n"));
    assert!(matches!(net.ended[0], Err(SyncError::StateUnavailable(_))));
    assert!(net.dropped.is_empty());

    let mut net = Net::with_mode(5, &SimChain::genesis(), Mode::Fast);
    net.add(1, &best, Behaviour::Stateless, Duration::ZERO);
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    assert!(
        !net.trace
            .iter()
            .any(|line| line.starts_with("commit_pivot"))
    );
}

/// Runs a network of random peers, and checks how it ended.
fn random_network(seed: u64) -> Net {
    let mut rng = StdRng::seed_from_u64(seed);
    let height = rng.random_range(1..2_500);
    let best = chain(height);
    let mut local = best.up_to(rng.random_range(0..=height / 2));
    local.grow(rng.random_range(0..40), 3, 1, None);
    let mode = if rng.random_bool(0.5) {
        Mode::Fast
    } else {
        Mode::Full
    };
    if mode == Mode::Fast {
        local = SimChain::genesis();
    }
    let mut net = Net::with_mode(seed, &local, mode);
    net.import_time = Duration::from_micros(rng.random_range(0..3_000));
    net.add(
        0,
        &best,
        Behaviour::Honest,
        Duration::from_millis(rng.random_range(0..3_000)),
    );
    for key in 1..rng.random_range(2..9) {
        let after = Duration::from_millis(rng.random_range(0..4_000));
        let is_byzantine = rng.random_bool(0.5);
        let behaviour = if is_byzantine {
            *Behaviour::BYZANTINE.choose(&mut rng).unwrap()
        } else {
            *[
                Behaviour::Honest,
                Behaviour::Slow,
                Behaviour::SmallAnswers,
                Behaviour::Disconnects,
            ]
            .choose(&mut rng)
            .unwrap()
        };
        let mut peer_chain = best.up_to(rng.random_range(height / 2..=height));
        if rng.random_bool(0.3) {
            // A branch of its own, worth less than the best.
            peer_chain = best.up_to(rng.random_range(0..=height / 2));
            peer_chain.grow(rng.random_range(0..height / 2 + 1), 4, 1, None);
        }
        if is_byzantine && rng.random_bool(0.3) {
            peer_chain = best.up_to(rng.random_range(0..=height));
            let first = peer_chain.head().header.header.number + 1;
            peer_chain.grow(rng.random_range(1..500), 6, 50, Some(first));
        }
        net.add(key, &peer_chain, behaviour, after);
    }
    net.run(LONG);
    let best_total = best.head().total;
    let total = net.store.known[&net.store.head()].1;
    let case = format!("seed {seed}: {:?}\n{}", net.dropped, net.trace.join("\n"));
    assert!(
        total >= best_total || best_total <= local.head().total,
        "{case}"
    );
    if total == best_total {
        assert!(
            net.store.head() == best.head().header.hash || local.head().total == total,
            "{case}"
        );
    }
    for (key, error) in &net.dropped {
        let peer = &net.peers[key];
        let is_refused = matches!(error, SyncError::InvalidBlock { .. });
        assert!(
            !peer.behaviour.is_honest() || is_refused,
            "honest {key:?} was dropped: {case}"
        );
    }
    assert!(net.peers[&SyncPeerId(0)].behaviour == Behaviour::Honest);
    assert!(
        net.points.get(&SyncPeerId(0)).copied().unwrap_or_default() < 100,
        "{case}"
    );
    assert!(total > U256::ZERO);
    net
}

#[test]
fn random_networks_end_at_the_best_honest_head() {
    let seeds = match std::env::var("ACTOREUM_SYNC_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..120).collect(),
    };
    for seed in seeds {
        random_network(seed);
    }
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in [3, 17, 42] {
        assert_eq!(random_network(seed).trace, random_network(seed).trace);
    }
}
