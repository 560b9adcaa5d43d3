//! Choice of the next requests, and of the blocks to import.

use std::time::Duration;

use super::limits::{
    HEADERS_PER_REQUEST, MAX_IMPORTING_WINDOWS, MAX_STATELESS_SYNCS, MIN_WINDOW_BLOCKS,
    MIN_WINDOW_BYTES, QUEUED_HEADER_BYTES, QUEUED_HEADERS, STATE_COMMIT_BYTES, TIME_PER_BLOCK,
    TIME_PER_KIB, TRIAL_TIME,
};
use super::peers::RequestKind;
use super::{
    Action, Downloader, LocalChain, Mode, Pending, Query, Stage, Sync, SyncError, SyncPeerId, Task,
    Window,
};
use crate::state::StateSync;

impl Downloader {
    /// Takes every step that is possible now.
    pub(super) fn advance(&mut self, chain: &dyn LocalChain, now: Duration) {
        self.start(chain, now);
        self.share_trials(now);
        self.ask_for_headers(now);
        self.ask_for_parts(RequestKind::Bodies, now);
        self.ask_for_parts(RequestKind::Receipts, now);
        self.ask_for_state(now);
        self.submit_windows(now);
        self.commit_pivot();
        self.finish(chain, now);
        self.note_import_begin(now);
        self.replace_stalled_master(chain, now);
        if self.sync.is_none() {
            self.start(chain, now);
        }
    }

    pub(super) fn request(
        &mut self,
        peer: SyncPeerId,
        kind: RequestKind,
        task: Task,
        query: Query,
        now: Duration,
    ) {
        let id = self.next_request;
        self.next_request += 1;
        let timeout = self.peers.timeout(peer);
        self.peers.mark_busy(peer, kind, id);
        self.pending.insert(
            id,
            Pending {
                peer,
                kind,
                task,
                sent: now,
                deadline: now.saturating_add(timeout),
                is_shared: false,
            },
        );
        self.actions.push_back(Action::Request {
            id,
            peer,
            query,
            timeout,
        });
    }

    /// Returns true if a peer is to be asked now. A peer that let its last request expire, or has
    /// not shown its head yet, is asked only if no request of this kind is pending: what it is
    /// asked for might not arrive when it is needed.
    fn is_worth_asking(&self, peer: SyncPeerId, kind: RequestKind) -> bool {
        let is_of_kind = |it: &Pending| it.kind == kind && !matches!(it.task, Task::Probe(_));
        !self.is_doubtful(peer, kind) || !self.pending.values().any(is_of_kind)
    }

    fn is_doubtful(&self, peer: SyncPeerId, kind: RequestKind) -> bool {
        self.peers.is_slow(peer, kind) || self.is_probed(peer)
    }

    /// Returns true if a peer has not proven itself at this kind of request, and other peers can be
    /// asked for the same.
    pub(super) fn is_trial(&self, pending: &Pending) -> bool {
        let can_be_shared = matches!(pending.task, Task::Gap(_) | Task::Parts(_));
        can_be_shared && !pending.is_shared && self.peers.is_untried(pending.peer, pending.kind)
    }

    /// Makes what untried peers have not answered in [`TRIAL_TIME`] available for others as well.
    /// The first answer counts.
    fn share_trials(&mut self, now: Duration) {
        let is_late = |it: &Pending| now.saturating_sub(it.sent) >= TRIAL_TIME && self.is_trial(it);
        let late = self.pending.iter().filter(|(_, it)| is_late(it));
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            let Some(mut pending) = self.pending.remove(&id) else {
                continue;
            };
            self.requeue(pending.kind, &pending.task);
            pending.is_shared = true;
            self.pending.insert(id, pending);
        }
    }

    pub(super) fn ask_master_for(&mut self, task: Task, query: Query, now: Duration) {
        if let Some(master) = self.sync.as_ref().map(|sync| sync.master) {
            self.request(master, RequestKind::Headers, task, query, now);
        }
    }

    pub(super) fn ask_for_headers(&mut self, now: Duration) {
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
        if !is_full && self.peers.is_idle(master, RequestKind::Headers) {
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
        let mut idle = self.peers.idle(RequestKind::Headers);
        for first in open {
            idle.retain(|peer| self.is_worth_asking(*peer, RequestKind::Headers));
            let able = |peer: &SyncPeerId| !self.peers.lacks(*peer, RequestKind::Headers, first);
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
                RequestKind::Headers,
                Task::Gap(first),
                Query::Headers(query),
                now,
            );
        }
    }

    pub(super) fn ask_for_parts(&mut self, kind: RequestKind, now: Duration) {
        if self.content().is_none() {
            return;
        }
        let mut idle = self.peers.idle(kind);
        idle.sort_by_key(|peer| self.is_doubtful(*peer, kind));
        for peer in idle {
            if !self.is_worth_asking(peer, kind) {
                continue;
            }
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
                RequestKind::Receipts => Query::Receipts(hashes.collect()),
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

    /// Requests values of the pivot's state, and writes finished ones.
    pub(super) fn ask_for_state(&mut self, now: Duration) {
        if self.state().is_none() {
            return;
        }
        for peer in self.peers.idle(RequestKind::State) {
            let capacity = self.peers.capacity(peer, RequestKind::State);
            let asked = self.state().map(|state| state.ask(peer, capacity));
            let asked = asked.unwrap_or_default();
            if asked.is_empty() {
                continue;
            }
            let hashes = asked.iter().map(|(_, hash)| *hash).collect();
            self.request(
                peer,
                RequestKind::State,
                Task::State(asked),
                Query::Values(hashes),
                now,
            );
        }
        self.write_state();
        let able = self.peers.able(RequestKind::State);
        if let Some(state) = self.state()
            && state.is_stuck(&able)
        {
            let has_found = state.pulled() > 0;
            self.stateless = if has_found { 0 } else { self.stateless + 1 };
            if self.stateless >= MAX_STATELESS_SYNCS {
                self.mode = Mode::Full;
            }
            self.end(Err(SyncError::StateUnavailable(able.len())), now);
        }
    }

    pub(super) fn write_state(&mut self) {
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
        let values = state.take_finished();
        let named = values.iter().map(|value| (value.kind, value.hash));
        fast.writing = Some((id, named.collect()));
        self.next_window += 1;
        self.actions.push_back(Action::WriteState { id, values });
    }

    /// Commits the pivot with its state, once the state is complete and all blocks up to the pivot
    /// are stored.
    pub(super) fn commit_pivot(&mut self) {
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
        let is_complete = fast.state.as_ref().is_some_and(StateSync::is_done);
        let (Some(hash), true, None) = (
            fast.hash,
            is_complete && first > fast.pivot,
            fast.committing,
        ) else {
            return;
        };
        fast.committing = Some(id);
        self.next_window += 1;
        self.importing.push_back(id);
        self.actions
            .push_back(Action::CommitPivotState { id, hash });
    }

    /// Submits complete blocks for import.
    pub(super) fn submit_windows(&mut self, now: Duration) {
        while self.importing.len() < MAX_IMPORTING_WINDOWS {
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
            let is_worthwhile = blocks >= MIN_WINDOW_BLOCKS || bytes >= MIN_WINDOW_BYTES;
            if blocks == 0 || !(is_waited_for || is_last || is_worthwhile) {
                return;
            }
            let worth = TIME_PER_BLOCK.saturating_mul(u32::try_from(blocks).unwrap_or(u32::MAX));
            let kibibytes = u32::try_from(bytes / 1_024).unwrap_or(u32::MAX);
            let worth = worth.saturating_add(TIME_PER_KIB.saturating_mul(kibibytes));
            let blocks = content.queue.take(blocks);
            let first = content.queue.first();
            self.peers.forget_lacking_below(first);
            let id = self.next_window;
            self.next_window += 1;
            self.importing.push_back(id);
            self.note_delivery(worth, now);
            let window = Window { id, blocks };
            self.actions.push_back(match pivot {
                Some(_) => Action::InsertReceiptChain(window),
                None => Action::Import(window),
            });
        }
    }

    pub(super) fn finish(&mut self, chain: &dyn LocalChain, now: Duration) {
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
        let claimed = sync.claimed_head.total_difficulty;
        let result = if content.total < claimed {
            Err(SyncError::StallingPeer)
        } else if chain.total_difficulty() < claimed {
            let why = "the chain did not take the branch".to_owned();
            Err(SyncError::ImportStopped(why))
        } else {
            Ok(())
        };
        self.end(result, now);
    }
}

/// Bytes of memory that the headers of one gap take, on any chain of today.
const GAP_BYTES: usize = HEADERS_PER_REQUEST as usize * 1_024;
