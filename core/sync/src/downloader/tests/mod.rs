//! The downloader in a simulated network: whatever peers do, it ends at the best honest head.

mod boasters;
mod chain;
mod net;

use std::time::Duration;

use actoreum_primitives::U256;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::{Mode, PeerKey, SyncError};
use chain::SimChain;
use net::{Manner, Net};

const LONG: Duration = Duration::from_secs(3_600);

fn chain(blocks: u64) -> SimChain {
    let mut chain = SimChain::genesis();
    chain.grow(blocks, 1, 2, None);
    chain
}

/// A run with one peer of a manner and, beside it, an honest one.
fn beside(manner: Manner, blocks: u64) -> Net {
    let best = chain(blocks);
    let mut net = Net::new(1, &SimChain::genesis());
    net.add(1, &best, manner, Duration::ZERO);
    net.add(2, &best, Manner::Honest, Duration::from_millis(5));
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash, "{manner:?}");
    net
}

#[test]
fn one_honest_peer_is_enough() {
    for blocks in [1, 2, 11, 12, 13, 191, 192, 193, 269, 384, 385, 5_000] {
        let best = chain(blocks);
        let mut net = Net::new(blocks, &SimChain::genesis());
        net.add(1, &best, Manner::Honest, Duration::ZERO);
        net.run(LONG);
        assert_eq!(net.store.head(), best.head().header.hash, "{blocks} blocks");
        assert_eq!(net.ended, [Ok(())], "{blocks} blocks");
        assert!(net.dropped.is_empty() && net.points.is_empty());
    }
}

#[test]
fn a_sync_goes_on_from_whatever_is_common() {
    let whole = chain(3_000);
    for common in [0, 1, 5, 500, 2_995, 2_999] {
        for ours in [0, 1, 11, 12, 300] {
            let mut local = whole.up_to(common);
            local.grow(ours, 2, 1, None);
            let mut net = Net::new(common + ours, &local);
            net.add(1, &whole, Manner::Honest, Duration::ZERO);
            net.run(LONG);
            let is_best = whole.head().total > local.head().total;
            let best = if is_best { &whole } else { &local };
            let case = format!("{common} common, {ours} ours");
            assert_eq!(net.store.head(), best.head().header.hash, "{case}");
            assert!(net.dropped.is_empty(), "{case}: {:?}", net.dropped);
        }
    }
}

#[test]
fn all_peers_carry_bodies() {
    let best = chain(6_000);
    let mut net = Net::new(3, &SimChain::genesis());
    net.import_time = Duration::ZERO;
    for key in 1..=4 {
        net.add(key, &best, Manner::Honest, Duration::ZERO);
    }
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    for (peer, blocks) in &net.blocks_asked {
        assert!(*blocks > 500, "{peer:?} was asked for {blocks} of 6,000");
    }
    assert_eq!(net.blocks_asked.len(), 4);
}

#[test]
fn liars_are_dropped_and_say_why() {
    let reason = |manner| {
        let net = beside(manner, 1_000);
        assert!(!net.dropped.contains_key(&PeerKey(2)), "{manner:?}");
        net.dropped.get(&PeerKey(1)).cloned()
    };
    let reason = |manner| reason(manner).unwrap_or_else(|| panic!("{manner:?} was not dropped"));
    assert_eq!(reason(Manner::Silent), SyncError::Timeout);
    assert_eq!(reason(Manner::NoHeaders), SyncError::EmptyHeaderSet);
    assert!(matches!(
        reason(Manner::Unlinked),
        SyncError::InvalidChain(_)
    ));
    assert!(matches!(reason(Manner::Gaps), SyncError::BadPeer(_)));
    assert_eq!(reason(Manner::WrongBodies), SyncError::InvalidBody);
    assert_eq!(reason(Manner::Boasts), SyncError::StallingPeer);
    assert!(matches!(reason(Manner::Garbage), SyncError::BadPeer(_)));
    assert!(matches!(reason(Manner::Floods), SyncError::BadPeer(_)));
}

#[test]
fn endless_empty_answers_cost_a_peer_its_score_or_the_sync() {
    let net = beside(Manner::NoBodies, 1_000);
    assert!(net.points[&PeerKey(1)] >= 30);

    let mut net = Net::new(1, &SimChain::genesis());
    net.add(1, &chain(1_000), Manner::NoBodies, Duration::ZERO);
    net.run(LONG);
    assert_eq!(net.dropped[&PeerKey(1)], SyncError::PeersUnavailable);
}

#[test]
fn a_chain_with_a_bad_block_is_taken_up_to_it_and_its_peer_dropped() {
    let honest = chain(1_500);
    let mut bad = honest.up_to(700);
    bad.grow(1_000, 5, 100, Some(900));
    let mut net = Net::new(7, &SimChain::genesis());
    net.add(1, &bad, Manner::Honest, Duration::ZERO);
    net.add(2, &honest, Manner::Honest, Duration::ZERO);
    net.run(LONG);
    let SyncError::InvalidBlock { number, .. } = &net.dropped[&PeerKey(1)] else {
        panic!("{:?}", net.dropped);
    };
    assert_eq!(*number, 900);
    // What stands before the bad block is a better chain than the honest one's.
    assert_eq!(net.store.head(), bad.blocks[899].header.hash);
    assert!(!net.dropped.contains_key(&PeerKey(2)));
}

#[test]
fn a_stalled_request_moves_to_another_peer() {
    let best = chain(2_000);
    let mut net = Net::new(5, &SimChain::genesis());
    let mut silent = best.clone();
    silent.blocks.truncate(1_990);
    net.add(1, &best, Manner::Honest, Duration::ZERO);
    net.add(2, &silent, Manner::Silent, Duration::ZERO);
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    assert_eq!(net.ended, [Ok(())]);
    // The first request of a peer moves after three seconds, a later one when it expires.
    assert!(net.now < Duration::from_secs(10), "{:?}", net.now);
}

#[test]
fn what_is_held_stays_bounded_while_the_import_stands_still() {
    let best = chain(60_000);
    let mut net = Net::new(5, &SimChain::genesis());
    net.import_time = Duration::from_secs(1_000);
    net.add(1, &best, Manner::Honest, Duration::ZERO);
    net.add(2, &best, Manner::Honest, Duration::ZERO);
    net.run(Duration::from_secs(900));
    let asked: u64 = net.blocks_asked.values().sum();
    assert!(asked <= 13_000, "{asked} bodies were asked for");
    assert!(net.dropped.is_empty());
}

#[test]
fn a_fast_sync_keeps_blocks_adopts_the_state_and_executes_the_rest() {
    for blocks in [1, 64, 65, 66, 300, 3_000] {
        let best = chain(blocks);
        let mut net = Net::with_mode(blocks, &SimChain::genesis(), Mode::Fast);
        net.add(1, &best, Manner::Honest, Duration::ZERO);
        net.add(2, &best, Manner::Stateless, Duration::ZERO);
        net.run(LONG);
        assert_eq!(net.store.head(), best.head().header.hash, "{blocks} blocks");
        assert!(net.dropped.is_empty() && net.points.is_empty());
        let pivot = &best.blocks[blocks.saturating_sub(64) as usize];
        let adopted = format!("adopt {}", pivot.header.hash);
        assert_eq!(net.trace.contains(&adopted), blocks > 64, "{blocks} blocks");
        assert_eq!(net.ended, [Ok(())]);
    }
}

#[test]
fn a_fast_sync_that_is_cut_again_and_again_goes_on_with_what_it_has() {
    let best = chain(2_000);
    let mut net = Net::with_mode(5, &SimChain::genesis(), Mode::Fast);
    net.add(1, &best.up_to(1_500), Manner::Honest, Duration::ZERO);
    for _ in 0..40 {
        net.run(net.now + Duration::from_millis(700));
        net.downloader.cancel(net.now);
        net.now += Duration::from_secs(2);
    }
    net.add(2, &best, Manner::Honest, Duration::ZERO);
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    let nodes = chain::state().1.len();
    let asked = net.values_asked;
    assert!(asked < 3 * nodes, "{asked} of {nodes} values came");
}

#[test]
fn a_pivot_whose_state_is_gone_makes_way_for_a_newer_one_and_at_last_for_a_full_sync() {
    let best = chain(1_000);
    let mut net = Net::with_mode(5, &SimChain::genesis(), Mode::Fast);
    net.state_from = Duration::from_secs(2);
    net.add(1, &best.up_to(900), Manner::Honest, Duration::ZERO);
    net.add(2, &best, Manner::Honest, Duration::from_millis(1_500));
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    let adopted = format!("adopt {}", best.blocks[936].header.hash);
    assert!(net.trace.contains(&adopted), "{}", net.trace.join("\n"));
    assert!(matches!(net.ended[0], Err(SyncError::StateUnavailable(_))));
    assert!(net.dropped.is_empty());

    let mut net = Net::with_mode(5, &SimChain::genesis(), Mode::Fast);
    net.add(1, &best, Manner::Stateless, Duration::ZERO);
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    assert!(!net.trace.iter().any(|line| line.starts_with("adopt")));
}

/// A network of random peers; true where all is as it should be.
fn random_network(seed: u64) -> Net {
    let mut rng = StdRng::seed_from_u64(seed);
    let height = rng.random_range(1..2_500);
    let best = chain(height);
    let mut local = best.up_to(rng.random_range(0..=height / 2));
    local.grow(rng.random_range(0..40), 3, 1, None);
    let mode = match rng.random_bool(0.5) {
        true => Mode::Fast,
        false => Mode::Full,
    };
    if mode == Mode::Fast {
        local = SimChain::genesis();
    }
    let mut net = Net::with_mode(seed, &local, mode);
    net.import_time = Duration::from_micros(rng.random_range(0..3_000));
    net.add(
        0,
        &best,
        Manner::Honest,
        Duration::from_millis(rng.random_range(0..3_000)),
    );
    for key in 1..rng.random_range(2..9) {
        let after = Duration::from_millis(rng.random_range(0..4_000));
        let lies = rng.random_bool(0.5);
        let manner = match lies {
            true => *Manner::LIARS.choose(&mut rng).unwrap(),
            false => *[Manner::Honest, Manner::Slow, Manner::Meagre, Manner::Leaves]
                .choose(&mut rng)
                .unwrap(),
        };
        let mut its = best.up_to(rng.random_range(height / 2..=height));
        if rng.random_bool(0.3) {
            // A branch of its own, worth less than the best.
            its = best.up_to(rng.random_range(0..=height / 2));
            its.grow(rng.random_range(0..height / 2 + 1), 4, 1, None);
        }
        if lies && rng.random_bool(0.3) {
            its = best.up_to(rng.random_range(0..=height));
            let first = its.head().header.header.number + 1;
            its.grow(rng.random_range(1..500), 6, 50, Some(first));
        }
        net.add(key, &its, manner, after);
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
            !peer.manner.is_honest() || is_refused,
            "honest {key:?} was dropped: {case}"
        );
    }
    assert!(net.peers[&PeerKey(0)].manner == Manner::Honest);
    assert!(
        net.points.get(&PeerKey(0)).copied().unwrap_or_default() < 100,
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
fn a_seed_replays() {
    for seed in [3, 17, 42] {
        assert_eq!(random_network(seed).trace, random_network(seed).trace);
    }
}
