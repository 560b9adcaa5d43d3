//! Messages to ChainActor, the only writer of the chain.

use actoreum_chain::{BadBlock, ImportError, ImportStats};
use actoreum_primitives::{B256, Block, Receipt};
use actoreum_supervision::Message;

/// Imports blocks, each the child of the one before.
///
/// From: the import command, FetcherActor, DownloaderActor, WorkerActor. Replaces geth's
/// `BlockChain.InsertChain`, which blocks its caller.
#[derive(Debug, Message)]
#[answer(Result<Imported, ImportRefused>)]
pub struct ImportBlocks {
    /// The blocks, ascending.
    pub blocks: Vec<Block>,
    /// Origin of the blocks: decides which events subscribers receive.
    pub origin: BlockOrigin,
}

/// Origin of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockOrigin {
    /// A file, or a sync with a peer: many old blocks. Of those that extend the head only the last
    /// is reported to subscribers; none is propagated to peers.
    Bulk,
    /// A peer that announced the block, or this node's sealer. Every block is reported.
    Live,
}

/// Result of an import. All of it is on disk, except for queued blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Number of new blocks.
    pub imported: usize,
    /// Number of blocks that were in the chain already.
    pub known: usize,
    /// Number of live blocks up to 30 s ahead of the clock: they are held in memory, and imported
    /// when their time comes.
    pub queued: usize,
}

/// Reason why an import ended early.
#[derive(Debug, thiserror::Error)]
pub enum ImportRefused {
    /// A block is invalid; those before it are imported. The disposition of its error tells what
    /// that means for the block and its sender.
    #[error(transparent)]
    Invalid(#[from] ImportError),
    /// The import was interrupted by a local failure; committed blocks stay. The sender may retry
    /// from the head.
    #[error("import failed: {0}")]
    Failed(String),
    /// Too many imports are waiting. The sender may retry later.
    #[error("{0} imports are waiting already")]
    Busy(usize),
}

/// Stores blocks with their receipts above the head, without executing them; readers do not see
/// them.
///
/// From: DownloaderActor, in a fast sync. Replaces geth's `BlockChain.InsertHeaderChain` and
/// `InsertReceiptChain`.
#[derive(Debug, Message)]
#[answer(Result<Imported, ImportRefused>)]
pub struct InsertReceiptChain {
    /// The blocks, ascending, each the child of the one before.
    pub blocks: Vec<Block>,
    /// The receipts of each block.
    pub receipts: Vec<Vec<Receipt>>,
}

/// Makes a block of [`InsertReceiptChain`] the head, with the state of its root, all of which is in
/// the store.
///
/// From: DownloaderActor, in a fast sync. Replaces geth's `BlockChain.FastSyncCommitHead`.
#[derive(Debug, Message)]
#[answer(Result<Imported, ImportRefused>)]
pub struct CommitPivotState {
    /// Hash of the block.
    pub hash: B256,
}

/// Makes an earlier canonical block the head; everything above it is removed.
///
/// From: `debug_setHead`. Replaces geth's `BlockChain.SetHead`.
#[derive(Debug, Message)]
#[answer(Result<Imported, ImportRefused>)]
pub struct SetHead {
    /// Number of the new head.
    pub number: u64,
}

/// Answers the last invalid blocks, with the reasons, oldest first.
///
/// From: `debug_getBadBlocks`. Replaces geth's `BlockChain.BadBlocks`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Vec<BadBlock>)]
pub struct GetBadBlocks;

/// Answers how the time of all imports since the actor's start was spent.
///
/// From: the import command and the admin page.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Option<ImportStats>)]
pub struct GetImportStats;
