//! Transactions that peers announce by their hashes (eth/65 and later).
//!
//! A transaction is asked of one peer at a time, and a peer has one request to answer at a time.
//! Who does not give what it announced is not asked for it again.

pub mod limits;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actoreum_primitives::B256;

use self::limits::{
    ANNOUNCED_PER_PEER, ARRIVE_TIMEOUT, ASSUMED_BYTES, BYTES_PER_REQUEST, FETCH_TIMEOUT,
    HASHES_PER_REQUEST,
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

/// See the module. Times are since any fixed moment, the same for all calls.
#[derive(Debug, Default)]
pub struct TransactionFetcher {
    wanted: BTreeMap<B256, Wanted>,
    /// What each peer has announced and not given yet.
    announced: BTreeMap<PeerId, BTreeSet<B256>>,
    /// What each peer was asked for, and when.
    asked: BTreeMap<PeerId, (Duration, Vec<B256>)>,
}

#[derive(Debug)]
struct Wanted {
    since: Duration,
    bytes: u32,
    announcers: Vec<PeerId>,
    is_asked: bool,
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

    /// A peer says that it has a transaction, with so many bytes where it says that. False where
    /// it has announced too much already.
    pub fn announce(
        &mut self,
        now: Duration,
        peer: PeerId,
        hash: B256,
        bytes: Option<u32>,
    ) -> bool {
        let of_peer = self.announced.entry(peer).or_default();
        if of_peer.len() >= ANNOUNCED_PER_PEER {
            return false;
        }
        if of_peer.insert(hash) {
            let wanted = self.wanted.entry(hash).or_insert_with(|| Wanted {
                since: now,
                bytes: bytes.unwrap_or(ASSUMED_BYTES),
                announcers: Vec::new(),
                is_asked: false,
            });
            wanted.announcers.push(peer);
        }
        true
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

    /// A peer answered, or failed to: what it was asked for and is not here is asked of others.
    pub fn came(&mut self, peer: &PeerId) {
        let Some((_, hashes)) = self.asked.remove(peer) else {
            return;
        };
        for hash in hashes {
            let Some(wanted) = self.wanted.get_mut(&hash) else {
                continue;
            };
            wanted.is_asked = false;
            self.take_back(peer, &hash);
        }
    }

    /// A peer has gone.
    pub fn peer_left(&mut self, peer: &PeerId) {
        self.came(peer);
        for hash in self.announced.remove(peer).unwrap_or_default() {
            self.take_back(peer, &hash);
        }
    }

    /// Requests that are to be made now. `has` says whether a transaction is here, or was refused.
    pub fn poll(&mut self, now: Duration, has: impl Fn(&B256) -> bool) -> Vec<FetchTransactions> {
        let late: Vec<PeerId> = self
            .asked
            .iter()
            .filter(|(_, (since, _))| now >= *since + FETCH_TIMEOUT)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in late {
            self.came(&peer);
        }
        let idle: Vec<PeerId> = self
            .announced
            .keys()
            .filter(|peer| !self.asked.contains_key(*peer))
            .copied()
            .collect();
        let mut requests = Vec::new();
        for peer in idle {
            let hashes = self.choose(now, &peer, &has);
            if !hashes.is_empty() {
                self.asked.insert(peer, (now, hashes.clone()));
                requests.push(FetchTransactions { peer, hashes });
            }
        }
        requests
    }

    fn choose(&mut self, now: Duration, peer: &PeerId, has: &impl Fn(&B256) -> bool) -> Vec<B256> {
        let (mut hashes, mut bytes, mut here) = (Vec::new(), 0, Vec::new());
        for hash in self.announced.get(peer).into_iter().flatten() {
            let Some(wanted) = self.wanted.get_mut(hash) else {
                continue;
            };
            if wanted.is_asked || now < wanted.since + ARRIVE_TIMEOUT {
                continue;
            }
            if has(hash) {
                here.push(*hash);
                continue;
            }
            if hashes.len() >= HASHES_PER_REQUEST || bytes >= BYTES_PER_REQUEST {
                break;
            }
            wanted.is_asked = true;
            bytes += usize::try_from(wanted.bytes)
                .unwrap_or(usize::MAX)
                .min(BYTES_PER_REQUEST);
            hashes.push(*hash);
        }
        for hash in here {
            self.forget(&hash);
        }
        hashes
    }

    /// When [`poll`](Self::poll) has something to do next, unless something comes in before.
    pub fn next_timeout(&self) -> Option<Duration> {
        let expiry = self.asked.values().map(|(since, _)| *since + FETCH_TIMEOUT);
        let is_idle = |peer: &PeerId| !self.asked.contains_key(peer);
        let due = self.wanted.values().filter_map(|wanted| {
            let can_be_asked = !wanted.is_asked && wanted.announcers.iter().any(is_idle);
            can_be_asked.then(|| wanted.since + ARRIVE_TIMEOUT)
        });
        expiry.chain(due).min()
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
        if let Some(hashes) = self.announced.get_mut(peer) {
            hashes.remove(hash);
            if hashes.is_empty() {
                self.announced.remove(peer);
            }
        }
    }
}
