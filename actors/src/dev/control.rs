//! State of a development chain's user, which DevActor publishes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use actoreum_primitives::{Address, B256};
use arc_swap::{ArcSwap, Guard};

/// A snapshot of a development chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DevSnapshot {
    /// Number of the head.
    pub number: u64,
    /// Hash of the head.
    pub hash: B256,
    /// Seconds by which the clock of the chain was ahead of the system's.
    pub clock_shift: i64,
}

/// The state of DevActor. Each change publishes a new value.
#[derive(Debug, Clone)]
pub struct DevState {
    /// Whether every account sends transactions without its key.
    pub impersonates_all: bool,
    /// The accounts that send transactions without their keys.
    pub impersonated: BTreeSet<Address>,
    /// The snapshots by their ids.
    pub snapshots: BTreeMap<u64, DevSnapshot>,
    /// The id of the next snapshot.
    pub next_snapshot: u64,
    /// Random identity of the chain, another one after each reset.
    pub instance: B256,
    /// Whether DevActor logs what the user's requests did.
    pub is_logging: bool,
}

/// State of a development chain's user as RPC reads it. It survives restarts of DevActor, which
/// alone changes it.
#[derive(Debug)]
pub struct DevControl {
    state: ArcSwap<DevState>,
}

impl DevControl {
    /// Creates the state of a chain that `instance` identifies. The first snapshot has the id
    /// `first_snapshot`.
    pub fn new(instance: B256, first_snapshot: u64) -> Self {
        Self {
            state: ArcSwap::from_pointee(DevState {
                impersonates_all: false,
                impersonated: BTreeSet::new(),
                snapshots: BTreeMap::new(),
                next_snapshot: first_snapshot,
                instance,
                is_logging: true,
            }),
        }
    }

    /// Returns the current state.
    pub fn state(&self) -> Guard<Arc<DevState>> {
        self.state.load()
    }

    /// Returns whether an account sends transactions without its key.
    pub fn impersonates(&self, address: &Address) -> bool {
        let state = self.state.load();
        state.impersonates_all || state.impersonated.contains(address)
    }

    /// Publishes a changed state; returns what `change` returns.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut DevState) -> T) -> T {
        let mut state = DevState::clone(&self.state.load());
        let result = change(&mut state);
        self.state.store(Arc::new(state));
        result
    }
}
