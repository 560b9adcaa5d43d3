//! Peers that promise a total difficulty that nobody has, and deliver little or nothing: a sync ends
//! all the same, within a bound.

use super::*;

const BLOCKS: u64 = 3_000;

/// Twelve peers of a manner, and one honest one that joins after them: when the honest chain is
/// ours.
fn sync_among(manner: Manner, common: u64, seed: u64) -> (Net, Duration) {
    let best = chain(BLOCKS);
    let mut net = Net::new(seed, &best.up_to(common));
    for key in 1..=12 {
        net.add(key, &best, manner, Duration::ZERO);
    }
    net.add(13, &best, Manner::Honest, Duration::from_millis(10));
    for second in 1..3_600 {
        net.run(Duration::from_secs(second));
        if net.store.head() == best.head().header.hash {
            return (net, Duration::from_secs(second));
        }
    }
    panic!("{manner:?}: held at {}", net.trace.join("\n"));
}

#[test]
fn twelve_silent_boasters_hold_a_sync_for_seconds() {
    for common in [0, 1_000] {
        for seed in 0..5 {
            let (mut net, took) = sync_among(Manner::SilentBoaster, common, seed);
            assert!(took < Duration::from_secs(15), "{took:?}");
            // And they are dropped, for the reason.
            net.run(Duration::from_secs(120));
            assert_eq!(net.dropped.len(), 12, "{:?}", net.dropped);
            let timeouts = net.dropped.values().filter(|it| **it == SyncError::Timeout);
            assert_eq!(timeouts.count(), 12);
        }
    }
}

#[test]
fn boasters_that_deliver_next_to_nothing_hold_it_for_a_window_each() {
    for manner in [Manner::HeadOnly, Manner::HeadersOnly, Manner::Trickles] {
        for (common, seed) in [(0, 1), (0, 2), (1_000, 3)] {
            let (net, took) = sync_among(manner, common, seed);
            // Twelve windows of ten seconds, each with its pause; then, for headers and for
            // bodies, one request to each that expires.
            assert!(
                took < Duration::from_secs(12 * 11 + 40),
                "{manner:?}: {took:?}"
            );
            assert!(!net.dropped.contains_key(&PeerKey(13)), "{manner:?}");
        }
    }
}

#[test]
fn who_comes_anew_under_another_name_does_not_get_ahead() {
    let best = chain(BLOCKS);
    let mut net = Net::new(4, &SimChain::genesis());
    for key in 1..=4 {
        net.add(key, &best, Manner::HeadOnly, Duration::ZERO);
    }
    net.add(5, &best, Manner::Honest, Duration::from_millis(10));
    // One more every three seconds, for ten minutes.
    for number in 0..200 {
        let after = Duration::from_secs(3 * number);
        net.add(100 + number, &best, Manner::HeadOnly, after);
    }
    net.run(Duration::from_secs(180));
    assert_eq!(net.store.head(), best.head().header.hash);
}

#[test]
fn slow_honest_peers_among_themselves_get_time_enough() {
    let best = chain(1_000);
    let mut net = Net::new(6, &SimChain::genesis());
    for key in 1..=3 {
        net.add(key, &best, Manner::Slow, Duration::ZERO);
    }
    net.run(LONG);
    assert_eq!(net.store.head(), best.head().header.hash);
    assert!(net.dropped.is_empty(), "{:?}", net.dropped);
    assert!(net.now < Duration::from_secs(600), "{:?}", net.now);
}

#[test]
fn a_peer_that_carried_a_sync_is_followed_before_one_that_promises_more() {
    let best = chain(400);
    let mut net = Net::new(8, &SimChain::genesis());
    net.add(1, &best.up_to(200), Manner::Honest, Duration::ZERO);
    net.run(Duration::from_secs(5));
    assert_eq!(net.ended, [Ok(())]);
    for key in 2..6 {
        net.add(key, &best, Manner::HeadOnly, Duration::ZERO);
    }
    // Its head moves on at the same time.
    net.peers.get_mut(&PeerKey(1)).unwrap().chain = best.clone();
    net.add_again(1);
    let begun = net.now;
    // One window with its pause, and the trials of the others.
    net.run(begun + Duration::from_secs(20));
    assert_eq!(net.store.head(), best.head().header.hash);
}
