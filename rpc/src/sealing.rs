//! What the methods need of the actors that keep keys and seal blocks.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actoreum_actors::accounts::AccountsActor;
use actoreum_actors::sealer::SealerActor;
use actoreum_actors::supervision::ActorRef;
use actoreum_actors::worker::WorkerActor;
use actoreum_primitives::Address;
use parking_lot::Mutex;

/// The keys of this node.
pub struct Keys {
    /// Who keeps them.
    pub actor: ActorRef<AccountsActor>,
    /// Held from the look at a sender's nonce until its transaction is in the pool: two requests
    /// at once must not get the same nonce.
    pub(crate) sending: tokio::sync::Mutex<()>,
}

impl Keys {
    /// The keys that `actor` keeps.
    pub fn new(actor: ActorRef<AccountsActor>) -> Self {
        Self {
            actor,
            sending: tokio::sync::Mutex::new(()),
        }
    }
}

/// The actors that seal, and what they share.
pub struct SealingActors {
    /// Who builds.
    pub worker: ActorRef<WorkerActor>,
    /// Who signs.
    pub sealer: ActorRef<SealerActor>,
    /// Whether blocks are sealed without being asked for.
    pub is_sealing: Arc<AtomicBool>,
    /// Who seals, and gets the fees.
    pub signer: Address,
    /// Whether the chain is a development chain, whose user may move time and head.
    pub is_dev: bool,
    /// Numbers of the heads that `evm_snapshot` was asked to remember.
    pub(crate) snapshots: Mutex<Vec<u64>>,
}

impl SealingActors {
    /// The actors of a chain that `signer` seals; they are yet to be started.
    pub fn new(signer: Address, is_dev: bool) -> Self {
        Self {
            worker: ActorRef::new("worker"),
            sealer: ActorRef::new("sealer"),
            is_sealing: Arc::new(AtomicBool::new(true)),
            signer,
            is_dev,
            snapshots: Mutex::default(),
        }
    }
}
