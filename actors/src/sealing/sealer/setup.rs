//! The arguments of SealerActor.

use std::sync::Arc;

use actoreum_chain::ChainReader;
use actoreum_consensus::{Clique, Ethash};
use actoreum_supervision::{ActorRef, Pool};

use super::guard::SealGuard;
use super::notify::Notifier;
use super::search_thread::SearchThreads;
use crate::{
    accounts::AccountsActor, clock::ChainClock, sealing::control::MinerControl,
    sealing::worker::WorkerActor,
};

/// Arguments of SealerActor, which survive its restarts.
#[derive(Clone)]
pub struct SealerSetup {
    /// Method of sealing.
    pub method: SealingMethod,
    /// The chain that is sealed for.
    pub chain_reader: ChainReader,
    /// The chain's clock.
    pub clock: ChainClock,
    /// Threads that write signed blocks to disk before they are published.
    pub threads: Pool,
    /// Builds blocks, and gets seals that are found late.
    pub worker: ActorRef<WorkerActor>,
    /// Shared settings and state of sealing.
    pub control: Arc<MinerControl>,
}

/// Method of sealing.
#[derive(Clone)]
pub enum SealingMethod {
    /// By a signature.
    Clique(CliqueSetup),
    /// By a proof of work.
    Ethash(PowSetup),
    /// Without a seal: a development chain that is merged, or whose proofs of work are not verified.
    Unsealed(UnsealedSetup),
}

/// Arguments of blocks without a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsealedSetup {
    /// Whether a block that nobody requested waits for its timestamp: blocks have a period.
    pub waits_for_time: bool,
}

/// Arguments of sealing by signature.
#[derive(Clone)]
pub struct CliqueSetup {
    /// The engine, which knows the signer of this node.
    pub clique: Arc<Clique>,
    /// Signs with the key.
    pub accounts: ActorRef<AccountsActor>,
    /// Guard against signing a height twice.
    pub guard: Arc<SealGuard>,
}

/// Arguments of proof-of-work sealing.
#[derive(Clone)]
pub struct PowSetup {
    /// The engine, with its datasets.
    pub ethash: Ethash,
    /// Holds the number of search threads and the published hash rate.
    pub control: Arc<MinerControl>,
    /// The threads that search.
    pub search: SearchThreads,
    /// Receivers of new work.
    pub notify: Notifier,
    /// Whether seals of remote miners are accepted without verification (`--miner.noverify`).
    pub no_verify: bool,
    /// Threads that verify seals of remote miners: untrusted input fills the queue of these threads
    /// only.
    pub verify_threads: Pool,
}
