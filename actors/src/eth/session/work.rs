//! The handling of a peer's message: what takes time, beside the actor's state.
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
use actoreum_supervision::{ActorRef, JobError};
use actoreum_sync::fetcher::is_near;
use actoreum_sync::fetcher::limits::HASH_LIMIT;
use actoreum_wire::eth::{
    BlockAnnouncement, BlockRange, EthMessage, EthVersion, NewBlock, TransactionAnnouncement,
};
use actoreum_wire::p2p::Payload;

use crate::eth::fetcher::FetcherActor;
use crate::eth::limits::{INVALID_POINTS, MALFORMED_POINTS, USELESS_ANNOUNCEMENT_COST};
use crate::eth::peer::{EthPeer, PeerHead};
use crate::eth::propagated::{self, BlockRefusal};
use crate::eth::serve::EthRequestHandler;
use crate::eth::shared::EthShared;
use crate::eth::transactions::{Intake, count_dropped, descriptions};
use crate::net::protocol::SessionExit;
use crate::txpool::Submitted;

/// The references and state for handling a peer's messages.
pub(super) struct SessionWork {
    pub(super) peer: EthPeer,
    pub(super) shared: EthShared,
    pub(super) handler: EthRequestHandler,
    /// Fetches what the peer announces.
    pub(super) fetcher: ActorRef<FetcherActor>,
    /// The broadcast transactions that wait to be checked.
    pub(super) intake: Intake,
}

impl SessionWork {
    /// Handles a message that is neither a status nor an answer, to its end.
    ///
    /// # Errors
    /// The reason that the session ends with.
    pub(super) async fn handle(&self, message: EthMessage) -> Result<(), SessionExit> {
        match message {
            EthMessage::NewBlock(block) => self.on_block(block).await?,
            EthMessage::NewBlockHashes(blocks) => self.on_block_announcements(blocks).await,
            EthMessage::NewPooledTransactionHashes(transactions) => {
                self.on_transaction_announcements(transactions).await;
            }
            EthMessage::Transactions(list) => {
                if !self.shared.takes_transactions() {
                    return Ok(());
                }
                let dropped = self.intake.take(list).await;
                if dropped > 0 {
                    count_dropped(&self.peer, dropped).await;
                }
            }
            EthMessage::BlockRangeUpdate(range) => self.on_range(range)?,
            request => self.serve(request).await?,
        }
        Ok(())
    }

    /// Runs a job on the thread pool.
    pub(super) async fn run_on_threads<T: Send + 'static>(
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

    async fn serve(&self, request: EthMessage) -> Result<(), SessionExit> {
        let (handler, version) = (self.handler.clone(), self.peer.version());
        let answer = self
            .run_on_threads("AnswerRequest", move || handler.answer(version, request))
            .await?;
        let Some(answer) = answer else {
            return Ok(());
        };
        let sent = self.peer.send(&answer).await;
        sent.map_err(|_| SessionExit::Quit)
    }

    /// Handles a change of the blocks that the peer has.
    fn on_range(&self, range: BlockRange) -> Result<(), SessionExit> {
        let checked = range.check();
        checked.map_err(|error| protocol_error(&self.peer, error.to_string()))?;
        self.peer.set_range(range);
        Ok(())
    }

    /// Handles a full block (`NewBlock`). The sender has its parent for certain.
    async fn on_block(&self, block: Box<NewBlock>) -> Result<(), SessionExit> {
        let peer = &self.peer;
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

    async fn on_block_announcements(&self, mut blocks: Vec<BlockAnnouncement>) {
        let peer = &self.peer;
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
    async fn on_transaction_announcements(&self, mut transactions: Vec<TransactionAnnouncement>) {
        let peer = &self.peer;
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
    pub(super) fn notify_arrived(&self, submitted: &[Submitted]) {
        if submitted.is_empty() || self.shared.announced.load(Relaxed) == 0 {
            return;
        }
        let (peer, transactions) = (self.peer.id(), descriptions(submitted));
        // Where FetcherActor is down, it looks at the pool before it asks.
        let _ = self
            .fetcher
            .tell(TransactionsArrived { peer, transactions });
    }
}

/// Penalises a violation of the protocol, which no honest software commits. Returns the exit of the
/// session.
pub(super) fn protocol_error(peer: &EthPeer, why: String) -> SessionExit {
    peer.penalise(MALFORMED_POINTS, &why);
    SessionExit::Error(why)
}

/// Decompresses and decodes a message. The error is its text.
pub(super) fn decode(version: EthVersion, id: u64, payload: Payload) -> Result<EthMessage, String> {
    let payload = payload.decompress().map_err(|error| error.to_string())?;
    EthMessage::decode(version, id, &payload).map_err(|error| error.to_string())
}
