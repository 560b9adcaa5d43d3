//! How everybody else reaches the pool.

use std::{sync::Arc, time::Duration};

use actoreum_chain::ChainReader;
use actoreum_messages::txpool::{AddLocal, AddRemote, Added};
use actoreum_primitives::{B256, PooledTransaction, Transaction};
use actoreum_txpool::{AddError, PeerId, PoolReader, PoolTx, Snapshot};
use tokio::time::Instant;

use super::{TxPoolActor, sender_rules};
use crate::supervision::{ActorRef, AskError, JobError, Pool};

/// How long a submission waits for an actor that is starting again, and for its answer. See
/// [`BACKOFF`](super::BACKOFF).
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a submission is made again after the actor went down while it was at it: it may be
/// the transaction that brings it down.
const INTERRUPTIONS: u32 = 1;
/// Transactions of one message to the actor: at a few microseconds each its handler stays short.
const BATCH: usize = 128;

/// Why a transaction was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The pool does not take it.
    #[error(transparent)]
    Refused(#[from] AddError),
    /// The pool did not answer. Whether it took the transaction is not known only where
    /// [`AskError::was_never_handled`] is false.
    #[error("transaction pool: {0}")]
    NoAnswer(#[from] AskError),
    /// The threads that check signatures did not answer; nothing has happened.
    #[error("transaction pool: {0}")]
    NotPrepared(#[from] JobError),
}

/// The pool, for those who submit and those who read. Cloning is cheap; it outlives every
/// generation of the actor.
#[derive(Clone)]
pub struct TxPoolHandle {
    /// Who decides.
    pub actor: ActorRef<TxPoolActor>,
    /// What readers see.
    pub reader: PoolReader,
    chain: ChainReader,
    signatures: Pool,
}

impl TxPoolHandle {
    /// `signatures` are the threads that check what peers send.
    pub fn new(
        actor: ActorRef<TxPoolActor>,
        reader: PoolReader,
        chain: ChainReader,
        signatures: Pool,
    ) -> Self {
        Self {
            actor,
            reader,
            chain,
            signatures,
        }
    }

    /// The pool at this moment; `None` before it has started.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.reader.snapshot()
    }

    /// Submits a transaction of this node's own user. When this returns its hash, it is in the
    /// pool and in the journal.
    ///
    /// Its signature is checked on the caller's thread, which takes some 50 microseconds; blobs
    /// are checked elsewhere.
    ///
    /// # Errors
    /// [`SubmitError`]
    pub async fn submit(&self, pooled: PooledTransaction) -> Result<B256, SubmitError> {
        let rules = sender_rules(&self.chain);
        let transaction = if pooled.sidecar.is_some() {
            let prepare = move || PoolTx::prepare(pooled, &rules);
            self.signatures.run(prepare).await??
        } else {
            PoolTx::prepare(pooled, &rules)?
        };
        let hash = transaction.hash();
        match self.add_local(Arc::new(transaction)).await?.pop() {
            Some(Err(error)) => Err(error.into()),
            Some(Ok(_)) | None => Ok(hash),
        }
    }

    /// Asks until there is an answer: the actor may go down before it comes to the message, and
    /// while it is at it.
    async fn add_local(&self, transaction: Arc<PoolTx>) -> Result<Added, AskError> {
        let deadline = Instant::now() + PATIENCE;
        let mut interruptions = 0;
        loop {
            let patience = deadline.saturating_duration_since(Instant::now());
            let transactions = vec![Arc::clone(&transaction)];
            let message = AddLocal { transactions };
            match self.actor.within(patience).ask(message).await {
                Err(error) if error.was_never_handled() && !patience.is_zero() => {}
                Err(AskError::Interrupted) if interruptions < INTERRUPTIONS => interruptions += 1,
                // It was taken before the actor went down, and came back from the journal.
                Ok(added) if interruptions > 0 && is_known(&added) => return Ok(Added::new()),
                answer => return answer,
            }
        }
    }

    /// Hands on what a peer sent; what came of each, in order. Signatures are checked on
    /// threads of their own, of what the pool does not know yet.
    ///
    /// # Errors
    /// [`SubmitError`], and then some may have been taken.
    pub async fn submit_remote(
        &self,
        peer: PeerId,
        transactions: Vec<PooledTransaction>,
    ) -> Result<Added, SubmitError> {
        let rules = sender_rules(&self.chain);
        let snapshot = self.snapshot();
        let is_known = move |transaction: &Transaction| {
            let known = snapshot.as_ref();
            known.is_some_and(|it| it.get(&transaction.hash()).is_some())
        };
        let prepare = move || -> Vec<Result<Arc<PoolTx>, AddError>> {
            let prepare = |pooled: PooledTransaction| {
                if is_known(&pooled.transaction) {
                    return Err(AddError::Known(pooled.transaction.hash()));
                }
                PoolTx::prepare(pooled, &rules).map(Arc::new)
            };
            transactions.into_iter().map(prepare).collect()
        };
        let mut results: Vec<Option<Result<_, AddError>>> = Vec::new();
        let mut prepared = Vec::new();
        for transaction in self.signatures.run(prepare).await? {
            match transaction {
                Ok(transaction) => {
                    prepared.push((results.len(), transaction));
                    results.push(None);
                }
                Err(error) => results.push(Some(Err(error))),
            }
        }
        for batch in prepared.chunks(BATCH) {
            let transactions = batch.iter().map(|(_, it)| Arc::clone(it)).collect();
            let message = AddRemote { peer, transactions };
            let added = self.actor.within(PATIENCE).ask(message).await?;
            for ((place, _), result) in batch.iter().zip(added) {
                results[*place] = Some(result);
            }
        }
        Ok(results.into_iter().flatten().collect())
    }
}

fn is_known(added: &Added) -> bool {
    matches!(added.first(), Some(Err(AddError::Known(_))))
}
