//! Arguments of WorkerActor.

use std::{collections::BTreeMap, sync::Arc};

use actoreum_chain::ChainReader;
use actoreum_consensus::Engine;
use actoreum_primitives::Address;
use actoreum_sealing::worker::{Rules, Worker};
use actoreum_txpool::PoolReader;
use tokio::time::Instant;

use super::{WorkerActor, build::Interrupts};
use crate::{
    chain::ChainActor, clock::ChainClock, sealing::control::MinerControl,
    sealing::sealer::SealerActor,
};
use actoreum_supervision::{ActorRef, Pool};

pub use actoreum_sealing::worker::Pace;

/// Arguments of WorkerActor, which survive its restarts.
#[derive(Clone)]
pub struct WorkerSetup {
    /// Read access to the chain.
    pub chain_reader: ChainReader,
    /// The chain's clock.
    pub clock: ChainClock,
    /// Prepares headers.
    pub engine: Arc<dyn Engine>,
    /// Condition of the next block.
    pub pace: Pace,
    /// Threads that build blocks.
    pub threads: Pool,
    /// The transaction pool's snapshots.
    pub txpool: PoolReader,
    /// Imports blocks.
    pub chain_actor: ActorRef<ChainActor>,
    /// Seals blocks.
    pub sealer: ActorRef<SealerActor>,
    /// Shared settings and state of sealing.
    pub control: Arc<MinerControl>,
    /// Addresses beside the etherbase whose blocks are preferred as ommers (`--txpool.locals`).
    pub own: Vec<Address>,
}

impl WorkerSetup {
    /// Creates the actor.
    pub fn start(self) -> WorkerActor {
        let rules = Rules {
            pace: self.pace,
            skips_empty_blocks: self.chain_reader.config().skips_empty_blocks,
            own: self.own.clone(),
        };
        WorkerActor {
            setup: self,
            worker: Worker::new(rules),
            epoch: Instant::now(),
            snapshot: None,
            snapshot_version: 0,
            interrupts: Interrupts::default(),
            is_outdated: Arc::default(),
            waiting: BTreeMap::new(),
            last_request: 0,
            timer: None,
            interval: None,
        }
    }
}
