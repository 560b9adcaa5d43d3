//! What an import changed, for whoever follows the chain.

use std::sync::Arc;

use actoreum_primitives::{Block, Receipt};

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
    /// The block is no longer canonical; its logs are removed.
    Removed(ExecutedBlock),
    /// The block became canonical.
    Added(ExecutedBlock),
    /// The block is stored on a side chain.
    Side(SealedHeader),
    /// The head, once an import, after everything above.
    Head(SealedHeader),
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
    /// The first block that was refused. All before it are imported.
    pub refused: Option<ImportError>,
}
