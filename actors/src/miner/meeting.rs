//! Meeting a peer before the first block is signed.
//!
//! A database that was restored from a backup looks like any other, and its head may lie far below
//! what this node has signed since. On a chain of several signers the others know: so one of them is
//! met first, and what it has is fetched. It costs nothing that a lone signer could have had: it may
//! not seal twice in a row. A chain of one signer has nobody to ask.

use std::time::{Duration, Instant};

use actoreum_primitives::U256;
use tracing::{info, warn};

use super::MinerActor;

/// Time between two looks for a peer.
pub(super) const PERIOD: Duration = Duration::from_millis(200);
/// Time between two lines about the wait.
const REMINDER: Duration = Duration::from_secs(60);
/// How long a peer is believed that has more than we do, while no block of it arrives. A peer that
/// promises what it does not have must not keep a signer from sealing.
const MAX_STANDSTILL: Duration = Duration::from_secs(60);

/// How far the meeting is.
#[derive(Debug, Default)]
pub(super) struct Meeting {
    /// There is a peer, and this is what it has.
    met: Option<Met>,
    told: Option<Instant>,
}

#[derive(Debug)]
struct Met {
    /// What is to be here before blocks are sealed.
    total_difficulty: U256,
    /// Our head, and since when it is that.
    head: (u64, Instant),
    is_synced: bool,
}

impl Meeting {
    /// A sync has fetched what a peer has.
    pub(super) fn synced(&mut self) {
        if let Some(met) = &mut self.met {
            met.is_synced = true;
        }
    }
}

impl MinerActor {
    /// Looks whether blocks may be sealed: a peer is there, and what it had when it came is here.
    pub(super) fn look_for_peer(&mut self) {
        let control = &self.setup.control;
        if !control.is_meeting() {
            return;
        }
        let view = self.setup.reader.view();
        let head = self.setup.reader.head();
        let Some((clique, _)) = &self.setup.clique else {
            return control.met();
        };
        let snapshot = clique.snapshot(&self.setup.reader, head.number, head.hash());
        if snapshot.is_ok_and(|snapshot| snapshot.signers.len() <= 1) {
            return control.met();
        }
        let Some(best) = self.setup.peers.best() else {
            self.meeting.met = None;
            if control.is_wanted() {
                self.remind();
            }
            return;
        };
        let met = self.meeting.met.get_or_insert_with(|| Met {
            total_difficulty: best.head().total_difficulty,
            head: (head.number, Instant::now()),
            is_synced: false,
        });
        if met.is_synced || view.total_difficulty() >= met.total_difficulty {
            if control.is_wanted() {
                info!(number = head.number, "a peer is met: sealing begins");
            }
            return control.met();
        }
        if met.head.0 != head.number {
            met.head = (head.number, Instant::now());
        } else if met.head.1.elapsed() >= MAX_STANDSTILL {
            warn!(
                number = head.number,
                "a peer says that it has more blocks, and they don't come: sealing begins without them"
            );
            control.met();
        }
    }

    fn remind(&mut self) {
        let due = |told: Instant| told.elapsed() >= REMINDER;
        // At first the start itself says it.
        let told = self.meeting.told.get_or_insert_with(Instant::now);
        if due(*told) {
            *told = Instant::now();
            warn!(
                "no block is sealed before a peer is met: this head may be an old one, above which \
                 blocks were signed; --miner.nowait seals without it"
            );
        }
    }
}
