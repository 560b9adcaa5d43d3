//! What an import changed, for whoever follows the chain.

use std::sync::Arc;

use actoreum_primitives::{B256, Block, Receipt};

use crate::{ImportError, SealedHeader};

/// A block with what its execution left.
#[derive(Debug, Clone)]
pub struct ExecutedBlock {
    /// Its header with its hash.
    pub header: SealedHeader,
    /// The block.
    pub block: Arc<Block>,
    /// One a transaction.
    pub receipts: Arc<Vec<Receipt>>,
}

/// A change of the chain, in the order in which it must be told.
#[derive(Debug, Clone)]
pub enum ChainEvent {
    /// The block is no longer canonical; its logs are removed. A reorg that is too large to be
    /// told in full ([`crate::limits::TOLD_BLOCKS`]) leaves these and [`Self::Added`] out.
    Removed(ExecutedBlock),
    /// The block became canonical.
    Added(ExecutedBlock),
    /// The block is stored on a side chain.
    Side(SealedHeader),
    /// The head, once an import, after everything above.
    Head(SealedHeader),
}

/// Blocks of the canonical chain that gave way to others.
#[derive(Debug, Clone)]
pub struct Reorg {
    /// The head before.
    pub from: SealedHeader,
    /// The head after.
    pub to: SealedHeader,
    /// How many blocks left the chain.
    pub removed: usize,
    /// How many blocks took their place.
    pub added: usize,
}

/// A step back to an earlier head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewound {
    /// Hash of the head before.
    pub from: B256,
    /// Whether the events hold every block with transactions or logs that left the chain: they are
    /// deleted, so that nobody can look up what is left out.
    pub is_whole: bool,
}

/// How an import went.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// Blocks that were new.
    pub imported: usize,
    /// Blocks that were there already.
    pub known: usize,
    /// Blocks that are kept until their time comes: none of a bulk import.
    pub queued: usize,
    /// What changed, as far as [`crate::Detail`] asks for it; a new head always.
    pub events: Vec<ChainEvent>,
    /// The reorgs among the changes, also those whose blocks are not among the events.
    pub reorgs: Vec<Reorg>,
    /// The head before [`Chain::set_head`](crate::Chain::set_head), where that moved it.
    pub rewound: Option<Rewound>,
    /// The first block that was refused. All before it are imported.
    pub refused: Option<ImportError>,
}
