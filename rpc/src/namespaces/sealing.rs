//! The actors that hold keys and seal blocks, as the methods use them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use actoreum_actors::accounts::AccountsActor;
use actoreum_actors::clock::ChainClock;
use actoreum_actors::sealing::control::{MinerActor, MinerControl};
use actoreum_actors::sealing::sealer::SealerActor;
use actoreum_actors::sealing::worker::{PendingBlocks, WorkerActor};
use actoreum_actors::usb::UsbHubActor;
use actoreum_primitives::Address;
use actoreum_supervision::ActorRef;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::server::limits::MAX_IMPERSONATED;

/// The keys of this node.
pub struct Keys {
    /// The actor that holds the key files.
    pub actor: ActorRef<AccountsActor>,
    /// The actor of the hardware wallets; `None` without `--usb`.
    pub hub: Option<ActorRef<UsbHubActor>>,
    /// One lock for each sender, see [`Keys::sending_from`]. Senders have keys here, so they are
    /// few.
    sending: Mutex<BTreeMap<Address, Arc<tokio::sync::Mutex<()>>>>,
}

impl Keys {
    /// Creates the keys over their actors.
    pub fn new(actor: ActorRef<AccountsActor>, hub: Option<ActorRef<UsbHubActor>>) -> Self {
        Self {
            actor,
            hub,
            sending: Mutex::default(),
        }
    }

    /// Locks a sender, from reading its nonce until its transaction is in the pool: two concurrent
    /// requests must not get the same nonce.
    pub(crate) async fn sending_from(&self, sender: Address) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(self.sending.lock().entry(sender).or_default());
        lock.lock_owned().await
    }
}

/// The actors that seal, and what they share.
pub struct SealingActors {
    /// The actor that builds blocks.
    pub worker: ActorRef<WorkerActor>,
    /// The actor that seals blocks.
    pub sealer: ActorRef<SealerActor>,
    /// The actor that starts and stops sealing.
    pub miner: ActorRef<MinerActor>,
    /// The settings and the state of sealing, which all of them read.
    pub control: Arc<MinerControl>,
    /// The source of pending blocks.
    pub pending: PendingBlocks,
    /// Whether this is a development chain, whose user may change its time and its head.
    pub is_dev: bool,
    /// The snapshots that `evm_snapshot` took.
    pub(crate) snapshots: Mutex<Vec<DevSnapshot>>,
    /// The accounts that the user of a development chain impersonates.
    pub(crate) impersonated: Impersonated,
}

/// A snapshot of a development chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DevSnapshot {
    /// The number of the head.
    pub head: u64,
    /// The number of seconds by which the clock of the chain was ahead of the system's.
    pub clock_shift: i64,
}

/// The accounts that send transactions without their keys.
#[derive(Debug, Default)]
pub(crate) struct Impersonated {
    all_senders: AtomicBool,
    addresses: Mutex<BTreeSet<Address>>,
}

impl Impersonated {
    /// Sets whether every account is impersonated, or the listed ones alone.
    pub(crate) fn set_all(&self, all_senders: bool) {
        self.all_senders.store(all_senders, Relaxed);
    }

    /// Lists an account. Returns false if [`MAX_IMPERSONATED`] accounts are listed already.
    pub(crate) fn add(&self, address: Address) -> bool {
        let mut addresses = self.addresses.lock();
        let has_room = addresses.len() < MAX_IMPERSONATED || addresses.contains(&address);
        if has_room {
            addresses.insert(address);
        }
        has_room
    }

    /// Removes an account from the list. Returns whether the account was listed.
    pub(crate) fn remove(&self, address: &Address) -> bool {
        self.addresses.lock().remove(address)
    }

    /// Returns whether an account sends without its key.
    pub(crate) fn contains(&self, address: &Address) -> bool {
        self.all_senders.load(Relaxed) || self.addresses.lock().contains(address)
    }

    /// Returns the listed accounts.
    pub(crate) fn listed(&self) -> Vec<Address> {
        self.addresses.lock().iter().copied().collect()
    }
}

impl SealingActors {
    /// Creates references to the sealing actors, which are started later.
    pub fn new(control: Arc<MinerControl>, clock: ChainClock, is_dev: bool) -> Self {
        Self {
            worker: ActorRef::new("worker"),
            sealer: ActorRef::new("sealer"),
            miner: ActorRef::new("control"),
            control,
            pending: PendingBlocks::new(clock),
            is_dev,
            snapshots: Mutex::default(),
            impersonated: Impersonated::default(),
        }
    }
}
