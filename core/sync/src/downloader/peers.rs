//! The peers of the downloader: throughput, missing items, pending requests.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actoreum_primitives::{B256, U256};

use super::RequestId;
use super::limits::{
    BODIES_PER_REQUEST, FIRST_ITEMS, FIRST_ROUND_TRIP, HEADERS_PER_REQUEST, MAX_EMPTY_IN_A_ROW,
    MAX_ROUND_TRIP, MAX_TIMEOUT, MEASUREMENT_IMPACT, MIN_ROUND_TRIP, RECEIPTS_PER_REQUEST,
    TIMEOUT_ROUND_TRIPS, VALUES_PER_REQUEST,
};
use crate::sync_peer_id::SyncPeerId;

/// Head that a peer announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerHead {
    /// Hash of the block.
    pub hash: B256,
    /// Total difficulty of the block, as the peer claims.
    pub total_difficulty: U256,
}

/// Optional data that a peer serves in its protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedData {
    /// Receipts: from eth/63 on.
    pub receipts: bool,
    /// State values: eth/63 to eth/66.
    pub state: bool,
}

/// Kind of a request. A peer has at most one request of each kind at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RequestKind {
    Headers,
    Bodies,
    Receipts,
    State,
}

impl RequestKind {
    const ALL: [Self; 4] = [Self::Headers, Self::Bodies, Self::Receipts, Self::State];

    /// Returns the maximum number of items in one request.
    fn max_items(self) -> usize {
        match self {
            Self::Headers => HEADERS_PER_REQUEST as usize,
            Self::Bodies => BODIES_PER_REQUEST,
            Self::Receipts => RECEIPTS_PER_REQUEST,
            Self::State => VALUES_PER_REQUEST,
        }
    }
}

/// State of one kind of request at a peer.
#[derive(Debug, Default)]
struct Service {
    busy: Option<RequestId>,
    /// Items a second; `None` if not measured yet, zero after a request that expired.
    throughput: Option<f64>,
    empty_in_a_row: u32,
    /// Numbers of blocks that the peer was asked for and did not have, in this sync.
    lacks: BTreeSet<u64>,
    /// The peer is not asked for this kind again in this sync.
    is_given_up: bool,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub head: PeerHead,
    serves: ServedData,
    services: [Service; 4],
    round_trip: Option<Duration>,
    pub expired_in_a_row: u32,
    /// The peer's chain has changed during a sync before.
    pub has_moved: bool,
    /// Number of failed syncs with this master since the last successful one.
    pub failures: u32,
    /// True if a sync with this master succeeded.
    is_proven: bool,
}

impl Peer {
    fn new(head: PeerHead, serves: ServedData, failures: u32) -> Self {
        Self {
            head,
            serves,
            services: Default::default(),
            round_trip: None,
            expired_in_a_row: 0,
            has_moved: false,
            failures,
            is_proven: false,
        }
    }

    fn service(&self, kind: RequestKind) -> &Service {
        &self.services[kind as usize]
    }

    fn can(&self, kind: RequestKind) -> bool {
        match kind {
            RequestKind::Headers | RequestKind::Bodies => true,
            RequestKind::Receipts => self.serves.receipts,
            RequestKind::State => self.serves.state,
        }
    }

    fn service_mut(&mut self, kind: RequestKind) -> &mut Service {
        &mut self.services[kind as usize]
    }
}

/// All peers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    all: BTreeMap<SyncPeerId, Peer>,
}

impl Peers {
    /// Adds a peer, or updates its head.
    pub fn upsert(&mut self, key: SyncPeerId, head: PeerHead, serves: ServedData) {
        // A new peer starts with the failures of the worst peer: reconnecting does not put a peer
        // ahead.
        let max = self.all.values().map(|peer| peer.failures).max();
        let new = || Peer::new(head, serves, max.unwrap_or_default());
        let peer = self.all.entry(key).or_insert_with(new);
        peer.head = head;
    }

    pub fn remove(&mut self, key: SyncPeerId) -> bool {
        self.all.remove(&key).is_some()
    }

    pub fn get(&self, key: SyncPeerId) -> Option<&Peer> {
        self.all.get(&key)
    }

    pub fn get_mut(&mut self, key: SyncPeerId) -> Option<&mut Peer> {
        self.all.get_mut(&key)
    }

    pub fn keys(&self) -> Vec<SyncPeerId> {
        self.all.keys().copied().collect()
    }

    /// Returns the peers that claim more than `total`, the best master first: by fewest failures,
    /// then those with a successful sync, then by the claimed total difficulty. While syncs fail
    /// (`is_in_doubt`), the claim does not count: a claim costs nothing, and among the peers that
    /// connected first is an honest one.
    pub fn candidates(&self, total: U256, is_in_doubt: bool) -> Vec<(SyncPeerId, PeerHead)> {
        let all = self.all.iter();
        let better = all.filter(|(_, peer)| peer.head.total_difficulty > total);
        let mut better: Vec<(&SyncPeerId, &Peer)> = better.collect();
        better.sort_by_key(|(key, peer)| {
            let claimed = if is_in_doubt {
                U256::ZERO
            } else {
                peer.head.total_difficulty
            };
            (peer.failures, !peer.is_proven, Reverse(claimed), **key)
        });
        let named = better.into_iter().map(|(key, peer)| (*key, peer.head));
        named.collect()
    }

    /// Notes the outcome of a sync for its master.
    pub fn note_sync_outcome(&mut self, key: SyncPeerId, has_succeeded: bool) {
        if let Some(peer) = self.all.get_mut(&key) {
            if has_succeeded {
                (peer.failures, peer.is_proven) = (0, true);
            } else {
                peer.failures = peer.failures.saturating_add(1);
            }
        }
    }

    /// Resets what peers lacked in the last sync.
    pub fn begin_sync(&mut self) {
        for peer in self.all.values_mut() {
            for kind in RequestKind::ALL {
                let service = peer.service_mut(kind);
                service.lacks.clear();
                service.is_given_up = false;
                service.empty_in_a_row = 0;
            }
        }
    }

    /// Returns the peers that can be asked for this kind in this sync.
    pub fn able(&self, kind: RequestKind) -> Vec<SyncPeerId> {
        let able = |peer: &Peer| peer.can(kind) && !peer.service(kind).is_given_up;
        let all = self.all.iter().filter(|(_, peer)| able(peer));
        all.map(|(key, _)| *key).collect()
    }

    /// Returns the peers without a pending request of this kind, the fastest first. Peers that have
    /// delivered nothing yet come last, so that what is needed first is not requested from them.
    pub fn idle(&self, kind: RequestKind) -> Vec<SyncPeerId> {
        let is_idle = |service: &Service| service.busy.is_none() && !service.is_given_up;
        let mut idle: Vec<(SyncPeerId, f64)> = self
            .all
            .iter()
            .filter(|(_, peer)| peer.can(kind))
            .map(|(key, peer)| (*key, peer.service(kind)))
            .filter(|(_, service)| is_idle(service))
            .map(|(key, service)| (key, service.throughput.unwrap_or(f64::MIN_POSITIVE)))
            .collect();
        idle.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        idle.into_iter().map(|(key, _)| key).collect()
    }

    pub fn is_idle(&self, key: SyncPeerId, kind: RequestKind) -> bool {
        let peer = self.all.get(&key);
        peer.is_some_and(|peer| peer.service(kind).busy.is_none())
    }

    pub fn lacks(&self, key: SyncPeerId, kind: RequestKind, number: u64) -> bool {
        let peer = self.all.get(&key);
        peer.is_none_or(|peer| {
            let service = peer.service(kind);
            !peer.can(kind) || service.is_given_up || service.lacks.contains(&number)
        })
    }

    /// Returns true if no peer is left that may have this.
    pub fn all_lack(&self, kind: RequestKind, number: u64) -> bool {
        self.all.keys().all(|key| self.lacks(*key, kind, number))
    }

    pub fn mark_busy(&mut self, key: SyncPeerId, kind: RequestKind, request: RequestId) {
        if let Some(peer) = self.all.get_mut(&key) {
            peer.service_mut(kind).busy = Some(request);
        }
    }

    /// Notes that a request has ended, in whatever way.
    pub fn mark_idle(&mut self, key: SyncPeerId, kind: RequestKind, request: RequestId) {
        if let Some(peer) = self.all.get_mut(&key) {
            let service = peer.service_mut(kind);
            if service.busy == Some(request) {
                service.busy = None;
            }
        }
    }

    pub fn mark_lacking(
        &mut self,
        key: SyncPeerId,
        kind: RequestKind,
        numbers: impl Iterator<Item = u64>,
    ) {
        if let Some(peer) = self.all.get_mut(&key) {
            peer.service_mut(kind).lacks.extend(numbers);
        }
    }

    /// Forgets lacking blocks below this number, which are no longer requested.
    pub fn forget_lacking_below(&mut self, number: u64) {
        for peer in self.all.values_mut() {
            for service in &mut peer.services {
                service.lacks = service.lacks.split_off(&number);
            }
        }
    }

    /// Forgets all pending requests except those that `but` selects.
    pub fn forget_requests(&mut self, but: impl Fn(RequestId) -> bool) {
        for peer in self.all.values_mut() {
            for service in &mut peer.services {
                service.busy = service.busy.filter(|request| but(*request));
            }
        }
    }

    /// Stops asking the peer for this kind in this sync.
    pub fn give_up(&mut self, key: SyncPeerId, kind: RequestKind) {
        if let Some(peer) = self.all.get_mut(&key) {
            peer.service_mut(kind).is_given_up = true;
        }
    }

    /// Measures an answer of `items` items after `took`. Returns true if it is the last tolerated
    /// empty answer in a row.
    pub fn measure(
        &mut self,
        key: SyncPeerId,
        kind: RequestKind,
        items: usize,
        took: Duration,
    ) -> bool {
        let Some(peer) = self.all.get_mut(&key) else {
            return false;
        };
        peer.expired_in_a_row = 0;
        if items == 0 {
            let service = peer.service_mut(kind);
            service.empty_in_a_row += 1;
            return service.empty_in_a_row >= MAX_EMPTY_IN_A_ROW;
        }
        peer.round_trip = Some(match peer.round_trip {
            Some(before) => {
                before.mul_f64(1.0 - MEASUREMENT_IMPACT) + took.mul_f64(MEASUREMENT_IMPACT)
            }
            None => took,
        });
        let service = peer.service_mut(kind);
        service.empty_in_a_row = 0;
        let seconds = took.as_secs_f64().max(0.001);
        let measured = items as f64 / seconds;
        service.throughput = Some(match service.throughput {
            Some(before) => before * (1.0 - MEASUREMENT_IMPACT) + measured * MEASUREMENT_IMPACT,
            None => measured,
        });
        false
    }

    /// Notes that a request expired: the peer is asked for little from now on. Returns how many
    /// requests expired in a row.
    pub fn expire(&mut self, key: SyncPeerId, kind: RequestKind) -> u32 {
        let Some(peer) = self.all.get_mut(&key) else {
            return 0;
        };
        peer.service_mut(kind).throughput = Some(0.0);
        peer.expired_in_a_row += 1;
        peer.expired_in_a_row
    }

    /// Returns true if the peer has answered no request of this kind, or not the last one.
    pub fn is_untried(&self, key: SyncPeerId, kind: RequestKind) -> bool {
        let service = self.all.get(&key).map(|peer| peer.service(kind));
        service.is_some_and(|service| service.throughput.is_none_or(|it| it == 0.0))
    }

    /// Returns true if the peer did not answer the last request of this kind in time.
    pub fn is_slow(&self, key: SyncPeerId, kind: RequestKind) -> bool {
        let service = self.all.get(&key).map(|peer| peer.service(kind));
        service.is_some_and(|service| service.throughput == Some(0.0))
    }

    /// Notes that a request ended that was unanswered for a while: others are asked first from now
    /// on.
    pub fn mark_slow(&mut self, key: SyncPeerId, kind: RequestKind) {
        if let Some(peer) = self.all.get_mut(&key) {
            peer.service_mut(kind).throughput = Some(0.0);
        }
    }

    /// Returns the number of items that a peer may be asked for at once: what it delivers in one
    /// round trip time.
    pub fn capacity(&self, key: SyncPeerId, kind: RequestKind) -> usize {
        let service = self.all.get(&key).map(|peer| peer.service(kind));
        match service.and_then(|service| service.throughput) {
            None => FIRST_ITEMS,
            Some(throughput) => {
                let items = 1.0 + (throughput * 0.9 * self.round_trip().as_secs_f64()).max(1.0);
                (items as usize).min(kind.max_items())
            }
        }
    }

    /// Returns the median of the peers' round trip times, within [`MIN_ROUND_TRIP`] and
    /// [`MAX_ROUND_TRIP`].
    fn round_trip(&self) -> Duration {
        let mut all: Vec<Duration> = self
            .all
            .values()
            .map(|peer| peer.round_trip.unwrap_or(FIRST_ROUND_TRIP))
            .collect();
        all.sort_unstable();
        let median = all.get(all.len() / 2).copied();
        median
            .unwrap_or(FIRST_ROUND_TRIP)
            .clamp(MIN_ROUND_TRIP, MAX_ROUND_TRIP)
    }

    /// Returns the timeout of a request to a peer.
    pub fn timeout(&self, key: SyncPeerId) -> Duration {
        let own = self.all.get(&key).and_then(|peer| peer.round_trip);
        let round_trip = self.round_trip().max(own.unwrap_or_default());
        round_trip
            .saturating_mul(TIMEOUT_ROUND_TRIPS)
            .min(MAX_TIMEOUT)
    }
}
