//! A simulated network of honest and byzantine peers, on a clock that jumps from event to event.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use actoreum_primitives::{B256, U256};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::chain::{SimChain, SimStore, state};
use crate::downloader::{
    Action, Downloader, HeaderQuery, ImportFailure, Mode, PeerHead, Query, RequestFailure,
    ServedData, SyncError, SyncPeerId, Window,
};
use crate::state::{HashedValue, StateValue};
use crate::{HashedHeader, RawBody, RawReceipts};

/// Behaviour of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Honest,
    /// Honest, and takes seconds for an answer.
    Slow,
    /// Honest, and its answers hold a few items each.
    SmallAnswers,
    /// Honest, and disconnects during the sync.
    Disconnects,
    Silent,
    NoBodies,
    NoHeaders,
    /// Sends headers that are not linked.
    Unlinked,
    /// Leaves a header out.
    Gaps,
    /// Sends bodies that belong to other blocks.
    WrongBodies,
    /// Claims a higher total difficulty than its chain's.
    Overclaims,
    Malformed,
    /// Has no state, and says so; otherwise honest.
    Stateless,
    /// Sends state values and receipts that were not requested.
    WrongState,
    /// Sends more headers than requested.
    ExtraHeaders,
    /// Claims a high total difficulty and answers nothing.
    SilentOverclaimer,
    /// Claims a high total difficulty, shows the header of its head, and answers nothing more.
    HeadOnly,
    /// Claims a high total difficulty and sends headers, but nothing else.
    HeadersOnly,
    /// Claims a high total difficulty, and sends one header shortly before each request expires.
    Trickles,
}

impl Behaviour {
    pub const BYZANTINE: [Self; 14] = [
        Self::Silent,
        Self::NoBodies,
        Self::NoHeaders,
        Self::Unlinked,
        Self::Gaps,
        Self::WrongBodies,
        Self::Overclaims,
        Self::Malformed,
        Self::WrongState,
        Self::ExtraHeaders,
        Self::SilentOverclaimer,
        Self::HeadOnly,
        Self::HeadersOnly,
        Self::Trickles,
    ];

    /// Behaviours with a total difficulty that no chain has.
    pub const OVERCLAIMERS: [Self; 4] = [
        Self::SilentOverclaimer,
        Self::HeadOnly,
        Self::HeadersOnly,
        Self::Trickles,
    ];

    pub fn is_honest(self) -> bool {
        matches!(
            self,
            Self::Honest | Self::Slow | Self::SmallAnswers | Self::Disconnects | Self::Stateless
        )
    }
}

pub struct SimPeer {
    pub chain: SimChain,
    pub behaviour: Behaviour,
    pub is_gone: bool,
}

impl SimPeer {
    fn head(&self) -> PeerHead {
        let head = self.chain.head();
        let extra = match self.behaviour {
            Behaviour::Overclaims => U256::from(1_000_000_000),
            behaviour if Behaviour::OVERCLAIMERS.contains(&behaviour) => U256::MAX >> 156,
            _ => U256::ZERO,
        };
        PeerHead {
            hash: head.header.hash,
            total_difficulty: head.total + extra,
        }
    }
}

enum Event {
    Headers(u64, Vec<HashedHeader>),
    Bodies(u64, Vec<RawBody>),
    RequestFailure(u64, RequestFailure),
    Receipts(u64, Vec<RawReceipts>),
    Values(u64, Vec<HashedValue>),
    Imported(Window),
    ReceiptChainInserted(Window),
    Written(u64, Vec<StateValue>),
    PivotCommitted(u64, B256),
    Disconnects(SyncPeerId),
    Joins(SyncPeerId),
}

pub struct Net {
    rng: StdRng,
    pub now: Duration,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    events: BTreeMap<u64, Event>,
    pub peers: BTreeMap<SyncPeerId, SimPeer>,
    pub store: SimStore,
    pub downloader: Downloader,
    pub dropped: BTreeMap<SyncPeerId, SyncError>,
    pub points: BTreeMap<SyncPeerId, i64>,
    pub ended: Vec<Result<(), SyncError>>,
    pub blocks_asked: BTreeMap<SyncPeerId, u64>,
    /// All requests, to compare two runs.
    pub trace: Vec<String>,
    importing_until: Duration,
    pub import_time: Duration,
    /// No peer has the state before this time.
    pub state_from: Duration,
    pub values_asked: usize,
}

impl Net {
    pub fn new(seed: u64, local: &SimChain) -> Self {
        Self::with_mode(seed, local, Mode::Full)
    }

    pub fn with_mode(seed: u64, local: &SimChain, mode: Mode) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            now: Duration::ZERO,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            peers: BTreeMap::new(),
            store: SimStore::new(local),
            downloader: Downloader::new(mode),
            dropped: BTreeMap::new(),
            points: BTreeMap::new(),
            ended: Vec::new(),
            blocks_asked: BTreeMap::new(),
            trace: Vec::new(),
            importing_until: Duration::ZERO,
            import_time: Duration::from_micros(100),
            state_from: Duration::ZERO,
            values_asked: 0,
        }
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        let id = self.events.len() as u64 + self.trace.len() as u64 * 1_000_000;
        let id = self
            .events
            .keys()
            .last()
            .map_or(id, |last| id.max(last + 1));
        self.events.insert(id, event);
        self.queue.push(Reverse((self.now + after, id)));
    }

    /// Adds a peer that joins after a while.
    pub fn add(&mut self, key: u64, chain: &SimChain, behaviour: Behaviour, after: Duration) {
        let peer = SimPeer {
            chain: chain.clone(),
            behaviour,
            is_gone: false,
        };
        self.peers.insert(SyncPeerId(key), peer);
        self.schedule(after, Event::Joins(SyncPeerId(key)));
        if behaviour == Behaviour::Disconnects {
            let stay = Duration::from_millis(self.rng.random_range(1..2_000));
            self.schedule(after + stay, Event::Disconnects(SyncPeerId(key)));
        }
    }

    /// Has a peer announce its head again.
    pub fn announce_head(&mut self, key: u64) {
        self.schedule(Duration::ZERO, Event::Joins(SyncPeerId(key)));
    }

    /// Runs until there are no more events, or until the time `until`.
    pub fn run(&mut self, until: Duration) {
        loop {
            self.act();
            let event = self.queue.peek().map(|Reverse((time, _))| *time);
            let deadline = self.downloader.next_deadline();
            let next = match (event, deadline) {
                (Some(event), Some(deadline)) => event.min(deadline),
                (Some(time), None) | (None, Some(time)) => time,
                (None, None) => return,
            };
            if next > until {
                return;
            }
            self.now = self.now.max(next);
            if deadline.is_some_and(|deadline| deadline <= self.now) {
                self.downloader.on_time(&self.store, self.now);
                continue;
            }
            let Some(Reverse((_, id))) = self.queue.pop() else {
                return;
            };
            let event = self.events.remove(&id).unwrap();
            self.handle_event(event);
        }
    }

    fn handle_event(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Headers(id, headers) => {
                self.downloader.on_headers(id, headers, &self.store, now);
            }
            Event::Bodies(id, bodies) => self.downloader.on_bodies(id, bodies, &self.store, now),
            Event::Receipts(id, receipts) => {
                self.downloader.on_receipts(id, receipts, &self.store, now);
            }
            Event::Values(id, values) => {
                self.downloader.on_values(id, values, &self.store, now);
            }
            Event::Written(id, values) => {
                self.store.write_state(&values);
                self.downloader.on_written(id, Ok(()), &self.store, now);
            }
            Event::PivotCommitted(id, hash) => {
                self.store.commit_pivot(&hash);
                self.downloader.on_imported(id, Ok(()), &self.store, now);
            }
            Event::ReceiptChainInserted(window) => {
                let fast_blocks = window
                    .blocks
                    .iter()
                    .try_for_each(|it| self.store.insert_receipts(it));
                let result =
                    fast_blocks.map_err(|(number, hash, reason)| ImportFailure::InvalidBlock {
                        number,
                        hash,
                        reason,
                    });
                self.downloader
                    .on_imported(window.id, result, &self.store, now);
            }
            Event::RequestFailure(id, why) => {
                self.downloader.on_request_failed(id, why, &self.store, now);
            }
            Event::Joins(key) => {
                let peer = &self.peers[&key];
                let serves = ServedData {
                    receipts: true,
                    state: peer.behaviour != Behaviour::Stateless,
                };
                let head = peer.head();
                self.downloader.on_peer(key, head, serves, &self.store, now);
            }
            Event::Disconnects(key) => {
                self.peers.get_mut(&key).unwrap().is_gone = true;
                self.downloader.on_peer_left(key, &self.store, now);
            }
            Event::Imported(window) => {
                let mut result = Ok(());
                for block in window.blocks {
                    if let Err((number, hash, reason)) = self.store.import(block) {
                        result = Err(match reason.as_str() {
                            "unknown ancestor" => ImportFailure::Stopped(reason),
                            _ => ImportFailure::InvalidBlock {
                                number,
                                hash,
                                reason,
                            },
                        });
                        break;
                    }
                }
                self.downloader
                    .on_imported(window.id, result, &self.store, now);
            }
        }
    }

    fn act(&mut self) {
        while let Some(action) = self.downloader.next_action() {
            match action {
                Action::Request {
                    id, peer, query, ..
                } => {
                    self.trace
                        .push(format!("{:?} {id} {peer:?} {query:?}", self.now));
                    self.answer(id, peer, query);
                }
                Action::Import(window) => {
                    let first = window.blocks[0].header.header.number;
                    self.trace
                        .push(format!("import {first} {}", window.blocks.len()));
                    let work = self.import_time * window.blocks.len() as u32;
                    self.importing_until = self.importing_until.max(self.now) + work;
                    let after = self.importing_until - self.now;
                    self.schedule(after, Event::Imported(window));
                }
                Action::InsertReceiptChain(window) => {
                    self.trace
                        .push(format!("insert_receipts {}", window.blocks.len()));
                    let work = self.import_time * window.blocks.len() as u32;
                    self.importing_until = self.importing_until.max(self.now) + work;
                    let after = self.importing_until - self.now;
                    self.schedule(after, Event::ReceiptChainInserted(window));
                }
                Action::WriteState { id, values } => {
                    self.schedule(Duration::from_millis(5), Event::Written(id, values));
                }
                Action::CommitPivotState { id, hash } => {
                    self.trace.push(format!("commit_pivot {hash}"));
                    self.schedule(Duration::from_millis(50), Event::PivotCommitted(id, hash));
                }
                Action::DropPeer { peer, reason } => {
                    self.trace.push(format!("drop {peer:?} {reason}"));
                    self.dropped.insert(peer, reason);
                }
                Action::Penalise { peer, points, .. } => {
                    let score = self.points.entry(peer).or_default();
                    *score += points;
                    if *score >= 100 {
                        self.peers.get_mut(&peer).unwrap().is_gone = true;
                        self.schedule(Duration::ZERO, Event::Disconnects(peer));
                    }
                }
                Action::Started { master } => self.trace.push(format!("follow {master:?}")),
                Action::Ended(result) => {
                    self.trace.push(format!("ended {result:?}"));
                    self.ended.push(result);
                }
            }
        }
    }

    fn answer(&mut self, id: u64, key: SyncPeerId, query: Query) {
        let peer = &self.peers[&key];
        let behaviour = peer.behaviour;
        let after = match behaviour {
            Behaviour::Slow => Duration::from_millis(self.rng.random_range(1_000..4_000)),
            Behaviour::Trickles if !matches!(query, Query::Header(_)) => Duration::from_secs(5),
            _ => Duration::from_micros(self.rng.random_range(200..80_000)),
        };
        if peer.is_gone {
            return self.schedule(
                after,
                Event::RequestFailure(id, RequestFailure::Disconnected),
            );
        }
        let is_silent = match behaviour {
            Behaviour::Silent | Behaviour::SilentOverclaimer => true,
            Behaviour::HeadOnly => !matches!(query, Query::Header(_)),
            Behaviour::HeadersOnly => !matches!(query, Query::Header(_) | Query::Headers(_)),
            _ => false,
        };
        let event = match query {
            Query::Header(hash) => {
                let header = peer.chain.by_hash(&hash).map(|block| block.header.clone());
                Event::Headers(id, header.into_iter().collect())
            }
            Query::Headers(query) => match self.headers(key, query) {
                Some(headers) => Event::Headers(id, headers),
                None => Event::RequestFailure(id, RequestFailure::Malformed),
            },
            Query::Bodies(hashes) => {
                *self.blocks_asked.entry(key).or_default() += hashes.len() as u64;
                Event::Bodies(id, self.bodies(key, &hashes))
            }
            Query::Receipts(hashes) => {
                let chain = &peer.chain;
                let blocks = hashes.iter().filter_map(|hash| chain.by_hash(hash));
                let mut receipts: Vec<RawReceipts> = blocks
                    .map(|block| RawReceipts::read(&block.receipts).unwrap())
                    .collect();
                if behaviour == Behaviour::WrongState {
                    receipts.iter_mut().for_each(|it| it.root = B256::ZERO);
                }
                Event::Receipts(id, receipts)
            }
            Query::Values(hashes) => {
                let has_state = self.now >= self.state_from && behaviour.is_honest();
                let known = hashes.iter().filter_map(|hash| state().1.get(hash));
                let mut values: Vec<HashedValue> = known
                    .filter(|_| has_state)
                    .map(|value| HashedValue::new(value.clone()))
                    .collect();
                self.values_asked += values.len();
                match behaviour {
                    Behaviour::WrongState => values.push(HashedValue::new(Vec::new().into())),
                    Behaviour::SmallAnswers => values.truncate(3),
                    _ => {}
                }
                Event::Values(id, values)
            }
        };
        if is_silent {
            return;
        }
        self.schedule(after, event);
    }

    /// Returns the headers that a peer sends; `None` if its answer does not decode.
    fn headers(&mut self, key: SyncPeerId, query: HeaderQuery) -> Option<Vec<HashedHeader>> {
        let peer = &self.peers[&key];
        let step = i64::try_from(query.skip + 1).unwrap();
        let step = if query.reverse { -step } else { step };
        let numbers =
            (0..query.amount.min(1_024)).map(|index| query.first as i64 + index as i64 * step);
        let mut headers: Vec<HashedHeader> = numbers
            .map_while(|number| peer.chain.by_number(u64::try_from(number).ok()?))
            .map(|block| block.header.clone())
            .collect();
        match peer.behaviour {
            Behaviour::NoHeaders => headers.clear(),
            Behaviour::Trickles => headers.truncate(1),
            Behaviour::Malformed => return None,
            Behaviour::SmallAnswers
                if headers.len() > 3 && query.skip == 0 && query.amount < 192 =>
            {
                headers.truncate(headers.len() / 2);
            }
            Behaviour::Unlinked if headers.len() > 2 => {
                for header in headers.iter_mut().skip(1) {
                    header.header.parent_hash = B256::repeat_byte(1);
                }
            }
            Behaviour::Gaps if headers.len() > 2 => {
                let middle = headers.len() / 2;
                headers.remove(middle);
            }
            Behaviour::ExtraHeaders => {
                let more = headers.last().cloned();
                headers.extend(more);
            }
            _ => {}
        }
        Some(headers)
    }

    fn bodies(&mut self, key: SyncPeerId, hashes: &[B256]) -> Vec<RawBody> {
        let peer = &self.peers[&key];
        let mut bodies: Vec<RawBody> = hashes
            .iter()
            .filter_map(|hash| peer.chain.by_hash(hash))
            .map(|block| RawBody::read(&block.body).unwrap())
            .collect();
        match peer.behaviour {
            Behaviour::NoBodies => bodies.clear(),
            Behaviour::SmallAnswers => bodies.truncate(2),
            Behaviour::WrongBodies => {
                for body in &mut bodies {
                    body.ommers_hash = B256::repeat_byte(2);
                }
            }
            _ => {}
        }
        bodies
    }
}
