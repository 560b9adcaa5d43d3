//! ProtocolManagerActor: decides which peer is told what.
//!
//! | message | what happens |
//! |---|---|
//! | [`PropagateBlock`] | a sound block goes whole to the square root of the peers that lack it |
//! | [`ChainChanged`] | a new block is propagated, if it was not, and announced to the rest |
//! | [`NewTransactions`] | sent or announced to those that lack them |
//! | [`PeerJoined`] | it is told of the pool, and asked for the blocks that show its chain |
//! | `PeersMoved` | who follows the peers hears of it |
//!
//! What a peer knows is remembered with the peer ([`EthPeer`](super::EthPeer)), so that a new
//! generation begins with it: all peers are welcomed again, and told what they were not told
//! while nobody was here. Nothing here waits: a peer whose queue is full is told nothing.

mod challenge;
mod gossip;

use std::sync::Arc;

use actoreum_chain::ChainEvent;
use actoreum_messages::chain::BlockOrigin;
use actoreum_messages::downloader::PeersChanged;
use actoreum_messages::events::{ChainCause, ChainChanged, NewTransactions};
use actoreum_messages::protocol_manager::{PeerJoined, PropagateBlock};
use actoreum_primitives::{B256, Block};
use futures_util::stream;
use tokio::time::sleep;
use tracing::{debug, trace};

use self::challenge::Challenge;
use super::limits::{PROPAGATED_BLOCKS, TRANSACTION_SYNC_PAUSE};
use super::peer::{EthPeer, KnownHashes};
use super::setup::EthSetup;
use crate::supervision::{Actor, Ctx, Failure, Handles, Message, WhenFull};

/// The set of peers, or what one of them says of its head, is another one.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
struct PeersMoved;

/// See the module.
pub struct ProtocolManagerActor {
    challenges: Vec<Challenge>,
    propagated: KnownHashes,
    setup: EthSetup,
}

impl ProtocolManagerActor {
    /// A generation.
    pub fn new(setup: EthSetup) -> Self {
        Self {
            challenges: Challenge::all(&setup),
            propagated: KnownHashes::new(PROPAGATED_BLOCKS),
            setup,
        }
    }

    /// Sends a block to some peers, once.
    fn propagate(&mut self, hash: &B256, block: &Block) {
        if !self.propagated.insert(hash) {
            return;
        }
        let parent = block.header.parent_hash;
        let Ok(Some(difficulty)) = self.setup.chain.total_difficulty(&parent) else {
            debug!(number = block.header.number, %hash, "block without a parent not propagated");
            return;
        };
        let total_difficulty = difficulty.saturating_add(block.header.difficulty);
        let peers = self.setup.peers.list();
        let sent = gossip::propagate(&peers, &self.setup.chance, hash, block, total_difficulty);
        trace!(number = block.header.number, %hash, sent, "block propagated");
    }

    /// Asks a peer for the blocks that show its chain, and tells it of the pool.
    fn welcome(&self, peer: &EthPeer, ctx: &mut Ctx<Self>) {
        for challenge in &self.challenges {
            ctx.spawn(challenge.pose(peer.clone()));
        }
        let snapshot = self.setup.pool.snapshot();
        let pending = snapshot.iter().flat_map(|it| it.senders());
        let mut pending: Vec<_> = pending
            .flat_map(|it| it.pending())
            .map(Arc::clone)
            .collect();
        // A sender's stay in their order; the senders have none of their own.
        pending.sort_by_key(|it| it.sender());
        if !pending.is_empty() {
            ctx.spawn(introduce(peer.clone(), pending));
        }
    }

    fn announce(&self, hash: B256, number: u64) {
        let told = gossip::announce(&self.setup.peers.list(), hash, number);
        trace!(number, %hash, told, "block announced");
    }
}

impl Actor for ProtocolManagerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let mut changes = self.setup.peers.changes();
        // What happened before this generation is told too.
        changes.mark_changed();
        for peer in self.setup.peers.list().iter() {
            self.welcome(peer, ctx);
        }
        ctx.attach(stream::unfold(changes, |mut changes| async move {
            changes.changed().await.ok()?;
            Some((PeersMoved, changes))
        }));
        Ok(())
    }
}

impl Handles<PropagateBlock> for ProtocolManagerActor {
    type Answer = ();
    // The next hop gets it from somebody else.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, PropagateBlock { block }: PropagateBlock, _: &mut Ctx<Self>) {
        self.propagate(&block.hash(), &block);
    }
}

impl Handles<ChainChanged> for ProtocolManagerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, ChainChanged { events, cause }: ChainChanged, _: &mut Ctx<Self>) {
        // What a sync fetched from peers is not sent back to them, and what was taken back is not
        // announced: the new head is, as at the end of geth's syncs.
        let is_live = cause == ChainCause::Import(BlockOrigin::Live);
        let has_blocks = events.iter().any(|it| matches!(it, ChainEvent::Added(_)));
        for event in events.iter() {
            match event {
                ChainEvent::Added(executed) if is_live => {
                    let hash = executed.header.hash();
                    self.propagate(&hash, &executed.block);
                    self.announce(hash, executed.header.number);
                }
                ChainEvent::Side(header) if is_live => {
                    let hash = header.hash();
                    // A sealer's own block on a side branch is still to be propagated.
                    if let Ok(Some(block)) = self.setup.chain.block_by_hash(&hash) {
                        self.propagate(&hash, &block);
                    }
                    self.announce(hash, header.number);
                }
                ChainEvent::Head(head) if !(is_live && has_blocks) => {
                    self.announce(head.hash(), head.number);
                }
                _ => {}
            }
        }
    }
}

impl Handles<NewTransactions> for ProtocolManagerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, NewTransactions { transactions }: NewTransactions, _: &mut Ctx<Self>) {
        let peers = self.setup.peers.list();
        gossip::broadcast(&peers, &self.setup.chance, &transactions);
    }
}

impl Handles<PeerJoined> for ProtocolManagerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, PeerJoined { peer }: PeerJoined, ctx: &mut Ctx<Self>) {
        if let Some(peer) = self.setup.peers.get(&peer) {
            self.welcome(&peer, ctx);
        }
    }
}

/// Tells a peer of our pool, part by part.
async fn introduce(peer: EthPeer, pending: Vec<Arc<actoreum_txpool::PoolTx>>) {
    for part in gossip::introduction(&peer, &pending) {
        let (message, hashes) = part.message();
        if peer.send(&message).await.is_err() {
            return;
        }
        peer.mark_transactions(&hashes);
        sleep(TRANSACTION_SYNC_PAUSE).await;
    }
}

impl Handles<PeersMoved> for ProtocolManagerActor {
    type Answer = ();

    fn handle(&mut self, _: PeersMoved, _: &mut Ctx<Self>) {
        for follower in &self.setup.followers {
            // Where it is down, it looks at the peers when it starts.
            let _ = follower.tell(PeersChanged);
        }
    }
}
