use super::limits::*;
use super::*;

const A: PeerId = PeerId::repeat_byte(0xaa);
const B: PeerId = PeerId::repeat_byte(0xbb);

fn at(millis: u64) -> Duration {
    Duration::from_secs(1000) + Duration::from_millis(millis)
}

fn hash(number: u64) -> B256 {
    B256::left_padding_from(&number.to_be_bytes())
}

const LEGACY: TxMetadata = TxMetadata {
    tx_type: 0,
    size: 100,
};

fn none(_: &B256) -> bool {
    false
}

#[test]
fn a_transaction_is_asked_of_one_peer_and_then_of_the_next() {
    let mut fetcher = TransactionFetcher::default();
    fetcher.announce(at(0), A, hash(1), None);
    fetcher.announce(at(100), B, hash(1), Some(LEGACY));
    assert_eq!(fetcher.poll(at(499), none), []);
    assert_eq!(fetcher.next_timeout(), Some(at(500)));
    let asked = fetcher.poll(at(500), none);
    assert_eq!(asked.len(), 1, "{asked:?}");
    let first = asked[0].peer;
    assert_eq!(fetcher.poll(at(600), none), []);
    assert_eq!(fetcher.on_response(&first), 1);
    let asked = fetcher.poll(at(700), none);
    let other = if first == A { B } else { A };
    let hashes = vec![hash(1)];
    assert_eq!(
        asked,
        [FetchTransactions {
            peer: other,
            hashes
        }]
    );
    let asked = fetcher.poll(at(700) + FETCH_TIMEOUT, none);
    assert_eq!(asked, [], "no announcer is left");
    assert!(fetcher.is_empty() && fetcher.announcers.is_empty());
}

#[test]
fn received_or_refused_transactions_are_not_requested() {
    let mut fetcher = TransactionFetcher::default();
    fetcher.announce(at(0), A, hash(1), None);
    fetcher.announce(at(0), A, hash(2), None);
    fetcher.forget(&hash(1));
    assert_eq!(fetcher.poll(at(500), |it| *it == hash(2)), []);
    assert!(fetcher.is_empty() && fetcher.announcers.is_empty());
    assert_eq!(fetcher.next_timeout(), None);
}

#[test]
fn requests_and_announcements_are_bounded() {
    let mut fetcher = TransactionFetcher::default();
    let taken = (0..10_000).filter(|it| fetcher.announce(at(0), A, hash(*it), None));
    assert_eq!(taken.count(), ANNOUNCED_PER_PEER);
    let asked = fetcher.poll(at(500), none);
    assert_eq!(asked[0].hashes.len(), HASHES_PER_REQUEST);
    assert_eq!(fetcher.poll(at(501), none), [], "one request at a time");
    fetcher.peer_left(&A);
    assert!(fetcher.is_empty() && fetcher.announcers.is_empty());

    for number in 0..100 {
        let metadata = TxMetadata {
            size: u32::MAX,
            ..LEGACY
        };
        fetcher.announce(at(0), B, hash(number), Some(metadata));
    }
    assert_eq!(fetcher.poll(at(500), none)[0].hashes.len(), 1);
}

#[test]
fn false_types_and_sizes_are_detected_for_any_sender() {
    let mut fetcher = TransactionFetcher::default();
    let peers: [PeerId; 6] = std::array::from_fn(|it| PeerId::repeat_byte(it as u8 + 1));
    let announced = [
        Some(LEGACY),
        Some(TxMetadata {
            tx_type: 3,
            ..LEGACY
        }),
        Some(TxMetadata {
            size: 109,
            ..LEGACY
        }),
        Some(TxMetadata {
            size: 108,
            ..LEGACY
        }),
        Some(TxMetadata { size: 91, ..LEGACY }),
        None,
    ];
    for (peer, metadata) in peers.iter().zip(announced) {
        fetcher.announce(at(0), *peer, hash(1), metadata);
        // A second announcement does not replace the first.
        fetcher.announce(at(0), *peer, hash(1), Some(LEGACY));
    }
    let mut wrong = fetcher.on_transaction(&hash(1), &peers[0], LEGACY);
    wrong.sort();
    assert_eq!(wrong, [peers[1], peers[2], peers[4]]);
    assert!(fetcher.is_empty() && fetcher.announcers.is_empty());
    assert!(fetcher.on_transaction(&hash(1), &A, LEGACY).is_empty());
}

#[test]
fn a_false_blob_size_counts_against_its_sender_alone() {
    let blobs = |size| TxMetadata { tx_type: 3, size };
    for (sender, wrong) in [(A, vec![A]), (B, vec![])] {
        let mut fetcher = TransactionFetcher::default();
        fetcher.announce(at(0), A, hash(1), Some(blobs(131_000)));
        fetcher.announce(at(0), B, hash(1), Some(blobs(137_000)));
        assert_eq!(
            fetcher.on_transaction(&hash(1), &sender, blobs(137_000)),
            wrong
        );
    }
}

#[test]
fn an_unknown_transaction_type_is_not_requested() {
    let mut fetcher = TransactionFetcher::default();
    let newer = TxMetadata {
        tx_type: 5,
        ..LEGACY
    };
    assert!(fetcher.announce(at(0), A, hash(1), Some(newer)));
    assert!(fetcher.is_empty());
}

#[test]
fn a_timeout_moves_requests_to_the_next_peer_at_once() {
    let mut fetcher = TransactionFetcher::default();
    for number in 0..200 {
        fetcher.announce(at(0), A, hash(number), None);
        fetcher.announce(at(0), B, hash(number), None);
    }
    let first = fetcher.poll(at(500), none);
    assert_eq!(first.len(), 1, "the other one is asked for the same");
    for number in 1_000..1_010 {
        fetcher.announce(at(500), B, hash(number), None);
    }
    let timeout = at(500) + FETCH_TIMEOUT;
    assert_eq!(fetcher.poll(at(1_000), none)[0].hashes.len(), 10);
    fetcher.on_response(&B);
    let next = fetcher.poll(timeout, none);
    assert_eq!((next.len(), next[0].peer), (1, B));
    assert_eq!(next[0].hashes.len(), 200);
}

/// The records of transactions and of peers agree after every event, and none is left at the end.
#[test]
fn records_agree_and_end_empty_after_random_events() {
    use rand::{Rng, SeedableRng};
    for seed in 0..200 {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut fetcher = TransactionFetcher::default();
        let peers: [PeerId; 4] = std::array::from_fn(|it| PeerId::repeat_byte(it as u8 + 1));
        let mut now = at(0);
        let mut asked: Vec<FetchTransactions> = Vec::new();
        for _ in 0..400 {
            now += Duration::from_millis(random.random_range(0..300));
            let peer = peers[random.random_range(0..4)];
            let number = hash(random.random_range(0..50));
            match random.random_range(0..10) {
                0..=4 => {
                    fetcher.announce(now, peer, number, None);
                }
                5 => fetcher.forget(&number),
                6 => fetcher.peer_left(&peer),
                7 => {
                    fetcher.on_response(&peer);
                    asked.retain(|it| it.peer != peer);
                }
                _ => asked.extend(fetcher.poll(now, none)),
            }
            for (hash, wanted) in &fetcher.wanted {
                assert!(!wanted.announcers.is_empty());
                for peer in &wanted.announcers {
                    assert!(fetcher.announcers[peer].announced.contains_key(hash));
                }
            }
            for (peer, announcer) in &fetcher.announcers {
                assert!(announcer.due.len() <= 2 * ANNOUNCED_PER_PEER);
                for (hash, announcement) in &announcer.announced {
                    let wanted = &fetcher.wanted[hash];
                    assert!(wanted.announcers.contains(peer));
                    // Nothing is stuck: the hash is due, or a peer is being asked for it.
                    assert!(
                        announcement.is_due || wanted.asked_of.is_some(),
                        "seed {seed}"
                    );
                    let is_asked = |it: &Announcer| {
                        it.asked.as_ref().is_some_and(|(_, all)| all.contains(hash))
                    };
                    if let Some(of) = &wanted.asked_of {
                        assert!(is_asked(&fetcher.announcers[of]), "seed {seed}");
                    }
                }
            }
        }
        for peer in peers {
            fetcher.peer_left(&peer);
        }
        assert!(fetcher.is_empty() && fetcher.announcers.is_empty());
    }
}
