//! Transactions that peers announce by their hashes (eth/65 and later).
//!
//! A transaction is asked of one peer at a time, and a peer has one request to answer at a time.
//! Who does not give what it announced is not asked for it again. What eth/68 announces beside the
//! hash, type and size, must be true.
//!
//! However much is announced, each step costs little: an announcement, an answer and each
//! transaction that is asked for touch the records that they are about, and no others.

pub mod limits;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use actoreum_primitives::B256;

use self::limits::{
    ANNOUNCED_PER_PEER, ARRIVE_TIMEOUT, ASSUMED_BYTES, BLOB_TYPE, BYTES_PER_REQUEST, FETCH_TIMEOUT,
    HASHES_PER_REQUEST, MAX_KNOWN_TYPE, SIZE_TOLERANCE,
};
use crate::fetcher::PeerId;

/// Ask a peer for transactions; report to [`TransactionFetcher::came`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchTransactions {
    /// Whom.
    pub peer: PeerId,
    /// For which.
    pub hashes: Vec<B256>,
}

/// What eth/68 announces beside a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The type (EIP-2718).
    pub tx_type: u8,
    /// Bytes of the encoding (EIP-2718) with its blobs.
    pub size: u32,
}

impl Description {
    /// Whether an announcement is true of what came. Sizes may differ by a few bytes, since clients
    /// disagree on what counts (geth's rule). The size of blobs counts for whoever sent them alone:
    /// the hash does not cover them, and there are two forms of their proofs.
    fn matches(&self, came: &Self, is_own: bool) -> bool {
        let is_size_true = self.size.abs_diff(came.size) <= SIZE_TOLERANCE;
        let is_size_free = came.tx_type == BLOB_TYPE && !is_own;
        self.tx_type == came.tx_type && (is_size_true || is_size_free)
    }
}

/// See the module. Times are since any fixed moment, the same for all calls.
#[derive(Debug, Default)]
pub struct TransactionFetcher {
    /// Transactions that are announced and not here. Nothing goes through them in their order,
    /// which is none.
    wanted: HashMap<B256, Wanted>,
    announcers: BTreeMap<PeerId, Announcer>,
}

#[derive(Debug)]
struct Wanted {
    since: Duration,
    announcers: Vec<PeerId>,
    asked_of: Option<PeerId>,
}

/// A peer with something announced, or asked for something.
#[derive(Debug, Default)]
struct Announcer {
    announced: HashMap<B256, Announcement>,
    /// What may be asked of it, and from when on. Some of it may be forgotten meanwhile.
    due: VecDeque<(Duration, B256)>,
    /// What it was asked for, and when.
    asked: Option<(Duration, Vec<B256>)>,
}

#[derive(Debug)]
struct Announcement {
    description: Option<Description>,
    /// It stands in [`Announcer::due`].
    is_due: bool,
}

impl TransactionFetcher {
    /// Transactions that are announced and not here yet.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// A peer says that it has a transaction, and what kind of one where it says that. False where
    /// it has announced too much already. One of a type that is not known here cannot be read, and
    /// is not wanted.
    pub fn announce(
        &mut self,
        now: Duration,
        peer: PeerId,
        hash: B256,
        description: Option<Description>,
    ) -> bool {
        if description.is_some_and(|it| it.tx_type > MAX_KNOWN_TYPE) {
            return true;
        }
        let announcer = self.announcers.entry(peer).or_default();
        // The first word counts: who describes it twice, once truly, is held to that.
        if announcer.announced.contains_key(&hash) {
            return true;
        }
        if announcer.announced.len() >= ANNOUNCED_PER_PEER {
            return false;
        }
        let wanted = self.wanted.entry(hash).or_insert_with(|| Wanted {
            since: now,
            announcers: Vec::new(),
            asked_of: None,
        });
        wanted.announcers.push(peer);
        let announcement = Announcement {
            description,
            is_due: true,
        };
        announcer.announced.insert(hash, announcement);
        announcer
            .due
            .push_back((wanted.since + ARRIVE_TIMEOUT, hash));
        true
    }

    /// A transaction has come from a peer: it is not wanted any more. Who announced it as something
    /// else.
    pub fn arrived(&mut self, hash: &B256, from: &PeerId, came: Description) -> Vec<PeerId> {
        let Some(wanted) = self.wanted.get(hash) else {
            return Vec::new();
        };
        let is_false = |peer: &&PeerId| {
            let announcer = self.announcers.get(*peer);
            let announcement = announcer.and_then(|it| it.announced.get(hash));
            let description = announcement.and_then(|it| it.description);
            description.is_some_and(|it| !it.matches(&came, *peer == from))
        };
        let wrong = wanted.announcers.iter().filter(is_false).copied().collect();
        self.forget(hash);
        wrong
    }

    /// A transaction is here, or is not wanted any more.
    pub fn forget(&mut self, hash: &B256) {
        let Some(wanted) = self.wanted.remove(hash) else {
            return;
        };
        for peer in wanted.announcers {
            self.remove_announced(&peer, hash);
        }
    }

    /// A peer answered, or failed to: what it was asked for and is not here is asked of others. How
    /// many that are.
    pub fn came(&mut self, peer: &PeerId) -> usize {
        let announcer = self.announcers.get_mut(peer);
        let Some((since, hashes)) = announcer.and_then(|it| it.asked.take()) else {
            return 0;
        };
        let mut missing = 0;
        for hash in hashes {
            // It may be here, and be announced anew.
            let wanted = self.wanted.get_mut(&hash);
            let Some(wanted) = wanted.filter(|it| it.asked_of == Some(*peer)) else {
                continue;
            };
            missing += 1;
            wanted.asked_of = None;
            self.take_back(peer, &hash);
            self.offer_to_others(since, &hash);
        }
        self.forget_idle(peer);
        missing
    }

    /// A peer has gone.
    pub fn peer_left(&mut self, peer: &PeerId) {
        self.came(peer);
        let Some(announcer) = self.announcers.remove(peer) else {
            return;
        };
        for hash in announcer.announced.keys() {
            if let Some(wanted) = self.wanted.get_mut(hash) {
                wanted.announcers.retain(|it| it != peer);
                if wanted.announcers.is_empty() {
                    self.wanted.remove(hash);
                }
            }
        }
    }

    /// What to ask now, and of whom. `has` says whether a transaction is here, or was refused.
    pub fn poll(&mut self, now: Duration, has: impl Fn(&B256) -> bool) -> Vec<FetchTransactions> {
        let is_late = |it: &Announcer| {
            let asked = it.asked.as_ref();
            asked.is_some_and(|(since, _)| now >= *since + FETCH_TIMEOUT)
        };
        let late = self.announcers.iter().filter(|(_, it)| is_late(it));
        for peer in late.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            self.came(&peer);
        }
        let idle = self.announcers.iter().filter(|(_, it)| it.asked.is_none());
        let mut requests = Vec::new();
        for peer in idle.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            let hashes = self.choose(now, &peer, &has);
            if hashes.is_empty() {
                continue;
            }
            if let Some(announcer) = self.announcers.get_mut(&peer) {
                announcer.asked = Some((now, hashes.clone()));
                requests.push(FetchTransactions { peer, hashes });
            }
        }
        requests
    }

    fn choose(&mut self, now: Duration, peer: &PeerId, has: &impl Fn(&B256) -> bool) -> Vec<B256> {
        let (mut hashes, mut bytes) = (Vec::new(), 0);
        while hashes.len() < HASHES_PER_REQUEST && bytes < BYTES_PER_REQUEST {
            let Some(announcer) = self.announcers.get_mut(peer) else {
                break;
            };
            let Some((_, hash)) = announcer.due.pop_front_if(|(due, _)| *due <= now) else {
                break;
            };
            let Some(announcement) = announcer.announced.get_mut(&hash) else {
                continue;
            };
            announcement.is_due = false;
            let size = announcement.description.map_or(ASSUMED_BYTES, |it| it.size);
            if has(&hash) {
                self.forget(&hash);
                continue;
            }
            let Some(wanted) = self.wanted.get_mut(&hash) else {
                continue;
            };
            // Where another one is asked for it, it is due again when that fails.
            if wanted.asked_of.is_none() {
                wanted.asked_of = Some(*peer);
                bytes += usize::try_from(size)
                    .unwrap_or(usize::MAX)
                    .min(BYTES_PER_REQUEST);
                hashes.push(hash);
            }
        }
        self.forget_idle(peer);
        hashes
    }

    /// When [`poll`](Self::poll) has something to do next, unless something comes in before.
    pub fn next_timeout(&self) -> Option<Duration> {
        let next = |announcer: &Announcer| match &announcer.asked {
            Some((since, _)) => Some(*since + FETCH_TIMEOUT),
            None => announcer.due.front().map(|(due, _)| *due),
        };
        self.announcers.values().filter_map(next).min()
    }

    /// Whoever else announced a transaction may be asked for it, before what it announced later.
    fn offer_to_others(&mut self, since: Duration, hash: &B256) {
        let Some(wanted) = self.wanted.get(hash) else {
            return;
        };
        for peer in &wanted.announcers {
            let Some(announcer) = self.announcers.get_mut(peer) else {
                continue;
            };
            if let Some(announcement) = announcer.announced.get_mut(hash)
                && !announcement.is_due
            {
                announcement.is_due = true;
                announcer.due.push_front((since, *hash));
            }
        }
    }

    /// A peer has no part in a transaction any more.
    fn take_back(&mut self, peer: &PeerId, hash: &B256) {
        self.remove_announced(peer, hash);
        if let Some(wanted) = self.wanted.get_mut(hash) {
            wanted.announcers.retain(|it| it != peer);
            if wanted.announcers.is_empty() {
                self.wanted.remove(hash);
            }
        }
    }

    fn remove_announced(&mut self, peer: &PeerId, hash: &B256) {
        if let Some(announcer) = self.announcers.get_mut(peer) {
            announcer.announced.remove(hash);
            if announcer.due.len() > 2 * ANNOUNCED_PER_PEER {
                let (announced, mut seen) = (&announcer.announced, HashSet::new());
                let due = &mut announcer.due;
                due.retain(|(_, it)| announced.contains_key(it) && seen.insert(*it));
            }
        }
        self.forget_idle(peer);
    }

    /// A peer with nothing announced and nothing asked for is not remembered.
    fn forget_idle(&mut self, peer: &PeerId) {
        let is_idle = |it: &Announcer| it.announced.is_empty() && it.asked.is_none();
        if self.announcers.get(peer).is_some_and(is_idle) {
            self.announcers.remove(peer);
        }
    }
}
