//! The arguments of MinerActor.

use std::sync::Arc;

use actoreum_chain::ChainReader;
use actoreum_consensus::Clique;
use actoreum_supervision::ActorRef;

use super::handle::MinerControl;
use crate::{
    accounts::AccountsActor, clock::ChainClock, eth::EthPeers, sealing::sealer::SealerActor,
    sealing::worker::WorkerActor, txpool::TxPoolActor,
};

/// Arguments of MinerActor, which survive its restarts.
#[derive(Clone)]
pub struct MinerSetup {
    /// Shared settings and state of sealing.
    pub control: Arc<MinerControl>,
    /// The chain that is sealed for.
    pub chain_reader: ChainReader,
    /// The chain's clock.
    pub clock: ChainClock,
    /// The clique engine, if it is used, with the seconds between blocks.
    pub clique: Option<(Arc<Clique>, u64)>,
    /// Owner of the keys.
    pub accounts: ActorRef<AccountsActor>,
    /// Builds blocks.
    pub worker: ActorRef<WorkerActor>,
    /// Seals blocks.
    pub sealer: ActorRef<SealerActor>,
    /// The transaction pool, where the price limit is set with the start of sealing.
    pub txpool_actor: Option<ActorRef<TxPoolActor>>,
    /// The peers that speak eth.
    pub peers: EthPeers,
}
