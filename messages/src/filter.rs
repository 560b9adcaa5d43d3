//! Messages to FilterActor, which manages polled filters and subscriptions.

use std::fmt;
use std::sync::{Arc, OnceLock};

use actoreum_chain::{LogCriteria, LogWithMeta, SealedHeader};
use actoreum_primitives::B256;
use actoreum_supervision::Message;
use actoreum_txpool::PoolTx;

use crate::events::{PeerEvent, SyncChanged};

/// Id of a filter or a subscription: random, so that no client guesses another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FilterId(pub u128);

impl fmt::Display for FilterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Subject of a filter or a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// New canonical blocks.
    Heads,
    /// Logs of new canonical blocks, and of blocks that leave the canonical chain.
    Logs(LogRange),
    /// Hashes of transactions that become executable in the pool.
    Transactions,
    /// The same transactions in full.
    FullTransactions,
    /// Begin and end of a sync.
    Syncing,
}

/// Criteria for logs, and the range of blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRange {
    /// Addresses and topics that a log must have.
    pub criteria: LogCriteria,
    /// Lowest block of the range.
    pub from: Option<u64>,
    /// Highest block of the range.
    pub to: Option<u64>,
    /// Inclusion of the logs of the pending block.
    pub pending: PendingLogs,
}

/// Inclusion of the logs of the block that would be sealed next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PendingLogs {
    /// Logs of the chain only.
    #[default]
    No,
    /// Logs of the chain and of the pending block.
    Also,
    /// Logs of the pending block only.
    Only,
}

/// An event for subscribers.
#[derive(Debug)]
pub struct Event {
    /// The change.
    pub change: Change,
    /// The event as the transport encodes it, once for all of its subscribers.
    pub rendered: OnceLock<Box<[u8]>>,
}

/// A change that subscribers receive.
#[derive(Debug)]
pub enum Change {
    /// A new canonical block.
    Head(SealedHeader),
    /// Logs of one block, in order.
    Logs(Vec<LogWithMeta>),
    /// Hashes of transactions that became executable.
    Transactions(Arc<[B256]>),
    /// The same transactions in full.
    FullTransactions(Arc<[Arc<PoolTx>]>),
    /// A peer joined or left.
    Peer(PeerEvent),
    /// A sync began or ended.
    Sync(SyncChanged),
}

/// A receiver of events with a bounded queue.
pub trait Subscriber: Send + Sync {
    /// Queues an event without waiting. Returns false if the subscriber takes no more events of any
    /// kind.
    fn deliver(&self, subscription: FilterId, event: &Arc<Event>) -> bool;

    /// Tells the subscriber that a subscription ended unasked: events are lost from here on.
    fn lost(&self);
}

/// Error of [`InstallFilter`]: the maximum number of filters is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {0} filters already")]
pub struct TooManyFilters(pub usize);

/// Installs a polled filter.
///
/// From: `eth_newFilter` and related methods.
#[derive(Debug, Message)]
#[answer(Result<FilterId, TooManyFilters>)]
pub struct InstallFilter {
    /// Subject of the filter.
    pub topic: Topic,
}

/// Changes that a filter collected since the last poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// Hashes of blocks or transactions.
    Hashes(Vec<B256>),
    /// Logs.
    Logs(Vec<LogWithMeta>),
}

/// Error of a filter that missed blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("blocks {first} to {last} were left out: look them up, the next changes follow them")]
pub struct MissedBlocks {
    /// Number of the first missed block.
    pub first: u64,
    /// Number of the last missed block.
    pub last: u64,
}

/// Answer of a polled filter: its changes, or one error for missed blocks. The changes before and
/// after the missed blocks come with the next answers.
pub type CollectedChanges = Result<Collected, MissedBlocks>;

/// Takes the changes that a filter collected. Answers `None` if there is no such filter.
///
/// From: `eth_getFilterChanges`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Option<CollectedChanges>)]
pub struct TakeChanges {
    /// Id of the filter.
    pub id: FilterId,
}

/// Answers the criteria of a log filter; `None` if there is no such log filter.
///
/// From: `eth_getFilterLogs`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Option<LogRange>)]
pub struct GetLogFilter {
    /// Id of the filter.
    pub id: FilterId,
}

/// Removes a polled filter. Answers false if there is none.
///
/// From: `eth_uninstallFilter`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(bool)]
pub struct UninstallFilter {
    /// Id of the filter.
    pub id: FilterId,
}

/// Begins a subscription.
///
/// From: an RPC connection, right after it queued the answer with the subscription's id, so that
/// the client sees the id first.
#[derive(Message)]
pub struct Subscribe {
    /// Id of the subscription.
    pub id: FilterId,
    /// Subject of the subscription.
    pub topic: Topic,
    /// Receiver of the events.
    pub subscriber: Arc<dyn Subscriber>,
}

/// Ends a subscription.
///
/// From: `eth_unsubscribe`, and an RPC connection that closes.
#[derive(Debug, Clone, Copy, Message)]
pub struct Unsubscribe {
    /// Id of the subscription.
    pub id: FilterId,
}
