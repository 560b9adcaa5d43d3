//! One conversation with each peer.
//!
//! It runs on the network's thread, which every connection waits for: a large message is
//! decompressed, decoded and checked on the pool `serving`, one at a time for each peer, so that
//! the pool is shared fairly. What is not worth decoding (an answer that nobody asked for, a block
//! whose number is of no use) is refused before that.

use std::sync::Arc;

use actoreum_messages::fetcher::{BlockPropagated, BlocksAnnounced, TransactionsAnnounced};
use actoreum_messages::protocol_manager::PeerJoined;
use actoreum_storage::StorageError;
use actoreum_sync::fetcher::is_near;
use actoreum_sync::fetcher::limits::HASH_LIMIT;
use actoreum_wire::eth::{
    BlockAnnouncement, EthError, EthMessage, EthVersion, MessageId, NewBlock,
    TransactionAnnouncement,
};
use actoreum_wire::limits::MAX_ETH_MESSAGE;
use actoreum_wire::p2p;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::greeting::Greeter;
use super::limits::{INLINE_MESSAGE, INVALID_POINTS, MALFORMED_POINTS, USELESS_ANNOUNCEMENT_COST};
use super::peer::{EthPeer, PeerHead};
use super::propagated::{self, BlockRefusal};
use super::serve::Library;
use super::setup::EthSetup;
use super::transactions::{Intake, check_broadcasts, count_dropped};
use crate::net::protocol::{ConversationEnd, Incoming, Link, ProtocolHandler};
use crate::supervision::JobError;

/// The eth protocol as the network's actors see it.
///
/// A conversation greets, is in the set of peers from then on, and takes messages in their order:
/// answers go to whoever asked, requests are answered from the chain on a pool of threads, what
/// is told goes to FetcherActor and to the pool. It takes the next message when it is done with
/// the last.
#[derive(Clone)]
pub struct EthProtocol {
    greeter: Greeter,
    library: Library,
    setup: EthSetup,
}

impl EthProtocol {
    /// For the chain of a setup.
    ///
    /// # Errors
    /// Where the genesis block cannot be read.
    pub fn new(setup: EthSetup, network_id: u64) -> Result<Self, StorageError> {
        let greeter = Greeter::new(setup.chain.clone(), network_id)?;
        let library = Library {
            chain: setup.chain.clone(),
            pool: setup.pool.reader.clone(),
            states: Arc::default(),
        };
        Ok(Self {
            greeter,
            library,
            setup,
        })
    }

    async fn talk(self, mut link: Link) -> Result<(), ConversationEnd> {
        let greeting = self.greeter.greet(&mut link).await?;
        let head = PeerHead {
            hash: greeting.status.head,
            total_difficulty: greeting.status.total_difficulty,
        };
        let peer = EthPeer::new(link.peer.clone(), greeting.version, head);
        peer.mark_block(&head.hash);
        let _membership = self.setup.peers.join(peer.clone());
        // Where it is down, it welcomes the peer when it starts.
        let joined = PeerJoined { peer: peer.id() };
        let _ = self.setup.manager.tell_when_room(joined).await;
        let verifier = &self.setup.pool.verifier;
        // Goes with the conversation, and what waits to be checked with it.
        let _lane = verifier.join(peer.id().0);
        let (intake, to_check) = Intake::new(verifier.clone());
        tokio::select! {
            biased;
            ended = self.listen(&mut link, &peer, intake) => ended,
            violation = check_broadcasts(&self.setup, &peer, to_check) => {
                Err(ConversationEnd::Error(violation.blame(&peer)))
            }
        }
    }

    async fn listen(
        &self,
        link: &mut Link,
        peer: &EthPeer,
        intake: Intake,
    ) -> Result<(), ConversationEnd> {
        while let Some(incoming) = link.receive().await {
            let Some(message) = self.read(peer, incoming).await? else {
                continue;
            };
            match message {
                EthMessage::Status(_) => {
                    return Err(broken(peer, "Extra status message".to_owned()));
                }
                EthMessage::GetBlockHeaders(..)
                | EthMessage::GetBlockBodies(..)
                | EthMessage::GetReceipts(..)
                | EthMessage::GetNodeData(..)
                | EthMessage::GetPooledTransactions(..) => self.serve(peer, message).await?,
                EthMessage::BlockHeaders(..)
                | EthMessage::BlockBodies(..)
                | EthMessage::Receipts(..)
                | EthMessage::NodeData(..)
                | EthMessage::PooledTransactions(..) => peer.answered(message),
                EthMessage::NewBlock(block) => self.block(peer, block).await?,
                EthMessage::NewBlockHashes(blocks) => self.announced(peer, blocks).await,
                EthMessage::NewPooledTransactionHashes(transactions) => {
                    self.transactions_announced(peer, transactions).await;
                }
                EthMessage::Transactions(list) => {
                    if !self.setup.takes_transactions() {
                        continue;
                    }
                    let dropped = intake.take(list).await;
                    if dropped > 0 {
                        count_dropped(peer, dropped).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Decompresses and decodes a message. `None` for one that is not worth it.
    async fn read(
        &self,
        peer: &EthPeer,
        Incoming { id, payload }: Incoming,
    ) -> Result<Option<EthMessage>, ConversationEnd> {
        let (version, size) = (peer.version(), payload.len());
        if size > MAX_ETH_MESSAGE {
            return Err(broken(peer, EthError::TooLarge { size }.to_string()));
        }
        let message = MessageId::from_code(id).filter(|message| version.has(*message));
        let message = message.ok_or_else(|| broken(peer, EthError::InvalidCode(id).to_string()))?;
        if message.is_answer() && !peer.expects(message) {
            peer.unsolicited(message);
            return Ok(None);
        }
        let decode = move || {
            let payload = payload.decompress().map_err(|error| error.to_string())?;
            EthMessage::decode(version, id, &payload).map_err(|error| error.to_string())
        };
        let decoded = match size > INLINE_MESSAGE {
            true => self.on_pool(decode).await?,
            false => decode(),
        };
        decoded.map(Some).map_err(|error| broken(peer, error))
    }

    /// Runs something on the pool.
    async fn on_pool<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ConversationEnd> {
        self.setup
            .serving
            .run(job)
            .await
            .map_err(|error| match error {
                // This node stops, or has too much to do.
                JobError::NotRun(_) => ConversationEnd::Quit,
                JobError::Panicked(text) => ConversationEnd::Error(text),
            })
    }

    async fn serve(&self, peer: &EthPeer, request: EthMessage) -> Result<(), ConversationEnd> {
        let library = self.library.clone();
        let answer = self.on_pool(move || library.answer(request)).await?;
        let Some(answer) = answer else {
            return Ok(());
        };
        let sent = peer.send(&answer).await;
        sent.map_err(|_| ConversationEnd::Quit)
    }

    /// A whole block. What the sender has for certain is its parent.
    async fn block(&self, peer: &EthPeer, block: Box<NewBlock>) -> Result<(), ConversationEnd> {
        let (hash, number, size) = (block.hash(), block.header.number, block.body_size());
        let is_new = peer.mark_block(&hash);
        let total_difficulty = block.total_difficulty;
        let head = PeerHead {
            hash: block.header.parent_hash,
            total_difficulty: total_difficulty.saturating_sub(block.header.difficulty),
        };
        if peer.set_head(head) {
            self.setup.peers.head_moved();
        }
        let refused = propagated::check_number(&self.setup.chain, &block).err();
        if !is_new && !matches!(refused, Some(BlockRefusal::Useless(_))) {
            // It was on its way while ours went out, or comes again and again.
            peer.charge_useless(size, "blocks that it has sent or was sent before");
        }
        let block = match refused {
            Some(refusal) => Err(refusal),
            None => {
                peer.mark_announced_blocks(&[BlockAnnouncement { hash, number }]);
                let (chain, engine) = (self.setup.chain.clone(), Arc::clone(&self.setup.engine));
                let check = move || propagated::check(&chain, engine.as_ref(), &block);
                self.on_pool(check).await?
            }
        };
        match block {
            Ok(block) => {
                let (peer, block) = (peer.id(), Box::new(block));
                let message = BlockPropagated { peer, block };
                // Where FetcherActor is down, it finds the block remembered when it starts.
                let _ = self.setup.fetcher.ask(message).await;
            }
            Err(refusal @ BlockRefusal::Invalid(_)) => {
                peer.penalise(INVALID_POINTS, &refusal.to_string());
            }
            Err(BlockRefusal::Useless(what)) => peer.charge_useless(size, what),
            // Each peer sends a block once.
            Err(BlockRefusal::Known) => {}
        }
        Ok(())
    }

    async fn announced(&self, peer: &EthPeer, mut blocks: Vec<BlockAnnouncement>) {
        // More are not remembered anyway.
        blocks.truncate(HASH_LIMIT + 1);
        for block in &blocks {
            peer.mark_block(&block.hash);
        }
        let height = self.setup.chain.head_number();
        let announced = blocks.len();
        blocks.retain(|block| is_near(block.number, height));
        let far = announced - blocks.len();
        if far > 0 {
            let cost = far * USELESS_ANNOUNCEMENT_COST;
            peer.charge_useless(cost, "announcements of blocks far from our head");
        }
        if blocks.is_empty() {
            return;
        }
        peer.mark_announced_blocks(&blocks);
        let peer = peer.id();
        let message = BlocksAnnounced { peer, blocks };
        // The next message is read when this one was handled: a peer that floods has one place in
        // the mailbox, as each of the others.
        let _ = self.setup.fetcher.ask(message).await;
    }

    /// Announced transactions. FetcherActor has taken them in when this ends: a peer has one
    /// message of them waiting there.
    async fn transactions_announced(
        &self,
        peer: &EthPeer,
        mut transactions: Vec<TransactionAnnouncement>,
    ) {
        peer.mark_transactions(transactions.iter().map(|it| &it.hash));
        let Some(snapshot) = self.setup.pool.snapshot() else {
            return;
        };
        transactions.retain(|it| snapshot.get(&it.hash).is_none());
        if transactions.is_empty() || !self.setup.takes_transactions() {
            return;
        }
        peer.mark_announced_transactions(&transactions);
        let peer = peer.id();
        let message = TransactionsAnnounced { peer, transactions };
        // Where it is down, it finds the last of them remembered when it starts.
        let _ = self.setup.fetcher.ask(message).await;
    }
}

/// The end of a conversation with a peer that sent what no honest software sends.
fn broken(peer: &EthPeer, why: String) -> ConversationEnd {
    peer.penalise(MALFORMED_POINTS, &why);
    ConversationEnd::Error(why)
}

impl ProtocolHandler for EthProtocol {
    fn offered(&self) -> Vec<p2p::Protocol> {
        EthVersion::ALL
            .into_iter()
            .map(EthVersion::protocol)
            .collect()
    }

    fn record_entries(&self) -> Vec<(String, Vec<u8>)> {
        vec![self.greeter.record_entry()]
    }

    fn converse(&self, link: Link) -> LocalBoxFuture<'static, ConversationEnd> {
        let talk = self.clone().talk(link);
        talk.map(|ended| match ended {
            Ok(()) => ConversationEnd::Quit,
            Err(end) => end,
        })
        .boxed_local()
    }
}
