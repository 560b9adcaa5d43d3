//! The actors that hold keys and seal blocks, as the methods use them.

use std::collections::BTreeMap;
use std::sync::Arc;

use actoreum_actors::accounts::AccountsActor;
use actoreum_actors::clock::ChainClock;
use actoreum_actors::dev::{DevActor, DevControl};
use actoreum_actors::sealing::control::{MinerActor, MinerControl};
use actoreum_actors::sealing::sealer::SealerActor;
use actoreum_actors::sealing::worker::{PendingBlocks, WorkerActor};
use actoreum_actors::usb::UsbHubActor;
use actoreum_primitives::{Address, B256};
use actoreum_supervision::ActorRef;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::namespaces::dev::identity::DevIdentity;

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
    /// The actor of the user, who may change time and head; `None` unless this is a development
    /// chain.
    pub dev: Option<DevHandle>,
}

/// The actor of a development chain's user, and the state that it publishes.
pub struct DevHandle {
    /// The actor.
    pub actor: ActorRef<DevActor>,
    /// Its state: snapshots, impersonated accounts.
    pub control: Arc<DevControl>,
}

impl DevHandle {
    /// Creates the handle of an actor that is started later, for a chain that is answered for as
    /// `identity`.
    pub fn new(identity: DevIdentity) -> Self {
        let instance = B256::from(rand::random::<[u8; 32]>());
        Self {
            actor: ActorRef::new("development"),
            control: Arc::new(DevControl::new(instance, identity.first_snapshot())),
        }
    }
}

impl SealingActors {
    /// Creates references to the sealing actors, which are started later.
    pub fn new(control: Arc<MinerControl>, clock: ChainClock, dev: Option<DevHandle>) -> Self {
        Self {
            worker: ActorRef::new("worker"),
            sealer: ActorRef::new("sealer"),
            miner: ActorRef::new("control"),
            control,
            pending: PendingBlocks::new(clock),
            dev,
        }
    }
}
