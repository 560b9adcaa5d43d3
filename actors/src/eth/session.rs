//! The eth session of one peer.
//!
//! All sessions run on the network's thread, which every connection waits for. A large message is
//! therefore decompressed, decoded and checked on the `threads` thread pool, one at a time for each
//! peer, so that the pool is shared fairly. Useless messages are refused before the expensive
//! steps: an unsolicited answer before its decoding, a block with a number out of range before its
//! check.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use actoreum_messages::fetcher::{
    BlockPropagated, BlocksAnnounced, TransactionsAnnounced, TransactionsArrived,
};
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

use super::fetcher::FetcherActor;
use super::limits::{
    INVALID_POINTS, MALFORMED_POINTS, MAX_INLINE_MESSAGE, USELESS_ANNOUNCEMENT_COST,
};
use super::peer::{EthPeer, PeerHead};
use super::propagated::{self, BlockRefusal};
use super::protocol_manager::ProtocolManagerActor;
use super::serve::EthRequestHandler;
use super::shared::EthShared;
use super::status_handshake::StatusHandshake;
use super::transactions::{Intake, check_broadcasts, count_dropped, descriptions};
use crate::net::protocol::{Incoming, Link, ProtocolHandler, SessionExit};
use crate::txpool::Submitted;
use actoreum_supervision::{ActorRef, JobError};

/// [`ProtocolHandler`] of the eth protocol.
///
/// A session exchanges statuses, adds its peer to the set of peers, and handles messages in their
/// order: answers go to the caller that asked, requests are answered from the chain on a thread
/// pool, announcements and broadcasts go to FetcherActor and to the transaction pool. The next
/// message is taken when the last one was handled.
#[derive(Clone)]
pub struct EthProtocol {
    status_handshake: StatusHandshake,
    handler: EthRequestHandler,
    shared: EthShared,
    /// Propagates blocks and transactions to the peer.
    manager: ActorRef<ProtocolManagerActor>,
    /// Fetches what the peer announces.
    fetcher: ActorRef<FetcherActor>,
}

impl EthProtocol {
    /// Creates the handler for the chain of `shared`.
    ///
    /// # Errors
    /// The genesis block cannot be read.
    pub fn new(
        shared: EthShared,
        manager: ActorRef<ProtocolManagerActor>,
        fetcher: ActorRef<FetcherActor>,
        network_id: u64,
    ) -> Result<Self, StorageError> {
        let status_handshake = StatusHandshake::new(shared.chain_reader.clone(), network_id)?;
        let handler = EthRequestHandler {
            chain_reader: shared.chain_reader.clone(),
            pool: shared.txpool.reader.clone(),
            state_nodes: Arc::default(),
        };
        Ok(Self {
            status_handshake,
            handler,
            shared,
            manager,
            fetcher,
        })
    }

    async fn run(self, mut link: Link) -> Result<(), SessionExit> {
        let negotiated = self.status_handshake.run(&mut link).await?;
        let head = PeerHead {
            hash: negotiated.status.head,
            total_difficulty: negotiated.status.total_difficulty,
        };
        let peer = EthPeer::new(link.peer.clone(), negotiated.version, head);
        peer.mark_block(&head.hash);
        let _membership = self.shared.peers.join(peer.clone());
        // Where ProtocolManagerActor is down, it starts this peer when it comes back.
        let joined = PeerJoined { peer: peer.id() };
        let _ = self.manager.tell_when_room(joined).await;
        let verifier = &self.shared.txpool.verifier;
        // The peer's share of the verifier ends with the session, and so does what waits to be
        // checked.
        let _verifier_membership = verifier.join(peer.id().0);
        let (intake, to_check) = Intake::new(verifier.clone());
        let arrived = |submitted: &[Submitted]| self.notify_arrived(&peer, submitted);
        tokio::select! {
            biased;
            ended = self.listen(&mut link, &peer, intake) => ended,
            violation = check_broadcasts(&self.shared, &peer, to_check, arrived) => {
                Err(SessionExit::Error(violation.penalise(&peer)))
            }
        }
    }

    async fn listen(
        &self,
        link: &mut Link,
        peer: &EthPeer,
        intake: Intake,
    ) -> Result<(), SessionExit> {
        while let Some(incoming) = link.receive().await {
            let Some(message) = self.read(peer, incoming).await? else {
                continue;
            };
            match message {
                EthMessage::Status(_) => {
                    return Err(protocol_error(peer, "Extra status message".to_owned()));
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
                | EthMessage::PooledTransactions(..) => peer.on_answer(message),
                EthMessage::NewBlock(block) => self.on_block(peer, block).await?,
                EthMessage::NewBlockHashes(blocks) => {
                    self.on_block_announcements(peer, blocks).await
                }
                EthMessage::NewPooledTransactionHashes(transactions) => {
                    self.on_transaction_announcements(peer, transactions).await;
                }
                EthMessage::Transactions(list) => {
                    if !self.shared.takes_transactions() {
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

    /// Decompresses and decodes a message. `None` for an unsolicited answer, which is not decoded.
    async fn read(
        &self,
        peer: &EthPeer,
        Incoming { id, payload }: Incoming,
    ) -> Result<Option<EthMessage>, SessionExit> {
        let (version, size) = (peer.version(), payload.len());
        if size > MAX_ETH_MESSAGE {
            return Err(protocol_error(
                peer,
                EthError::TooLarge { size }.to_string(),
            ));
        }
        let message = MessageId::from_code(id).filter(|message| version.has(*message));
        let message =
            message.ok_or_else(|| protocol_error(peer, EthError::InvalidCode(id).to_string()))?;
        if message.is_answer() && !peer.is_waiting_for(message) {
            peer.unsolicited(message);
            return Ok(None);
        }
        let decode = move || {
            let payload = payload.decompress().map_err(|error| error.to_string())?;
            EthMessage::decode(version, id, &payload).map_err(|error| error.to_string())
        };
        let decoded = if size > MAX_INLINE_MESSAGE {
            self.run_on_threads("DecodeMessage", decode).await?
        } else {
            decode()
        };
        decoded
            .map(Some)
            .map_err(|error| protocol_error(peer, error))
    }

    /// Runs a job on the thread pool.
    async fn run_on_threads<T: Send + 'static>(
        &self,
        name: &'static str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SessionExit> {
        self.shared
            .threads
            .job(name)
            .run(job)
            .await
            .map_err(|error| match error {
                // The node stops, or its threads are overloaded.
                JobError::NotRun(_) => SessionExit::Quit,
                JobError::Panicked(text) => SessionExit::Error(text),
            })
    }

    async fn serve(&self, peer: &EthPeer, request: EthMessage) -> Result<(), SessionExit> {
        let handler = self.handler.clone();
        let answer = self
            .run_on_threads("AnswerRequest", move || handler.answer(request))
            .await?;
        let Some(answer) = answer else {
            return Ok(());
        };
        let sent = peer.send(&answer).await;
        sent.map_err(|_| SessionExit::Quit)
    }

    /// Handles a full block (`NewBlock`). The sender has its parent for certain.
    async fn on_block(&self, peer: &EthPeer, block: Box<NewBlock>) -> Result<(), SessionExit> {
        let (hash, number, size) = (block.hash(), block.header.number, block.body_size());
        let is_new = peer.mark_block(&hash);
        let total_difficulty = block.total_difficulty;
        let head = PeerHead {
            hash: block.header.parent_hash,
            total_difficulty: total_difficulty.saturating_sub(block.header.difficulty),
        };
        if peer.set_head(head) {
            self.shared.peers.notify_new_head();
        }
        let refused = propagated::check_number(&self.shared.chain_reader, &block).err();
        if !is_new && !matches!(refused, Some(BlockRefusal::Useless(_))) {
            // The block crossed ours on the wire, or the peer sends it again and again.
            peer.charge_useless(size, "blocks that it has sent or was sent before");
        }
        let block = match refused {
            Some(refusal) => Err(refusal),
            None => {
                peer.mark_announced_blocks(&[BlockAnnouncement { hash, number }]);
                let (chain, engine) = (
                    self.shared.chain_reader.clone(),
                    Arc::clone(&self.shared.engine),
                );
                let check = move || propagated::check(&chain, engine.as_ref(), &block);
                self.run_on_threads("CheckBlock", check).await?
            }
        };
        match block {
            Ok(block) => {
                let (peer, block) = (peer.id(), Box::new(block));
                let message = BlockPropagated { peer, block };
                // Where FetcherActor is down, it finds the block remembered when it starts.
                let _ = self.fetcher.ask(message).await;
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

    async fn on_block_announcements(&self, peer: &EthPeer, mut blocks: Vec<BlockAnnouncement>) {
        // FetcherActor remembers no more than that.
        blocks.truncate(HASH_LIMIT + 1);
        for block in &blocks {
            peer.mark_block(&block.hash);
        }
        let height = self.shared.chain_reader.head_number();
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
        let _ = self.fetcher.ask(message).await;
    }

    /// Handles announced transactions. Waits until FetcherActor has handled them, so that a peer
    /// has one such message in its mailbox.
    async fn on_transaction_announcements(
        &self,
        peer: &EthPeer,
        mut transactions: Vec<TransactionAnnouncement>,
    ) {
        peer.mark_transactions(transactions.iter().map(|it| &it.hash));
        let Some(snapshot) = self.shared.txpool.snapshot() else {
            return;
        };
        transactions.retain(|it| snapshot.get(&it.hash).is_none());
        if transactions.is_empty() || !self.shared.takes_transactions() {
            return;
        }
        peer.mark_announced_transactions(&transactions);
        let peer = peer.id();
        let message = TransactionsAnnounced { peer, transactions };
        // Where FetcherActor is down, it finds the last announcements remembered when it starts.
        let _ = self.fetcher.ask(message).await;
    }

    /// Notifies FetcherActor of arrived transactions, where it waits for some.
    fn notify_arrived(&self, peer: &EthPeer, submitted: &[Submitted]) {
        if submitted.is_empty() || self.shared.announced.load(Relaxed) == 0 {
            return;
        }
        let (peer, transactions) = (peer.id(), descriptions(submitted));
        // Where FetcherActor is down, it looks at the pool before it asks.
        let _ = self
            .fetcher
            .tell(TransactionsArrived { peer, transactions });
    }
}

/// Penalises a violation of the protocol, which no honest software commits. Returns the exit of the
/// session.
fn protocol_error(peer: &EthPeer, why: String) -> SessionExit {
    peer.penalise(MALFORMED_POINTS, &why);
    SessionExit::Error(why)
}

impl ProtocolHandler for EthProtocol {
    fn offered(&self) -> Vec<p2p::Protocol> {
        EthVersion::ALL
            .into_iter()
            .map(EthVersion::protocol)
            .collect()
    }

    fn record_entries(&self) -> Vec<(String, Vec<u8>)> {
        vec![self.status_handshake.record_entry()]
    }

    fn run_session(&self, link: Link) -> LocalBoxFuture<'static, SessionExit> {
        let session = self.clone().run(link);
        session
            .map(|ended| match ended {
                Ok(()) => SessionExit::Quit,
                Err(end) => end,
            })
            .boxed_local()
    }
}
