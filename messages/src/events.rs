//! What ChainActor tells those who follow the chain.

use std::sync::Arc;

use actix::Message;
use actoreum_chain::ChainEvent;

/// The chain changed: the events of one import, in the order in which they happened.
///
/// From: ChainActor, after the commit. In the place of geth's `chainFeed`, `chainSideFeed`,
/// `chainHeadFeed`, `logsFeed` and `rmLogsFeed`, whose order among each other was left open.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ChainChanged {
    /// Removed blocks newest first, added blocks oldest first, side blocks, the new head last.
    pub events: Arc<[ChainEvent]>,
}
