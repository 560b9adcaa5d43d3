use actoreum_primitives::{Bytes, EMPTY_OMMERS_HASH, EMPTY_ROOT_HASH, Header};

use super::limits::*;
use super::*;

const A: PeerId = PeerId::repeat_byte(0xaa);
const B: PeerId = PeerId::repeat_byte(0xbb);
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

fn hashed(header: Header) -> HashedHeader {
    let hash = header.hash();
    HashedHeader { header, hash }
}

fn block_of(header: Header) -> Box<RawBlock> {
    Box::new(RawBlock {
        header: hashed(header),
        body: None,
        receipts: None,
    })
}

fn block(number: u64) -> Box<RawBlock> {
    block_of(empty(number))
}

/// Returns a block whose parent is missing, with a body of `body` bytes. Blocks of different
/// `branch` have different hashes.
fn orphan(number: u64, branch: u64, body: usize) -> Box<RawBlock> {
    let mut block = block_of(Header {
        parent_hash: B256::repeat_byte(3),
        timestamp: branch,
        ..empty(number)
    });
    block.body = Some(Bytes::from(vec![7; body]));
    block
}

/// Returns true for the parent of the other test blocks alone.
fn none(hash: &B256) -> bool {
    hash.is_zero()
}

#[test]
fn an_announced_block_is_fetched_after_its_delay_and_imported() {
    let mut fetcher = BlockFetcher::new(1);
    let root = B256::repeat_byte(7);
    let (wanted, hash) = (header(101, root), header(101, root).hash());
    assert!(fetcher.announce(at(0), HEIGHT, A, hash, 101));
    assert_eq!(fetcher.poll(at(399), HEIGHT, none), []);
    assert_eq!(fetcher.next_timeout(), Some(at(400)));
    let asked = fetcher.poll(at(400), HEIGHT, none);
    assert_eq!(asked, [FetchAction::Header { peer: A, hash }]);
    assert_eq!(fetcher.poll(at(410), HEIGHT, none), [], "asked once");
    // The answer of a peer that was not asked is ignored.
    assert_eq!(
        fetcher.on_header(at(420), HEIGHT, B, hash, Some(wanted.clone())),
        None
    );
    assert_eq!(
        fetcher.on_header(at(420), HEIGHT, A, hash, Some(wanted.clone())),
        None
    );
    let asked = fetcher.poll(at(520), HEIGHT, none);
    let hashes = vec![hash];
    assert_eq!(asked, [FetchAction::Bodies { peer: A, hashes }]);
    let body = RawBody {
        transactions_root: root,
        ommers_hash: EMPTY_OMMERS_HASH,
        withdrawals_root: None,
        raw: Bytes::new(),
    };
    fetcher.on_bodies(at(530), A, &[hash], vec![body]);
    let actions = fetcher.poll(at(530), HEIGHT, none);
    let [FetchAction::Import { peer: A, block }] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(block.header.header, wanted);
    assert_eq!(fetcher.poll(at(9999), HEIGHT, none), [], "imported once");
    fetcher.on_import_end(&hash);
    assert_nothing_is_held(&fetcher);
}

#[test]
fn an_empty_block_needs_no_body() {
    let mut fetcher = BlockFetcher::new(1);
    let hash = empty(101).hash();
    fetcher.announce(at(0), HEIGHT, A, hash, 101);
    fetcher.poll(at(500), HEIGHT, none);
    fetcher.on_header(at(510), HEIGHT, A, hash, Some(empty(101)));
    let actions = fetcher.poll(at(510), HEIGHT, none);
    assert!(
        matches!(actions[..], [FetchAction::Import { .. }]),
        "{actions:?}"
    );
}

#[test]
fn a_queued_block_is_imported_once_its_parent_is_there() {
    let mut fetcher = BlockFetcher::new(1);
    let parent = B256::repeat_byte(3);
    let orphan = orphan(101, 0, 10);
    fetcher.announce(at(0), HEIGHT, A, orphan.header.hash, 101);
    let propagated = fetcher.on_block(HEIGHT, B, orphan);
    assert_eq!(propagated, Propagated::Accepted);
    assert_eq!(fetcher.poll(at(1), HEIGHT, none), []);
    let looks = std::cell::Cell::new(0);
    let has_parent = |hash: &B256| {
        looks.set(looks.get() + 1);
        *hash == parent
    };
    assert_eq!(fetcher.poll(at(2), HEIGHT, has_parent), []);
    assert_eq!(looks.get(), 0, "nothing has come since the last look");
    // The parent arrived on a branch as long as the local chain.
    fetcher.on_chain_changed();
    let actions = fetcher.poll(at(3), HEIGHT, has_parent);
    assert!(
        matches!(actions[..], [FetchAction::Import { peer: B, .. }]),
        "{actions:?}"
    );
}

#[test]
fn a_silent_peer_is_replaced_by_another_announcer() {
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
    assert_eq!(fetcher.on_header(at(6000), HEIGHT, other, hash, None), None);
    assert_nothing_is_held(&fetcher);
}

#[test]
fn far_or_excess_blocks_of_a_peer_are_refused() {
    let mut fetcher = BlockFetcher::new(1);
    let far = [
        HEIGHT - MAX_UNCLE_DISTANCE - 1,
        HEIGHT + MAX_QUEUE_DISTANCE + 1,
        0,
        u64::MAX,
    ];
    for number in far {
        assert!(fetcher.announce(at(0), HEIGHT, A, empty(number).hash(), number));
        let propagated = fetcher.on_block(HEIGHT, A, block(number));
        assert_eq!(propagated, Propagated::TooFar);
    }
    assert!(fetcher.is_empty());
    let hashes = (0..1000u64).map(|it| B256::left_padding_from(&it.to_be_bytes()));
    let taken = hashes.filter(|hash| fetcher.announce(at(0), HEIGHT, A, *hash, 101));
    assert_eq!(taken.count(), HASH_LIMIT);
    let blocks = (0..1000).map(|branch| orphan(102, branch, 10));
    let taken = blocks
        .map(|block| fetcher.on_block(HEIGHT, A, block))
        .filter(|propagated| *propagated == Propagated::Accepted);
    assert_eq!(taken.count(), BLOCK_LIMIT);
    assert!(
        fetcher.announce(at(0), HEIGHT, B, B256::ZERO, 101),
        "others have their own places"
    );
    assert_eq!(fetcher.peers(), [A, B]);
    fetcher.peer_left(at(0), &A);
    fetcher.peer_left(at(0), &B);
    assert_nothing_is_held(&fetcher);
}

#[track_caller]
fn assert_nothing_is_held(fetcher: &BlockFetcher) {
    assert!(fetcher.is_empty(), "{fetcher:?}");
    assert_eq!(fetcher.held_bytes(), 0);
    assert_eq!(fetcher.peers(), [] as [PeerId; 0]);
}

#[test]
fn orphan_bytes_are_bounded_per_peer_and_in_total() {
    const BODY: usize = 5 << 20;
    let mut fetcher = BlockFetcher::new(1);
    let peer = |number: u8| PeerId::repeat_byte(number);
    let mut branch = 0;
    let mut send = |fetcher: &mut BlockFetcher, from: PeerId, number: u64| {
        branch += 1;
        fetcher.on_block(HEIGHT, from, orphan(number, branch, BODY))
    };
    for number in 0..15 {
        for height in HEIGHT + 20..HEIGHT + 32 {
            send(&mut fetcher, peer(number), height);
        }
        let held = fetcher.usage.bytes_of(&peer(number));
        assert!(held <= MAX_PEER_BYTES, "{held}");
        assert!(fetcher.held_bytes() <= MAX_TOTAL_BYTES);
    }
    assert!(fetcher.held_bytes() > MAX_TOTAL_BYTES - 2 * BODY);
    // An honest peer's block still finds room, at the cost of the peer that holds most.
    let honest = send(&mut fetcher, peer(99), HEIGHT + 2);
    assert_eq!(honest, Propagated::Accepted);
    assert!(fetcher.held_bytes() <= MAX_TOTAL_BYTES);
    for peer in fetcher.peers() {
        fetcher.peer_left(at(0), &peer);
    }
    assert_nothing_is_held(&fetcher);
}

#[test]
fn the_next_block_finds_room_among_even_shares() {
    const BODY: usize = 5 << 20;
    let mut fetcher = BlockFetcher::new(1);
    for peer in 0..12_u8 {
        let block = orphan(HEIGHT + 20, peer.into(), BODY);
        let propagated = fetcher.on_block(HEIGHT, PeerId::repeat_byte(peer), block);
        assert_eq!(propagated, Propagated::Accepted);
    }
    let as_far = fetcher.on_block(HEIGHT, A, orphan(HEIGHT + 20, 12, BODY));
    assert_eq!(as_far, Propagated::PeerFull);
    let next = fetcher.on_block(HEIGHT, A, orphan(HEIGHT + 2, 13, BODY));
    assert_eq!(next, Propagated::Accepted);
    assert!(fetcher.held_bytes() <= MAX_TOTAL_BYTES);
}

#[test]
fn long_headers_without_bodies_are_bounded_in_bytes() {
    let mut fetcher = BlockFetcher::new(1);
    let long = |branch: u64| Header {
        extra_data: vec![7; 100_000].into(),
        timestamp: branch,
        ..header(101, B256::repeat_byte(7))
    };
    for branch in 0..HASH_LIMIT as u64 {
        fetcher.announce(at(0), HEIGHT, A, long(branch).hash(), 101);
    }
    let asked = fetcher.poll(at(500), HEIGHT, none);
    assert_eq!(asked.len(), HASH_LIMIT);
    for branch in 0..HASH_LIMIT as u64 {
        let (header, hash) = (long(branch), long(branch).hash());
        fetcher.on_header(at(510), HEIGHT, A, hash, Some(header));
    }
    assert!(fetcher.held_bytes() <= MAX_PEER_BYTES);
    assert!(fetcher.held_bytes() > MAX_PEER_BYTES / 2);
    fetcher.peer_left(at(600), &A);
    assert_nothing_is_held(&fetcher);
}

#[test]
fn a_refused_block_keeps_other_peers_announcements() {
    let mut fetcher = BlockFetcher::new(1);
    let wanted = orphan(101, 7, MAX_PEER_BYTES);
    fetcher.announce(at(0), HEIGHT, B, wanted.header.hash, 101);
    let refused = fetcher.on_block(HEIGHT, A, wanted);
    assert_eq!(refused, Propagated::PeerFull);
    assert_eq!((fetcher.len(), fetcher.peers()), (1, vec![B]));
}

#[test]
fn a_false_block_number_is_penalised() {
    let mut fetcher = BlockFetcher::new(1);
    let hash = empty(103).hash();
    fetcher.announce(at(0), HEIGHT, A, hash, 101);
    fetcher.poll(at(500), HEIGHT, none);
    let blamed = fetcher.on_header(at(510), HEIGHT, A, hash, Some(empty(103)));
    assert!(
        matches!(blamed, Some(FetchAction::Penalise { peer: A, .. })),
        "{blamed:?}"
    );
    assert_nothing_is_held(&fetcher);
}

#[test]
fn known_or_old_blocks_are_not_fetched_or_imported() {
    let mut fetcher = BlockFetcher::new(1);
    fetcher.announce(at(0), HEIGHT, A, empty(101).hash(), 101);
    fetcher.on_block(HEIGHT, A, block(99));
    assert_eq!(fetcher.poll(at(500), HEIGHT, |_| true), []);
    assert!(fetcher.is_empty());
    fetcher.on_block(HEIGHT, A, block(99));
    assert_eq!(fetcher.poll(at(500), HEIGHT + 20, none), []);
    assert_nothing_is_held(&fetcher);
}
