//! Blocks that peers announce and propagate, one by one, at the head of the chain.
//!
//! ```text
//!   announced --500 ms--> header asked --> header here --100 ms--> body asked --+
//!                                |  (an empty body needs no fetching)           v
//!   propagated -----------------------------------------------------------> queued
//!                                                        parent there? ------> import
//! ```
//!
//! A hash is in one stage only, so that a block is asked for once at a time, and imported once.
//! Bodies stay encoded, and what is held of a peer and of all is bounded in bytes.

mod entry;
mod held;
pub mod limits;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use actoreum_primitives::{B256, Header};

use self::entry::{Entry, Stage};
use self::held::Held;
use self::limits::{
    ARRIVE_TIMEOUT, ENTRY_BYTES, FETCH_TIMEOUT, GATHER_SLACK, HASH_LIMIT, MAX_QUEUE_DISTANCE,
    MAX_UNCLE_DISTANCE,
};
use crate::{BlockParcel, BodyParcel, HashedHeader};

/// The node id of a peer.
pub type PeerId = B256;

/// What is to be done now.
#[derive(Debug, Clone, PartialEq)]
pub enum FetchAction {
    /// Ask a peer for a header; report to [`BlockFetcher::header_came`].
    Header {
        /// Whom.
        peer: PeerId,
        /// Of which block.
        hash: B256,
    },
    /// Ask a peer for bodies; report to [`BlockFetcher::bodies_came`].
    Bodies {
        /// Whom.
        peer: PeerId,
        /// Of which blocks.
        hashes: Vec<B256>,
    },
    /// Check the header, propagate and import the block; report to [`BlockFetcher::done`].
    Import {
        /// Who sent it.
        peer: PeerId,
        /// The block, whose body belongs to its header.
        block: Box<BlockParcel>,
    },
    /// A peer said something that cannot be.
    Blame {
        /// Who.
        peer: PeerId,
        /// What.
        why: &'static str,
    },
}

/// What became of a block that a peer sent whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagated {
    /// It waits for its parent or its import; or it was here already.
    Taken,
    /// Its number is too far from our head's.
    Far,
    /// Too many blocks, or bytes, of this peer wait already.
    Full,
}

/// See the module. Times are since any fixed moment, the same for all calls.
#[derive(Debug)]
pub struct BlockFetcher {
    entries: BTreeMap<B256, Entry>,
    held: Held,
    /// Our head's number when it was last seen.
    height: u64,
    /// How often the chain got blocks: queued ones look for their parents once each time.
    moves: u64,
    random: u64,
}

impl BlockFetcher {
    /// A fetcher that knows of nothing. With the same seed it asks the same peers.
    pub fn new(seed: u64) -> Self {
        Self {
            entries: BTreeMap::new(),
            held: Held::default(),
            height: 0,
            moves: 0,
            random: seed | 1,
        }
    }

    /// Blocks that are announced, fetched or queued.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of headers and blocks that are held.
    pub fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Peers that announced or sent something that is not done with.
    pub fn peers(&self) -> Vec<PeerId> {
        self.held.peers().copied().collect()
    }

    /// A peer says that it has a block. `height` is our head's number. False where the peer has
    /// announced too much already.
    pub fn announce(
        &mut self,
        now: Duration,
        height: u64,
        peer: PeerId,
        hash: B256,
        number: u64,
    ) -> bool {
        if self.held.announced(&peer) >= HASH_LIMIT {
            return false;
        }
        if !is_near(number, height) {
            return true;
        }
        let entry = self.entries.entry(hash);
        let entry = entry.or_insert_with(|| Entry::announced(number, now));
        // Who names another number than the first did has no part in it.
        if !entry.is_here() && entry.number == number && !entry.announcers.contains(&peer) {
            entry.announcers.push(peer);
            self.held.add_announced(peer);
        }
        true
    }

    /// A peer sent a whole block.
    pub fn propagated(&mut self, height: u64, peer: PeerId, block: Box<BlockParcel>) -> Propagated {
        if !is_near(block.header.header.number, height) {
            return Propagated::Far;
        }
        match self.queue(peer, block) {
            true => Propagated::Taken,
            false => Propagated::Full,
        }
    }

    /// Queues a block. False where there is no room for it.
    fn queue(&mut self, peer: PeerId, block: Box<BlockParcel>) -> bool {
        let hash = block.header.hash;
        if self.entries.get(&hash).is_some_and(Entry::is_here) {
            return true;
        }
        let (bytes, number) = (size_of_block(&block), block.header.header.number);
        if !self.held.has_place(&peer) || !self.make_room(&peer, number, bytes) {
            return false;
        }
        // Its announcements, and its header where that was held.
        self.forget(&hash);
        self.held.add_block(peer);
        self.held.add_bytes(peer, bytes);
        let entry = Entry {
            number: block.header.header.number,
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

    /// Makes room for so many bytes of a peer and a block of this number, at the cost of the peer
    /// that holds most. Where that would be this one, what others hold that is further from the
    /// chain gives way: peers that share all room evenly do not keep out the next block. False where
    /// neither is there.
    fn make_room(&mut self, peer: &PeerId, number: u64, bytes: usize) -> bool {
        if !self.held.has_room(peer, bytes) {
            return false;
        }
        while self.held.is_over(bytes) {
            let Some(largest) = self.held.largest() else {
                return false;
            };
            let is_ours = self.held.bytes_of(&largest) <= self.held.bytes_of(peer) + bytes;
            let of_largest = self.furthest(|holder| !is_ours && *holder == largest);
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

    /// The block that is furthest from its import, with its number, among those of some peers.
    fn furthest(&self, is_holder: impl Fn(&PeerId) -> bool) -> Option<(B256, u64)> {
        let is_held = |entry: &Entry| entry.held.is_some_and(|(holder, _)| is_holder(&holder));
        let is_importing = |entry: &Entry| matches!(entry.stage, Stage::Importing { .. });
        let entries = self.entries.iter();
        let droppable = entries.filter(|(_, entry)| is_held(entry) && !is_importing(entry));
        let furthest = droppable.max_by_key(|(_, entry)| entry.number);
        furthest.map(|(hash, entry)| (*hash, entry.number))
    }

    /// What came of [`FetchAction::Header`]; `None`: nothing, for whatever reason.
    pub fn header_came(
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
            return Some(FetchAction::Blame { peer, why });
        }
        if header.number != entry.number {
            self.forget(&hash);
            let why = "announced a block under another number";
            return Some(FetchAction::Blame { peer, why });
        }
        if !is_near(header.number, height) {
            self.forget(&hash);
            return None;
        }
        let header = HashedHeader { header, hash };
        if header.is_empty() {
            let parts = BlockParcel {
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
        // Making room has not taken it: this peer holds less than the one that did.
        let entry = self.entries.get_mut(&hash)?;
        self.held.add_bytes(peer, bytes);
        entry.held = Some((peer, bytes));
        let header = Box::new(header.header);
        entry.stage = Stage::HeaderHere { header, since: now };
        None
    }

    /// What came of [`FetchAction::Bodies`].
    pub fn bodies_came(
        &mut self,
        now: Duration,
        peer: PeerId,
        hashes: &[B256],
        bodies: Vec<BodyParcel>,
    ) {
        let mut bodies: Vec<Option<BodyParcel>> = bodies.into_iter().map(Some).collect();
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
            let fits = |body: &BodyParcel| body.belongs_to(header);
            let found = bodies.iter_mut().find(|it| it.as_ref().is_some_and(fits));
            match found.and_then(Option::take) {
                Some(found) => {
                    let (header, hash) = (Header::clone(header), *hash);
                    let parts = BlockParcel {
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

    /// The block is imported, or was refused.
    pub fn done(&mut self, hash: &B256) {
        self.forget(hash);
        self.chain_moved();
    }

    /// The chain has blocks that it did not have: one may be the parent that a queued one waits
    /// for, whoever brought it.
    pub fn chain_moved(&mut self) {
        self.moves += 1;
    }

    /// A peer has gone. Its blocks that wait for a parent go with it: nobody is left to be blamed
    /// for them, and those that are on the chain come with a sync.
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

    /// What is to be done now. `height` is our head's number, `has` says whether we have a block.
    pub fn poll(
        &mut self,
        now: Duration,
        height: u64,
        has: impl Fn(&B256) -> bool,
    ) -> Vec<FetchAction> {
        if self.height != height {
            self.height = height;
            self.chain_moved();
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
        // What is due soon goes along with what is due.
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
                Stage::HeaderHere { header, .. } => {
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
        let moves = self.moves;
        let is_to_be_looked_at = |entry: &Entry| match entry.stage {
            Stage::Queued { orphan_at, .. } => orphan_at != Some(moves),
            _ => false,
        };
        let queued = self.entries.iter();
        let mut queued: Vec<(u64, B256)> = queued
            .filter(|(_, entry)| is_to_be_looked_at(entry))
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
                *orphan_at = Some(moves);
                continue;
            }
            let peer = *peer;
            let queued = std::mem::replace(&mut entry.stage, Stage::Importing { peer });
            if let Stage::Queued { block, .. } = queued {
                actions.push(FetchAction::Import { peer, block });
            }
        }
    }

    /// When [`poll`](Self::poll) has something to do next, unless something comes in before.
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

    /// A peer did not give what it has, as it said: others are asked, where there are any.
    fn failed(&mut self, now: Duration, hash: &B256, peer: &PeerId) {
        let Some(entry) = self.entries.get_mut(hash) else {
            return;
        };
        let before = entry.announcers.len();
        entry.announcers.retain(|it| it != peer);
        if entry.announcers.len() < before {
            self.held.remove_announced(peer);
        }
        let is_asked = matches!(entry.stage,
            Stage::FetchingHeader { peer: asked, .. } | Stage::FetchingBody { peer: asked, .. }
                if asked == *peer);
        if entry.announcers.is_empty() && !entry.is_here() {
            self.forget(hash);
        } else if is_asked {
            // Due at once: time enough has passed.
            let since = now.saturating_sub(ARRIVE_TIMEOUT);
            let stage = std::mem::replace(&mut entry.stage, Stage::Announced { since });
            if let Stage::FetchingBody { header, .. } = stage {
                entry.stage = Stage::HeaderHere { header, since };
            }
        }
    }

    fn forget(&mut self, hash: &B256) {
        let Some(entry) = self.entries.remove(hash) else {
            return;
        };
        for peer in &entry.announcers {
            self.held.remove_announced(peer);
        }
        if let Stage::Queued { peer, .. } | Stage::Importing { peer } = entry.stage {
            self.held.remove_block(&peer);
        }
        if let Some((peer, bytes)) = entry.held {
            self.held.remove_bytes(&peer, bytes);
        }
    }

    fn next_random(&mut self) -> u64 {
        // xorshift64: whom of several to ask needs no better.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// Whether a block with this number is of use one by one, with our head at `height`: as a block, or
/// as an ommer. One further ahead comes with a sync.
pub fn is_near(number: u64, height: u64) -> bool {
    number.saturating_add(MAX_UNCLE_DISTANCE) >= height
        && number <= height.saturating_add(MAX_QUEUE_DISTANCE)
}

/// Bytes that a held block takes, about.
fn size_of_block(block: &BlockParcel) -> usize {
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
