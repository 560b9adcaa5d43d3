//! Handling of the peers' answers.

use std::time::Duration;

use actoreum_primitives::B256;
use tracing::{debug, info};

use super::ancestor::{AncestorSearch, Step};
use super::headers::{HeaderFault, HeaderFetch};
use super::limits::{
    PIVOT_DEPTH, POINTS_EMPTY, POINTS_OTHER_CHAIN, TIME_PER_HEADER, TIME_PER_VALUE,
};
use super::peers::RequestKind;
use super::queue::BlockQueue;
use super::{
    Content, Downloader, Fast, LocalChain, Pending, Query, Stage, SyncError, SyncPeerId, Task,
};
use crate::HashedHeader;
use crate::raw_block::BlockPart;
use crate::state::{self, HashedValue, StateSync};

impl Downloader {
    pub(super) fn take_headers(
        &mut self,
        pending: Pending,
        headers: Vec<HashedHeader>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        let taken = match &pending.task {
            Task::Probe(head) => self.on_probe(pending.peer, *head, &headers, chain, now),
            Task::Ancestor => self.on_ancestor(&headers, chain, now),
            Task::Master => self.on_master_headers(headers, chain, now),
            Task::Gap(first) => return self.on_fill(pending.peer, *first, headers, chain, now),
            Task::Parts(_) | Task::State(_) => return self.refuse(&pending, now),
        };
        if let Err(error) = taken {
            self.drop_peer(pending.peer, error, now);
        }
    }

    /// Drops a peer whose answer is of another kind than its request.
    fn refuse(&mut self, pending: &Pending, now: Duration) {
        self.requeue(pending.kind, &pending.task);
        let reason = SyncError::BadPeer("another answer than asked for");
        self.drop_peer(pending.peer, reason, now);
    }

    /// Takes the header of the master's head, and begins the search for the common ancestor.
    pub(super) fn on_height(
        &mut self,
        header: &HashedHeader,
        chain: &dyn LocalChain,
        now: Duration,
    ) -> Result<(), SyncError> {
        let Some(sync) = &mut self.sync else {
            return Ok(());
        };
        let number = header.header.number;
        sync.height = number;
        sync.is_fast &= number > PIVOT_DEPTH;
        let fast_block = chain.current_fast_block().filter(|_| sync.is_fast);
        let local = fast_block.map_or_else(|| chain.head_number(), |(number, _)| number);
        if chain.canonical_hash(number) == Some(header.hash) {
            return self.begin_content((number, header.hash), chain);
        }
        if chain.has_block(&header.hash, number) {
            // The block is on a branch that should have become canonical: its import was
            // interrupted.
            let parent = (number.saturating_sub(1), header.header.parent_hash);
            return self.begin_content(parent, chain);
        }
        if let (0, Some(genesis)) = (local, chain.canonical_hash(0)) {
            // The status handshake has checked that both chains have the same genesis block.
            return self.begin_content((0, genesis), chain);
        }
        let (search, query) = AncestorSearch::begin(local, number);
        sync.stage = Stage::Ancestor(search);
        self.ask_master_for(Task::Ancestor, Query::Headers(query), now);
        Ok(())
    }

    pub(super) fn on_ancestor(
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
            chain.has_block(hash, number) || is_fast && chain.has_fast_block(hash, number)
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

    pub(super) fn begin_content(
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
        sync.starting_block = ancestor.0;
        let target = (sync.height, sync.claimed_head.hash);
        let mut fast = sync.is_fast.then(|| Fast {
            pivot: sync.height.saturating_sub(PIVOT_DEPTH).max(ancestor.0),
            hash: None,
            state: None,
            writing: None,
            committing: None,
        });
        if let Some(Fast { pivot, .. }) = fast {
            match self.last_pivot.replace(pivot) {
                Some(before) if before != pivot => {
                    info!(pivot, before, "the pivot has moved");
                }
                Some(_) => {}
                None => info!(pivot, "fetching the state of the pivot"),
            }
        }
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

    pub(super) fn on_master_headers(
        &mut self,
        headers: Vec<HashedHeader>,
        chain: &dyn LocalChain,
        now: Duration,
    ) -> Result<(), SyncError> {
        let Some(content) = self.content() else {
            return Ok(());
        };
        let taken = content.headers.on_master(headers);
        self.queue_headers(taken, chain, now)
    }

    /// Queues headers of the chain that is fetched.
    pub(super) fn queue_headers(
        &mut self,
        taken: Result<Vec<HashedHeader>, HeaderFault>,
        chain: &dyn LocalChain,
        now: Duration,
    ) -> Result<(), SyncError> {
        let headers = match taken {
            Ok(headers) => headers,
            Err(HeaderFault::Invalid(error)) => return Err(error),
            Err(HeaderFault::Moved | HeaderFault::OtherChain) => return Err(self.moved()),
        };
        self.note_delivered(TIME_PER_HEADER, headers.len(), now);
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
            let with_receipts = content.pivot().is_some_and(|pivot| number <= pivot);
            content.queue.push(header, with_receipts);
        }
        Ok(())
    }

    /// Returns the error for a master whose chain changed: a reorg the first time, an invalid chain
    /// after that.
    pub(super) fn moved(&mut self) -> SyncError {
        let master = self.sync.as_ref().map(|sync| sync.master);
        let Some(peer) = master.and_then(|master| self.peers.get_mut(master)) else {
            return SyncError::ChainMoved;
        };
        if std::mem::replace(&mut peer.has_moved, true) {
            SyncError::InvalidChain("headers change from answer to answer")
        } else {
            SyncError::ChainMoved
        }
    }

    pub(super) fn on_fill(
        &mut self,
        peer: SyncPeerId,
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
            Err(HeaderFault::Invalid(error)) => return self.drop_peer(peer, error, now),
            Err(HeaderFault::Moved | HeaderFault::OtherChain) => {
                if self.sync.as_ref().is_some_and(|sync| sync.master == peer) {
                    let error = SyncError::InvalidChain("headers do not lead to their anchor");
                    return self.drop_peer(peer, error, now);
                }
                self.peers.give_up(peer, RequestKind::Headers);
                return if is_empty {
                    self.penalise_if_claimed(peer, POINTS_EMPTY, "no headers")
                } else {
                    self.penalise_if_claimed(peer, POINTS_OTHER_CHAIN, "headers of another chain");
                };
            }
        }
        let Some(content) = self.content() else {
            return;
        };
        let filled = content.headers.take_filled();
        if let Err(error) = self.queue_headers(filled, chain, now) {
            let master = self.sync.as_ref().map(|sync| sync.master);
            self.drop_peer(master.unwrap_or(peer), error, now);
        }
    }

    pub(super) fn take_parts<P: BlockPart>(
        &mut self,
        pending: Pending,
        kind: RequestKind,
        parts: Vec<P>,
        now: Duration,
    ) {
        let peer = pending.peer;
        let (Task::Parts(numbers), true) = (&pending.task, pending.kind == kind) else {
            return self.refuse(&pending, now);
        };
        let Some(content) = self.content() else {
            return;
        };
        let delivery = content.queue.deliver(kind, numbers, parts);
        if delivery.has_unexpected {
            let reason = match kind {
                RequestKind::Receipts => SyncError::InvalidReceipt,
                _ => SyncError::InvalidBody,
            };
            return self.drop_peer(peer, reason, now);
        }
        let took = now.saturating_sub(pending.sent);
        let is_useless = self.peers.measure(peer, kind, delivery.taken, took);
        let missing = match delivery.taken {
            0 => numbers.as_slice(),
            // Items after the last one may have found no room in the answer.
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
                RequestKind::Receipts => "no receipts",
                _ => "no bodies",
            };
            self.penalise_if_claimed(peer, POINTS_EMPTY, why);
        }
        if is_useless {
            self.peers.give_up(peer, kind);
        }
    }

    pub(super) fn is_wanted(&self, kind: RequestKind, number: u64) -> bool {
        match self.sync.as_ref().map(|sync| &sync.stage) {
            Some(Stage::Content(content)) => content.queue.is_wanted(kind, number),
            _ => false,
        }
    }

    pub(super) fn take_values(
        &mut self,
        pending: Pending,
        values: Vec<HashedValue>,
        chain: &dyn LocalChain,
        now: Duration,
    ) {
        let peer = pending.peer;
        let Task::State(asked) = &pending.task else {
            return self.refuse(&pending, now);
        };
        let Some(state) = self.state() else {
            return;
        };
        let taken = state.deliver(peer, asked, values, chain);
        let took = now.saturating_sub(pending.sent);
        match taken {
            Ok(taken) => {
                self.peers.measure(peer, RequestKind::State, taken, took);
                self.note_delivered(TIME_PER_VALUE, taken, now);
            }
            Err(state::UnexpectedData) => {
                self.drop_peer(peer, SyncError::BadPeer("state values not asked for"), now);
            }
        }
    }

    pub(super) fn state(&mut self) -> Option<&mut StateSync> {
        self.content()?.fast.as_mut()?.state.as_mut()
    }
}
