//! One conversation with each peer.

use std::sync::Arc;

use actoreum_messages::fetcher::{BlockPropagated, BlocksAnnounced, TransactionsAnnounced};
use actoreum_messages::protocol_manager::PeerJoined;
use actoreum_primitives::{B256, PooledTransaction, Transaction, TxType};
use actoreum_storage::StorageError;
use actoreum_sync::fetcher::limits::HASH_LIMIT;
use actoreum_wire::eth::{
    BlockAnnouncement, EthMessage, EthVersion, LazyList, NewBlock, TransactionAnnouncement,
};
use actoreum_wire::p2p;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc;

use super::greeting::Greeter;
use super::limits::{INVALID_POINTS, MALFORMED_POINTS, UNCHECKED_MESSAGES};
use super::peer::{EthPeer, PeerHead};
use super::serve::Library;
use super::setup::EthSetup;
use crate::net::protocol::{ConversationEnd, Link, ProtocolHandler};
use crate::supervision::{JobError, Pool};

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

/// Transactions of a message, not decoded.
type Unchecked = LazyList<Transaction>;

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
        let (unchecked, to_check) = mpsc::channel(UNCHECKED_MESSAGES);
        tokio::select! {
            biased;
            ended = self.listen(&mut link, &peer, unchecked) => ended,
            ended = self.check_transactions(&peer, to_check) => ended,
        }
    }

    async fn listen(
        &self,
        link: &mut Link,
        peer: &EthPeer,
        unchecked: mpsc::Sender<Unchecked>,
    ) -> Result<(), ConversationEnd> {
        while let Some(incoming) = link.receive().await {
            let message = EthMessage::decode(peer.version(), incoming.id, &incoming.payload)
                .map_err(|error| broken(peer, error.to_string()))?;
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
                EthMessage::NewBlock(block) => self.block(peer, *block).await,
                EthMessage::NewBlockHashes(blocks) => self.announced(peer, blocks).await,
                EthMessage::NewPooledTransactionHashes(transactions) => {
                    self.transactions_announced(peer, transactions).await;
                }
                EthMessage::Transactions(list) => {
                    if self.setup.takes_transactions() {
                        // The other end lives as long as this one.
                        let _ = unchecked.send(list).await;
                    }
                }
            }
        }
        Ok(())
    }

    async fn serve(&self, peer: &EthPeer, request: EthMessage) -> Result<(), ConversationEnd> {
        let library = self.library.clone();
        let answer = match self
            .setup
            .serving
            .run(move || library.answer(request))
            .await
        {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ok(()),
            Err(JobError::NotRun(_)) => return Err(ConversationEnd::Quit),
            Err(JobError::Panicked(text)) => return Err(ConversationEnd::Error(text)),
        };
        let sent = peer.send(&answer).await;
        sent.map_err(|_| ConversationEnd::Quit)
    }

    /// A whole block. What the sender has for certain is its parent.
    async fn block(&self, peer: &EthPeer, message: NewBlock) {
        let NewBlock {
            block,
            total_difficulty,
        } = message;
        let hash = block.hash();
        peer.mark_block(&hash);
        let head = PeerHead {
            hash: block.header.parent_hash,
            total_difficulty: total_difficulty.saturating_sub(block.header.difficulty),
        };
        if peer.set_head(head) {
            self.setup.peers.head_moved();
        }
        let number = block.header.number;
        peer.mark_announced_blocks(&[BlockAnnouncement { hash, number }]);
        let block = Box::new(block);
        let message = BlockPropagated {
            peer: peer.id(),
            hash,
            block,
        };
        // Where FetcherActor is down, it finds the block remembered when it starts.
        let _ = self.setup.fetcher.tell_when_room(message).await;
    }

    async fn announced(&self, peer: &EthPeer, mut blocks: Vec<BlockAnnouncement>) {
        // More are not remembered anyway.
        blocks.truncate(HASH_LIMIT + 1);
        for block in &blocks {
            peer.mark_block(&block.hash);
        }
        peer.mark_announced_blocks(&blocks);
        let peer = peer.id();
        let message = BlocksAnnounced { peer, blocks };
        let _ = self.setup.fetcher.tell_when_room(message).await;
    }

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
        let _ = self.setup.fetcher.tell_when_room(message).await;
    }

    /// Decodes and submits what the peer sends, one message after the other.
    async fn check_transactions(
        &self,
        peer: &EthPeer,
        mut to_check: mpsc::Receiver<Unchecked>,
    ) -> Result<(), ConversationEnd> {
        while let Some(list) = to_check.recv().await {
            let transactions = decode(&self.setup.serving, list).await;
            let transactions = transactions.map_err(|error| broken(peer, error))?;
            peer.mark_transactions(transactions.iter().map(|(hash, _)| hash));
            let (unchecked, blobs): (Vec<_>, Vec<_>) = transactions
                .into_iter()
                .map(|(_, transaction)| transaction)
                .partition(|it| it.transaction.tx_type() != TxType::Blob);
            if !blobs.is_empty() {
                peer.penalise(INVALID_POINTS, "sent blob transactions unasked");
            }
            self.setup.submit(peer, unchecked).await;
        }
        Ok(())
    }
}

/// The end of a conversation with a peer that sent what no honest software sends.
fn broken(peer: &EthPeer, why: String) -> ConversationEnd {
    peer.penalise(MALFORMED_POINTS, &why);
    ConversationEnd::Error(why)
}

async fn decode(pool: &Pool, list: Unchecked) -> Result<Vec<(B256, PooledTransaction)>, String> {
    let decode = move || {
        let transactions = list.iter().map(|transaction| {
            let transaction = transaction?;
            let hash = transaction.hash();
            let sidecar = None;
            Ok((
                hash,
                PooledTransaction {
                    transaction,
                    sidecar,
                },
            ))
        });
        transactions.collect::<Result<Vec<_>, actoreum_primitives::rlp::DecodeError>>()
    };
    match pool.run(decode).await {
        Ok(decoded) => decoded.map_err(|error| format!("Invalid message - Transactions: {error}")),
        // As where there is no room for them.
        Err(_) => Ok(Vec::new()),
    }
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
