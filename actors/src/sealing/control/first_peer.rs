//! Wait for a first peer before the first block is signed.
//!
//! A database that was restored from a backup looks like any other, and its head may be far below
//! the last block that this node has signed. On a chain of several signers the peers have the
//! missing blocks: the node waits for a peer, and fetches them, before it signs. A signer without
//! peers loses nothing by the wait, since it may not seal twice in a row. On a chain of one signer
//! nothing is awaited: no other node has blocks that this one lacks.

use std::time::{Duration, Instant};

use actoreum_primitives::U256;
use tracing::{info, warn};

use super::setup::MinerSetup;

/// Interval of the checks for a peer.
pub(super) const PERIOD: Duration = Duration::from_millis(200);
/// Interval of the log lines about the wait.
const REMINDER: Duration = Duration::from_secs(60);
/// Timeout of a peer that claims a better chain, while none of its blocks arrive. A false claim
/// must not keep a signer from sealing.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(60);

/// State of the wait.
#[derive(Debug, Default)]
pub(super) struct FirstPeer {
    /// The first peer's claim, once there is a peer.
    claim: Option<PeerClaim>,
    reported: Option<Instant>,
}

#[derive(Debug)]
struct PeerClaim {
    /// Total difficulty that our chain has to reach before blocks are sealed.
    total_difficulty: U256,
    /// Our head, and since when it has not changed.
    head: (u64, Instant),
    is_synced: bool,
}

impl FirstPeer {
    /// Records that a sync has fetched a peer's chain.
    pub(super) fn synced(&mut self) {
        if let Some(claim) = &mut self.claim {
            claim.is_synced = true;
        }
    }

    /// Ends the wait once there is a peer and our chain has reached the head that the peer had when
    /// it joined.
    pub(super) fn check(&mut self, setup: &MinerSetup) {
        let control = &setup.control;
        if !control.is_waiting_for_peer() {
            return;
        }
        let view = setup.chain_reader.view();
        let head = setup.chain_reader.head();
        let Some((clique, _)) = &setup.clique else {
            return control.first_peer_met();
        };
        let snapshot = clique.snapshot(&setup.chain_reader, head.number, head.hash());
        if snapshot.is_ok_and(|snapshot| snapshot.signers.len() <= 1) {
            return control.first_peer_met();
        }
        let Some(best) = setup.peers.best() else {
            self.claim = None;
            if control.is_wanted() {
                self.remind();
            }
            return;
        };
        let claim = self.claim.get_or_insert_with(|| PeerClaim {
            total_difficulty: best.head().total_difficulty,
            head: (head.number, Instant::now()),
            is_synced: false,
        });
        if claim.is_synced || view.total_difficulty() >= claim.total_difficulty {
            if control.is_wanted() {
                info!(number = head.number, "first peer connected, sealing begins");
            }
            return control.first_peer_met();
        }
        if claim.head.0 != head.number {
            claim.head = (head.number, Instant::now());
        } else if claim.head.1.elapsed() >= CLAIM_TIMEOUT {
            warn!(
                number = head.number,
                "the blocks that a peer claims do not arrive, sealing begins without them"
            );
            control.first_peer_met();
        }
    }

    fn remind(&mut self) {
        let due = |reported: Instant| reported.elapsed() >= REMINDER;
        // The start of sealing logs the wait at first.
        let reported = self.reported.get_or_insert_with(Instant::now);
        if due(*reported) {
            *reported = Instant::now();
            warn!(
                "no block is sealed before a peer is connected: this head may be an old one, above which \
                 blocks were signed; --miner.nowait seals without it"
            );
        }
    }
}
