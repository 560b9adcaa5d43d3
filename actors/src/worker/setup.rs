//! What a WorkerActor is made from.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actoreum_chain::ChainReader;
use actoreum_consensus::Engine;
use actoreum_primitives::Address;
use actoreum_txpool::PoolReader;

use super::{Phase, WorkerActor, ommers::OmmerPool, recommit::Interval, unconfirmed::Unconfirmed};
use crate::{
    chain::ChainActor,
    miner::MinerControl,
    sealer::SealerActor,
    supervision::{ActorRef, Pool},
};

/// What every generation of a WorkerActor is made from.
#[derive(Clone)]
pub struct WorkerSetup {
    /// The chain.
    pub reader: ChainReader,
    /// Who prepares headers.
    pub engine: Arc<dyn Engine>,
    /// When a block is due.
    pub pace: Pace,
    /// Where blocks are built.
    pub pool: Pool,
    /// What is pending.
    pub pending: PoolReader,
    /// Who imports.
    pub chain: ActorRef<ChainActor>,
    /// Who seals.
    pub sealer: ActorRef<SealerActor>,
    /// What the operator decided: who seals, and whether. Outlives every generation.
    pub control: Arc<MinerControl>,
    /// Whose blocks are ours beside the etherbase's (`--txpool.locals`): as ommers they go first.
    pub own: Vec<Address>,
}

/// When a block is due that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// When there are transactions.
    OnDemand,
    /// So many seconds after the one before, with or without transactions; without transactions
    /// only where the chain's configuration does not say `skips_empty_blocks`.
    Period(u64),
    /// All the time: a seal takes as long as it takes. First an empty block, so that the search
    /// begins at once, then one with what is pending, and again with what came since.
    Search,
}

impl WorkerSetup {
    /// Makes the next generation.
    pub fn start(self) -> WorkerActor {
        WorkerActor {
            setup: self,
            phase: Phase::Starting,
            round: 0,
            request: None,
            requests: VecDeque::new(),
            next_timestamp: None,
            fruitless: None,
            searched_on: None,
            built_from: None,
            took: Duration::ZERO,
            recommit: Interval::default(),
            ommers: OmmerPool::default(),
            has_new_ommers: false,
            included_ommers: 0,
            unconfirmed: Unconfirmed::default(),
            refused_on: None,
            is_told_to_look: false,
            keyless_until: None,
            refusal_told: None,
            behind_since: None,
            alarm: None,
            interval: None,
        }
    }
}
