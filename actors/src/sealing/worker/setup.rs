//! Arguments of WorkerActor.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actoreum_chain::ChainReader;
use actoreum_consensus::Engine;
use actoreum_primitives::Address;
use actoreum_txpool::PoolReader;

use super::{Phase, WorkerActor, ommers::OmmerPool, recommit::Interval, unconfirmed::Unconfirmed};
use crate::{chain::ChainActor, sealing::control::MinerControl, sealing::sealer::SealerActor};
use actoreum_supervision::{ActorRef, Pool};

/// Arguments of WorkerActor, which survive its restarts.
#[derive(Clone)]
pub struct WorkerSetup {
    /// Read access to the chain.
    pub chain_reader: ChainReader,
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

/// Condition under which a block is due without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// When there are transactions.
    OnDemand,
    /// This number of seconds after the parent, with or without transactions; only with
    /// transactions if `skips_empty_blocks` is set in the chain's configuration.
    Period(u64),
    /// Always: the search for a seal takes its time. First comes an empty block, so that the search
    /// begins at once, then one with the pending transactions, and again with those that arrived
    /// since.
    Search,
}

impl WorkerSetup {
    /// Creates the actor.
    pub fn start(self) -> WorkerActor {
        WorkerActor {
            setup: self,
            phase: Phase::Starting,
            round: 0,
            request: None,
            requests: VecDeque::new(),
            next_timestamp: None,
            empty_build: None,
            searched_on: None,
            built_from: None,
            build_time: Duration::ZERO,
            recommit: Interval::default(),
            ommers: OmmerPool::default(),
            has_new_ommers: false,
            included_ommers: 0,
            unconfirmed: Unconfirmed::default(),
            refused_on: None,
            settings_changed: false,
            key_retry_at: None,
            last_warning: None,
            behind_since: None,
            timer: None,
            interval: None,
        }
    }
}
