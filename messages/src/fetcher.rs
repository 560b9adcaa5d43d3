//! Messages to FetcherActor, which fetches what peers announce.

use actix::Message;
use actoreum_primitives::B256;
use actoreum_sync::BlockParcel;
use actoreum_wire::eth::{BlockAnnouncement, TransactionAnnouncement};
use actoreum_wire::nodes::NodeId;

/// A peer says that it has blocks.
///
/// From: the peer's conversation, which waits for room. In the place of geth's `fetcher.notify`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct BlocksAnnounced {
    /// Who.
    pub peer: NodeId,
    /// Which.
    pub blocks: Vec<BlockAnnouncement>,
}

/// A peer sent a block, whose body belongs to its header.
///
/// From: the peer's conversation, which waits for room. In the place of geth's `fetcher.inject`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct BlockPropagated {
    /// Who.
    pub peer: NodeId,
    /// The block, its body still encoded.
    pub block: Box<BlockParcel>,
}

/// A peer says that it has transactions that our pool does not have.
///
/// From: the peer's conversation, which waits for the answer. In the place of the `notify` channel of
/// later geths' `TxFetcher`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct TransactionsAnnounced {
    /// Who.
    pub peer: NodeId,
    /// Which.
    pub transactions: Vec<TransactionAnnouncement>,
}

/// Transactions have come, whoever sent them: they are not fetched any more, and whoever announced
/// them with another type or size is found out.
///
/// From: conversations and FetcherActor's own requests. In the place of the `cleanup` channel of
/// later geths' `TxFetcher`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct TransactionsArrived {
    /// Who sent them.
    pub peer: NodeId,
    /// The hash, the type (EIP-2718) and the bytes of the encoding of each.
    pub transactions: Vec<(B256, u8, u32)>,
}
