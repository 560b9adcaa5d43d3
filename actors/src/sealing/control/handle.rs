//! State of sealing, which MinerActor publishes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use actoreum_chain::ChosenFields;
use actoreum_primitives::{Address, Bytes};
use arc_swap::ArcSwap;

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
    /// Settings of the user of a development chain.
    pub dev: DevSettings,
}

/// Settings of the user of a development chain for blocks that are sealed here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DevSettings {
    /// Fields of the next block's header.
    pub chosen: ChosenFields,
    /// Seconds from a block's timestamp to that of the next; `None`: by the clock.
    pub timestamp_interval: Option<u64>,
}

/// The state of MinerActor. Each change publishes a new value.
#[derive(Debug, Clone)]
struct MinerState {
    settings: MinerSettings,
    /// Whether the operator wants blocks to be sealed.
    is_wanted: bool,
    /// Whether the first sync runs, during which no blocks are sealed.
    is_paused: bool,
    /// Whether the one sync that sealing pauses for has ended.
    was_synced: bool,
    /// Whether sealing waits for a first peer.
    is_waiting_for_peer: bool,
    stall: Option<Stall>,
    threads: usize,
}

/// State of sealing as the sealing actors and RPC read it. It survives restarts of the actors.
///
/// MinerActor alone changes it, save for what other actors know: SealerActor publishes the hash rate,
/// and WorkerActor the interval of a development chain, and that a block has the fields that were
/// chosen for it. The setters that are public are for the assembly of the node, before MinerActor
/// runs.
#[derive(Debug)]
pub struct MinerControl {
    state: ArcSwap<MinerState>,
    /// Shortest number of milliseconds between blocks of a development chain, set by its user; zero:
    /// none.
    interval: AtomicU64,
    /// Number of milliseconds by which an interval may be longer.
    interval_spread: AtomicU64,
    hash_rate: AtomicU64,
}

impl DevSettings {
    /// Returns the timestamp that the user wants for the block after one with the timestamp `parent`;
    /// `None`: by the clock.
    pub fn next_timestamp(&self, parent: u64) -> Option<u64> {
        let at_interval = |seconds| parent.saturating_add(seconds);
        self.chosen
            .timestamp
            .or_else(|| self.timestamp_interval.map(at_interval))
    }
}

impl MinerControl {
    /// Creates the state; `is_wanted` is whether the node seals from its start.
    pub fn new(settings: MinerSettings, is_wanted: bool) -> Self {
        Self {
            state: ArcSwap::from_pointee(MinerState {
                settings,
                is_wanted,
                is_paused: false,
                was_synced: false,
                is_waiting_for_peer: false,
                stall: None,
                threads: 0,
            }),
            interval: AtomicU64::new(0),
            interval_spread: AtomicU64::new(0),
            hash_rate: AtomicU64::new(0),
        }
    }

    /// Publishes a changed state; returns the one before.
    fn update(&self, change: impl Fn(&mut MinerState)) -> Arc<MinerState> {
        self.state.rcu(|state| {
            let mut state = MinerState::clone(state);
            change(&mut state);
            state
        })
    }

    /// Returns the current settings.
    pub fn settings(&self) -> MinerSettings {
        self.state.load().settings.clone()
    }

    /// Changes the settings from the next block on.
    pub(super) fn change(&self, change: impl Fn(&mut MinerSettings)) {
        self.update(|state| change(&mut state.settings));
    }

    /// Drops the fields that a block had, unless they were chosen again meanwhile.
    pub(crate) fn drop_chosen(&self, used: ChosenFields) {
        self.update(|state| {
            state.settings.dev.chosen.drop_used(used);
        });
    }

    /// Returns whether blocks are sealed without a request for each.
    pub fn is_sealing(&self) -> bool {
        let state = self.state.load();
        state.is_wanted && !state.is_paused && !state.is_waiting_for_peer
    }

    /// Returns whether the operator wants blocks to be sealed, now or once a sync has ended.
    pub fn is_wanted(&self) -> bool {
        self.state.load().is_wanted
    }

    /// Sets whether blocks are to be sealed.
    pub fn set_wanted(&self, is_wanted: bool) {
        self.update(|state| state.is_wanted = is_wanted);
    }

    /// Records the beginning of a sync; returns whether sealing pauses. It pauses for the first
    /// sync alone: otherwise a peer that feeds us blocks could keep us from sealing for as long as
    /// it likes (as in geth).
    pub(super) fn on_sync_start(&self) -> bool {
        !self
            .update(|state| state.is_paused = !state.was_synced)
            .was_synced
    }

    /// Records the end of a sync, successful or not; returns whether sealing had paused for it.
    pub(super) fn on_sync_end(&self) -> bool {
        let before = self.update(|state| {
            state.was_synced = true;
            state.is_paused = false;
        });
        before.is_paused
    }

    /// Makes sealing wait for a first peer and its blocks: this node's head may be old, such as a
    /// backup's, with signed heights above it. Meant for chains of several signers; a single signer
    /// has no peer that could know better.
    pub fn wait_for_first_peer(&self) {
        self.update(|state| state.is_waiting_for_peer = true);
    }

    /// Returns whether sealing waits for a first peer.
    pub fn is_waiting_for_peer(&self) -> bool {
        self.state.load().is_waiting_for_peer
    }

    /// Ends the wait for a first peer.
    pub(super) fn first_peer_met(&self) {
        self.update(|state| state.is_waiting_for_peer = false);
    }

    /// Returns the number of threads that search for a proof of work.
    pub fn threads(&self) -> usize {
        self.state.load().threads
    }

    /// Sets the number of threads from the next search on.
    pub fn set_threads(&self, threads: usize) {
        self.update(|state| state.threads = threads);
    }

    /// Returns the hashes per second that are tried for a proof of work, here and by remote miners.
    pub fn hash_rate(&self) -> u64 {
        self.hash_rate.load(Relaxed)
    }

    pub(crate) fn set_hash_rate(&self, per_second: u64) {
        self.hash_rate.store(per_second, Relaxed);
    }

    /// Returns the shortest time between blocks of a development chain, set by its user; zero: none.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval.load(Relaxed))
    }

    /// Returns how much longer than [`Self::interval`] an interval may be.
    pub fn interval_spread(&self) -> Duration {
        Duration::from_millis(self.interval_spread.load(Relaxed))
    }

    /// Sets the time between blocks of a development chain, and how much longer an interval may be.
    pub fn set_interval(&self, shortest: Duration, spread: Duration) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.interval.store(millis(shortest), Relaxed);
        self.interval_spread.store(millis(spread), Relaxed);
    }

    /// Returns the stall of a clique chain, if it is stalled.
    pub fn stall(&self) -> Option<Stall> {
        self.state.load().stall.clone()
    }

    pub(super) fn set_stall(&self, stall: Option<Stall>) {
        self.update(|state| state.stall.clone_from(&stall));
    }
}
