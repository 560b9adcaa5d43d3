//! The arguments of FetcherActor.

use actoreum_messages::protocol_manager::PropagateBlock;
use actoreum_supervision::{ActorRef, Recipient, SeededRng};

use crate::chain::ChainActor;
use crate::eth::shared::EthShared;

/// Arguments of FetcherActor, which survive its restarts.
#[derive(Clone)]
pub struct FetcherSetup {
    /// References that the actors of the eth protocol share.
    pub shared: EthShared,
    /// Imports blocks.
    pub chain_actor: ActorRef<ChainActor>,
    /// Propagates blocks whose header is valid: ProtocolManagerActor.
    pub manager: Recipient<PropagateBlock>,
    /// Random choices: the peer that is asked first.
    pub rng: SeededRng,
}
