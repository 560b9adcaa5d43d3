//! Choice of the master peer, and its replacement when it stalls.

use std::time::Duration;

use super::limits::{
    MAX_SAVED_TIME, MAX_STALL_WINDOW, POINTS_STALLED, PROBE_STEP, PROBES_PER_STEP, SLOW_ANSWER,
    STALL_WINDOW,
};
use super::peers::RequestKind;
use super::{
    Action, Downloader, LocalChain, Mode, PeerHead, Query, Stage, Sync, SyncError, SyncPeerId, Task,
};
use crate::HashedHeader;

impl Downloader {
    /// Asks peers that claim a higher total difficulty than the local chain's for the header of
    /// their head: the best one first, and others beside it while none answers.
    pub(super) fn start(&mut self, chain: &dyn LocalChain, now: Duration) {
        if self.sync.is_some() || !self.importing.is_empty() || now < self.pause_until {
            self.next_probe = None;
            return;
        }
        self.pause_until = Duration::ZERO;
        let mut candidates = self
            .peers
            .candidates(chain.total_difficulty(), self.failures > 0);
        let all = candidates.len();
        candidates.retain(|(key, _)| self.peers.is_idle(*key, RequestKind::Headers));
        if candidates.is_empty() {
            // A peer that connects while others are asked waits for the next step.
            let next = self.next_probe.map(|time| {
                if time <= now {
                    now.saturating_add(PROBE_STEP)
                } else {
                    time
                }
            });
            self.next_probe = next.filter(|_| all > 0);
            return;
        }
        let is_any_pending = candidates.len() < all;
        let count = match self.next_probe {
            Some(time) if time > now && is_any_pending => return,
            Some(_) if is_any_pending => PROBES_PER_STEP,
            _ => 1,
        };
        self.next_probe = Some(now.saturating_add(PROBE_STEP));
        for (peer, head) in candidates.into_iter().take(count) {
            let query = Query::Header(head.hash);
            self.request(peer, RequestKind::Headers, Task::Probe(head), query, now);
        }
    }

    /// Takes the answer to a request of [`Self::start`]. The first peer that answers becomes the
    /// master.
    pub(super) fn on_probe(
        &mut self,
        peer: SyncPeerId,
        claimed_head: PeerHead,
        headers: &[HashedHeader],
        chain: &dyn LocalChain,
        now: Duration,
    ) -> Result<(), SyncError> {
        let [header] = headers else {
            return Err(if headers.is_empty() {
                SyncError::EmptyHeaderSet
            } else {
                SyncError::BadPeer("not the one header that was asked for")
            });
        };
        if header.hash != claimed_head.hash {
            return Err(SyncError::BadPeer("another header than asked for"));
        }
        let is_free = self.sync.is_none() && self.importing.is_empty() && now >= self.pause_until;
        if !is_free || claimed_head.total_difficulty <= chain.total_difficulty() {
            return Ok(());
        }
        self.next_probe = None;
        self.peers.begin_sync();
        self.sync = Some(Sync {
            master: peer,
            claimed_head,
            starting_block: chain.head_number(),
            height: 0,
            is_fast: self.mode == Mode::Fast && chain.head_number() == 0,
            stage: Stage::Started,
            stalls_at: now.saturating_add(self.stall_window(peer)),
            imports_since: None,
        });
        self.actions.push_back(Action::Started { master: peer });
        self.on_height(header, chain, now)
    }

    /// Returns true if a peer has been asked for its head and has not answered.
    pub(super) fn is_probed(&self, peer: SyncPeerId) -> bool {
        let mut pending = self.pending.values();
        pending.any(|it| it.peer == peer && matches!(it.task, Task::Probe(_)))
    }

    /// Returns true if a peer has had a request unanswered for a while.
    fn is_late(&self, peer: SyncPeerId, now: Duration) -> bool {
        let is_late = |sent: Duration| now.saturating_sub(sent) >= SLOW_ANSWER;
        let mut pending = self.pending.values();
        self.is_probed(peer) || pending.any(|it| it.peer == peer && is_late(it.sent))
    }

    /// Returns how long a peer may keep a sync waiting: twice as long after each failure.
    fn stall_window(&self, peer: SyncPeerId) -> Duration {
        let failures = self.peers.get(peer).map_or(0, |peer| peer.failures);
        let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        STALL_WINDOW.saturating_mul(factor).min(MAX_STALL_WINDOW)
    }

    /// Extends the master's stall deadline by `worth` for a delivery.
    pub(super) fn note_delivery(&mut self, worth: Duration, now: Duration) {
        let window = self
            .sync
            .as_ref()
            .map(|sync| self.stall_window(sync.master));
        let max = now.saturating_add(window.unwrap_or_default().max(MAX_SAVED_TIME));
        if let Some(sync) = &mut self.sync {
            let longer = sync.stalls_at.saturating_add(worth);
            sync.stalls_at = sync.stalls_at.max(longer.min(max));
        }
    }

    /// Extends the master's stall deadline by `each` for each of `items` items.
    pub(super) fn note_delivered(&mut self, each: Duration, items: usize, now: Duration) {
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        self.note_delivery(each.saturating_mul(items), now);
    }

    /// Notes that imports are running, if there are some.
    pub(super) fn note_import_begin(&mut self, now: Duration) {
        if self.importing.is_empty() {
            return;
        }
        if let Some(sync) = &mut self.sync {
            sync.imports_since.get_or_insert(now);
        }
    }

    /// Adds the time of the imports to the master's stall deadline once the last one has ended.
    pub(super) fn note_import_end(&mut self, now: Duration) {
        if !self.importing.is_empty() {
            return;
        }
        if let Some(sync) = &mut self.sync
            && let Some(since) = sync.imports_since.take()
        {
            let took = now.saturating_sub(since);
            sync.stalls_at = sync.stalls_at.saturating_add(took);
        }
    }

    /// Ends the sync if its master stalls and another peer may do better.
    pub(super) fn replace_stalled_master(&mut self, chain: &dyn LocalChain, now: Duration) {
        let Some(sync) = &self.sync else {
            return;
        };
        if !self.importing.is_empty() || now < sync.stalls_at {
            return;
        }
        let master = sync.master;
        let failures = |key: SyncPeerId| self.peers.get(key).map_or(0, |peer| peer.failures);
        let candidates = self.peers.candidates(chain.total_difficulty(), true);
        let is_better = candidates.iter().any(|(key, _)| {
            *key != master && failures(*key) <= failures(master) && !self.is_late(*key, now)
        });
        let window = self.stall_window(master);
        if is_better {
            self.penalise(master, POINTS_STALLED, "master stalled");
            return self.end(Err(SyncError::TooSlow), now);
        }
        if let Some(sync) = &mut self.sync {
            sync.stalls_at = now.saturating_add(window);
        }
    }

    /// Notes the outcome of a sync.
    pub(super) fn note_outcome(&mut self, master: SyncPeerId, result: &Result<(), SyncError>) {
        match result {
            Ok(()) => {
                self.failures = 0;
                self.peers.note_sync_outcome(master, true);
            }
            Err(error) if error.demotes_master() => {
                self.failures = self.failures.saturating_add(1);
                self.peers.note_sync_outcome(master, false);
            }
            Err(_) => {}
        }
    }
}
