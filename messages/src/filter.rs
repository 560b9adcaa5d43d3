//! Messages to FilterActor, which keeps filters that are polled and subscriptions that are told.

use std::fmt;
use std::sync::{Arc, OnceLock};

use actix::Message;
use actoreum_chain::{LogCriteria, PlacedLog, SealedHeader};
use actoreum_primitives::B256;

use crate::events::SyncChanged;
use crate::server::PeerEvent;

/// The name of a filter or a subscription: random, so that no client guesses another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FilterId(pub u128);

impl fmt::Display for FilterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What somebody wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// Each new canonical block.
    Heads,
    /// Logs of new canonical blocks, and of blocks that leave the chain.
    Logs(LogRange),
    /// Transactions that the pool begins to hold ready.
    Transactions,
    /// Begin and end of a synchronisation.
    Syncing,
}

/// Criteria for logs, and the blocks to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRange {
    /// What a log must look like.
    pub criteria: LogCriteria,
    /// No block below this.
    pub from: Option<u64>,
    /// No block above this.
    pub to: Option<u64>,
    /// Whether logs of the pending block are wanted.
    pub pending: PendingLogs,
}

/// Whether somebody wants the logs of the block that would be sealed next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PendingLogs {
    /// Those of the chain alone.
    #[default]
    No,
    /// Those of the chain too.
    Also,
    /// No others.
    Only,
}

/// Something that a subscriber hears.
#[derive(Debug)]
pub struct Event {
    /// What happened.
    pub change: Change,
    /// What a transport makes of it, once for all of its subscribers.
    pub rendered: OnceLock<Box<[u8]>>,
}

/// What happened.
#[derive(Debug)]
pub enum Change {
    /// A new canonical block.
    Head(SealedHeader),
    /// Logs of one block, in order.
    Logs(Vec<PlacedLog>),
    /// Hashes of transactions that the pool holds ready.
    Transactions(Arc<[B256]>),
    /// A peer came, or went.
    Peer(PeerEvent),
    /// A synchronisation began or ended.
    Sync(SyncChanged),
}

/// Somebody who is told of events, at the other end of a bounded queue.
pub trait Subscriber: Send + Sync {
    /// Takes an event without waiting. False: it takes no more of any kind.
    fn deliver(&self, subscription: FilterId, event: &Arc<Event>) -> bool;

    /// A subscription ended that nobody asked to end: events are lost from here on.
    fn lost(&self);
}

/// Why no filter was installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {0} filters already")]
pub struct TooManyFilters(pub usize);

/// Install a filter that is polled. From: `eth_newFilter` and its kin.
#[derive(Debug, Message)]
#[rtype(result = "Result<FilterId, TooManyFilters>")]
pub struct InstallFilter {
    /// What it collects.
    pub topic: Topic,
}

/// What a filter collected since it was last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// Of blocks or transactions.
    Hashes(Vec<B256>),
    /// Logs.
    Logs(Vec<PlacedLog>),
}

/// Blocks that a filter was not told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("blocks {first} to {last} were left out: look them up, the next changes follow them")]
pub struct MissedBlocks {
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
}

/// What a filter answers: its changes, or once that blocks were left out. What it collected before
/// and behind them comes with the next answer.
pub type Taken = Result<Collected, MissedBlocks>;

/// Take what a filter collected; `None` where there is no such filter. From:
/// `eth_getFilterChanges`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<Taken>")]
pub struct TakeChanges {
    /// The filter.
    pub id: FilterId,
}

/// What a log filter looks for; `None` where there is no such filter of logs. From:
/// `eth_getFilterLogs`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<LogRange>")]
pub struct GetLogFilter {
    /// The filter.
    pub id: FilterId,
}

/// Remove a filter that is polled; false where there is none. From: `eth_uninstallFilter`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "bool")]
pub struct UninstallFilter {
    /// The filter.
    pub id: FilterId,
}

/// Begin a subscription. From: a connection, right after it queued the answer that names the
/// subscription, so that the name comes first.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe {
    /// Its name.
    pub id: FilterId,
    /// What it is about.
    pub topic: Topic,
    /// Who is told.
    pub subscriber: Arc<dyn Subscriber>,
}

/// End a subscription. From: `eth_unsubscribe`, and a connection that ends.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Unsubscribe {
    /// Its name.
    pub id: FilterId,
}
