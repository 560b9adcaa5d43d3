//! Messages to WorkerActor, which builds blocks.

use std::time::Duration;

use actoreum_chain::StateEdit;
use actoreum_primitives::{B256, Block};
use actoreum_supervision::Message;

/// Reports that the operator changed the sealing: on, off, or the etherbase.
///
/// From: MinerActor. Replaces geth's `worker.startCh`.
#[derive(Debug, Clone, Copy, Message)]
pub struct SealingChanged;

/// A seal for a block that has been superseded: it may still extend the head, or become an ommer.
///
/// From: SealerActor. Replaces the pending tasks of geth's `resultLoop`.
#[derive(Debug, Clone, Message)]
pub struct LateSeal(pub Block);

/// Seals a block at an interval from now on, with or without transactions, and beside blocks that are
/// sealed for other reasons; zero ends it. Each interval is a random one between both bounds.
///
/// From: `evm_setIntervalMining`, on a development chain.
#[derive(Debug, Clone, Copy, Message)]
pub struct SetInterval {
    /// Shortest interval.
    pub shortest: Duration,
    /// Longest interval, not less than the shortest.
    pub longest: Duration,
}

/// Seals one block now, with or without transactions. Answers its hash once it is imported.
///
/// From: `evm_mine`, on a development chain.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Result<B256, MineFailed>)]
pub struct MineBlock {
    /// Timestamp of the block, in seconds since 1970; `None` for the current time.
    pub timestamp: Option<u64>,
}

/// Seals a block that contains nothing but an edit of the state. Answers its hash once it is
/// imported.
///
/// From: `anvil_setBalance` and related methods, on a development chain.
#[derive(Debug, Clone, Message)]
#[answer(Result<B256, MineFailed>)]
pub struct EditState(pub StateEdit);

/// Rewinds the chain to an earlier block, between two blocks: work that is under way is finished
/// first, and nothing new begins before the new head is committed. Answers the head's hash.
///
/// From: `evm_revert`, on a development chain.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Result<B256, MineFailed>)]
pub struct Rewind {
    /// Number of the new head.
    pub to: u64,
}

/// Reason why a requested block was not sealed, or the chain not rewound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MineFailed {
    /// Too many requests are waiting.
    #[error("{0} blocks are waiting to be sealed already")]
    Busy(usize),
    /// The block could not be built, sealed or imported.
    #[error("{0}")]
    Failed(String),
}
