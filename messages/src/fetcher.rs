//! Messages to FetcherActor, which fetches announced blocks and transactions.

use actoreum_primitives::{B256, PeerId};
use actoreum_supervision::Message;
use actoreum_sync::RawBlock;
use actoreum_wire::eth::{BlockAnnouncement, TransactionAnnouncement};

/// Blocks that a peer announced.
///
/// From: the peer's session, which waits for the answer. Replaces geth's `fetcher.notify`.
#[derive(Debug, Clone, Message)]
pub struct BlocksAnnounced {
    /// Node id of the peer.
    pub peer: PeerId,
    /// The announcements.
    pub blocks: Vec<BlockAnnouncement>,
}

/// A full block that a peer sent. Its body belongs to its header.
///
/// From: the peer's session, which waits for the answer. Replaces geth's `fetcher.inject`.
#[derive(Debug, Clone, Message)]
pub struct BlockPropagated {
    /// Node id of the peer.
    pub peer: PeerId,
    /// The block, its body still encoded.
    pub block: Box<RawBlock>,
}

/// Transactions that a peer announced and that the pool does not have.
///
/// From: the peer's session, which waits for the answer. Replaces the `notify` channel of later
/// geths' `TxFetcher`.
#[derive(Debug, Clone, Message)]
pub struct TransactionsAnnounced {
    /// Node id of the peer.
    pub peer: PeerId,
    /// The announcements.
    pub transactions: Vec<TransactionAnnouncement>,
}

/// Transactions that arrived from a peer: they are not fetched any more, and peers that announced
/// them with another type or size are detected.
///
/// From: peer sessions, for full transactions that were not requested. Replaces the `cleanup`
/// channel of later geths' `TxFetcher`.
#[derive(Debug, Clone, Message)]
pub struct TransactionsArrived {
    /// Node id of the peer that sent them.
    pub peer: PeerId,
    /// Hash, type (EIP-2718) and size in bytes of the encoding of each.
    pub transactions: Vec<(B256, u8, u32)>,
}
