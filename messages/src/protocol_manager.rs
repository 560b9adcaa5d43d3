//! Messages to ProtocolManagerActor, which propagates blocks and transactions to peers.

use std::sync::Arc;

use actoreum_primitives::{Block, PeerId};
use actoreum_supervision::Message;

/// Sends a full block to some of the peers that do not have it. The block's header is valid; its
/// execution may be still to come, so that the network does not wait for this node's.
///
/// From: FetcherActor. Replaces geth's `broadcastBlock(block, true)`, which runs in a goroutine for
/// each block.
#[derive(Debug, Clone, Message)]
pub struct PropagateBlock {
    /// The block.
    pub block: Arc<Block>,
}

/// Reports a new peer, to which the transactions of the pool are announced, and whose chain is
/// checked.
///
/// From: the peer's session, once the peer is in the set of peers. Replaces geth's `txsyncCh` and
/// the challenges of `ProtocolManager.handle`.
#[derive(Debug, Clone, Copy, Message)]
pub struct PeerJoined {
    /// Node id of the peer.
    pub peer: PeerId,
}
