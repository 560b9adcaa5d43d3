//! A network of peers, honest and not, on a clock that jumps from event to event.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use actoreum_primitives::{B256, U256};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::chain::{SimChain, SimStore, state};
use crate::downloader::{
    Action, Downloader, HeaderQuery, ImportFailure, Mode, PeerHead, PeerKey, Query, Serves,
    SyncError, Unanswered, Window,
};
use crate::state::{HashedValue, Piece};
use crate::{BodyParcel, HashedHeader, ReceiptsParcel};

/// How a peer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Honest,
    /// Honest, and takes seconds.
    Slow,
    /// Honest, and its answers hold a few items each.
    Meagre,
    /// Leaves in the middle.
    Leaves,
    Silent,
    NoBodies,
    NoHeaders,
    /// Headers that do not follow each other.
    Unlinked,
    /// Leaves a header out.
    Gaps,
    /// Bodies that belong to other blocks.
    WrongBodies,
    /// Says to have more than it has.
    Boasts,
    Garbage,
    /// Has no state, and says so; otherwise honest.
    Stateless,
    /// State values and receipts that nobody asked for.
    WrongState,
    /// More headers than asked for.
    Floods,
    /// Promises everything and answers nothing.
    SilentBoaster,
    /// Promises everything, shows the header of its head, and answers nothing more.
    HeadOnly,
    /// Promises everything and has the headers; what it is asked for besides it does not answer.
    HeadersOnly,
    /// Promises everything, and gives one header shortly before each request expires.
    Trickles,
}

impl Manner {
    pub const LIARS: [Self; 14] = [
        Self::Silent,
        Self::NoBodies,
        Self::NoHeaders,
        Self::Unlinked,
        Self::Gaps,
        Self::WrongBodies,
        Self::Boasts,
        Self::Garbage,
        Self::WrongState,
        Self::Floods,
        Self::SilentBoaster,
        Self::HeadOnly,
        Self::HeadersOnly,
        Self::Trickles,
    ];

    /// Those that promise what nobody has.
    pub const BOASTERS: [Self; 4] = [
        Self::SilentBoaster,
        Self::HeadOnly,
        Self::HeadersOnly,
        Self::Trickles,
    ];

    pub fn is_honest(self) -> bool {
        matches!(
            self,
            Self::Honest | Self::Slow | Self::Meagre | Self::Leaves | Self::Stateless
        )
    }
}

pub struct SimPeer {
    pub chain: SimChain,
    pub manner: Manner,
    pub is_gone: bool,
}

impl SimPeer {
    fn head(&self) -> PeerHead {
        let head = self.chain.head();
        let boast = match self.manner {
            Manner::Boasts => U256::from(1_000_000_000),
            manner if Manner::BOASTERS.contains(&manner) => U256::MAX >> 156,
            _ => U256::ZERO,
        };
        PeerHead {
            hash: head.header.hash,
            total_difficulty: head.total + boast,
        }
    }
}

enum Event {
    Headers(u64, Vec<HashedHeader>),
    Bodies(u64, Vec<BodyParcel>),
    Unanswered(u64, Unanswered),
    Receipts(u64, Vec<ReceiptsParcel>),
    Values(u64, Vec<HashedValue>),
    Imported(Window),
    Kept(Window),
    Written(u64, Vec<Piece>),
    Adopted(u64, B256),
    Leaves(PeerKey),
    Joins(PeerKey),
}

pub struct Net {
    rng: StdRng,
    pub now: Duration,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    events: BTreeMap<u64, Event>,
    pub peers: BTreeMap<PeerKey, SimPeer>,
    pub store: SimStore,
    pub downloader: Downloader,
    pub dropped: BTreeMap<PeerKey, SyncError>,
    pub points: BTreeMap<PeerKey, i64>,
    pub ended: Vec<Result<(), SyncError>>,
    pub blocks_asked: BTreeMap<PeerKey, u64>,
    /// Everything that was asked for, to compare two runs.
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

    /// A peer that joins after a while.
    pub fn add(&mut self, key: u64, chain: &SimChain, manner: Manner, after: Duration) {
        let peer = SimPeer {
            chain: chain.clone(),
            manner,
            is_gone: false,
        };
        self.peers.insert(PeerKey(key), peer);
        self.schedule(after, Event::Joins(PeerKey(key)));
        if manner == Manner::Leaves {
            let stay = Duration::from_millis(self.rng.random_range(1..2_000));
            self.schedule(after + stay, Event::Leaves(PeerKey(key)));
        }
    }

    /// A peer says what its head is now.
    pub fn add_again(&mut self, key: u64) {
        self.schedule(Duration::ZERO, Event::Joins(PeerKey(key)));
    }

    /// Goes on until nothing happens any more, or `until`.
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
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
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
            Event::Written(id, pieces) => {
                self.store.write_state(&pieces);
                self.downloader.on_written(id, Ok(()), &self.store, now);
            }
            Event::Adopted(id, hash) => {
                self.store.adopt(&hash);
                self.downloader.on_imported(id, Ok(()), &self.store, now);
            }
            Event::Kept(window) => {
                let kept = window.blocks.iter().try_for_each(|it| self.store.keep(it));
                let result = kept.map_err(|(number, hash, reason)| ImportFailure::Bad {
                    number,
                    hash,
                    reason,
                });
                self.downloader
                    .on_imported(window.id, result, &self.store, now);
            }
            Event::Unanswered(id, why) => {
                self.downloader.on_unanswered(id, why, &self.store, now);
            }
            Event::Joins(key) => {
                let peer = &self.peers[&key];
                let serves = Serves {
                    receipts: true,
                    state: peer.manner != Manner::Stateless,
                };
                let head = peer.head();
                self.downloader.on_peer(key, head, serves, &self.store, now);
            }
            Event::Leaves(key) => {
                self.peers.get_mut(&key).unwrap().is_gone = true;
                self.downloader.on_peer_gone(key, &self.store, now);
            }
            Event::Imported(window) => {
                let mut result = Ok(());
                for block in window.blocks {
                    if let Err((number, hash, reason)) = self.store.import(block) {
                        result = Err(match reason.as_str() {
                            "unknown ancestor" => ImportFailure::Stopped(reason),
                            _ => ImportFailure::Bad {
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
                Action::Keep(window) => {
                    self.trace.push(format!("keep {}", window.blocks.len()));
                    let work = self.import_time * window.blocks.len() as u32;
                    self.importing_until = self.importing_until.max(self.now) + work;
                    let after = self.importing_until - self.now;
                    self.schedule(after, Event::Kept(window));
                }
                Action::WriteState { id, pieces } => {
                    self.schedule(Duration::from_millis(5), Event::Written(id, pieces));
                }
                Action::Adopt { id, hash } => {
                    self.trace.push(format!("adopt {hash}"));
                    self.schedule(Duration::from_millis(50), Event::Adopted(id, hash));
                }
                Action::Drop { peer, reason } => {
                    self.trace.push(format!("drop {peer:?} {reason}"));
                    self.dropped.insert(peer, reason);
                }
                Action::Penalise { peer, points, .. } => {
                    let score = self.points.entry(peer).or_default();
                    *score += points;
                    if *score >= 100 {
                        self.peers.get_mut(&peer).unwrap().is_gone = true;
                        self.schedule(Duration::ZERO, Event::Leaves(peer));
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

    fn answer(&mut self, id: u64, key: PeerKey, query: Query) {
        let peer = &self.peers[&key];
        let manner = peer.manner;
        let after = match manner {
            Manner::Slow => Duration::from_millis(self.rng.random_range(1_000..4_000)),
            Manner::Trickles if !matches!(query, Query::Header(_)) => Duration::from_secs(5),
            _ => Duration::from_micros(self.rng.random_range(200..80_000)),
        };
        if peer.is_gone {
            return self.schedule(after, Event::Unanswered(id, Unanswered::Gone));
        }
        let is_silent = match manner {
            Manner::Silent | Manner::SilentBoaster => true,
            Manner::HeadOnly => !matches!(query, Query::Header(_)),
            Manner::HeadersOnly => !matches!(query, Query::Header(_) | Query::Headers(_)),
            _ => false,
        };
        let event = match query {
            Query::Header(hash) => {
                let header = peer.chain.by_hash(&hash).map(|block| block.header.clone());
                Event::Headers(id, header.into_iter().collect())
            }
            Query::Headers(query) => match self.headers(key, query) {
                Some(headers) => Event::Headers(id, headers),
                None => Event::Unanswered(id, Unanswered::Garbage),
            },
            Query::Bodies(hashes) => {
                *self.blocks_asked.entry(key).or_default() += hashes.len() as u64;
                Event::Bodies(id, self.bodies(key, &hashes))
            }
            Query::Receipts(hashes) => {
                let chain = &peer.chain;
                let blocks = hashes.iter().filter_map(|hash| chain.by_hash(hash));
                let mut receipts: Vec<ReceiptsParcel> = blocks
                    .map(|block| ReceiptsParcel::read(&block.receipts).unwrap())
                    .collect();
                if manner == Manner::WrongState {
                    receipts.iter_mut().for_each(|it| it.root = B256::ZERO);
                }
                Event::Receipts(id, receipts)
            }
            Query::Values(hashes) => {
                let has_state = self.now >= self.state_from && manner.is_honest();
                let known = hashes.iter().filter_map(|hash| state().1.get(hash));
                let mut values: Vec<HashedValue> = known
                    .filter(|_| has_state)
                    .map(|value| HashedValue::new(value.clone()))
                    .collect();
                self.values_asked += values.len();
                match manner {
                    Manner::WrongState => values.push(HashedValue::new(Vec::new().into())),
                    Manner::Meagre => values.truncate(3),
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

    /// What a peer sends; `None`: nonsense.
    fn headers(&mut self, key: PeerKey, query: HeaderQuery) -> Option<Vec<HashedHeader>> {
        let peer = &self.peers[&key];
        let step = i64::try_from(query.skip + 1).unwrap();
        let step = if query.reverse { -step } else { step };
        let numbers =
            (0..query.amount.min(1_024)).map(|index| query.first as i64 + index as i64 * step);
        let mut headers: Vec<HashedHeader> = numbers
            .map_while(|number| peer.chain.by_number(u64::try_from(number).ok()?))
            .map(|block| block.header.clone())
            .collect();
        match peer.manner {
            Manner::NoHeaders => headers.clear(),
            Manner::Trickles => headers.truncate(1),
            Manner::Garbage => return None,
            Manner::Meagre if headers.len() > 3 && query.skip == 0 && query.amount < 192 => {
                headers.truncate(headers.len() / 2);
            }
            Manner::Unlinked if headers.len() > 2 => {
                for header in headers.iter_mut().skip(1) {
                    header.header.parent_hash = B256::repeat_byte(1);
                }
            }
            Manner::Gaps if headers.len() > 2 => {
                let middle = headers.len() / 2;
                headers.remove(middle);
            }
            Manner::Floods => {
                let more = headers.last().cloned();
                headers.extend(more);
            }
            _ => {}
        }
        Some(headers)
    }

    fn bodies(&mut self, key: PeerKey, hashes: &[B256]) -> Vec<BodyParcel> {
        let peer = &self.peers[&key];
        let mut bodies: Vec<BodyParcel> = hashes
            .iter()
            .filter_map(|hash| peer.chain.by_hash(hash))
            .map(|block| BodyParcel::read(&block.body).unwrap())
            .collect();
        match peer.manner {
            Manner::NoBodies => bodies.clear(),
            Manner::Meagre => bodies.truncate(2),
            Manner::WrongBodies => {
                for body in &mut bodies {
                    body.ommers_hash = B256::repeat_byte(2);
                }
            }
            _ => {}
        }
        bodies
    }
}
