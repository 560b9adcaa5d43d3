//! What the methods need of the actors that keep keys and seal blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use actoreum_actors::accounts::AccountsActor;
use actoreum_actors::miner::{MinerActor, MinerControl};
use actoreum_actors::sealer::SealerActor;
use actoreum_actors::supervision::ActorRef;
use actoreum_actors::usb::UsbHubActor;
use actoreum_actors::worker::{PendingBlocks, WorkerActor};
use actoreum_primitives::Address;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::limits::MAX_IMPERSONATED;

/// The keys of this node.
pub struct Keys {
    /// Who keeps them.
    pub actor: ActorRef<AccountsActor>,
    /// Who looks after hardware wallets, where they are looked for.
    pub hub: Option<ActorRef<UsbHubActor>>,
    /// Held while gas is estimated for a transaction that is made here.
    pub(crate) estimating: tokio::sync::Mutex<()>,
    /// See [`Keys::sending_from`]. Senders have keys here: they are few.
    sending: Mutex<BTreeMap<Address, Arc<tokio::sync::Mutex<()>>>>,
}

impl Keys {
    /// The keys that `actor` keeps, and those of `hub`'s devices.
    pub fn new(actor: ActorRef<AccountsActor>, hub: Option<ActorRef<UsbHubActor>>) -> Self {
        Self {
            actor,
            hub,
            estimating: tokio::sync::Mutex::new(()),
            sending: Mutex::default(),
        }
    }

    /// Held from the look at a sender's nonce until its transaction is in the pool: two requests
    /// at once must not get the same nonce.
    pub(crate) async fn sending_from(&self, sender: Address) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(self.sending.lock().entry(sender).or_default());
        lock.lock_owned().await
    }
}

/// The actors that seal, and what they share.
pub struct SealingActors {
    /// Who builds.
    pub worker: ActorRef<WorkerActor>,
    /// Who signs.
    pub sealer: ActorRef<SealerActor>,
    /// Who decides.
    pub miner: ActorRef<MinerActor>,
    /// What was decided.
    pub control: Arc<MinerControl>,
    /// What they would seal next.
    pub pending: PendingBlocks,
    /// Whether the chain is a development chain, whose user may move time and head.
    pub is_dev: bool,
    /// What `evm_snapshot` was asked to remember.
    pub(crate) snapshots: Mutex<Vec<DevSnapshot>>,
    /// In whose name the user of a development chain sends.
    pub(crate) impersonated: Impersonated,
}

/// A moment of a development chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DevSnapshot {
    /// Number of the head.
    pub head: u64,
    /// Seconds by which the clock was ahead of the system's.
    pub clock_shift: i64,
}

/// Accounts that send without their keys.
#[derive(Debug, Default)]
pub(crate) struct Impersonated {
    everybody: AtomicBool,
    some: Mutex<BTreeSet<Address>>,
}

impl Impersonated {
    /// Lets everybody's transactions pass, or those of the listed alone.
    pub(crate) fn set_everybody(&self, everybody: bool) {
        self.everybody.store(everybody, Relaxed);
    }

    /// Lists an account. False where [`MAX_IMPERSONATED`] are listed already.
    pub(crate) fn add(&self, address: Address) -> bool {
        let mut some = self.some.lock();
        let has_room = some.len() < MAX_IMPERSONATED || some.contains(&address);
        if has_room {
            some.insert(address);
        }
        has_room
    }

    /// Takes an account off the list; whether it was on it.
    pub(crate) fn remove(&self, address: &Address) -> bool {
        self.some.lock().remove(address)
    }

    /// Whether an account sends without its key.
    pub(crate) fn contains(&self, address: &Address) -> bool {
        self.everybody.load(Relaxed) || self.some.lock().contains(address)
    }

    /// The listed accounts.
    pub(crate) fn listed(&self) -> Vec<Address> {
        self.some.lock().iter().copied().collect()
    }
}

impl SealingActors {
    /// The actors that seal as `control` says; they are yet to be started.
    pub fn new(control: Arc<MinerControl>, is_dev: bool) -> Self {
        Self {
            worker: ActorRef::new("worker"),
            sealer: ActorRef::new("sealer"),
            miner: ActorRef::new("control"),
            control,
            pending: PendingBlocks::default(),
            is_dev,
            snapshots: Mutex::default(),
            impersonated: Impersonated::default(),
        }
    }
}
