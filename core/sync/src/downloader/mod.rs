//! The downloader: fetches the chain of the peer with the most total difficulty, with the help of
//! all others.
//!
//! ```text
//!   height -> common ancestor -> headers (skeleton, fill) -> bodies -> windows -> import
//!   '- from the peer that is followed -'   '------ from all peers -----'
//! ```
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
mod error;
mod headers;
pub mod limits;
mod peers;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use actoreum_primitives::{B256, U256};
use tracing::debug;

use crate::parcel::Parcel;
use crate::state::{self, HashedValue, Piece, StateStore, StateSync};
use crate::{BlockParcel, BodyParcel, HashedHeader, ReceiptsParcel, SyncProgress};
use ancestor::{AncestorSearch, Step};
use headers::{Fault, HeaderFetch};
use limits::{
    EXPIRED_IN_A_ROW, HEADERS_PER_REQUEST, PAUSE_AFTER_FAILURE, PIVOT_DEPTH, POINTS_EMPTY,
    POINTS_OTHER_CHAIN, POINTS_SLOW, QUEUED_HEADER_BYTES, QUEUED_HEADERS, STATE_COMMIT_BYTES,
    STATELESS_SYNCS, WINDOWS_AHEAD, WORTHWHILE_BLOCKS, WORTHWHILE_BYTES,
};
use peers::{Kind, Peers};
use queue::BlockQueue;

pub use error::SyncError;
pub use peers::{PeerHead, PeerKey, Serves};

/// Joins an answer to its request.
pub type RequestId = u64;

/// How a chain is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Every block is executed.
    #[default]
    Full,
    /// An empty chain begins with a state that peers have.
    Fast,
}

/// Our chain, as far as a sync must know it.
pub trait LocalChain: StateStore {
    /// The number of our head.
    fn head_number(&self) -> u64;
    /// The sum of the difficulties up to our head.
    fn total_difficulty(&self) -> U256;
    /// The sum of the difficulties up to a block that we have.
    fn total_difficulty_of(&self, hash: &B256) -> Option<U256>;
    /// Whether we have this block, canonical or not. Not where it is only kept.
    fn has_block(&self, hash: &B256, number: u64) -> bool;
    /// The number and the hash of the newest block that is kept without its state, above the head.
    fn newest_kept(&self) -> Option<(u64, B256)>;
    /// Whether a block is kept without its state.
    fn is_kept(&self, hash: &B256, number: u64) -> bool;
    /// The state root of a block that we have or keep.
    fn state_root(&self, hash: &B256) -> Option<B256>;
    /// The hash of the canonical block with this number.
    fn canonical_hash(&self, number: u64) -> Option<B256>;
}

/// Which headers a peer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderQuery {
    /// The number of the first.
    pub first: u64,
    /// How many.
    pub amount: u64,
    /// How many blocks to leave out between two.
    pub skip: u64,
    /// Towards genesis.
    pub reverse: bool,
}

impl HeaderQuery {
    fn up(first: u64, amount: u64) -> Self {
        Self {
            first,
            amount,
            skip: 0,
            reverse: false,
        }
    }

    fn down(first: u64, amount: u64) -> Self {
        Self {
            reverse: true,
            ..Self::up(first, amount)
        }
    }
}

/// What a peer is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// The header with this hash.
    Header(B256),
    /// Headers by number.
    Headers(HeaderQuery),
    /// The bodies of blocks.
    Bodies(Vec<B256>),
    /// The receipts of blocks.
    Receipts(Vec<B256>),
    /// Trie nodes and codes.
    Values(Vec<B256>),
}

/// What a driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask a peer; its answer goes to [`Downloader::on_headers`], [`Downloader::on_bodies`],
    /// [`Downloader::on_receipts`] or [`Downloader::on_values`], its failure to
    /// [`Downloader::on_unanswered`].
    Request {
        /// To be named with the answer.
        id: RequestId,
        /// Whom to ask.
        peer: PeerKey,
        /// For what.
        query: Query,
        /// How long the downloader will wait.
        patience: Duration,
    },
    /// Import these blocks; how that ended goes to [`Downloader::on_imported`]. Windows are
    /// imported in the order in which they come.
    Import(Window),
    /// Keep these blocks with their receipts, without executing them; otherwise as an import.
    Keep(Window),
    /// Write pieces of a state, durably, in this order; then comes [`Downloader::on_written`].
    WriteState {
        /// To be named when they are written.
        id: u64,
        /// The pieces.
        pieces: Vec<Piece>,
    },
    /// Make the state of a kept block ours and the block the head; how that ended goes to
    /// [`Downloader::on_imported`].
    Adopt {
        /// To be named with how it ended.
        id: u64,
        /// The block's hash.
        hash: B256,
    },
    /// Send a peer away. It is no peer of the downloader's any more.
    Drop {
        /// Whom.
        peer: PeerKey,
        /// Why.
        reason: SyncError,
    },
    /// Count something against a peer.
    Penalise {
        /// Whom.
        peer: PeerKey,
        /// How much; 100 is enough to send it away.
        points: i64,
        /// What for.
        why: &'static str,
    },
    /// A sync began.
    Started {
        /// The peer that it follows.
        master: PeerKey,
    },
    /// The sync ended.
    Ended(Result<(), SyncError>),
}

/// Blocks to import together, each the child of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// To be named with how it ended.
    pub id: u64,
    /// The blocks, ascending; never none.
    pub blocks: Vec<BlockParcel>,
}

/// Why a window was not imported to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportFailure {
    /// A block breaks a rule.
    Bad {
        /// Its number.
        number: u64,
        /// Its hash.
        hash: B256,
        /// The rule.
        reason: String,
    },
    /// Nothing is known against the blocks.
    Stopped(String),
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// The peer let it expire, as its connection sees it.
    Expired,
    /// The peer has gone.
    Gone,
    /// The answer cannot be decoded.
    Garbage,
    /// The answer could not be read, for a reason of this node's.
    Unread,
}

/// A request whose answer is awaited.
#[derive(Debug)]
struct Pending {
    peer: PeerKey,
    kind: Kind,
    task: Task,
    sent: Duration,
    deadline: Duration,
}

/// What a request was for.
#[derive(Debug)]
enum Task {
    Height,
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
}

#[derive(Debug)]
enum Stage {
    Height,
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
        let is_pausing = self.sync.is_none() && self.importing.is_empty();
        let pause = is_pausing.then_some(self.pause_until);
        requests.chain(pause.filter(|time| !time.is_zero())).min()
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
        if known
            .and_then(|index| self.importing.remove(index))
            .is_some()
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
                    matches!(pending.task, Task::Height | Task::Ancestor | Task::Master);
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
            Task::Height | Task::Ancestor => {}
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
        self.pending.clear();
        self.peers.forget_requests();
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

    fn take_headers(
        &mut self,
        pending: Pending,
        headers: Vec<HashedHeader>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        let taken = match &pending.task {
            Task::Height => self.on_height(&headers, chain, now),
            Task::Ancestor => self.on_ancestor(&headers, chain, now),
            Task::Master => self.on_master_headers(headers, chain),
            Task::Gap(first) => return self.on_fill(pending.peer, *first, headers, chain, now),
            Task::Parts(_) | Task::State(_) => {
                self.take_back(pending.kind, &pending.task);
                Err(SyncError::BadPeer("another answer than asked for"))
            }
        };
        if let Err(error) = taken {
            self.drop_peer(pending.peer, error, now);
        }
    }

    fn on_height(
        &mut self,
        headers: &[HashedHeader],
        chain: &dyn LocalChain,
        now: Duration,
    ) -> Result<(), SyncError> {
        let Some(sync) = &mut self.sync else {
            return Ok(());
        };
        let [header] = headers else {
            return Err(match headers.is_empty() {
                true => SyncError::EmptyHeaderSet,
                false => SyncError::BadPeer("not the one header that was asked for"),
            });
        };
        if header.hash != sync.promised.hash {
            return Err(SyncError::BadPeer("another header than asked for"));
        }
        let number = header.header.number;
        sync.height = number;
        sync.is_fast &= number > PIVOT_DEPTH;
        let kept = chain.newest_kept().filter(|_| sync.is_fast);
        let local = kept.map_or_else(|| chain.head_number(), |(number, _)| number);
        if chain.canonical_hash(number) == Some(header.hash) {
            return self.begin_content((number, header.hash), chain);
        }
        if chain.has_block(&header.hash, number) {
            // It stands on a branch that should have become the chain: its import was cut short.
            let parent = (number.saturating_sub(1), header.header.parent_hash);
            return self.begin_content(parent, chain);
        }
        if let (0, Some(genesis)) = (local, chain.canonical_hash(0)) {
            // Both statuses named the same genesis block.
            return self.begin_content((0, genesis), chain);
        }
        let (search, query) = AncestorSearch::begin(local, number);
        sync.stage = Stage::Ancestor(search);
        self.ask_master_for(Task::Ancestor, Query::Headers(query), now);
        Ok(())
    }

    fn on_ancestor(
        &mut self,
        headers: &[HashedHeader],
        chain: &dyn LocalChain,
        now: Duration,
    ) -> Result<(), SyncError> {
        let Some(sync) = &mut self.sync else {
            return Ok(());
        };
        let is_fast = sync.is_fast;
        let Stage::Ancestor(search) = &mut sync.stage else {
            return Ok(());
        };
        let has = |header: &HashedHeader| {
            let (hash, number) = (&header.hash, header.header.number);
            chain.has_block(hash, number) || is_fast && chain.is_kept(hash, number)
        };
        match search.on_headers(headers, &has, chain.canonical_hash(0)) {
            Step::Ask(query) => {
                self.ask_master_for(Task::Ancestor, Query::Headers(query), now);
                Ok(())
            }
            Step::Found(number, hash) => self.begin_content((number, hash), chain),
            Step::Failed(error) => Err(error),
        }
    }

    fn begin_content(
        &mut self,
        ancestor: (u64, B256),
        chain: &dyn LocalChain,
    ) -> Result<(), SyncError> {
        let Some(sync) = &mut self.sync else {
            return Ok(());
        };
        debug!(
            ancestor = ancestor.0,
            height = sync.height,
            "common ancestor found"
        );
        let total = chain.total_difficulty_of(&ancestor.1).unwrap_or_default();
        sync.began_at = ancestor.0;
        let target = (sync.height, sync.promised.hash);
        let mut fast = sync.is_fast.then(|| Fast {
            pivot: sync.height.saturating_sub(PIVOT_DEPTH).max(ancestor.0),
            hash: None,
            state: None,
            writing: None,
            adopting: None,
        });
        if let Some(fast) = &mut fast
            && fast.pivot == ancestor.0
            && let Some(root) = chain.state_root(&ancestor.1)
        {
            fast.hash = Some(ancestor.1);
            fast.state = Some(StateSync::new(root, chain));
        }
        sync.stage = Stage::Content(Box::new(Content {
            headers: HeaderFetch::new(ancestor, target),
            queue: BlockQueue::new(ancestor.0 + 1),
            total,
            fast,
        }));
        Ok(())
    }

    fn on_master_headers(
        &mut self,
        headers: Vec<HashedHeader>,
        chain: &dyn LocalChain,
    ) -> Result<(), SyncError> {
        let Some(content) = self.content() else {
            return Ok(());
        };
        let taken = content.headers.on_master(headers);
        self.queue_headers(taken, chain)
    }

    /// Puts headers of the chain that is fetched into the queue.
    fn queue_headers(
        &mut self,
        taken: Result<Vec<HashedHeader>, Fault>,
        chain: &dyn LocalChain,
    ) -> Result<(), SyncError> {
        let headers = match taken {
            Ok(headers) => headers,
            Err(Fault::Lie(error)) => return Err(error),
            Err(Fault::Moved | Fault::OtherChain) => return Err(self.moved()),
        };
        let Some(content) = self.content() else {
            return Ok(());
        };
        for header in headers {
            let number = header.header.number;
            content.total = content.total.saturating_add(header.header.difficulty);
            if let Some(fast) = &mut content.fast
                && fast.pivot == number
            {
                fast.hash = Some(header.hash);
                fast.state = Some(StateSync::new(header.header.state_root, chain));
            }
            let is_kept = content.pivot().is_some_and(|pivot| number <= pivot);
            content.queue.push(header, is_kept);
        }
        Ok(())
    }

    /// The peer that is followed has another chain than before: a reorganisation, the first time.
    fn moved(&mut self) -> SyncError {
        let master = self.sync.as_ref().map(|sync| sync.master);
        let Some(peer) = master.and_then(|master| self.peers.get_mut(master)) else {
            return SyncError::ChainMoved;
        };
        match std::mem::replace(&mut peer.has_moved, true) {
            true => SyncError::InvalidChain("headers change from answer to answer"),
            false => SyncError::ChainMoved,
        }
    }

    fn on_fill(
        &mut self,
        peer: PeerKey,
        first: u64,
        headers: Vec<HashedHeader>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        let Some(content) = self.content() else {
            return;
        };
        let is_empty = headers.is_empty();
        match content.headers.on_fill(first, headers) {
            Ok(()) => {}
            Err(Fault::Lie(error)) => return self.drop_peer(peer, error, now),
            Err(Fault::Moved | Fault::OtherChain) => {
                if self.sync.as_ref().is_some_and(|sync| sync.master == peer) {
                    let error = SyncError::InvalidChain("headers do not lead to their anchor");
                    return self.drop_peer(peer, error, now);
                }
                self.peers.give_up(peer, Kind::Headers);
                return match is_empty {
                    true => self.blame_if_it_should(peer, POINTS_EMPTY, "no headers"),
                    false => {
                        self.blame_if_it_should(
                            peer,
                            POINTS_OTHER_CHAIN,
                            "headers of another chain",
                        );
                    }
                };
            }
        }
        let Some(content) = self.content() else {
            return;
        };
        let filled = content.headers.take_filled();
        if let Err(error) = self.queue_headers(filled, chain) {
            let master = self.sync.as_ref().map(|sync| sync.master);
            self.drop_peer(master.unwrap_or(peer), error, now);
        }
    }

    fn take_parts<P: Parcel>(
        &mut self,
        pending: Pending,
        kind: Kind,
        parts: Vec<P>,
        now: Duration,
    ) {
        let peer = pending.peer;
        let (Task::Parts(numbers), true) = (&pending.task, pending.kind == kind) else {
            self.take_back(pending.kind, &pending.task);
            return self.drop_peer(
                peer,
                SyncError::BadPeer("another answer than asked for"),
                now,
            );
        };
        let Some(content) = self.content() else {
            return;
        };
        let delivery = content.queue.deliver(kind, numbers, parts);
        if delivery.has_junk {
            let reason = match kind {
                Kind::Receipts => SyncError::InvalidReceipt,
                _ => SyncError::InvalidBody,
            };
            return self.drop_peer(peer, reason, now);
        }
        let took = now.saturating_sub(pending.sent);
        let is_useless = self.peers.measure(peer, kind, delivery.taken, took);
        let missing = match delivery.taken {
            0 => numbers.as_slice(),
            // What stood behind the last one may have found no room in the answer.
            _ => numbers.get(..delivery.behind_last).unwrap_or_default(),
        };
        let lacking = missing
            .iter()
            .copied()
            .filter(|number| self.is_wanted(kind, *number));
        let lacking: Vec<u64> = lacking.collect();
        self.peers.mark_lacking(peer, kind, lacking.into_iter());
        if delivery.taken == 0 {
            let why = match kind {
                Kind::Receipts => "no receipts",
                _ => "no bodies",
            };
            self.blame_if_it_should(peer, POINTS_EMPTY, why);
        }
        if is_useless {
            self.peers.give_up(peer, kind);
        }
    }

    fn is_wanted(&self, kind: Kind, number: u64) -> bool {
        match self.sync.as_ref().map(|sync| &sync.stage) {
            Some(Stage::Content(content)) => content.queue.is_wanted(kind, number),
            _ => false,
        }
    }

    fn take_values(
        &mut self,
        pending: Pending,
        values: Vec<HashedValue>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        let peer = pending.peer;
        let Task::State(asked) = &pending.task else {
            self.take_back(pending.kind, &pending.task);
            return self.drop_peer(
                peer,
                SyncError::BadPeer("another answer than asked for"),
                now,
            );
        };
        let Some(state) = self.state() else {
            return;
        };
        let taken = state.deliver(peer, asked, values, chain);
        let took = now.saturating_sub(pending.sent);
        match taken {
            Ok(taken) => {
                self.peers.measure(peer, Kind::State, taken, took);
            }
            Err(state::Junk) => {
                self.drop_peer(peer, SyncError::BadPeer("state values not asked for"), now);
            }
        }
    }

    fn state(&mut self) -> Option<&mut StateSync> {
        self.content()?.fast.as_mut()?.state.as_mut()
    }

    /// Does whatever can be done now.
    fn pump(&mut self, chain: &dyn LocalChain, now: Duration) {
        self.start(chain, now);
        self.ask_for_headers(now);
        self.ask_for_parts(Kind::Bodies, now);
        self.ask_for_parts(Kind::Receipts, now);
        self.ask_for_state(now);
        self.hand_over();
        self.adopt();
        self.finish(chain, now);
        if self.sync.is_none() {
            self.start(chain, now);
        }
    }

    /// Begins a sync where somebody has more than we.
    fn start(&mut self, chain: &dyn LocalChain, now: Duration) {
        if self.sync.is_some() || !self.importing.is_empty() || now < self.pause_until {
            return;
        }
        self.pause_until = Duration::ZERO;
        let Some((master, promised)) = self.peers.best() else {
            return;
        };
        if promised.total_difficulty <= chain.total_difficulty() {
            return;
        }
        self.peers.begin_sync();
        self.sync = Some(Sync {
            master,
            promised,
            began_at: chain.head_number(),
            height: 0,
            is_fast: self.mode == Mode::Fast && chain.head_number() == 0,
            stage: Stage::Height,
        });
        self.actions.push_back(Action::Started { master });
        self.ask_master_for(Task::Height, Query::Header(promised.hash), now);
    }

    fn request(&mut self, peer: PeerKey, kind: Kind, task: Task, query: Query, now: Duration) {
        let id = self.next_request;
        self.next_request += 1;
        let patience = self.peers.patience(peer);
        self.peers.mark_busy(peer, kind, id);
        self.pending.insert(
            id,
            Pending {
                peer,
                kind,
                task,
                sent: now,
                deadline: now.saturating_add(patience),
            },
        );
        self.actions.push_back(Action::Request {
            id,
            peer,
            query,
            patience,
        });
    }

    fn ask_master_for(&mut self, task: Task, query: Query, now: Duration) {
        if let Some(master) = self.sync.as_ref().map(|sync| sync.master) {
            self.request(master, Kind::Headers, task, query, now);
        }
    }

    fn ask_for_headers(&mut self, now: Duration) {
        let Some(master) = self.sync.as_ref().map(|sync| sync.master) else {
            return;
        };
        let Some(content) = self.content() else {
            return;
        };
        if content.queue.len() >= QUEUED_HEADERS {
            return;
        }
        let held = content.queue.header_bytes() + content.headers.held_bytes();
        let is_full = held >= QUEUED_HEADER_BYTES;
        if !is_full && self.peers.is_idle(master, Kind::Headers) {
            let query = self.content().and_then(|it| it.headers.ask_master());
            if let Some(query) = query {
                self.ask_master_for(Task::Master, Query::Headers(query), now);
            }
        }
        let mut budget = QUEUED_HEADER_BYTES.saturating_sub(held) / GAP_BYTES;
        let Some(content) = self.content() else {
            return;
        };
        // The import can go on only when the first gap is filled.
        if content.queue.is_empty() {
            budget = budget.max(1);
        }
        let open: Vec<u64> = content.headers.open_gaps().take(budget).collect();
        let mut idle = self.peers.idle(Kind::Headers);
        for first in open {
            let able = |peer: &PeerKey| !self.peers.lacks(*peer, Kind::Headers, first);
            let Some(place) = idle.iter().position(able) else {
                break;
            };
            let peer = idle.remove(place);
            let Some(content) = self.content() else {
                return;
            };
            let query = content.headers.ask_gap(first);
            self.request(
                peer,
                Kind::Headers,
                Task::Gap(first),
                Query::Headers(query),
                now,
            );
        }
    }

    fn ask_for_parts(&mut self, kind: Kind, now: Duration) {
        if self.content().is_none() {
            return;
        }
        for peer in self.peers.idle(kind) {
            let capacity = self.peers.capacity(peer, kind);
            let Some(Sync {
                stage: Stage::Content(content),
                ..
            }) = &mut self.sync
            else {
                return;
            };
            let lacking = |number| self.peers.lacks(peer, kind, number);
            let numbers = content.queue.ask(kind, capacity, lacking);
            if numbers.is_empty() {
                continue;
            }
            let hashes = numbers
                .iter()
                .filter_map(|number| content.queue.hash(*number));
            let query = match kind {
                Kind::Receipts => Query::Receipts(hashes.collect()),
                _ => Query::Bodies(hashes.collect()),
            };
            self.request(peer, kind, Task::Parts(numbers), query, now);
        }
        let stuck = self.content().and_then(|it| it.queue.waits_for(kind));
        if let Some(number) = stuck
            && self.peers.all_lack(kind, number)
        {
            self.end(Err(SyncError::PeersUnavailable), now);
        }
    }

    /// Asks for values of the pivot's state, and has written what is whole.
    fn ask_for_state(&mut self, now: Duration) {
        if self.state().is_none() {
            return;
        }
        for peer in self.peers.idle(Kind::State) {
            let capacity = self.peers.capacity(peer, Kind::State);
            let asked = self.state().map(|state| state.ask(peer, capacity));
            let asked = asked.unwrap_or_default();
            if asked.is_empty() {
                continue;
            }
            let hashes = asked.iter().map(|(_, hash)| *hash).collect();
            self.request(
                peer,
                Kind::State,
                Task::State(asked),
                Query::Values(hashes),
                now,
            );
        }
        self.write_state();
        let able = self.peers.able(Kind::State);
        if let Some(state) = self.state()
            && state.is_stuck(&able)
        {
            let has_found = state.pulled() > 0;
            self.stateless = match has_found {
                true => 0,
                false => self.stateless + 1,
            };
            if self.stateless >= STATELESS_SYNCS {
                self.mode = Mode::Full;
            }
            self.end(Err(SyncError::StateUnavailable(able.len())), now);
        }
    }

    fn write_state(&mut self) {
        let id = self.next_window;
        let Some(fast) = self.content().and_then(|content| content.fast.as_mut()) else {
            return;
        };
        let Some(state) = &mut fast.state else {
            return;
        };
        let is_enough = state.finished_bytes() >= STATE_COMMIT_BYTES;
        let is_last = state.has_all() && state.finished_bytes() > 0;
        if fast.writing.is_some() || !(is_enough || is_last) {
            return;
        }
        let pieces = state.take_finished();
        let named = pieces.iter().map(|piece| (piece.kind, piece.hash));
        fast.writing = Some((id, named.collect()));
        self.next_window += 1;
        self.actions.push_back(Action::WriteState { id, pieces });
    }

    /// Has the state adopted that is whole, when all blocks up to its own are kept.
    fn adopt(&mut self) {
        let id = self.next_window;
        if !self.importing.is_empty() {
            return;
        }
        let Some(content) = self.content() else {
            return;
        };
        let first = content.queue.first();
        let Some(fast) = &mut content.fast else {
            return;
        };
        let is_whole = fast.state.as_ref().is_some_and(StateSync::is_done);
        let (Some(hash), true, None) = (fast.hash, is_whole && first > fast.pivot, fast.adopting)
        else {
            return;
        };
        fast.adopting = Some(id);
        self.next_window += 1;
        self.importing.push_back(id);
        self.actions.push_back(Action::Adopt { id, hash });
    }

    /// Hands whole blocks over for import.
    fn hand_over(&mut self) {
        while self.importing.len() < WINDOWS_AHEAD {
            let is_waited_for = self.importing.is_empty();
            let Some(content) = self.content() else {
                return;
            };
            let pivot = content.pivot();
            let first = content.queue.first();
            if pivot.is_some_and(|pivot| first > pivot) {
                return;
            }
            let (blocks, bytes) = content.queue.ready(pivot.unwrap_or(u64::MAX - 1));
            let ends = first.saturating_add(blocks as u64);
            let is_last = content.headers.is_done() && blocks == content.queue.len()
                || pivot.is_some_and(|pivot| ends > pivot);
            let is_worthwhile = blocks >= WORTHWHILE_BLOCKS || bytes >= WORTHWHILE_BYTES;
            if blocks == 0 || !(is_waited_for || is_last || is_worthwhile) {
                return;
            }
            let blocks = content.queue.take(blocks);
            let first = content.queue.first();
            self.peers.forget_lacking_below(first);
            let id = self.next_window;
            self.next_window += 1;
            self.importing.push_back(id);
            let window = Window { id, blocks };
            self.actions.push_back(match pivot {
                Some(_) => Action::Keep(window),
                None => Action::Import(window),
            });
        }
    }

    fn finish(&mut self, chain: &dyn LocalChain, now: Duration) {
        if !self.importing.is_empty() {
            return;
        }
        let Some(sync) = &self.sync else {
            return;
        };
        let Stage::Content(content) = &sync.stage else {
            return;
        };
        if !content.headers.is_done() || !content.queue.is_empty() || content.fast.is_some() {
            return;
        }
        let promised = sync.promised.total_difficulty;
        let result = match content.total >= promised {
            true if chain.total_difficulty() < promised => {
                let why = "the chain did not take the branch".to_owned();
                Err(SyncError::ImportStopped(why))
            }
            true => Ok(()),
            false => Err(SyncError::StallingPeer),
        };
        self.end(result, now);
    }
}

/// Memory that the headers of one gap take, on any chain of today.
const GAP_BYTES: usize = HEADERS_PER_REQUEST as usize * 1_024;
