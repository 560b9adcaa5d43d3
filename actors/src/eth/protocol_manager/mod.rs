//! ProtocolManagerActor: decides which blocks and transactions are sent to which peer.
//!
//! | message | what happens |
//! |---|---|
//! | [`PropagateBlock`] | a verified block is sent in full to the square root of the peers that lack it |
//! | [`ChainChanged`] | a new block is propagated, if it was not, and announced to the rest |
//! | [`NewTransactions`] | sent or announced to the peers that lack them |
//! | [`PeerJoined`] | initial transaction sync, and challenges that show the peer's chain |
//! | `PeerSetChanged` | the actors that follow the peers are notified |
//!
//! The blocks and transactions that a peer knows are remembered with the peer
//! ([`EthPeer`]) and survive a restart of this actor: the actor then starts all peers
//! again and sends what they still lack. No handler waits: a peer whose queue is full is skipped.

mod challenge;
mod gossip;

use std::collections::BTreeMap;
use std::sync::Arc;

use actoreum_chain::{ChainEvent, ChainReader};
use actoreum_messages::chain::BlockOrigin;
use actoreum_messages::downloader::EthPeersChanged;
use actoreum_messages::events::{ChainCause, ChainChanged, NewTransactions};
use actoreum_messages::protocol_manager::{PeerJoined, PropagateBlock};
use actoreum_primitives::{B256, Block};
use actoreum_txpool::{PoolReader, PoolTx};
use actoreum_wire::eth::BlockRange;
use futures_util::stream;
use tokio::time::sleep;
use tracing::{debug, trace};

use self::challenge::Challenge;
use super::limits::{BLOCKS_PER_RANGE_UPDATE, PROPAGATED_BLOCKS, TRANSACTION_SYNC_PAUSE};
use super::peer::{EthPeer, KnownHashes};
use super::peers::EthPeers;
use actoreum_supervision::{Actor, Ctx, Failure, Handles, Message, Recipient, SeededRng, WhenFull};

/// A peer joined, left, or has another head.
#[derive(Debug, Clone, Copy, Message)]
struct PeerSetChanged;

/// Arguments of ProtocolManagerActor, which survive its restarts.
#[derive(Clone)]
pub struct ProtocolManagerSetup {
    /// Read access to our chain.
    pub chain_reader: ChainReader,
    /// Read access to our transaction pool.
    pub txpool: PoolReader,
    /// The peers that speak eth.
    pub peers: EthPeers,
    /// Hashes that blocks with these numbers must have (`--whitelist`).
    pub required: BTreeMap<u64, B256>,
    /// Actors that are notified when peers join, leave, or have a better block.
    pub followers: Vec<Recipient<EthPeersChanged>>,
    /// Random choices: the receivers of full blocks and transactions.
    pub rng: SeededRng,
}

/// Actor that gossips blocks and transactions; see the module.
pub struct ProtocolManagerActor {
    challenges: Vec<Challenge>,
    propagated: KnownHashes,
    /// The last block of the range that peers were sent last.
    range_end: u64,
    setup: ProtocolManagerSetup,
}

impl ProtocolManagerActor {
    /// Creates the actor.
    pub fn new(setup: ProtocolManagerSetup) -> Self {
        Self {
            challenges: Challenge::all(&setup.required, setup.chain_reader.config()),
            propagated: KnownHashes::new(PROPAGATED_BLOCKS),
            range_end: setup.chain_reader.head_number(),
            setup,
        }
    }

    /// Sends a full block to some peers, once for each block.
    fn propagate(&mut self, hash: &B256, block: &Block) {
        if !self.propagated.insert(hash) {
            return;
        }
        let parent = block.header.parent_hash;
        let Ok(Some(difficulty)) = self.setup.chain_reader.total_difficulty(&parent) else {
            debug!(number = block.header.number, %hash, "block without a parent not propagated");
            return;
        };
        let total_difficulty = difficulty.saturating_add(block.header.difficulty);
        let peers = self.setup.peers.list();
        let sent = gossip::propagate(&peers, &self.setup.rng, hash, block, total_difficulty);
        trace!(number = block.header.number, %hash, sent, "block propagated");
    }

    /// Starts the challenges and the initial transaction sync of a peer.
    fn start_peer(&self, peer: &EthPeer, ctx: &mut Ctx<Self>) {
        for challenge in &self.challenges {
            ctx.spawn(challenge.run(peer.clone()));
        }
        let snapshot = self.setup.txpool.snapshot();
        let pending = snapshot.iter().flat_map(|it| it.senders());
        let mut pending: Vec<_> = pending
            .flat_map(|it| it.pending())
            .map(Arc::clone)
            .collect();
        // A stable sort: a sender's transactions stay in their order; senders need no order.
        pending.sort_by_key(|it| it.sender());
        if !pending.is_empty() {
            ctx.spawn(send_initial_transactions(peer.clone(), pending));
        }
    }

    /// Sends the range of available blocks, as often as geth does.
    fn update_range(&mut self, latest: u64, latest_hash: B256) {
        if latest.abs_diff(self.range_end) < BLOCKS_PER_RANGE_UPDATE {
            return;
        }
        self.range_end = latest;
        let range = BlockRange {
            earliest: 0,
            latest,
            latest_hash,
        };
        gossip::update_range(&self.setup.peers.list(), range);
    }

    fn announce(&self, hash: B256, number: u64) {
        let sent = gossip::announce(&self.setup.peers.list(), hash, number);
        trace!(number, %hash, sent, "block announced");
    }
}

impl Actor for ProtocolManagerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let mut changes = self.setup.peers.changes();
        // Followers are notified of what happened before this start, too.
        changes.mark_changed();
        for peer in self.setup.peers.list().iter() {
            self.start_peer(peer, ctx);
        }
        ctx.attach(stream::unfold(changes, |mut changes| async move {
            changes.changed().await.ok()?;
            Some((PeerSetChanged, changes))
        }));
        Ok(())
    }
}

impl Handles<PropagateBlock> for ProtocolManagerActor {
    type Answer = ();
    // The next hop gets the block from another node.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, PropagateBlock { block }: PropagateBlock, _: &mut Ctx<Self>) {
        self.propagate(&block.hash(), &block);
    }
}

impl Handles<ChainChanged> for ProtocolManagerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, ChainChanged { events, cause }: ChainChanged, _: &mut Ctx<Self>) {
        // Blocks that a sync fetched are not sent back to peers, and reverted blocks are not
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
                    if let Ok(Some(block)) = self.setup.chain_reader.block_by_hash(&hash) {
                        self.propagate(&hash, &block);
                    }
                    self.announce(hash, header.number);
                }
                ChainEvent::Head(head) => {
                    if !(is_live && has_blocks) {
                        self.announce(head.hash(), head.number);
                    }
                    self.update_range(head.number, head.hash());
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
        gossip::broadcast(&peers, &self.setup.rng, &transactions);
    }
}

impl Handles<PeerJoined> for ProtocolManagerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, PeerJoined { peer }: PeerJoined, ctx: &mut Ctx<Self>) {
        if let Some(peer) = self.setup.peers.get(&peer) {
            self.start_peer(&peer, ctx);
        }
    }
}

/// Sends the pending transactions to a peer that has joined, message by message.
async fn send_initial_transactions(peer: EthPeer, pending: Vec<Arc<PoolTx>>) {
    for part in gossip::initial_transactions(&peer, &pending) {
        let (message, hashes) = part.message();
        if peer.send(&message).await.is_err() {
            return;
        }
        peer.mark_transactions(&hashes);
        sleep(TRANSACTION_SYNC_PAUSE).await;
    }
}

impl Handles<PeerSetChanged> for ProtocolManagerActor {
    type Answer = ();

    fn handle(&mut self, _: PeerSetChanged, _: &mut Ctx<Self>) {
        for follower in &self.setup.followers {
            // A follower that is down looks at the peers when it starts.
            let _ = follower.tell(EthPeersChanged);
        }
    }
}
