//! What the operator decided about sealing, and whether blocks are sealed now.

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

/// What the operator decides about the blocks that are sealed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinerSettings {
    /// Who gets the fees and rewards; in clique who signs. `None`: the first account, once one is
    /// needed.
    pub etherbase: Option<Address>,
    /// Vanity of each block: 32 bytes at most.
    pub extra_data: Bytes,
    /// Gas below which the limit of blocks rises.
    pub gas_floor: u64,
    /// Gas above which the limit of blocks falls.
    pub gas_ceiling: u64,
    /// Wei a gas below which transactions that are not local are left out.
    pub gas_price: u64,
    /// Time after which a block that is being searched for takes in what arrived since.
    pub recommit: Duration,
}

/// Shared by the actors that seal and by those who ask. It outlives every generation of them.
#[derive(Debug)]
pub struct MinerControl {
    settings: RwLock<MinerSettings>,
    /// Whether the operator wants blocks to be sealed.
    is_wanted: AtomicBool,
    /// Whether a first sync runs, during which none are.
    is_paused: AtomicBool,
    /// Whether the one sync that sealing pauses for is over.
    was_synced: AtomicBool,
    /// Whether a peer is to be met first, during which none are sealed either.
    is_meeting: AtomicBool,
    /// Milliseconds between blocks that a development chain's user asked for; zero: none.
    interval: AtomicU64,
    stall: Mutex<Option<Stall>>,
    threads: AtomicUsize,
    hash_rate: AtomicU64,
}

impl MinerControl {
    /// Of a node that seals from its start, or when it is told to.
    pub fn new(settings: MinerSettings, is_wanted: bool) -> Self {
        Self {
            settings: RwLock::new(settings),
            is_wanted: AtomicBool::new(is_wanted),
            is_paused: AtomicBool::new(false),
            was_synced: AtomicBool::new(false),
            is_meeting: AtomicBool::new(false),
            interval: AtomicU64::new(0),
            stall: Mutex::new(None),
            threads: AtomicUsize::new(0),
            hash_rate: AtomicU64::new(0),
        }
    }

    /// What the operator decided.
    pub fn settings(&self) -> MinerSettings {
        self.settings.read().clone()
    }

    /// Changes what the operator decided: from the next block on.
    pub fn change(&self, change: impl FnOnce(&mut MinerSettings)) {
        change(&mut self.settings.write());
    }

    /// Whether blocks are sealed without being asked for.
    pub fn is_sealing(&self) -> bool {
        self.is_wanted.load(SeqCst) && !self.is_paused.load(SeqCst) && !self.is_meeting()
    }

    /// Whether the operator wants blocks to be sealed, now or once a sync is over.
    pub fn is_wanted(&self) -> bool {
        self.is_wanted.load(SeqCst)
    }

    /// Says whether blocks are to be sealed.
    pub fn set_wanted(&self, is_wanted: bool) {
        self.is_wanted.store(is_wanted, SeqCst);
    }

    /// A sync began. Sealing pauses for the first alone: else whoever feeds us blocks could keep
    /// us from sealing for as long as it likes (as in geth). Whether it pauses.
    pub(super) fn sync_began(&self) -> bool {
        let pauses = !self.was_synced.load(SeqCst);
        self.is_paused.store(pauses, SeqCst);
        pauses
    }

    /// A sync ended, one way or the other. Whether sealing had paused for it.
    pub(super) fn sync_ended(&self) -> bool {
        self.was_synced.store(true, SeqCst);
        self.is_paused.swap(false, SeqCst)
    }

    /// Seal nothing before a peer is met, and its blocks are here: this node's head may be an old
    /// one, such as a backup's, above which heights were signed. It is for a chain of several
    /// signers; one signer alone meets nobody who could know better.
    pub fn meet_a_peer_first(&self) {
        self.is_meeting.store(true, SeqCst);
    }

    /// Whether a peer is still to be met.
    pub fn is_meeting(&self) -> bool {
        self.is_meeting.load(SeqCst)
    }

    /// A peer was met, or none needs to be.
    pub(super) fn met(&self) {
        self.is_meeting.store(false, SeqCst);
    }

    /// Threads that search for a proof of work.
    pub fn threads(&self) -> usize {
        self.threads.load(Relaxed)
    }

    /// See [`Self::threads`]: from the next search on.
    pub fn set_threads(&self, threads: usize) {
        self.threads.store(threads, Relaxed);
    }

    /// Hashes a second that are tried for a proof of work, here and by remote miners.
    pub fn hash_rate(&self) -> u64 {
        self.hash_rate.load(Relaxed)
    }

    pub(crate) fn set_hash_rate(&self, per_second: u64) {
        self.hash_rate.store(per_second, Relaxed);
    }

    /// Time between blocks that a development chain's user asked for; zero: none.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval.load(Relaxed))
    }

    /// See [`Self::interval`].
    pub fn set_interval(&self, interval: Duration) {
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        self.interval.store(millis, Relaxed);
    }

    /// That a clique chain stands still, and for want of whom; `None` where it goes on.
    pub fn stall(&self) -> Option<Stall> {
        self.stall.lock().clone()
    }

    pub(super) fn set_stall(&self, stall: Option<Stall>) {
        *self.stall.lock() = stall;
    }
}
