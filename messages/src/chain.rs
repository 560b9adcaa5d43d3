//! Messages to ChainActor, the only one that changes the chain.

use actix::Message;
use actoreum_chain::{BadBlock, ImportError, ImportStats};
use actoreum_primitives::{B256, Block, Receipt};

/// Import blocks, each the child of the one before.
///
/// From: the import command, FetcherActor, DownloaderActor, WorkerActor. In the place of geth's
/// `BlockChain.InsertChain`, which blocks its caller.
#[derive(Debug, Message)]
#[rtype(result = "Result<Imported, ImportRefused>")]
pub struct ImportBlocks {
    /// The blocks, ascending.
    pub blocks: Vec<Block>,
    /// Where they come from: decides what is told to those who follow the chain.
    pub origin: BlockOrigin,
}

/// Where blocks come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockOrigin {
    /// A file, or a sync with a peer: many old blocks. Of those that follow the head only the last
    /// is told; none is propagated to peers.
    Bulk,
    /// A peer that announced them, or this node's sealer. Every block is told.
    Live,
}

/// What an import did. All of it is on disk, save what is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Blocks that were new.
    pub imported: usize,
    /// Blocks that were there already.
    pub known: usize,
    /// Live blocks up to 30 s ahead of the clock: kept, and imported when their time comes.
    pub queued: usize,
}

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
pub enum ImportRefused {
    /// A block was refused, and will be again; those before it are imported. Its error's
    /// disposition tells what that says about it.
    #[error(transparent)]
    Invalid(#[from] ImportError),
    /// The import was cut short by a fault of this node; what it had committed stands. Ask again
    /// from the head.
    #[error("import failed: {0}")]
    Failed(String),
    /// Too many imports wait already. Ask again later.
    #[error("{0} imports are waiting already")]
    Busy(usize),
}

/// Keep blocks with their receipts, without executing them: above the head, where nobody looks.
///
/// From: DownloaderActor, in a fast sync. In the place of geth's `BlockChain.InsertHeaderChain` and
/// `InsertReceiptChain`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Imported, ImportRefused>")]
pub struct KeepBlocks {
    /// The blocks, ascending, each the child of the one before.
    pub blocks: Vec<Block>,
    /// The receipts of each.
    pub receipts: Vec<Vec<Receipt>>,
}

/// Make a kept block the head, with the state of its root, all of which is in the store.
///
/// From: DownloaderActor, in a fast sync. In the place of geth's `BlockChain.FastSyncCommitHead`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Imported, ImportRefused>")]
pub struct AdoptState {
    /// The block's hash.
    pub hash: B256,
}

/// Make an earlier canonical block the head; everything above it is forgotten.
///
/// From: `debug_setHead`. In the place of geth's `BlockChain.SetHead`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Imported, ImportRefused>")]
pub struct SetHead {
    /// The number of the new head.
    pub number: u64,
}

/// The last blocks that were refused, with the reasons, oldest first.
///
/// From: `debug_getBadBlocks`. In the place of geth's `BlockChain.BadBlocks`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<BadBlock>")]
pub struct GetBadBlocks;

/// Where the time of all imports since the actor's start went.
///
/// From: the import command and the admin page.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<ImportStats>")]
pub struct GetImportStats;
