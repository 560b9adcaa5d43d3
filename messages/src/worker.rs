//! Messages to WorkerActor, which builds blocks.

use std::time::Duration;

use actix::Message;
use actoreum_chain::StateEdit;
use actoreum_primitives::{B256, Block};

/// The operator decided something: whether blocks are sealed, or for whom.
///
/// From: MinerActor, `evm_setAutomine`. In the place of geth's `worker.startCh`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Look;

/// A seal was found for a block that nobody waits for any more: it may still be on the head, or
/// become an ommer.
///
/// From: SealerActor. In the place of what geth's `resultLoop` finds in its pending tasks.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct FoundLate(pub Block);

/// Seal a block every so often from now on, with or without transactions, whether or not blocks are
/// sealed for other reasons; zero: no longer.
///
/// From: `evm_setIntervalMining`, on a development chain.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SetInterval(pub Duration);

/// Seal one block now, with or without transactions, and answer when it is imported.
///
/// From: `evm_mine`, on a development chain.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<B256, MineFailed>")]
pub struct MineBlock {
    /// The block's time, in seconds since 1970; `None`: now.
    pub timestamp: Option<u64>,
}

/// Seal a block that holds nothing but an edit of the state, and answer when it is imported.
///
/// From: `anvil_setBalance` and its kin, on a development chain.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<B256, MineFailed>")]
pub struct EditState(pub StateEdit);

/// Take the chain back to an earlier block, between two blocks: what is under way is finished
/// first, and nothing new begins before the head stands. Answers with the head's hash.
///
/// From: `evm_revert`, on a development chain.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<B256, MineFailed>")]
pub struct Rewind {
    /// Number of the new head.
    pub to: u64,
}

/// Why a block that was asked for was not sealed, or the chain not taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MineFailed {
    /// Too many are asked for already.
    #[error("{0} blocks are waiting to be sealed already")]
    Busy(usize),
    /// It could not be built, sealed or imported.
    #[error("{0}")]
    Failed(String),
}

/// The time of the next block, whoever asks for it, in seconds since 1970.
///
/// From: `evm_setNextBlockTimestamp`, on a development chain.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SetNextTimestamp(pub u64);
