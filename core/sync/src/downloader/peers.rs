//! What is known of the peers: how fast they answer, what they lack, what they are busy with.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actoreum_primitives::{B256, U256};

use super::RequestId;
use super::limits::{
    BODIES_PER_REQUEST, EMPTY_IN_A_ROW, FIRST_ITEMS, FIRST_ROUND_TRIP, HEADERS_PER_REQUEST,
    MAX_ROUND_TRIP, MAX_TIMEOUT, MEASUREMENT_IMPACT, MIN_ROUND_TRIP, RECEIPTS_PER_REQUEST,
    TIMEOUT_ROUND_TRIPS, VALUES_PER_REQUEST,
};

/// A peer, as whoever drives the machine numbers its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u64);

/// What a peer says of its best block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerHead {
    /// The block's hash.
    pub hash: B256,
    /// The sum of the difficulties up to it.
    pub total_difficulty: U256,
}

/// What a peer can be asked for in the version that it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serves {
    /// Receipts: from eth/63 on.
    pub receipts: bool,
    /// State values: eth/63 to eth/66.
    pub state: bool,
}

/// Kinds of requests. A peer has one of each kind at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Headers,
    Bodies,
    Receipts,
    State,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Headers, Self::Bodies, Self::Receipts, Self::State];

    /// Items in one request.
    fn most(self) -> usize {
        match self {
            Self::Headers => HEADERS_PER_REQUEST as usize,
            Self::Bodies => BODIES_PER_REQUEST,
            Self::Receipts => RECEIPTS_PER_REQUEST,
            Self::State => VALUES_PER_REQUEST,
        }
    }
}

/// How a peer does at one kind of request.
#[derive(Debug, Default)]
struct Service {
    busy: Option<RequestId>,
    /// Items a second; `None`: not measured yet.
    throughput: Option<f64>,
    empty_in_a_row: u32,
    /// Numbers of blocks that it was asked for and did not have, in this sync.
    lacks: BTreeSet<u64>,
    /// It is not asked again in this sync.
    is_given_up: bool,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub head: PeerHead,
    serves: Serves,
    services: [Service; 4],
    round_trip: Option<Duration>,
    pub expired_in_a_row: u32,
    /// It has changed its chain under a sync before.
    pub has_moved: bool,
    /// How often a sync that followed it came to nothing since the last that did not.
    pub failures: u32,
    /// A sync that followed it came to its end.
    is_proven: bool,
}

impl Peer {
    fn new(head: PeerHead, serves: Serves, failures: u32) -> Self {
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

    fn service(&self, kind: Kind) -> &Service {
        &self.services[kind as usize]
    }

    fn can(&self, kind: Kind) -> bool {
        match kind {
            Kind::Headers | Kind::Bodies => true,
            Kind::Receipts => self.serves.receipts,
            Kind::State => self.serves.state,
        }
    }

    fn service_mut(&mut self, kind: Kind) -> &mut Service {
        &mut self.services[kind as usize]
    }
}

/// The peers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    all: BTreeMap<PeerKey, Peer>,
}

impl Peers {
    /// Adds a peer, or takes down what it says of its head now.
    pub fn upsert(&mut self, key: PeerKey, head: PeerHead, serves: Serves) {
        // Who comes while others fail waits behind them: nobody gets ahead by coming anew.
        let most = self.all.values().map(|peer| peer.failures).max();
        let new = || Peer::new(head, serves, most.unwrap_or_default());
        let peer = self.all.entry(key).or_insert_with(new);
        peer.head = head;
    }

    pub fn remove(&mut self, key: PeerKey) -> bool {
        self.all.remove(&key).is_some()
    }

    pub fn get(&self, key: PeerKey) -> Option<&Peer> {
        self.all.get(&key)
    }

    pub fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.all.get_mut(&key)
    }

    pub fn keys(&self) -> Vec<PeerKey> {
        self.all.keys().copied().collect()
    }

    /// Those that say to have more than `total`, the one to follow first: who has failed less
    /// often, then who has carried a sync to its end, then who says to have most. `is_in_doubt`,
    /// while syncs fail: a promise costs nothing, and of those who came first one is honest.
    pub fn candidates(&self, total: U256, is_in_doubt: bool) -> Vec<(PeerKey, PeerHead)> {
        let all = self.all.iter();
        let better = all.filter(|(_, peer)| peer.head.total_difficulty > total);
        let mut better: Vec<(&PeerKey, &Peer)> = better.collect();
        better.sort_by_key(|(key, peer)| {
            let promised = match is_in_doubt {
                true => U256::ZERO,
                false => peer.head.total_difficulty,
            };
            (peer.failures, !peer.is_proven, Reverse(promised), **key)
        });
        let named = better.into_iter().map(|(key, peer)| (*key, peer.head));
        named.collect()
    }

    /// A sync that followed a peer has come to an end, its own or another.
    pub fn mark_followed(&mut self, key: PeerKey, has_succeeded: bool) {
        if let Some(peer) = self.all.get_mut(&key) {
            match has_succeeded {
                true => (peer.failures, peer.is_proven) = (0, true),
                false => peer.failures = peer.failures.saturating_add(1),
            }
        }
    }

    /// A new sync begins: what a peer lacked in the last one says nothing.
    pub fn begin_sync(&mut self) {
        for peer in self.all.values_mut() {
            for kind in Kind::ALL {
                let service = peer.service_mut(kind);
                service.lacks.clear();
                service.is_given_up = false;
                service.empty_in_a_row = 0;
            }
        }
    }

    /// Peers that can be asked for this kind in this sync.
    pub fn able(&self, kind: Kind) -> Vec<PeerKey> {
        let able = |peer: &Peer| peer.can(kind) && !peer.service(kind).is_given_up;
        let all = self.all.iter().filter(|(_, peer)| able(peer));
        all.map(|(key, _)| *key).collect()
    }

    /// Peers that have no request of this kind, the fastest first; what is needed first is not
    /// asked of those that have delivered nothing yet.
    pub fn idle(&self, kind: Kind) -> Vec<PeerKey> {
        let is_idle = |service: &Service| service.busy.is_none() && !service.is_given_up;
        let mut idle: Vec<(PeerKey, f64)> = self
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

    pub fn is_idle(&self, key: PeerKey, kind: Kind) -> bool {
        let peer = self.all.get(&key);
        peer.is_some_and(|peer| peer.service(kind).busy.is_none())
    }

    pub fn lacks(&self, key: PeerKey, kind: Kind, number: u64) -> bool {
        let peer = self.all.get(&key);
        peer.is_none_or(|peer| {
            let service = peer.service(kind);
            !peer.can(kind) || service.is_given_up || service.lacks.contains(&number)
        })
    }

    /// Whether no peer is left that may have this.
    pub fn all_lack(&self, kind: Kind, number: u64) -> bool {
        self.all.keys().all(|key| self.lacks(*key, kind, number))
    }

    pub fn mark_busy(&mut self, key: PeerKey, kind: Kind, request: RequestId) {
        if let Some(peer) = self.all.get_mut(&key) {
            peer.service_mut(kind).busy = Some(request);
        }
    }

    /// The request is over, however it ended.
    pub fn mark_idle(&mut self, key: PeerKey, kind: Kind, request: RequestId) {
        if let Some(peer) = self.all.get_mut(&key) {
            let service = peer.service_mut(kind);
            if service.busy == Some(request) {
                service.busy = None;
            }
        }
    }

    pub fn mark_lacking(&mut self, key: PeerKey, kind: Kind, numbers: impl Iterator<Item = u64>) {
        if let Some(peer) = self.all.get_mut(&key) {
            peer.service_mut(kind).lacks.extend(numbers);
        }
    }

    /// Blocks below this one are no longer asked for.
    pub fn forget_lacking_below(&mut self, number: u64) {
        for peer in self.all.values_mut() {
            for service in &mut peer.services {
                service.lacks = service.lacks.split_off(&number);
            }
        }
    }

    /// Nobody is asked for anything any more but in these requests.
    pub fn forget_requests(&mut self, but: impl Fn(RequestId) -> bool) {
        for peer in self.all.values_mut() {
            for service in &mut peer.services {
                service.busy = service.busy.filter(|request| but(*request));
            }
        }
    }

    /// Do not ask the peer for this kind again in this sync.
    pub fn give_up(&mut self, key: PeerKey, kind: Kind) {
        if let Some(peer) = self.all.get_mut(&key) {
            peer.service_mut(kind).is_given_up = true;
        }
    }

    /// An answer of so many items after so long. Whether it was one empty answer too many.
    pub fn measure(&mut self, key: PeerKey, kind: Kind, items: usize, took: Duration) -> bool {
        let Some(peer) = self.all.get_mut(&key) else {
            return false;
        };
        peer.expired_in_a_row = 0;
        if items == 0 {
            let service = peer.service_mut(kind);
            service.empty_in_a_row += 1;
            return service.empty_in_a_row >= EMPTY_IN_A_ROW;
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

    /// A request expired: the peer is asked for little from now on. How many expired in a row.
    pub fn expire(&mut self, key: PeerKey, kind: Kind) -> u32 {
        let Some(peer) = self.all.get_mut(&key) else {
            return 0;
        };
        peer.service_mut(kind).throughput = Some(0.0);
        peer.expired_in_a_row += 1;
        peer.expired_in_a_row
    }

    /// Whether it has answered no request of this kind, or not the last one.
    pub fn is_untried(&self, key: PeerKey, kind: Kind) -> bool {
        let service = self.all.get(&key).map(|peer| peer.service(kind));
        service.is_some_and(|service| service.throughput.is_none_or(|it| it == 0.0))
    }

    /// Whether the last request of this kind was not answered in time.
    pub fn is_slow(&self, key: PeerKey, kind: Kind) -> bool {
        let service = self.all.get(&key).map(|peer| peer.service(kind));
        service.is_some_and(|service| service.throughput == Some(0.0))
    }

    /// A request was given up that had no answer for a while: others are asked first.
    pub fn mark_slow(&mut self, key: PeerKey, kind: Kind) {
        if let Some(peer) = self.all.get_mut(&key) {
            peer.service_mut(kind).throughput = Some(0.0);
        }
    }

    /// Items that a peer may be asked for at once: what it delivers in one round trip time.
    pub fn capacity(&self, key: PeerKey, kind: Kind) -> usize {
        let service = self.all.get(&key).map(|peer| peer.service(kind));
        match service.and_then(|service| service.throughput) {
            None => FIRST_ITEMS,
            Some(throughput) => {
                let items = 1.0 + (throughput * 0.9 * self.round_trip().as_secs_f64()).max(1.0);
                (items as usize).min(kind.most())
            }
        }
    }

    /// The median of the round trip times, within its bounds.
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

    /// The time that a request to a peer has.
    pub fn patience(&self, key: PeerKey) -> Duration {
        let own = self.all.get(&key).and_then(|peer| peer.round_trip);
        let round_trip = self.round_trip().max(own.unwrap_or_default());
        round_trip
            .saturating_mul(TIMEOUT_ROUND_TRIPS)
            .min(MAX_TIMEOUT)
    }
}
