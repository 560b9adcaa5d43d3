//! Events of ChainActor, TxPoolActor, DownloaderActor and ServerActor, sent to their subscribers.

use std::sync::Arc;

use actoreum_chain::{ChainEvent, Rewound};
use actoreum_primitives::PeerId;
use actoreum_supervision::Message;
use actoreum_sync::SyncProgress;
use actoreum_txpool::PoolTx;

use crate::chain::BlockOrigin;

/// The events of one import, in the order in which they happened.
///
/// Their number is bounded, and with it the size of mailboxes: of blocks that a sync appends to the
/// head only the last one is reported, and of a large reorg only the new head. Subscribers that
/// need every block compare the events with the last one that they received, and read the missing
/// ones from the chain.
///
/// From: ChainActor, after the commit. Replaces geth's `chainFeed`, `chainSideFeed`,
/// `chainHeadFeed`, `logsFeed` and `rmLogsFeed`, whose order among each other is undefined.
#[derive(Debug, Clone, Message)]
pub struct ChainChanged {
    /// Removed blocks newest first, added blocks oldest first, side blocks, the new head last.
    pub events: Arc<[ChainEvent]>,
    /// Cause of the change.
    pub cause: ChainCause,
}

/// Cause of a change of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainCause {
    /// An import of blocks of this origin.
    Import(BlockOrigin),
    /// A rewind to an earlier block. Blocks without transactions and logs are left out of the
    /// events.
    Rewind(Rewound),
}

/// Transactions that became executable.
///
/// From: TxPoolActor, after it published the pool's snapshot with them. Replaces geth's `txFeed`,
/// which is sent from a goroutine of its own, before or after the pool shows them.
#[derive(Debug, Clone, Message)]
pub struct NewTransactions {
    /// The transactions, each sender's by nonce.
    pub transactions: Arc<[Arc<PoolTx>]>,
}

/// A sync with the network began or ended.
///
/// From: DownloaderActor. Replaces geth's `downloader.StartEvent`, `DoneEvent` and `FailedEvent`.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
pub enum SyncChanged {
    /// The sync began.
    Started(SyncProgress),
    /// The sync succeeded: the local chain has the peer's head.
    Done,
    /// The sync failed, for this reason. Another may begin.
    Failed(String),
}

/// A peer joined or left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEvent {
    /// Node id of the peer.
    pub peer: PeerId,
    /// `None` if the peer joined; otherwise the reason why it left.
    pub dropped: Option<String>,
}
