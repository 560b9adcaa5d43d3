//! Block fetcher: fetches blocks that peers announce one by one at the head of the chain, and
//! queues those and propagated blocks for import (geth's `eth/fetcher`).
//!
//! ```text
//!   announced --500 ms--> fetching header --> header fetched --100 ms--> fetching body --+
//!                                           |  (an empty body needs no fetching)        v
//!   propagated --------------------------------------------------------------------> queued
//!                                                       once the parent is known --> import
//! ```
//!
//! A hash is in one stage only, so that a block is requested from one peer at a time, and imported
//! once. Bodies stay encoded, and the bytes held are bounded per peer and in total.

mod entry;
pub mod limits;
#[cfg(test)]
mod tests;
mod usage;

use std::collections::BTreeMap;
use std::time::Duration;

use actoreum_primitives::{B256, Header, PeerId};

use self::entry::{Entry, Stage};
use self::limits::{
    ARRIVE_TIMEOUT, ENTRY_BYTES, FETCH_TIMEOUT, GATHER_SLACK, HASH_LIMIT, MAX_QUEUE_DISTANCE,
    MAX_UNCLE_DISTANCE,
};
use self::usage::PeerUsage;
use crate::{HashedHeader, RawBlock, RawBody};

/// An action for the driver of [`BlockFetcher`].
#[derive(Debug, Clone, PartialEq)]
pub enum FetchAction {
    /// Requests a header; the answer goes to [`BlockFetcher::on_header`].
    Header {
        /// Peer to ask.
        peer: PeerId,
        /// Hash of the header.
        hash: B256,
    },
    /// Requests bodies; the answer goes to [`BlockFetcher::on_bodies`].
    Bodies {
        /// Peer to ask.
        peer: PeerId,
        /// Hashes of the blocks.
        hashes: Vec<B256>,
    },
    /// Checks the header, propagates and imports the block; then comes
    /// [`BlockFetcher::on_import_end`].
    Import {
        /// Peer that sent the block.
        peer: PeerId,
        /// The block. Its body belongs to its header.
        block: Box<RawBlock>,
    },
    /// Counts a provably false statement against a peer.
    Penalise {
        /// The peer.
        peer: PeerId,
        /// Reason, for the log.
        why: &'static str,
    },
}

/// Outcome of [`BlockFetcher::on_block`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagated {
    /// The block is queued, or was received before.
    Accepted,
    /// The block's number is too far from the local head's.
    TooFar,
    /// The limit of blocks or bytes of this peer is reached.
    PeerFull,
}

/// The block fetcher. Times are durations since a fixed moment of the driver's choice.
#[derive(Debug)]
pub struct BlockFetcher {
    entries: BTreeMap<B256, Entry>,
    usage: PeerUsage,
    /// Number of the local head at the last poll.
    height: u64,
    /// Number of times that the chain changed: queued blocks look for their parents once each time.
    chain_changes: u64,
    random: u64,
}

impl BlockFetcher {
    /// Creates an empty fetcher. Fetchers with the same seed ask the same peers.
    pub fn new(seed: u64) -> Self {
        Self {
            entries: BTreeMap::new(),
            usage: PeerUsage::default(),
            height: 0,
            chain_changes: 0,
            random: seed | 1,
        }
    }

    /// Returns the number of blocks that are announced, fetched or queued.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns true if no block is announced, fetched or queued.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of bytes of headers and blocks that are held.
    pub fn held_bytes(&self) -> usize {
        self.usage.bytes()
    }

    /// Returns the peers of which a block is announced, fetched or queued.
    pub fn peers(&self) -> Vec<PeerId> {
        self.usage.peers().copied().collect()
    }

    /// Takes a peer's announcement of a block. `height` is the local head's number. Returns false
    /// if the peer has announced [`HASH_LIMIT`] blocks already.
    pub fn announce(
        &mut self,
        now: Duration,
        height: u64,
        peer: PeerId,
        hash: B256,
        number: u64,
    ) -> bool {
        if self.usage.announced(&peer) >= HASH_LIMIT {
            return false;
        }
        if !is_near(number, height) {
            return true;
        }
        let entry = self.entries.entry(hash);
        let entry = entry.or_insert_with(|| Entry::announced(number, now));
        // An announcer whose number differs from the first one's is not asked.
        if !entry.is_received() && entry.number == number && !entry.announcers.contains(&peer) {
            entry.announcers.push(peer);
            self.usage.add_announced(peer);
        }
        true
    }

    /// Takes a full block that a peer sent unasked (NewBlock). `height` is the local head's number.
    pub fn on_block(&mut self, height: u64, peer: PeerId, block: Box<RawBlock>) -> Propagated {
        if !is_near(block.header.header.number, height) {
            return Propagated::TooFar;
        }
        if self.queue(peer, block) {
            Propagated::Accepted
        } else {
            Propagated::PeerFull
        }
    }

    /// Queues a block. Returns false if there is no room for it.
    fn queue(&mut self, peer: PeerId, block: Box<RawBlock>) -> bool {
        let hash = block.header.hash;
        if self.entries.get(&hash).is_some_and(Entry::is_received) {
            return true;
        }
        let (bytes, number) = (size_of_block(&block), block.header.header.number);
        if !self.usage.has_block_room(&peer) || !self.make_room(&peer, number, bytes) {
            return false;
        }
        // Removes the block's announcements, and its header if that was held.
        self.forget(&hash);
        self.usage.add_block(peer);
        self.usage.add_bytes(peer, bytes);
        let entry = Entry {
            number,
            announcers: Vec::new(),
            stage: Stage::Queued {
                peer,
                block,
                orphan_at: None,
            },
            held: Some((peer, bytes)),
        };
        self.entries.insert(hash, entry);
        true
    }

    /// Makes room for `bytes` of a peer's block with this number by evicting blocks of the peer
    /// that holds most. If this peer would hold most, blocks of others with a higher number are
    /// evicted: peers that share all room evenly do not keep out the next block. Returns false if
    /// no room could be made.
    fn make_room(&mut self, peer: &PeerId, number: u64, bytes: usize) -> bool {
        if !self.usage.has_room(peer, bytes) {
            return false;
        }
        while self.usage.is_over(bytes) {
            let Some(largest) = self.usage.largest() else {
                return false;
            };
            let would_hold_most =
                self.usage.bytes_of(&largest) <= self.usage.bytes_of(peer) + bytes;
            let of_largest = self.furthest(|holder| !would_hold_most && *holder == largest);
            let further = || {
                let of_others = self.furthest(|holder| holder != peer);
                of_others.filter(|(_, furthest)| *furthest > number)
            };
            let Some((hash, _)) = of_largest.or_else(further) else {
                return false;
            };
            self.forget(&hash);
        }
        true
    }

    /// Returns the held block with the highest number among those of the peers that `is_holder`
    /// selects, and its number.
    fn furthest(&self, is_holder: impl Fn(&PeerId) -> bool) -> Option<(B256, u64)> {
        let is_held = |entry: &Entry| entry.held.is_some_and(|(holder, _)| is_holder(&holder));
        let is_importing = |entry: &Entry| matches!(entry.stage, Stage::Importing { .. });
        let entries = self.entries.iter();
        let droppable = entries.filter(|(_, entry)| is_held(entry) && !is_importing(entry));
        let furthest = droppable.max_by_key(|(_, entry)| entry.number);
        furthest.map(|(hash, entry)| (*hash, entry.number))
    }

    /// Takes the answer to [`FetchAction::Header`]; `None` if there was none, for whatever reason.
    pub fn on_header(
        &mut self,
        now: Duration,
        height: u64,
        peer: PeerId,
        hash: B256,
        header: Option<Header>,
    ) -> Option<FetchAction> {
        let entry = self.entries.get_mut(&hash)?;
        match entry.stage {
            Stage::FetchingHeader { peer: asked, .. } if asked == peer => {}
            _ => return None,
        }
        let Some(header) = header else {
            self.failed(now, &hash, &peer);
            return None;
        };
        if header.hash() != hash {
            self.failed(now, &hash, &peer);
            let why = "another header than was asked for";
            return Some(FetchAction::Penalise { peer, why });
        }
        if header.number != entry.number {
            self.forget(&hash);
            let why = "announced a block under another number";
            return Some(FetchAction::Penalise { peer, why });
        }
        if !is_near(header.number, height) {
            self.forget(&hash);
            return None;
        }
        let header = HashedHeader { header, hash };
        if header.is_empty() {
            let parts = RawBlock {
                header,
                body: None,
                receipts: None,
            };
            self.queue(peer, Box::new(parts));
            return None;
        }
        let bytes = ENTRY_BYTES + header.memory();
        if !self.make_room(&peer, header.header.number, bytes) {
            self.forget(&hash);
            return None;
        }
        // Making room has not evicted this entry, which holds no bytes yet.
        let entry = self.entries.get_mut(&hash)?;
        self.usage.add_bytes(peer, bytes);
        entry.held = Some((peer, bytes));
        let header = Box::new(header.header);
        entry.stage = Stage::HeaderFetched { header, since: now };
        None
    }

    /// Takes the answer to [`FetchAction::Bodies`].
    pub fn on_bodies(
        &mut self,
        now: Duration,
        peer: PeerId,
        hashes: &[B256],
        bodies: Vec<RawBody>,
    ) {
        let mut bodies: Vec<Option<RawBody>> = bodies.into_iter().map(Some).collect();
        for hash in hashes {
            let Some(entry) = self.entries.get(hash) else {
                continue;
            };
            let header = match &entry.stage {
                Stage::FetchingBody {
                    header,
                    peer: asked,
                    ..
                } if *asked == peer => header,
                _ => continue,
            };
            let fits = |body: &RawBody| body.belongs_to(header);
            let found = bodies.iter_mut().find(|it| it.as_ref().is_some_and(fits));
            match found.and_then(Option::take) {
                Some(found) => {
                    let (header, hash) = (Header::clone(header), *hash);
                    let parts = RawBlock {
                        header: HashedHeader { header, hash },
                        body: Some(found.raw),
                        receipts: None,
                    };
                    self.queue(peer, Box::new(parts));
                }
                None => self.failed(now, hash, &peer),
            }
        }
    }

    /// Removes a block that was imported or refused.
    pub fn on_import_end(&mut self, hash: &B256) {
        self.forget(hash);
        self.on_chain_changed();
    }

    /// Notes that the chain has new blocks: one of them may be the parent that a queued block waits
    /// for.
    pub fn on_chain_changed(&mut self) {
        self.chain_changes += 1;
    }

    /// Removes a peer that disconnected. Its queued blocks are removed with it: no peer is left to
    /// be blamed for them, and those that are on the chain come with a sync.
    pub fn peer_left(&mut self, now: Duration, peer: &PeerId) {
        let hashes: Vec<B256> = self.entries.keys().copied().collect();
        for hash in hashes {
            let stage = self.entries.get(&hash).map(|entry| &entry.stage);
            match stage {
                Some(Stage::Queued { peer: sender, .. }) if sender == peer => self.forget(&hash),
                _ => self.failed(now, &hash, peer),
            }
        }
    }

    /// Returns the actions that are due. `height` is the local head's number; `has` returns true if
    /// a block is in the local chain.
    pub fn poll(
        &mut self,
        now: Duration,
        height: u64,
        has: impl Fn(&B256) -> bool,
    ) -> Vec<FetchAction> {
        if self.height != height {
            self.height = height;
            self.on_chain_changed();
        }
        self.expire(now);
        let mut actions = Vec::new();
        self.ask(now, &has, &mut actions);
        self.import(height, &has, &mut actions);
        actions
    }

    fn expire(&mut self, now: Duration) {
        let expired = |entry: &Entry| match &entry.stage {
            Stage::FetchingHeader { peer, since } | Stage::FetchingBody { peer, since, .. } => {
                (now >= *since + FETCH_TIMEOUT).then_some(*peer)
            }
            _ => None,
        };
        let late = self.entries.iter();
        let late: Vec<(B256, PeerId)> = late
            .filter_map(|(hash, entry)| Some((*hash, expired(entry)?)))
            .collect();
        for (hash, peer) in late {
            self.failed(now, &hash, &peer);
        }
    }

    fn ask(&mut self, now: Duration, has: &impl Fn(&B256) -> bool, actions: &mut Vec<FetchAction>) {
        // Requests that are due soon are sent together with those that are due.
        let soon = now + GATHER_SLACK;
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        let due: Vec<B256> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.due().is_some_and(|due| due <= soon))
            .map(|(hash, _)| *hash)
            .collect();
        let mut bodies: BTreeMap<PeerId, Vec<B256>> = BTreeMap::new();
        for hash in due {
            if has(&hash) {
                self.forget(&hash);
                continue;
            }
            let choice = self.next_random();
            let Some(entry) = self.entries.get_mut(&hash) else {
                continue;
            };
            let Some(peer) = pick(&entry.announcers, choice) else {
                self.forget(&hash);
                continue;
            };
            let since = now;
            match std::mem::replace(&mut entry.stage, Stage::Announced { since }) {
                Stage::Announced { .. } => {
                    entry.stage = Stage::FetchingHeader { peer, since };
                    actions.push(FetchAction::Header { peer, hash });
                }
                Stage::HeaderFetched { header, .. } => {
                    entry.stage = Stage::FetchingBody {
                        header,
                        peer,
                        since,
                    };
                    bodies.entry(peer).or_default().push(hash);
                }
                other => entry.stage = other,
            }
        }
        let bodies = bodies.into_iter();
        actions.extend(bodies.map(|(peer, hashes)| FetchAction::Bodies { peer, hashes }));
    }

    fn import(
        &mut self,
        height: u64,
        has: &impl Fn(&B256) -> bool,
        actions: &mut Vec<FetchAction>,
    ) {
        let chain_changes = self.chain_changes;
        let needs_parent_check = |entry: &Entry| match entry.stage {
            Stage::Queued { orphan_at, .. } => orphan_at != Some(chain_changes),
            _ => false,
        };
        let queued = self.entries.iter();
        let mut queued: Vec<(u64, B256)> = queued
            .filter(|(_, entry)| needs_parent_check(entry))
            .map(|(hash, entry)| (entry.number, *hash))
            .collect();
        queued.sort_unstable();
        for (number, hash) in queued {
            if number.saturating_add(MAX_UNCLE_DISTANCE) < height || has(&hash) {
                self.forget(&hash);
                continue;
            }
            let Some(entry) = self.entries.get_mut(&hash) else {
                continue;
            };
            let Stage::Queued {
                peer,
                block,
                orphan_at,
            } = &mut entry.stage
            else {
                continue;
            };
            if !has(&block.header.header.parent_hash) {
                *orphan_at = Some(chain_changes);
                continue;
            }
            let peer = *peer;
            let queued = std::mem::replace(&mut entry.stage, Stage::Importing { peer });
            if let Stage::Queued { block, .. } = queued {
                actions.push(FetchAction::Import { peer, block });
            }
        }
    }

    /// Returns the time of the next call of [`poll`](Self::poll), if nothing arrives before.
    pub fn next_timeout(&self) -> Option<Duration> {
        let expiry = self.entries.values().filter_map(|entry| match entry.stage {
            Stage::FetchingHeader { since, .. } | Stage::FetchingBody { since, .. } => {
                Some(since + FETCH_TIMEOUT)
            }
            _ => None,
        });
        self.due().into_iter().chain(expiry).min()
    }

    fn due(&self) -> Option<Duration> {
        self.entries.values().filter_map(Entry::due).min()
    }

    /// Notes that a peer did not deliver a block that it announced: the other announcers are asked,
    /// if there are any.
    fn failed(&mut self, now: Duration, hash: &B256, peer: &PeerId) {
        let Some(entry) = self.entries.get_mut(hash) else {
            return;
        };
        let before = entry.announcers.len();
        entry.announcers.retain(|it| it != peer);
        if entry.announcers.len() < before {
            self.usage.remove_announced(peer);
        }
        let is_asked = matches!(entry.stage,
            Stage::FetchingHeader { peer: asked, .. } | Stage::FetchingBody { peer: asked, .. }
                if asked == *peer);
        if entry.announcers.is_empty() && !entry.is_received() {
            self.forget(hash);
        } else if is_asked {
            // The next request is due at once: the delay for arrivals has passed.
            let since = now.saturating_sub(ARRIVE_TIMEOUT);
            let stage = std::mem::replace(&mut entry.stage, Stage::Announced { since });
            if let Stage::FetchingBody { header, .. } = stage {
                entry.stage = Stage::HeaderFetched { header, since };
            }
        }
    }

    fn forget(&mut self, hash: &B256) {
        let Some(entry) = self.entries.remove(hash) else {
            return;
        };
        for peer in &entry.announcers {
            self.usage.remove_announced(peer);
        }
        if let Stage::Queued { peer, .. } | Stage::Importing { peer } = entry.stage {
            self.usage.remove_block(&peer);
        }
        if let Some((peer, bytes)) = entry.held {
            self.usage.remove_bytes(&peer, bytes);
        }
    }

    fn next_random(&mut self) -> u64 {
        // xorshift64 is good enough to choose one of several peers.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// Returns true if a block with this number is of use with the local head at `height`: as the next
/// blocks, or as an ommer. Blocks further ahead come with a sync.
pub fn is_near(number: u64, height: u64) -> bool {
    number.saturating_add(MAX_UNCLE_DISTANCE) >= height
        && number <= height.saturating_add(MAX_QUEUE_DISTANCE)
}

/// Returns the approximate number of bytes that a held block takes.
fn size_of_block(block: &RawBlock) -> usize {
    let body = block.body.as_ref().map_or(0, |body| body.len());
    ENTRY_BYTES + block.header.memory() + body
}

fn pick(peers: &[PeerId], random: u64) -> Option<PeerId> {
    let count = u64::try_from(peers.len()).unwrap_or(u64::MAX);
    let place = random.checked_rem(count)?;
    peers
        .get(usize::try_from(place).unwrap_or_default())
        .copied()
}
