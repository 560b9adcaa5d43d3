//! Messages to WorkerActor, which builds blocks.

use actix::Message;
use actoreum_primitives::B256;

/// Begin to seal, or stop.
///
/// From: the tree at start, `miner_start`, `miner_stop`. In the place of geth's `worker.startCh`
/// and its `running` flag.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SetSealing(pub bool);

/// Seal one block now, with or without transactions, and answer when it is imported.
///
/// From: `evm_mine`, on a development chain.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<B256, MineFailed>")]
pub struct MineBlock {
    /// The block's time, in seconds since 1970; `None`: now.
    pub timestamp: Option<u64>,
}

/// Why a block that was asked for was not sealed.
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
