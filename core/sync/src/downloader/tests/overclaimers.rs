//! Peers that claim a total difficulty that no chain has, and deliver little or nothing: a sync
//! succeeds all the same, within a bound.

use super::*;

const BLOCKS: u64 = 3_000;

/// Runs a sync with twelve peers of this behaviour and an honest one that joins after them. Returns
/// the time at which the local chain has the honest head.
fn sync_among(behaviour: Behaviour, common: u64, seed: u64) -> (Net, Duration) {
    let best = chain(BLOCKS);
    let mut net = Net::new(seed, &best.up_to(common));
    for key in 1..=12 {
        net.add(key, &best, behaviour, Duration::ZERO);
    }
    net.add(13, &best, Behaviour::Honest, Duration::from_millis(10));
    for second in 1..3_600 {
        net.run(Duration::from_secs(second));
        if net.store.head() == best.head().header.hash {
            return (net, Duration::from_secs(second));
        }
    }
    panic!("{behaviour:?}: held at {}", net.trace.join("\n"));
}

#[test]
fn twelve_silent_overclaimers_delay_a_sync_for_seconds() {
    for common in [0, 1_000] {
        for seed in 0..5 {
            let (mut net, took) = sync_among(Behaviour::SilentOverclaimer, common, seed);
            assert!(took < Duration::from_secs(15), "{took:?}");
            // The silent peers are dropped for their timeouts.
            net.run(Duration::from_secs(120));
            assert_eq!(net.dropped.len(), 12, "{:?}", net.dropped);
            let timeouts = net.dropped.values().filter(|it| **it == SyncError::Timeout);
            assert_eq!(timeouts.count(), 12);
        }
    }
}

#[test]
fn slow_overclaimers_delay_a_sync_for_a_window_each() {
    for behaviour in [
        Behaviour::HeadOnly,
        Behaviour::HeadersOnly,
        Behaviour::Trickles,
    ] {
        for (common, seed) in [(0, 1), (0, 2), (1_000, 3)] {
            let (net, took) = sync_among(behaviour, common, seed);
            // Twelve windows of ten seconds, each with its pause; then, for headers and for bodies,
            // one request to each that expires.
            assert!(
                took < Duration::from_secs(12 * 11 + 40),
                "{behaviour:?}: {took:?}"
            );
            assert!(!net.dropped.contains_key(&SyncPeerId(13)), "{behaviour:?}");
        }
    }
}

#[test]
fn a_reconnected_peer_is_not_preferred() {
    let best = chain(BLOCKS);
    let mut net = Net::new(4, &SimChain::genesis());
    for key in 1..=4 {
        net.add(key, &best, Behaviour::HeadOnly, Duration::ZERO);
    }
    net.add(5, &best, Behaviour::Honest, Duration::from_millis(10));
    // Another one joins every three seconds, for ten minutes.
    for number in 0..200 {
        let after = Duration::from_secs(3 * number);
        net.add(100 + number, &best, Behaviour::HeadOnly, after);
    }
    net.run(Duration::from_secs(180));
    assert_eq!(net.store.head(), best.head().header.hash);
}

#[test]
fn slow_honest_peers_get_time_enough() {
    let best = chain(1_000);
    let mut net = Net::new(6, &SimChain::genesis());
    for key in 1..=3 {
        net.add(key, &best, Behaviour::Slow, Duration::ZERO);
    }
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    assert!(net.dropped.is_empty(), "{:?}", net.dropped);
    assert!(net.now < Duration::from_secs(600), "{:?}", net.now);
}

#[test]
fn a_peer_with_a_successful_sync_is_preferred() {
    let best = chain(400);
    let mut net = Net::new(8, &SimChain::genesis());
    net.add(1, &best.up_to(200), Behaviour::Honest, Duration::ZERO);
    net.run(Duration::from_secs(5));
    assert_eq!(net.ended, [Ok(())]);
    for key in 2..6 {
        net.add(key, &best, Behaviour::HeadOnly, Duration::ZERO);
    }
    // The proven peer's head moves on at the same time.
    net.peers.get_mut(&SyncPeerId(1)).unwrap().chain = best.clone();
    net.announce_head(1);
    let begun = net.now;
    // One window with its pause, and the trials of the others.
    net.run(begun + Duration::from_secs(20));
    assert_eq!(net.store.head(), best.head().header.hash);
}
