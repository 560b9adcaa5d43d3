//! Shared settings and state of sealing.

use std::{
    sync::atomic::{
        AtomicBool, AtomicU64, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};

use actoreum_primitives::{Address, Bytes};
use parking_lot::{Mutex, RwLock};

use super::stall::Stall;

/// Settings of the operator for blocks that are sealed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinerSettings {
    /// Receiver of fees and rewards; in clique the signer. `None`: the first account, once one is
    /// needed.
    pub etherbase: Option<Address>,
    /// Extra data of each block: 32 bytes at most.
    pub extra_data: Bytes,
    /// Gas limit below which the limit of blocks rises.
    pub gas_floor: u64,
    /// Gas limit above which the limit of blocks falls.
    pub gas_ceiling: u64,
    /// Minimum price in wei per gas of transactions that are not local.
    pub gas_price: u64,
    /// Interval at which a block is rebuilt with new transactions while its proof of work is
    /// searched.
    pub recommit: Duration,
}

/// State of sealing, shared by the sealing actors and RPC. It survives restarts of the actors.
#[derive(Debug)]
pub struct MinerControl {
    settings: RwLock<MinerSettings>,
    /// Set while the operator wants blocks to be sealed.
    is_wanted: AtomicBool,
    /// Set during the first sync, while no blocks are sealed.
    is_paused: AtomicBool,
    /// Set once the one sync that sealing pauses for has ended.
    was_synced: AtomicBool,
    /// Set while sealing waits for a first peer.
    is_waiting_for_peer: AtomicBool,
    /// Milliseconds between blocks of a development chain, set by its user; zero: none.
    interval: AtomicU64,
    stall: Mutex<Option<Stall>>,
    threads: AtomicUsize,
    hash_rate: AtomicU64,
}

impl MinerControl {
    /// Creates the state; `is_wanted` is whether the node seals from its start.
    pub fn new(settings: MinerSettings, is_wanted: bool) -> Self {
        Self {
            settings: RwLock::new(settings),
            is_wanted: AtomicBool::new(is_wanted),
            is_paused: AtomicBool::new(false),
            was_synced: AtomicBool::new(false),
            is_waiting_for_peer: AtomicBool::new(false),
            interval: AtomicU64::new(0),
            stall: Mutex::new(None),
            threads: AtomicUsize::new(0),
            hash_rate: AtomicU64::new(0),
        }
    }

    /// Returns the current settings.
    pub fn settings(&self) -> MinerSettings {
        self.settings.read().clone()
    }

    /// Changes the settings from the next block on.
    pub fn change(&self, change: impl FnOnce(&mut MinerSettings)) {
        change(&mut self.settings.write());
    }

    /// Returns whether blocks are sealed without a request for each.
    pub fn is_sealing(&self) -> bool {
        self.is_wanted.load(SeqCst) && !self.is_paused.load(SeqCst) && !self.is_waiting_for_peer()
    }

    /// Returns whether the operator wants blocks to be sealed, now or once a sync has ended.
    pub fn is_wanted(&self) -> bool {
        self.is_wanted.load(SeqCst)
    }

    /// Sets whether blocks are to be sealed.
    pub fn set_wanted(&self, is_wanted: bool) {
        self.is_wanted.store(is_wanted, SeqCst);
    }

    /// Records the beginning of a sync; returns whether sealing pauses. It pauses for the first
    /// sync alone: otherwise a peer that feeds us blocks could keep us from sealing for as long as
    /// it likes (as in geth).
    pub(super) fn on_sync_start(&self) -> bool {
        let pauses = !self.was_synced.load(SeqCst);
        self.is_paused.store(pauses, SeqCst);
        pauses
    }

    /// Records the end of a sync, successful or not; returns whether sealing had paused for it.
    pub(super) fn on_sync_end(&self) -> bool {
        self.was_synced.store(true, SeqCst);
        self.is_paused.swap(false, SeqCst)
    }

    /// Makes sealing wait for a first peer and its blocks: this node's head may be old, such as a
    /// backup's, with signed heights above it. Meant for chains of several signers; a single signer
    /// has no peer that could know better.
    pub fn wait_for_first_peer(&self) {
        self.is_waiting_for_peer.store(true, SeqCst);
    }

    /// Returns whether sealing waits for a first peer.
    pub fn is_waiting_for_peer(&self) -> bool {
        self.is_waiting_for_peer.load(SeqCst)
    }

    /// Ends the wait for a first peer.
    pub(super) fn first_peer_met(&self) {
        self.is_waiting_for_peer.store(false, SeqCst);
    }

    /// Returns the number of threads that search for a proof of work.
    pub fn threads(&self) -> usize {
        self.threads.load(Relaxed)
    }

    /// Sets the number of threads from the next search on.
    pub fn set_threads(&self, threads: usize) {
        self.threads.store(threads, Relaxed);
    }

    /// Returns the hashes per second that are tried for a proof of work, here and by remote miners.
    pub fn hash_rate(&self) -> u64 {
        self.hash_rate.load(Relaxed)
    }

    pub(crate) fn set_hash_rate(&self, per_second: u64) {
        self.hash_rate.store(per_second, Relaxed);
    }

    /// Returns the time between blocks of a development chain, set by its user; zero: none.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval.load(Relaxed))
    }

    /// Sets the time between blocks of a development chain.
    pub fn set_interval(&self, interval: Duration) {
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        self.interval.store(millis, Relaxed);
    }

    /// Returns the stall of a clique chain, if it is stalled.
    pub fn stall(&self) -> Option<Stall> {
        self.stall.lock().clone()
    }

    pub(super) fn set_stall(&self, stall: Option<Stall>) {
        *self.stall.lock() = stall;
    }
}
