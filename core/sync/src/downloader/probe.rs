//! Whom to follow, and for how long.

use std::time::Duration;

use super::limits::{
    MAX_SAVED_TIME, MAX_STALL_WINDOW, POINTS_STALLED, PROBE_STEP, PROBES_PER_STEP, SLOW_ANSWER,
    STALL_WINDOW,
};
use super::peers::Kind;
use super::{
    Action, Downloader, LocalChain, Mode, PeerHead, PeerKey, Query, Stage, Sync, SyncError, Task,
};
use crate::HashedHeader;

impl Downloader {
    /// Asks those that say to have more than we for the header of their head: the best one, and
    /// others beside it while nobody answers.
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
        candidates.retain(|(key, _)| self.peers.is_idle(*key, Kind::Headers));
        if candidates.is_empty() {
            // Whoever comes while others are asked waits for its step.
            let next = self.next_probe.map(|time| match time <= now {
                true => now.saturating_add(PROBE_STEP),
                false => time,
            });
            self.next_probe = next.filter(|_| all > 0);
            return;
        }
        let is_anybody_asked = candidates.len() < all;
        let count = match self.next_probe {
            Some(time) if time > now && is_anybody_asked => return,
            Some(_) if is_anybody_asked => PROBES_PER_STEP,
            _ => 1,
        };
        self.next_probe = Some(now.saturating_add(PROBE_STEP));
        for (peer, head) in candidates.into_iter().take(count) {
            let query = Query::Header(head.hash);
            self.request(peer, Kind::Headers, Task::Probe(head), query, now);
        }
    }

    /// A peer's answer to what it was asked in [`Self::start`]: the first is followed.
    pub(super) fn on_probe(
        &mut self,
        peer: PeerKey,
        promised: PeerHead,
        headers: &[HashedHeader],
        chain: &dyn LocalChain,
        now: Duration,
    ) -> Result<(), SyncError> {
        let [header] = headers else {
            return Err(match headers.is_empty() {
                true => SyncError::EmptyHeaderSet,
                false => SyncError::BadPeer("not the one header that was asked for"),
            });
        };
        if header.hash != promised.hash {
            return Err(SyncError::BadPeer("another header than asked for"));
        }
        let is_free = self.sync.is_none() && self.importing.is_empty() && now >= self.pause_until;
        if !is_free || promised.total_difficulty <= chain.total_difficulty() {
            return Ok(());
        }
        self.next_probe = None;
        self.peers.begin_sync();
        self.sync = Some(Sync {
            master: peer,
            promised,
            began_at: chain.head_number(),
            height: 0,
            is_fast: self.mode == Mode::Fast && chain.head_number() == 0,
            stage: Stage::Begun,
            stalls_at: now.saturating_add(self.stall_window(peer)),
            imports_since: None,
        });
        self.actions.push_back(Action::Started { master: peer });
        self.on_height(header, chain, now)
    }

    /// Whether a peer still has to show its head.
    pub(super) fn is_probed(&self, peer: PeerKey) -> bool {
        let mut pending = self.pending.values();
        pending.any(|it| it.peer == peer && matches!(it.task, Task::Probe(_)))
    }

    /// Whether a peer has left a request without an answer for a while.
    fn is_late(&self, peer: PeerKey, now: Duration) -> bool {
        let is_late = |sent: Duration| now.saturating_sub(sent) >= SLOW_ANSWER;
        let mut pending = self.pending.values();
        self.is_probed(peer) || pending.any(|it| it.peer == peer && is_late(it.sent))
    }

    /// How long a peer may keep us waiting: longer after each time that it was tried.
    fn stall_window(&self, peer: PeerKey) -> Duration {
        let failures = self.peers.get(peer).map_or(0, |peer| peer.failures);
        let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        STALL_WINDOW.saturating_mul(factor).min(MAX_STALL_WINDOW)
    }

    /// So much was delivered: the peer that is followed has so much more time.
    pub(super) fn note_delivery(&mut self, worth: Duration, now: Duration) {
        let window = self
            .sync
            .as_ref()
            .map(|sync| self.stall_window(sync.master));
        let most = now.saturating_add(window.unwrap_or_default().max(MAX_SAVED_TIME));
        if let Some(sync) = &mut self.sync {
            let longer = sync.stalls_at.saturating_add(worth);
            sync.stalls_at = sync.stalls_at.max(longer.min(most));
        }
    }

    /// As [`Self::note_delivery`], of a number of items.
    pub(super) fn note_delivered(&mut self, each: Duration, items: usize, now: Duration) {
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        self.note_delivery(each.saturating_mul(items), now);
    }

    /// Blocks are being imported from now on, if there are some.
    pub(super) fn note_import_begin(&mut self, now: Duration) {
        if self.importing.is_empty() {
            return;
        }
        if let Some(sync) = &mut self.sync {
            sync.imports_since.get_or_insert(now);
        }
    }

    /// The last import has ended, if it was that: its time is given back.
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

    /// Ends a sync whose peer keeps us waiting where another one may do better.
    pub(super) fn follow_another(&mut self, chain: &dyn LocalChain, now: Duration) {
        let Some(sync) = &self.sync else {
            return;
        };
        if !self.importing.is_empty() || now < sync.stalls_at {
            return;
        }
        let master = sync.master;
        let failures = |key: PeerKey| self.peers.get(key).map_or(0, |peer| peer.failures);
        let candidates = self.peers.candidates(chain.total_difficulty(), true);
        let is_better = candidates.iter().any(|(key, _)| {
            *key != master && failures(*key) <= failures(master) && !self.is_late(*key, now)
        });
        let window = self.stall_window(master);
        if is_better {
            self.penalise(
                master,
                POINTS_STALLED,
                "it was followed and delivered too slowly",
            );
            return self.end(Err(SyncError::TooSlow), now);
        }
        if let Some(sync) = &mut self.sync {
            sync.stalls_at = now.saturating_add(window);
        }
    }

    /// A sync that followed a peer has ended.
    pub(super) fn note_outcome(&mut self, master: PeerKey, result: &Result<(), SyncError>) {
        match result {
            Ok(()) => {
                self.failures = 0;
                self.peers.mark_followed(master, true);
            }
            Err(error) if error.demotes_master() => {
                self.failures = self.failures.saturating_add(1);
                self.peers.mark_followed(master, false);
            }
            Err(_) => {}
        }
    }
}
