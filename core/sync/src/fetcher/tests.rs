use actoreum_primitives::{Block, Body, Header};

use super::limits::*;
use super::*;

const A: PeerId = B256::repeat_byte(0xaa);
const B: PeerId = B256::repeat_byte(0xbb);
const HEIGHT: u64 = 100;

fn at(millis: u64) -> Duration {
    Duration::from_secs(1000) + Duration::from_millis(millis)
}

fn header(number: u64, transactions_root: B256) -> Header {
    Header {
        number,
        transactions_root,
        ..Header::default()
    }
}

fn empty(number: u64) -> Header {
    header(number, EMPTY_ROOT_HASH)
}

fn block(number: u64) -> Box<Block> {
    Box::new(Block {
        header: empty(number),
        body: Body::default(),
    })
}

/// The parent of all of these blocks is there, and nothing else.
fn none(hash: &B256) -> bool {
    hash.is_zero()
}

#[test]
fn an_announced_block_is_fetched_after_its_time_and_imported() {
    let mut fetcher = BlockFetcher::new(1);
    let root = B256::repeat_byte(7);
    let (wanted, hash) = (header(101, root), header(101, root).hash());
    assert!(fetcher.announce(at(0), HEIGHT, A, hash, 101));
    assert_eq!(fetcher.poll(at(399), HEIGHT, none), []);
    assert_eq!(fetcher.next_timeout(), Some(at(400)));
    let asked = fetcher.poll(at(400), HEIGHT, none);
    assert_eq!(asked, [FetchAction::Header { peer: A, hash }]);
    assert_eq!(fetcher.poll(at(410), HEIGHT, none), [], "asked once");
    // What another peer answers is not what was asked for.
    assert_eq!(
        fetcher.header_came(at(420), HEIGHT, B, hash, Some(wanted.clone())),
        None
    );
    assert_eq!(
        fetcher.header_came(at(420), HEIGHT, A, hash, Some(wanted.clone())),
        None
    );
    let asked = fetcher.poll(at(520), HEIGHT, none);
    let hashes = vec![hash];
    assert_eq!(asked, [FetchAction::Bodies { peer: A, hashes }]);
    let body = FetchedBody {
        body: Body::default(),
        transactions_root: root,
        ommers_hash: EMPTY_OMMERS_HASH,
    };
    fetcher.bodies_came(at(530), A, &[hash], vec![body]);
    let actions = fetcher.poll(at(530), HEIGHT, none);
    let [FetchAction::Import { peer: A, block }] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(block.header, wanted);
    assert_eq!(fetcher.poll(at(9999), HEIGHT, none), [], "imported once");
    fetcher.done(&hash);
    assert!(fetcher.is_empty() && fetcher.queued.is_empty() && fetcher.announced.is_empty());
}

#[test]
fn an_empty_block_needs_no_body_and_one_that_arrived_by_itself_no_header() {
    let mut fetcher = BlockFetcher::new(1);
    let hash = empty(101).hash();
    fetcher.announce(at(0), HEIGHT, A, hash, 101);
    fetcher.poll(at(500), HEIGHT, none);
    fetcher.header_came(at(510), HEIGHT, A, hash, Some(empty(101)));
    let actions = fetcher.poll(at(510), HEIGHT, none);
    assert!(
        matches!(actions[..], [FetchAction::Import { .. }]),
        "{actions:?}"
    );
}

#[test]
fn a_block_waits_for_its_parent_wherever_that_comes_from() {
    let mut fetcher = BlockFetcher::new(1);
    let parent = B256::repeat_byte(3);
    let mut orphan = block(101);
    orphan.header.parent_hash = parent;
    let hash = orphan.hash();
    fetcher.announce(at(0), HEIGHT, A, hash, 101);
    assert!(fetcher.propagated(HEIGHT, B, hash, orphan));
    assert_eq!(fetcher.poll(at(1), HEIGHT, none), []);
    let looks = std::cell::Cell::new(0);
    let has_parent = |hash: &B256| {
        looks.set(looks.get() + 1);
        *hash == parent
    };
    assert_eq!(fetcher.poll(at(2), HEIGHT, has_parent), []);
    assert_eq!(looks.get(), 0, "nothing has come since the last look");
    // It came on a branch as long as ours.
    fetcher.chain_moved();
    let actions = fetcher.poll(at(3), HEIGHT, has_parent);
    assert!(
        matches!(actions[..], [FetchAction::Import { peer: B, .. }]),
        "{actions:?}"
    );
}

#[test]
fn who_does_not_answer_is_not_asked_again_and_the_next_is() {
    let mut fetcher = BlockFetcher::new(1);
    let hash = empty(101).hash();
    fetcher.announce(at(0), HEIGHT, A, hash, 101);
    fetcher.announce(at(0), HEIGHT, B, hash, 101);
    let first = fetcher.poll(at(400), HEIGHT, none);
    let [FetchAction::Header { peer: first, .. }] = first[..] else {
        panic!("{first:?}");
    };
    assert_eq!(fetcher.next_timeout(), Some(at(400) + FETCH_TIMEOUT));
    let again = fetcher.poll(at(400) + FETCH_TIMEOUT, HEIGHT, none);
    let other = if first == A { B } else { A };
    assert_eq!(again, [FetchAction::Header { peer: other, hash }]);
    assert_eq!(
        fetcher.header_came(at(6000), HEIGHT, other, hash, None),
        None
    );
    assert!(fetcher.is_empty() && fetcher.announced.is_empty());
}

#[test]
fn nonsense_is_bounded_by_distance_and_by_peer() {
    let mut fetcher = BlockFetcher::new(1);
    let far = [
        HEIGHT - MAX_UNCLE_DISTANCE - 1,
        HEIGHT + MAX_QUEUE_DISTANCE + 1,
        0,
        u64::MAX,
    ];
    for number in far {
        assert!(fetcher.announce(at(0), HEIGHT, A, empty(number).hash(), number));
        assert!(fetcher.propagated(HEIGHT, A, empty(number).hash(), block(number)));
    }
    assert!(fetcher.is_empty());
    let hashes = (0..1000u64).map(|it| B256::left_padding_from(&it.to_be_bytes()));
    let taken = hashes.filter(|hash| fetcher.announce(at(0), HEIGHT, A, *hash, 101));
    assert_eq!(taken.count(), HASH_LIMIT);
    let hashes = (2000..3000u64).map(|it| B256::left_padding_from(&it.to_be_bytes()));
    let taken = hashes.filter(|hash| fetcher.propagated(HEIGHT, A, *hash, block(102)));
    assert_eq!(taken.count(), BLOCK_LIMIT);
    assert!(
        fetcher.announce(at(0), HEIGHT, B, B256::ZERO, 101),
        "others have their own places"
    );
    fetcher.peer_left(at(0), &A);
    fetcher.peer_left(at(0), &B);
    assert_eq!(fetcher.len(), BLOCK_LIMIT, "what is here stays");
    assert!(fetcher.announced.is_empty());
}

#[test]
fn a_lie_about_the_number_is_blamed() {
    let mut fetcher = BlockFetcher::new(1);
    let hash = empty(103).hash();
    fetcher.announce(at(0), HEIGHT, A, hash, 101);
    fetcher.poll(at(500), HEIGHT, none);
    let blamed = fetcher.header_came(at(510), HEIGHT, A, hash, Some(empty(103)));
    assert!(
        matches!(blamed, Some(FetchAction::Blame { peer: A, .. })),
        "{blamed:?}"
    );
    assert!(fetcher.is_empty() && fetcher.announced.is_empty());
}

#[test]
fn what_is_known_or_old_is_not_fetched_or_imported() {
    let mut fetcher = BlockFetcher::new(1);
    fetcher.announce(at(0), HEIGHT, A, empty(101).hash(), 101);
    fetcher.propagated(HEIGHT, A, empty(99).hash(), block(99));
    assert_eq!(fetcher.poll(at(500), HEIGHT, |_| true), []);
    assert!(fetcher.is_empty());
    fetcher.propagated(HEIGHT, A, empty(99).hash(), block(99));
    assert_eq!(fetcher.poll(at(500), HEIGHT + 20, none), []);
    assert!(fetcher.is_empty() && fetcher.queued.is_empty());
}
