//! Transaction fetcher: fetches transactions that peers announce by their hashes (eth/65 and later;
//! geth's `TxFetcher`).
//!
//! A transaction is requested from one peer at a time, and a peer has one request to answer at a
//! time. A peer that does not deliver a transaction that it announced is not asked for it again.
//! The type and size that eth/68 announces beside the hash must be true.
//!
//! The cost of a step does not depend on how much is announced: an announcement, an answer and each
//! requested transaction touch only the records that they are about.

pub mod limits;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use actoreum_primitives::{B256, PeerId};

use self::limits::{
    ANNOUNCED_PER_PEER, ARRIVE_TIMEOUT, ASSUMED_BYTES, BLOB_TYPE, BYTES_PER_REQUEST, FETCH_TIMEOUT,
    HASHES_PER_REQUEST, MAX_KNOWN_TYPE, SIZE_TOLERANCE,
};

/// A request to a peer; the answer goes to [`TransactionFetcher::on_response`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchTransactions {
    /// Peer to ask.
    pub peer: PeerId,
    /// Hashes of the transactions.
    pub hashes: Vec<B256>,
}

/// Type and size of a transaction, which eth/68 announces beside the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxMetadata {
    /// Type (EIP-2718).
    pub tx_type: u8,
    /// Size in bytes of the encoding (EIP-2718) with its blobs.
    pub size: u32,
}

impl TxMetadata {
    /// Returns true if an announcement is true of the transaction `received`. Sizes may differ by a
    /// few bytes, since clients disagree on what counts (geth's rule). The size of a blob
    /// transaction is checked only for the peer that sent the transaction (`is_own`): the hash does
    /// not cover the blobs, and there are two forms of their proofs.
    fn matches(&self, received: &Self, is_own: bool) -> bool {
        let is_size_true = self.size.abs_diff(received.size) <= SIZE_TOLERANCE;
        let is_size_free = received.tx_type == BLOB_TYPE && !is_own;
        self.tx_type == received.tx_type && (is_size_true || is_size_free)
    }
}

/// The transaction fetcher. Times are durations since a fixed moment of the driver's choice.
#[derive(Debug, Default)]
pub struct TransactionFetcher {
    /// Announced transactions that have not been received. Nothing iterates over them, so that
    /// their order does not matter.
    wanted: HashMap<B256, Wanted>,
    announcers: BTreeMap<PeerId, Announcer>,
}

#[derive(Debug)]
struct Wanted {
    since: Duration,
    announcers: Vec<PeerId>,
    asked_of: Option<PeerId>,
}

/// A peer that has announced transactions or was asked for some.
#[derive(Debug, Default)]
struct Announcer {
    announced: HashMap<B256, Announcement>,
    /// Hashes to request from the peer, and when each is due. Some may be forgotten meanwhile.
    due: VecDeque<(Duration, B256)>,
    /// Time and hashes of the request that the peer has to answer.
    asked: Option<(Duration, Vec<B256>)>,
}

#[derive(Debug)]
struct Announcement {
    metadata: Option<TxMetadata>,
    /// True if the hash is in [`Announcer::due`].
    is_due: bool,
}

impl TransactionFetcher {
    /// Returns the number of announced transactions that have not been received.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Returns true if no announced transaction is outstanding.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Takes a peer's announcement of a transaction, with its type and size from eth/68 on. Returns
    /// false if the peer has announced [`ANNOUNCED_PER_PEER`] transactions already. Transactions of
    /// an unknown type cannot be decoded, and are ignored.
    pub fn announce(
        &mut self,
        now: Duration,
        peer: PeerId,
        hash: B256,
        metadata: Option<TxMetadata>,
    ) -> bool {
        if metadata.is_some_and(|it| it.tx_type > MAX_KNOWN_TYPE) {
            return true;
        }
        let announcer = self.announcers.entry(peer).or_default();
        // The first announcement counts: a peer that announces a hash twice, once with its true
        // type and size, is held to the first.
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
            metadata,
            is_due: true,
        };
        announcer.announced.insert(hash, announcement);
        announcer
            .due
            .push_back((wanted.since + ARRIVE_TIMEOUT, hash));
        true
    }

    /// Removes a transaction that a peer sent. Returns the peers that announced it with another
    /// type or size.
    pub fn on_transaction(
        &mut self,
        hash: &B256,
        from: &PeerId,
        received: TxMetadata,
    ) -> Vec<PeerId> {
        let Some(wanted) = self.wanted.get(hash) else {
            return Vec::new();
        };
        let is_false = |peer: &&PeerId| {
            let announcer = self.announcers.get(*peer);
            let announcement = announcer.and_then(|it| it.announced.get(hash));
            let metadata = announcement.and_then(|it| it.metadata);
            metadata.is_some_and(|it| !it.matches(&received, *peer == from))
        };
        let wrong = wanted.announcers.iter().filter(is_false).copied().collect();
        self.forget(hash);
        wrong
    }

    /// Removes a transaction that is in the pool, or is not wanted any more.
    pub fn forget(&mut self, hash: &B256) {
        let Some(wanted) = self.wanted.remove(hash) else {
            return;
        };
        for peer in wanted.announcers {
            self.remove_announced(&peer, hash);
        }
    }

    /// Ends a peer's request, answered or not: transactions that it asked for and that have not
    /// been received are requested from other announcers. Returns how many those are.
    pub fn on_response(&mut self, peer: &PeerId) -> usize {
        let announcer = self.announcers.get_mut(peer);
        let Some((since, hashes)) = announcer.and_then(|it| it.asked.take()) else {
            return 0;
        };
        let mut missing = 0;
        for hash in hashes {
            // The transaction may have been received and announced again since.
            let wanted = self.wanted.get_mut(&hash);
            let Some(wanted) = wanted.filter(|it| it.asked_of == Some(*peer)) else {
                continue;
            };
            missing += 1;
            wanted.asked_of = None;
            self.remove_announcer(peer, &hash);
            self.offer_to_others(since, &hash);
        }
        self.forget_idle(peer);
        missing
    }

    /// Removes a peer that disconnected.
    pub fn peer_left(&mut self, peer: &PeerId) {
        self.on_response(peer);
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

    /// Returns the requests that are due. `has` returns true if a transaction is in the pool or was
    /// refused.
    pub fn poll(&mut self, now: Duration, has: impl Fn(&B256) -> bool) -> Vec<FetchTransactions> {
        let is_late = |it: &Announcer| {
            let asked = it.asked.as_ref();
            asked.is_some_and(|(since, _)| now >= *since + FETCH_TIMEOUT)
        };
        let late = self.announcers.iter().filter(|(_, it)| is_late(it));
        for peer in late.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            self.on_response(&peer);
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
            let size = announcement.metadata.map_or(ASSUMED_BYTES, |it| it.size);
            if has(&hash) {
                self.forget(&hash);
                continue;
            }
            let Some(wanted) = self.wanted.get_mut(&hash) else {
                continue;
            };
            // If another peer is being asked for it, it is due again when that request fails.
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

    /// Returns the time of the next call of [`poll`](Self::poll), if nothing arrives before.
    pub fn next_timeout(&self) -> Option<Duration> {
        let next = |announcer: &Announcer| match &announcer.asked {
            Some((since, _)) => Some(*since + FETCH_TIMEOUT),
            None => announcer.due.front().map(|(due, _)| *due),
        };
        self.announcers.values().filter_map(next).min()
    }

    /// Makes a transaction due for its other announcers, before what they announced later.
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

    /// Removes a peer from the announcers of a transaction.
    fn remove_announcer(&mut self, peer: &PeerId, hash: &B256) {
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

    /// Forgets a peer that has nothing announced and no request to answer.
    fn forget_idle(&mut self, peer: &PeerId) {
        let is_idle = |it: &Announcer| it.announced.is_empty() && it.asked.is_none();
        if self.announcers.get(peer).is_some_and(is_idle) {
            self.announcers.remove(peer);
        }
    }
}
