//! Events and reports of an import, for components that follow the chain.

use std::sync::Arc;

use actoreum_primitives::{B256, Block, Receipt};

use crate::{ImportError, SealedHeader};

/// A block with the result of its execution.
#[derive(Debug, Clone)]
pub struct ExecutedBlock {
    /// The header with its hash.
    pub header: SealedHeader,
    /// The block.
    pub block: Arc<Block>,
    /// One receipt per transaction.
    pub receipts: Arc<Vec<Receipt>>,
}

/// A change of the chain. Events are delivered in order.
#[derive(Debug, Clone)]
pub enum ChainEvent {
    /// The block is no longer canonical; its logs are removed. A reorg that exceeds the limits
    /// ([`crate::limits::MAX_EVENT_BLOCKS`], [`crate::limits::MAX_EVENT_GAS`]) has no events of
    /// this kind and no [`Self::Added`].
    Removed(ExecutedBlock),
    /// The block became canonical.
    Added(ExecutedBlock),
    /// The block was stored on a side chain.
    Side(SealedHeader),
    /// The new head: once per import, after all other events.
    Head(SealedHeader),
}

/// A replacement of canonical blocks by those of a side chain.
#[derive(Debug, Clone)]
pub struct Reorg {
    /// The head before.
    pub from: SealedHeader,
    /// The head after.
    pub to: SealedHeader,
    /// Number of blocks that left the canonical chain.
    pub removed: usize,
    /// Number of blocks that joined it.
    pub added: usize,
}

/// A move of the head to an earlier block (`debug_setHead`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewound {
    /// Hash of the head before.
    pub from: B256,
    /// Whether the events hold every block with transactions or logs that left the chain. These
    /// blocks are deleted, so that a block without an event can't be looked up any more.
    pub is_complete: bool,
}

/// The outcome of an import.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// Number of blocks that were new.
    pub imported: usize,
    /// Number of blocks that were known already.
    pub known: usize,
    /// Number of blocks that were queued until their time; zero for an import with
    /// [`crate::Detail::HeadOnly`].
    pub queued: usize,
    /// The changes, as far as [`crate::Detail`] asks for them; a new head is always included.
    pub events: Vec<ChainEvent>,
    /// The reorgs, including those whose blocks have no events.
    pub reorgs: Vec<Reorg>,
    /// The rewind, if [`Chain::set_head`](crate::Chain::set_head) moved the head.
    pub rewound: Option<Rewound>,
    /// The first block that was refused. All blocks before it were imported.
    pub refused: Option<ImportError>,
}
