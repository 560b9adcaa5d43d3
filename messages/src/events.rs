//! What ChainActor, TxPoolActor and DownloaderActor tell those who follow them.

use std::sync::Arc;

use actix::Message;
use actoreum_chain::{ChainEvent, Rewound};
use actoreum_sync::SyncProgress;
use actoreum_txpool::PoolTx;

use crate::chain::BlockOrigin;

/// The chain changed: the events of one import, in the order in which they happened.
///
/// Their number is bounded, so that what waits in mailboxes is: blocks that a sync puts on the head
/// are told by the last of them, and of a large reorg the new head alone is told. Those who need
/// every block compare the events with what they were told last, and read from the chain what is
/// left out.
///
/// From: ChainActor, after the commit. In the place of geth's `chainFeed`, `chainSideFeed`,
/// `chainHeadFeed`, `logsFeed` and `rmLogsFeed`, whose order among each other was left open.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ChainChanged {
    /// Removed blocks newest first, added blocks oldest first, side blocks, the new head last.
    pub events: Arc<[ChainEvent]>,
    /// What brought it about.
    pub cause: ChainCause,
}

/// What moved the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainCause {
    /// Blocks of this origin.
    Import(BlockOrigin),
    /// A step back to an earlier head. Blocks without transactions and logs are left out of the
    /// events.
    Rewind(Rewound),
}

/// Transactions that can be executed now and could not before.
///
/// From: TxPoolActor, after the pool's snapshot with them is published. In the place of geth's
/// `txFeed`, which was sent from a goroutine of its own, before or after the pool showed them.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct NewTransactions {
    /// The transactions, each sender's by nonce.
    pub transactions: Arc<[Arc<PoolTx>]>,
}

/// A sync with the network began or ended.
///
/// From: DownloaderActor. In the place of geth's `downloader.StartEvent`, `DoneEvent` and
/// `FailedEvent`.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum SyncChanged {
    /// Blocks are fetched that others have and we do not.
    Started(SyncProgress),
    /// We have what the peer had that we synced with.
    Done,
    /// It ended early, for this reason. Another may begin.
    Failed(String),
}
