//! The downloader: fetches the chain of the peer with the most total difficulty, with the help of
//! all others.
//!
//! ```text
//!   probe -> common ancestor -> headers (skeleton, fill) -> bodies -> windows -> import
//!   |        '- from the peer that is followed -'   '------ from all peers -----'
//!   '- of several: who has the head that it promises
//! ```
//!
//! Who is followed must deliver: a peer is followed when it has shown the header of its head, and
//! as long as it keeps us waiting no more than its deliveries are worth ([`limits::STALL_WINDOW`]).
//! With `n` peers that promise everything and deliver nothing, one that does deliver is followed
//! after `n` times that window at the most, and after a few seconds where they are silent.
//!
//! A [`Downloader`] is told what happens (peers come and go, answers arrive, time passes, an
//! import ends) and asked what to do ([`Downloader::next_action`]). It has no clock: times are
//! since whenever its driver likes. The same calls give the same actions.
//!
//! What it holds is bounded, whatever peers send: [`limits`].
//!
//! A fast sync ([`Mode::Fast`]) of an empty chain fetches receipts with the blocks up to the pivot,
//! 64 below the head, and beside them the state after it. Those blocks are kept, not executed; when
//! the state is whole it is adopted, and the rest goes on as a full sync. A pivot whose state
//! nobody has any more ends the sync; the next one has a newer pivot, and all that was fetched.

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
use crate::{BodyParcel, HashedHeader, ReceiptsParcel, SyncProgress};
use ancestor::AncestorSearch;
use headers::HeaderFetch;
use limits::{EXPIRED_IN_A_ROW, PAUSE_AFTER_FAILURE, POINTS_SLOW, SLOW_ANSWER, TRIAL_TIME};
use peers::{Kind, Peers};
use queue::BlockQueue;

pub use error::SyncError;
pub use interface::*;
pub use peers::{PeerHead, PeerKey, Serves};

/// A request whose answer is awaited.
#[derive(Debug)]
struct Pending {
    peer: PeerKey,
    kind: Kind,
    task: Task,
    sent: Duration,
    deadline: Duration,
    /// What it asks for may be asked of others, too.
    is_shared: bool,
}

/// What a request was for.
#[derive(Debug)]
enum Task {
    /// The header of the head that the peer promised.
    Probe(PeerHead),
    Ancestor,
    Master,
    Gap(u64),
    Parts(Vec<u64>),
    State(Vec<(state::Kind, B256)>),
}

/// A sync.
#[derive(Debug)]
struct Sync {
    master: PeerKey,
    promised: PeerHead,
    began_at: u64,
    height: u64,
    is_fast: bool,
    stage: Stage,
    /// When another peer is followed, unless the one that is followed delivers.
    stalls_at: Duration,
    /// Since when blocks are imported: that time is not counted.
    imports_since: Option<Duration>,
}

#[derive(Debug)]
enum Stage {
    /// The height is known.
    Begun,
    Ancestor(AncestorSearch),
    Content(Box<Content>),
}

#[derive(Debug)]
struct Content {
    headers: HeaderFetch,
    queue: BlockQueue,
    /// The total difficulty of the newest header that is queued or was.
    total: U256,
    /// Until the pivot's state is ours.
    fast: Option<Fast>,
}

/// The first part of a fast sync.
#[derive(Debug)]
struct Fast {
    /// The block whose state is fetched, and its hash once its header is there.
    pivot: u64,
    hash: Option<B256>,
    state: Option<StateSync>,
    /// What is being written, under its id.
    writing: Option<(u64, Vec<(state::Kind, B256)>)>,
    adopting: Option<u64>,
}

impl Content {
    /// The last block that is kept and not executed; `None`: all are executed.
    fn pivot(&self) -> Option<u64> {
        self.fast.as_ref().map(|fast| fast.pivot)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Downloader {
    mode: Mode,
    /// Fast syncs in a row that found no state value.
    stateless: u32,
    /// Of the last fast sync.
    last_pivot: Option<u64>,
    peers: Peers,
    sync: Option<Sync>,
    pending: BTreeMap<RequestId, Pending>,
    actions: VecDeque<Action>,
    next_request: RequestId,
    next_window: u64,
    /// Windows that are being imported, also of a sync that has ended: the next one begins when
    /// it is known where our head is.
    importing: VecDeque<u64>,
    /// No sync begins before.
    pause_until: Duration,
    /// When further peers are asked for the header of their head; `None`: nobody was asked yet.
    next_probe: Option<Duration>,
    /// Syncs in a row that came to nothing.
    failures: u32,
}

impl Downloader {
    /// Without peers.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }

    /// What to do next.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Self::on_time`] must be called at the latest.
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

    /// How far the sync is, where there is one.
    pub fn progress(&self, chain: &dyn LocalChain) -> Option<SyncProgress> {
        let sync = self.sync.as_ref()?;
        let kept = chain.newest_kept().filter(|_| sync.is_fast);
        let current = kept.map_or_else(|| chain.head_number(), |(number, _)| number);
        let state = match &sync.stage {
            Stage::Content(content) => content.fast.as_ref().and_then(|fast| fast.state.as_ref()),
            _ => None,
        };
        Some(SyncProgress {
            starting_block: sync.began_at,
            current_block: current,
            highest_block: sync.height.max(current),
            pulled_states: state.map_or(0, StateSync::pulled),
            known_states: state.map_or(0, StateSync::known),
        })
    }

    /// A peer joined, or says something else of its head.
    pub fn on_peer(
        &mut self,
        peer: PeerKey,
        head: PeerHead,
        serves: Serves,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        self.peers.upsert(peer, head, serves);
        self.pump(chain, now);
    }

    /// A peer has gone.
    pub fn on_peer_gone(&mut self, peer: PeerKey, chain: &dyn LocalChain, now: Duration) {
        if self.peers.remove(peer) {
            self.forget_peer(peer, now);
            self.pump(chain, now);
        }
    }

    /// The peers that it knows.
    pub fn peers(&self) -> Vec<PeerKey> {
        self.peers.keys()
    }

    /// Ends the sync.
    pub fn cancel(&mut self, now: Duration) {
        self.end(Err(SyncError::Canceled), now);
    }

    /// Time has passed.
    pub fn on_time(&mut self, chain: &dyn LocalChain, now: Duration) {
        let expired: Vec<RequestId> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.deadline <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in expired {
            self.unanswered(id, Unanswered::Expired, now);
        }
        self.pump(chain, now);
    }

    /// A request has no answer.
    pub fn on_unanswered(
        &mut self,
        id: RequestId,
        why: Unanswered,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        self.unanswered(id, why, now);
        self.pump(chain, now);
    }

    /// A peer sent headers.
    pub fn on_headers(
        &mut self,
        id: RequestId,
        headers: Vec<HashedHeader>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        if let Some(pending) = self.settle(id) {
            let took = now.saturating_sub(pending.sent);
            let peer = pending.peer;
            self.peers.measure(peer, Kind::Headers, headers.len(), took);
            self.take_headers(pending, headers, chain, now);
        }
        self.pump(chain, now);
    }

    /// A peer sent bodies.
    pub fn on_bodies(
        &mut self,
        id: RequestId,
        bodies: Vec<BodyParcel>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        if let Some(pending) = self.settle(id) {
            self.take_parts(pending, Kind::Bodies, bodies, now);
        }
        self.pump(chain, now);
    }

    /// A peer sent receipts.
    pub fn on_receipts(
        &mut self,
        id: RequestId,
        receipts: Vec<ReceiptsParcel>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        if let Some(pending) = self.settle(id) {
            self.take_parts(pending, Kind::Receipts, receipts, now);
        }
        self.pump(chain, now);
    }

    /// A peer sent trie nodes and codes.
    pub fn on_values(
        &mut self,
        id: RequestId,
        values: Vec<HashedValue>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        if let Some(pending) = self.settle(id) {
            self.take_values(pending, values, chain, now);
        }
        self.pump(chain, now);
    }

    /// Pieces of a state were written, or could not be.
    pub fn on_written(
        &mut self,
        id: u64,
        result: Result<(), String>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        let fast = self.content().and_then(|content| content.fast.as_mut());
        if let Some(fast) = fast
            && let Some((_, pieces)) = fast.writing.take_if(|(writing, _)| *writing == id)
        {
            match (result, &mut fast.state) {
                (Ok(()), Some(state)) => state.written(&pieces),
                (Ok(()), None) => {}
                (Err(why), _) => self.end(Err(SyncError::ImportStopped(why)), now),
            }
        }
        self.pump(chain, now);
    }

    /// A window was imported, or not.
    pub fn on_imported(
        &mut self,
        window: u64,
        result: Result<(), ImportFailure>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        if result.is_ok()
            && let Some(content) = self.content()
            && content.fast.as_ref().and_then(|fast| fast.adopting) == Some(window)
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
                ImportFailure::Bad {
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
        self.pump(chain, now);
    }

    /// The request is over; what it was.
    fn settle(&mut self, id: RequestId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.peers.mark_idle(pending.peer, pending.kind, id);
        Some(pending)
    }

    fn unanswered(&mut self, id: RequestId, why: Unanswered, now: Duration) {
        let Some(pending) = self.settle(id) else {
            return;
        };
        let peer = pending.peer;
        self.take_back(pending.kind, &pending.task);
        match why {
            Unanswered::Unread => {}
            Unanswered::Gone => {
                self.peers.remove(peer);
                self.forget_peer(peer, now);
            }
            Unanswered::Garbage => {
                self.drop_peer(
                    peer,
                    SyncError::BadPeer("an answer that does not decode"),
                    now,
                );
            }
            Unanswered::Expired => {
                let in_a_row = self.peers.expire(peer, pending.kind);
                let is_followed =
                    matches!(pending.task, Task::Probe(_) | Task::Ancestor | Task::Master);
                match is_followed || in_a_row >= EXPIRED_IN_A_ROW {
                    true => self.drop_peer(peer, SyncError::Timeout, now),
                    false => self.penalise(peer, POINTS_SLOW, "a request expired"),
                }
            }
        }
    }

    /// What was asked for can be asked of others.
    fn take_back(&mut self, kind: Kind, task: &Task) {
        let Some(content) = self.content() else {
            return;
        };
        match task {
            Task::Gap(first) => content.headers.gap_unanswered(*first),
            Task::Parts(numbers) => content.queue.give_back(kind, numbers),
            Task::State(values) => {
                if let Some(state) = content.fast.as_mut().and_then(|fast| fast.state.as_mut()) {
                    state.give_back(values);
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

    /// Ends the sync, if there is one, and blames who is to blame.
    fn end(&mut self, result: Result<(), SyncError>, now: Duration) {
        let Some(sync) = self.sync.take() else {
            return;
        };
        // Who was asked for its head still has to answer.
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
                self.actions.push_back(Action::Drop {
                    peer: sync.master,
                    reason: error.clone(),
                });
            }
        }
        self.actions.push_back(Action::Ended(result));
    }

    fn drop_peer(&mut self, peer: PeerKey, reason: SyncError, now: Duration) {
        if self.sync.as_ref().is_some_and(|sync| sync.master == peer) {
            return self.end(Err(reason), now);
        }
        if self.peers.remove(peer) {
            self.actions.push_back(Action::Drop { peer, reason });
            self.forget_peer(peer, now);
        }
    }

    /// What a peer that has gone was asked for is free again.
    fn forget_peer(&mut self, peer: PeerKey, now: Duration) {
        let of_peer = |pending: &Pending| pending.peer == peer;
        let gone: Vec<RequestId> = self
            .pending
            .iter()
            .filter(|(_, pending)| of_peer(pending))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            if let Some(pending) = self.pending.remove(&id) {
                self.take_back(pending.kind, &pending.task);
            }
        }
        if self.sync.as_ref().is_some_and(|sync| sync.master == peer) {
            self.end(Err(SyncError::NoPeers), now);
        }
    }

    fn penalise(&mut self, peer: PeerKey, points: i64, why: &'static str) {
        self.actions
            .push_back(Action::Penalise { peer, points, why });
    }

    /// Counts something against a peer that says to have as much as the one that is followed. One
    /// that is behind cannot have what it is asked for.
    fn blame_if_it_should(&mut self, peer: PeerKey, points: i64, why: &'static str) {
        let promised = self
            .sync
            .as_ref()
            .map(|sync| sync.promised.total_difficulty);
        let claimed = self.peers.get(peer).map(|peer| peer.head.total_difficulty);
        if claimed >= promised {
            self.penalise(peer, points, why);
        }
    }
}
