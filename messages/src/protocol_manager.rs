//! Messages to ProtocolManagerActor, which decides who of our peers is told what.

use std::sync::Arc;

use actix::Message;
use actoreum_primitives::Block;
use actoreum_wire::nodes::NodeId;

/// Send a block whole to some of the peers that do not have it. Its header was found sound; its
/// execution may be still to come, so that the network does not wait for ours.
///
/// From: FetcherActor. In the place of geth's `broadcastBlock(block, true)`, which ran in a
/// goroutine of its own for each block.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct PropagateBlock {
    /// The block.
    pub block: Arc<Block>,
}

/// A peer has come: tell it of our transactions, and look whether it is on our chain.
///
/// From: the peer's conversation, once it is in the set of peers. In the place of geth's
/// `txsyncCh` and the challenges of `ProtocolManager.handle`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct PeerJoined {
    /// Who.
    pub peer: NodeId,
}
