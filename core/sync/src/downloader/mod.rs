//! The downloader: fetches the chain of the peer with the most total difficulty, the master peer,
//! with the help of all others (geth's `eth/downloader`).
//!
//! ```text
//!   probe -> common ancestor -> headers (skeleton, fill) -> bodies -> windows -> import
//!   |        '------ from the master -----------'   '------ from all peers -----'
//!   '- several peers are asked for the header of their head
//! ```
//!
//! The master peer must deliver. A peer becomes the master when it has shown the header of its
//! head, and stays the master as long as it does not keep the sync waiting for more than its
//! deliveries are worth ([`limits::STALL_WINDOW`]). With `n` peers that claim a high total
//! difficulty and deliver nothing, one that does deliver becomes the master after `n` times that
//! window at most, and after a few seconds if they are silent.
//!
//! A [`Downloader`] takes events (peers come and go, answers arrive, time passes, an import ends)
//! and returns actions ([`Downloader::next_action`]). It has no clock: times are durations since a
//! fixed moment of the driver's choice. The same calls give the same actions.
//!
//! All that it holds is bounded, whatever peers send: see [`limits`].
//!
//! A fast sync ([`Mode::Fast`]) of an empty chain fetches receipts with the blocks up to the pivot,
//! 64 below the head, and at the same time the state after the pivot. Those blocks are stored with
//! their receipts and not executed. Once the state is complete, the pivot becomes the head, and the
//! rest is a full sync. If no peer has the pivot's state any more, the sync ends; the next one has
//! a newer pivot, and all that was fetched.

mod ancestor;
mod answers;
mod error;
mod headers;
mod interface;
pub mod limits;
mod peers;
mod probe;
mod queue;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use actoreum_primitives::{B256, U256};

use crate::state::{self, HashedValue, StateSync};
use crate::{HashedHeader, RawBody, RawReceipts, SyncProgress};
use ancestor::AncestorSearch;
use headers::HeaderFetch;
use limits::{MAX_EXPIRED_IN_A_ROW, PAUSE_AFTER_FAILURE, POINTS_SLOW, SLOW_ANSWER, TRIAL_TIME};
use peers::{Peers, RequestKind};
use queue::BlockQueue;

pub use error::SyncError;
pub use interface::*;
pub use peers::{PeerHead, ServedData};

pub use crate::sync_peer_id::SyncPeerId;

/// A request whose answer is awaited.
#[derive(Debug)]
struct Pending {
    peer: SyncPeerId,
    kind: RequestKind,
    task: Task,
    sent: Duration,
    deadline: Duration,
    /// True if another peer may be asked for the same.
    is_shared: bool,
}

/// Purpose of a request.
#[derive(Debug)]
enum Task {
    /// The header of the head that the peer announced.
    Probe(PeerHead),
    Ancestor,
    Master,
    Gap(u64),
    Parts(Vec<u64>),
    State(Vec<(state::ValueKind, B256)>),
}

/// A running sync.
#[derive(Debug)]
struct Sync {
    master: SyncPeerId,
    claimed_head: PeerHead,
    starting_block: u64,
    height: u64,
    is_fast: bool,
    stage: Stage,
    /// Time at which another peer becomes the master, unless this one delivers.
    stalls_at: Duration,
    /// Start of the imports that are running; their time does not count against the master.
    imports_since: Option<Duration>,
}

#[derive(Debug)]
enum Stage {
    /// The height is known.
    Started,
    Ancestor(AncestorSearch),
    Content(Box<Content>),
}

#[derive(Debug)]
struct Content {
    headers: HeaderFetch,
    queue: BlockQueue,
    /// Total difficulty of the newest header that has been queued.
    total: U256,
    /// The fast part of the sync, until the pivot's state is committed.
    fast: Option<Fast>,
}

/// The first part of a fast sync.
#[derive(Debug)]
struct Fast {
    /// Number of the block whose state is fetched, and its hash once its header is known.
    pivot: u64,
    hash: Option<B256>,
    state: Option<StateSync>,
    /// The values that are being written, with the id of the write.
    writing: Option<(u64, Vec<(state::ValueKind, B256)>)>,
    committing: Option<u64>,
}

impl Content {
    /// Returns the number of the last block that is stored with its receipts and not executed;
    /// `None` if all are executed.
    fn pivot(&self) -> Option<u64> {
        self.fast.as_ref().map(|fast| fast.pivot)
    }
}

/// The downloader; see the [module](self).
#[derive(Debug, Default)]
pub struct Downloader {
    mode: Mode,
    /// Number of fast syncs in a row that found no state value.
    stateless: u32,
    /// Pivot of the last fast sync.
    last_pivot: Option<u64>,
    peers: Peers,
    sync: Option<Sync>,
    pending: BTreeMap<RequestId, Pending>,
    actions: VecDeque<Action>,
    next_request: RequestId,
    next_window: u64,
    /// Windows that are being imported, also of a sync that has ended: the next sync begins when
    /// the local head is known.
    importing: VecDeque<u64>,
    /// No sync begins before this time.
    pause_until: Duration,
    /// Time at which further peers are asked for the header of their head; `None` if no peer was
    /// asked yet.
    next_probe: Option<Duration>,
    /// Number of syncs in a row that failed.
    failures: u32,
}

impl Downloader {
    /// Creates a downloader without peers.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }

    /// Returns the next action.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns the time at which [`Self::on_time`] must be called at the latest.
    pub fn next_deadline(&self) -> Option<Duration> {
        let requests = self.pending.values().map(|pending| pending.deadline);
        let trials = self.pending.values().filter(|it| self.is_trial(it));
        let trials = trials.map(|pending| pending.sent.saturating_add(TRIAL_TIME));
        let is_pausing = self.sync.is_none() && self.importing.is_empty();
        let pause = is_pausing.then_some(self.pause_until);
        let pause = pause.filter(|time| !time.is_zero());
        let probe = self.next_probe.filter(|_| is_pausing);
        let stall = self.sync.as_ref().filter(|_| self.importing.is_empty());
        let stall = stall.map(|sync| sync.stalls_at);
        let timers = pause.into_iter().chain(probe).chain(stall);
        requests.chain(trials).chain(timers).min()
    }

    /// Returns the progress of the running sync.
    pub fn progress(&self, chain: &dyn LocalChain) -> Option<SyncProgress> {
        let sync = self.sync.as_ref()?;
        let fast_block = chain.current_fast_block().filter(|_| sync.is_fast);
        let current = fast_block.map_or_else(|| chain.head_number(), |(number, _)| number);
        let state = match &sync.stage {
            Stage::Content(content) => content.fast.as_ref().and_then(|fast| fast.state.as_ref()),
            _ => None,
        };
        Some(SyncProgress {
            starting_block: sync.starting_block,
            current_block: current,
            highest_block: sync.height.max(current),
            pulled_states: state.map_or(0, StateSync::pulled),
            known_states: state.map_or(0, StateSync::known),
        })
    }

    /// Adds a peer, or updates what it announced as its head.
    pub fn on_peer(
        &mut self,
        peer: SyncPeerId,
        head: PeerHead,
        serves: ServedData,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        self.peers.upsert(peer, head, serves);
        self.advance(chain, now);
    }

    /// Removes a peer that disconnected.
    pub fn on_peer_left(&mut self, peer: SyncPeerId, chain: &dyn LocalChain, now: Duration) {
        if self.peers.remove(peer) {
            self.forget_peer(peer, now);
            self.advance(chain, now);
        }
    }

    /// Returns the peers.
    pub fn peers(&self) -> Vec<SyncPeerId> {
        self.peers.keys()
    }

    /// Cancels the running sync.
    pub fn cancel(&mut self, now: Duration) {
        self.end(Err(SyncError::Canceled), now);
    }

    /// Ends requests whose time is over, and moves on.
    pub fn on_time(&mut self, chain: &dyn LocalChain, now: Duration) {
        let expired: Vec<RequestId> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.deadline <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in expired {
            self.unanswered(id, RequestFailure::Expired, now);
        }
        self.advance(chain, now);
    }

    /// Takes the failure of a request.
    pub fn on_request_failed(
        &mut self,
        id: RequestId,
        why: RequestFailure,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        self.unanswered(id, why, now);
        self.advance(chain, now);
    }

    /// Takes an answer with headers.
    pub fn on_headers(
        &mut self,
        id: RequestId,
        headers: Vec<HashedHeader>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        if let Some(pending) = self.take_pending(id) {
            let took = now.saturating_sub(pending.sent);
            let peer = pending.peer;
            self.peers
                .measure(peer, RequestKind::Headers, headers.len(), took);
            self.take_headers(pending, headers, chain, now);
        }
        self.advance(chain, now);
    }

    /// Takes an answer with bodies.
    pub fn on_bodies(
        &mut self,
        id: RequestId,
        bodies: Vec<RawBody>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        if let Some(pending) = self.take_pending(id) {
            self.take_parts(pending, RequestKind::Bodies, bodies, now);
        }
        self.advance(chain, now);
    }

    /// Takes an answer with receipts.
    pub fn on_receipts(
        &mut self,
        id: RequestId,
        receipts: Vec<RawReceipts>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        if let Some(pending) = self.take_pending(id) {
            self.take_parts(pending, RequestKind::Receipts, receipts, now);
        }
        self.advance(chain, now);
    }

    /// Takes an answer with trie nodes and codes.
    pub fn on_values(
        &mut self,
        id: RequestId,
        values: Vec<HashedValue>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        if let Some(pending) = self.take_pending(id) {
            self.take_values(pending, values, chain, now);
        }
        self.advance(chain, now);
    }

    /// Takes the result of [`Action::WriteState`].
    pub fn on_written(
        &mut self,
        id: u64,
        result: Result<(), String>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        let fast = self.content().and_then(|content| content.fast.as_mut());
        if let Some(fast) = fast
            && let Some((_, values)) = fast.writing.take_if(|(writing, _)| *writing == id)
        {
            match (result, &mut fast.state) {
                (Ok(()), Some(state)) => state.written(&values),
                (Ok(()), None) => {}
                (Err(why), _) => self.end(Err(SyncError::ImportStopped(why)), now),
            }
        }
        self.advance(chain, now);
    }

    /// Takes the result of [`Action::Import`], [`Action::InsertReceiptChain`] or
    /// [`Action::CommitPivotState`].
    pub fn on_imported(
        &mut self,
        window: u64,
        result: Result<(), ImportFailure>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        if result.is_ok()
            && let Some(content) = self.content()
            && content.fast.as_ref().and_then(|fast| fast.committing) == Some(window)
        {
            content.fast = None;
        }
        let known = self.importing.iter().position(|id| *id == window);
        let known = known.and_then(|index| self.importing.remove(index));
        self.note_import_end(now);
        if known.is_some()
            && let Err(failure) = result
        {
            let error = match failure {
                ImportFailure::InvalidBlock {
                    number,
                    hash,
                    reason,
                } => SyncError::InvalidBlock {
                    number,
                    hash,
                    reason,
                },
                ImportFailure::Stopped(why) => SyncError::ImportStopped(why),
            };
            self.end(Err(error), now);
        }
        self.advance(chain, now);
    }

    /// Removes an ended request from the pending ones.
    fn take_pending(&mut self, id: RequestId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.peers.mark_idle(pending.peer, pending.kind, id);
        Some(pending)
    }

    fn unanswered(&mut self, id: RequestId, why: RequestFailure, now: Duration) {
        let Some(pending) = self.take_pending(id) else {
            return;
        };
        let peer = pending.peer;
        self.requeue(pending.kind, &pending.task);
        match why {
            RequestFailure::Unreadable => {}
            RequestFailure::Disconnected => {
                self.peers.remove(peer);
                self.forget_peer(peer, now);
            }
            RequestFailure::Malformed => {
                self.drop_peer(
                    peer,
                    SyncError::BadPeer("an answer that does not decode"),
                    now,
                );
            }
            RequestFailure::Expired => {
                let in_a_row = self.peers.expire(peer, pending.kind);
                let is_of_master =
                    matches!(pending.task, Task::Probe(_) | Task::Ancestor | Task::Master);
                if is_of_master || in_a_row >= MAX_EXPIRED_IN_A_ROW {
                    self.drop_peer(peer, SyncError::Timeout, now);
                } else {
                    self.penalise(peer, POINTS_SLOW, "a request expired");
                }
            }
        }
    }

    /// Makes what a request asked for available for other peers.
    fn requeue(&mut self, kind: RequestKind, task: &Task) {
        let Some(content) = self.content() else {
            return;
        };
        match task {
            Task::Gap(first) => content.headers.gap_unanswered(*first),
            Task::Parts(numbers) => content.queue.requeue(kind, numbers),
            Task::State(values) => {
                if let Some(state) = content.fast.as_mut().and_then(|fast| fast.state.as_mut()) {
                    state.requeue(values);
                }
            }
            Task::Master => content.headers.master_unanswered(),
            Task::Probe(_) | Task::Ancestor => {}
        }
    }

    fn content(&mut self) -> Option<&mut Content> {
        match self.sync.as_mut().map(|sync| &mut sync.stage) {
            Some(Stage::Content(content)) => Some(content),
            _ => None,
        }
    }

    /// Ends the running sync, and drops its master if the master is to blame.
    fn end(&mut self, result: Result<(), SyncError>, now: Duration) {
        let Some(sync) = self.sync.take() else {
            return;
        };
        // A peer that was asked for its head still has to answer.
        let is_probe = |pending: &Pending| matches!(pending.task, Task::Probe(_));
        let is_late = |it: &&Pending| now.saturating_sub(it.sent) >= SLOW_ANSWER && !is_probe(it);
        for late in self.pending.values().filter(is_late) {
            self.peers.mark_slow(late.peer, late.kind);
        }
        self.pending.retain(|_, pending| is_probe(pending));
        let pending = &self.pending;
        self.peers
            .forget_requests(|request| pending.contains_key(&request));
        self.note_outcome(sync.master, &result);
        if let Err(error) = &result {
            self.pause_until = now.saturating_add(PAUSE_AFTER_FAILURE);
            if error.blames_master() && self.peers.remove(sync.master) {
                self.actions.push_back(Action::DropPeer {
                    peer: sync.master,
                    reason: error.clone(),
                });
            }
        }
        self.actions.push_back(Action::Ended(result));
    }

    fn drop_peer(&mut self, peer: SyncPeerId, reason: SyncError, now: Duration) {
        if self.sync.as_ref().is_some_and(|sync| sync.master == peer) {
            return self.end(Err(reason), now);
        }
        if self.peers.remove(peer) {
            self.actions.push_back(Action::DropPeer { peer, reason });
            self.forget_peer(peer, now);
        }
    }

    /// Makes what a peer was asked for available for others. Ends the sync if the peer was its
    /// master.
    fn forget_peer(&mut self, peer: SyncPeerId, now: Duration) {
        let of_peer = |pending: &Pending| pending.peer == peer;
        let gone: Vec<RequestId> = self
            .pending
            .iter()
            .filter(|(_, pending)| of_peer(pending))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            if let Some(pending) = self.pending.remove(&id) {
                self.requeue(pending.kind, &pending.task);
            }
        }
        if self.sync.as_ref().is_some_and(|sync| sync.master == peer) {
            self.end(Err(SyncError::NoPeers), now);
        }
    }

    fn penalise(&mut self, peer: SyncPeerId, points: i64, why: &'static str) {
        self.actions
            .push_back(Action::Penalise { peer, points, why });
    }

    /// Counts points against a peer if it claims at least the total difficulty of the master. A
    /// peer that is behind need not have what it is asked for.
    fn penalise_if_claimed(&mut self, peer: SyncPeerId, points: i64, why: &'static str) {
        let needed = self
            .sync
            .as_ref()
            .map(|sync| sync.claimed_head.total_difficulty);
        let claimed = self.peers.get(peer).map(|peer| peer.head.total_difficulty);
        if claimed >= needed {
            self.penalise(peer, points, why);
        }
    }
}
