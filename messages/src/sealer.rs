//! Messages to SealerActor, which seals blocks that others built.

use std::sync::{Arc, atomic::AtomicBool};

use actix::Message;
use actoreum_consensus::ConsensusError;
use actoreum_primitives::{B256, Block};

/// Seal a block. The answer comes when it may be published: with clique, when its time has come.
///
/// From: WorkerActor. In the place of geth's `worker.taskCh`, `resultCh` and the `stop` channel of
/// `Engine.Seal`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Block, SealRefused>")]
pub struct Seal {
    /// The block, executed, without its seal.
    pub block: Block,
    /// Whether somebody asked for a block even though it is empty.
    pub even_if_empty: bool,
    /// Set once nobody wants the block any more: then it is not signed.
    pub is_outdated: Arc<AtomicBool>,
}

/// Why a block was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealRefused {
    /// The engine says no, or not now.
    #[error(transparent)]
    Engine(#[from] ConsensusError),
    /// A block of this height, or of a higher one, was signed here before: there must not be a
    /// second one. Here it is, to be imported in case it was not.
    #[error("block {} was signed here before", .0.header.number)]
    SignedBefore(Box<Block>),
    /// Another head came before it was signed, or nobody wants it any more.
    #[error("another block took its place")]
    Outdated,
    /// Another block of this height is being signed.
    #[error("another block of this height is being signed")]
    Busy,
    /// The signer's key could not be used.
    #[error("signer: {0}")]
    Signer(String),
    /// What was signed could not be remembered on disk, so it is not given away.
    #[error("signed block could not be remembered: {0}")]
    Store(String),
}

/// The last block that was signed here. It may never have been imported: whoever begins to build
/// asks for it first.
///
/// From: WorkerActor, when it starts.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<Box<Block>>")]
pub struct GetLastSigned;

/// The signed block with this hash can never become part of any chain: another may take its
/// place.
///
/// From: WorkerActor, where the import refused the block for ever.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Withdraw {
    /// Hash of the block.
    pub hash: B256,
}

/// The operator of a development chain took it back to an earlier block: heights above it may be
/// signed again.
///
/// From: WorkerActor, on its way back.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Rewound {
    /// Number of the head now.
    pub to: u64,
}
