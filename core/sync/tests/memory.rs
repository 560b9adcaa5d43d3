//! Memory that the downloader takes for a byzantine peer with hundreds of megabytes of a chain that
//! looks valid.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, too, stop at the unexpected"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use actoreum_primitives::rlp::{self, encode_list_header, encode_str};
use actoreum_primitives::{B256, Bytes, Header, U256, keccak256};
use actoreum_sync::downloader::{
    Action, Downloader, ImportFailure, LocalChain, Mode, PeerHead, Query, ServedData, SyncError,
    SyncPeerId, Window,
};
use actoreum_sync::state::StateStore;
use actoreum_sync::{HashedHeader, RawBody};

/// An allocator that counts the bytes allocated.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MB: usize = 1 << 20;

/// A local chain of a genesis block.
struct Genesis(B256);

impl StateStore for Genesis {
    fn has_node(&self, _: &B256) -> bool {
        false
    }

    fn has_code(&self, _: &B256) -> bool {
        false
    }
}

impl LocalChain for Genesis {
    fn head_number(&self) -> u64 {
        0
    }

    fn total_difficulty(&self) -> U256 {
        U256::from(1)
    }

    fn total_difficulty_of(&self, _: &B256) -> Option<U256> {
        Some(U256::from(1))
    }

    fn has_block(&self, hash: &B256, _: u64) -> bool {
        *hash == self.0
    }

    fn current_fast_block(&self) -> Option<(u64, B256)> {
        None
    }

    fn has_fast_block(&self, _: &B256, _: u64) -> bool {
        false
    }

    fn state_root(&self, _: &B256) -> Option<B256> {
        None
    }

    fn canonical_hash(&self, number: u64) -> Option<B256> {
        (number == 0).then_some(self.0)
    }
}

/// A peer with headers of `extra_data` bytes of extra data, whose blocks have large bodies.
struct ByzantinePeer {
    hashes: Vec<B256>,
    body: RawBody,
    extra_data: usize,
}

impl ByzantinePeer {
    fn new(blocks: u64, extra_data: usize, body: usize) -> Self {
        // One transaction of an unknown type: its root is right, and nothing decodes it before the
        // import.
        let mut transaction = Vec::new();
        encode_str(&vec![9; body], &mut transaction);
        let mut list = Vec::new();
        encode_list_header(transaction.len(), &mut list);
        list.extend(transaction);
        list.push(0xc0);
        let mut raw = Vec::new();
        encode_list_header(list.len(), &mut raw);
        raw.extend(list);
        let mut peer = Self {
            hashes: vec![B256::ZERO],
            body: RawBody::read(&raw).unwrap(),
            extra_data,
        };
        for number in 1..=blocks {
            let header = rlp::encode(&peer.header(number));
            peer.hashes.push(keccak256(header));
        }
        peer
    }

    fn header(&self, number: u64) -> Header {
        Header {
            number,
            parent_hash: self.hashes[number as usize - 1],
            transactions_root: self.body.transactions_root,
            difficulty: U256::from(1_000),
            extra_data: Bytes::from(vec![number as u8; self.extra_data]),
            ..Header::default()
        }
    }

    fn hashed(&self, number: u64) -> HashedHeader {
        HashedHeader::read(&rlp::encode(&self.header(number))).unwrap()
    }
}

/// Returns the megabytes held at most while nothing is imported, the megabytes left at the end, and
/// the reason why the peer was dropped.
fn flood(peer: &ByzantinePeer) -> (usize, usize, SyncError) {
    let chain = Genesis(peer.hashes[0]);
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mut rules = Downloader::new(Mode::Full);
    let now = Duration::from_secs(1);
    let head = PeerHead {
        hash: *peer.hashes.last().unwrap(),
        total_difficulty: U256::from(u64::MAX),
    };
    let serves = ServedData {
        receipts: true,
        state: true,
    };
    for key in 0..3 {
        rules.on_peer(SyncPeerId(key), head, serves, &chain, now);
    }
    let mut windows: Vec<Window> = Vec::new();
    let mut dropped = None;
    while dropped.is_none() {
        let Some(action) = rules.next_action() else {
            // Nothing more is requested before something is imported.
            let window = windows.pop().unwrap();
            let last = &window.blocks.last().unwrap().header;
            let failure = ImportFailure::InvalidBlock {
                number: last.header.number,
                hash: last.hash,
                reason: "invalid seal".to_owned(),
            };
            rules.on_imported(window.id, Err(failure), &chain, now);
            continue;
        };
        match action {
            Action::Request { id, query, .. } => match query {
                Query::Header(_) => {
                    let header = peer.hashed(peer.hashes.len() as u64 - 1);
                    rules.on_headers(id, vec![header], &chain, now);
                }
                Query::Headers(query) => {
                    let numbers = (0..query.amount).map(|it| query.first + it * (query.skip + 1));
                    let headers = numbers.map(|number| peer.hashed(number)).collect();
                    rules.on_headers(id, headers, &chain, now);
                }
                Query::Bodies(hashes) => {
                    // As many as fit in one answer.
                    let room = (2 * MB).div_ceil(peer.body.raw.len());
                    let bodies = hashes.iter().take(room).map(|_| RawBody {
                        raw: Bytes::copy_from_slice(&peer.body.raw),
                        ..peer.body.clone()
                    });
                    let bodies = bodies.collect();
                    rules.on_bodies(id, bodies, &chain, now);
                }
                other => panic!("{other:?}"),
            },
            Action::Import(window) => windows.push(window),
            Action::DropPeer { reason, .. } => dropped = Some(reason),
            _ => {}
        }
    }
    let peak = PEAK.load(Relaxed) - before;
    drop((rules, windows));
    let left = NOW.load(Relaxed).saturating_sub(before);
    (peak / MB, left / MB, dropped.unwrap())
}

#[test]
fn an_invalid_chain_is_held_in_part_and_its_peer_dropped() {
    // 150 MB of headers; then 6 GB of bodies.
    for (blocks, extra_data, body) in [(60_000, 2_000, 60), (60_000, 0, 100_000)] {
        let peer = ByzantinePeer::new(blocks, extra_data, body);
        let (peak, left, reason) = flood(&peer);
        let case = format!("{extra_data} bytes of extra data, bodies of {body}");
        println!("{case}: {peak} MB at most, {left} MB are left");
        assert!(peak < 200, "{case}: {peak} MB");
        assert!(peak > 20, "{case}: only {peak} MB, it did not get far");
        assert!(left < 2, "{case}: {left} MB are left");
        assert!(matches!(reason, SyncError::InvalidBlock { .. }), "{reason}");
    }
}
