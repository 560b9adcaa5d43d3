//! Handle to the transaction pool for other components.

use std::{sync::Arc, time::Duration};

use actoreum_chain::ChainReader;
use actoreum_messages::txpool::{AddLocal, AddRemote, Added};
use actoreum_primitives::rlp::DecodeError;
use actoreum_primitives::{B256, PeerId, PooledTransaction, TxType};
use actoreum_txpool::{AddError, PoolReader, PoolTx, Snapshot, Status};
use actoreum_wire::eth::LazyList;
use tokio::time::{Instant, sleep};

use super::limits::{MAX_RETRIES, RECENT_BLOCKS, RETRY_PAUSE};
use super::verifier::{Checked, RawTransaction, SliceRules, TransactionVerifier, check_slice};
use super::{TxPoolActor, sender_rules};
use actoreum_supervision::{ActorRef, AskError, JobError, Pool, PoolError};

/// Timeout of a submission, during which the actor may restart and answer. See
/// [`BACKOFF`](super::BACKOFF).
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of retries of a submission during which the actor failed: the transaction itself
/// may be the cause.
const MAX_INTERRUPTIONS: u32 = 1;

/// Reason why a local transaction was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The pool refuses the transaction.
    #[error(transparent)]
    Refused(#[from] AddError),
    /// The pool did not answer. It is unknown whether it accepted the transaction, unless
    /// [`AskError::was_never_handled`] is true.
    #[error("transaction pool: {0}")]
    NoAnswer(#[from] AskError),
    /// The threads that check signatures did not answer; the transaction was not submitted.
    #[error("transaction pool: {0}")]
    NotPrepared(#[from] JobError),
}

/// Reason why a peer's transactions were not submitted.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A transaction cannot be decoded.
    #[error("malformed transaction: {0}")]
    Malformed(#[from] DecodeError),
    /// The threads that check signatures did not answer, or the peer has left.
    #[error("transaction pool: {0}")]
    NotChecked(#[from] JobError),
    /// The pool did not answer; it may have accepted some.
    #[error("transaction pool: {0}")]
    NoAnswer(#[from] AskError),
}

/// Result of a transaction that a peer sent.
#[derive(Debug)]
pub struct Submitted {
    /// Hash of the transaction.
    pub hash: B256,
    /// Type of the transaction (EIP-2718).
    pub tx_type: TxType,
    /// Bytes of its encoding (EIP-2718) with its blobs.
    pub size: usize,
    /// Status in the pool, or the reason of the refusal.
    pub result: Result<Status, AddError>,
}

/// Handle to the pool, to submit and to read transactions. Cheap to clone; it survives restarts of
/// the actor.
#[derive(Clone)]
pub struct TxPoolHandle {
    /// Owner of the pool.
    pub actor: ActorRef<TxPoolActor>,
    /// The published snapshot.
    pub reader: PoolReader,
    /// Verifier of the transactions of peers.
    pub verifier: TransactionVerifier,
    chain_reader: ChainReader,
}

impl TxPoolHandle {
    /// Creates a handle; `signatures` are the threads that verify the transactions of peers.
    pub fn new(
        actor: ActorRef<TxPoolActor>,
        reader: PoolReader,
        chain_reader: ChainReader,
        signatures: Pool,
    ) -> Self {
        Self {
            actor,
            reader,
            verifier: TransactionVerifier::new(signatures),
            chain_reader,
        }
    }

    /// Returns the current snapshot; `None` before the pool has started.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.reader.snapshot()
    }

    /// Submits a transaction of a user of this node. When this returns its hash, the transaction is
    /// in the pool and in the journal.
    ///
    /// The signature is checked on the caller's thread, which takes some 50 microseconds; blobs are
    /// checked on the verifier's threads.
    ///
    /// # Errors
    /// [`SubmitError`]
    pub async fn submit(&self, pooled: PooledTransaction) -> Result<B256, SubmitError> {
        let rules = sender_rules(&self.chain_reader);
        let transaction = if pooled.sidecar.is_some() {
            let prepare = move || PoolTx::prepare(pooled, &rules);
            self.verifier.run_local(prepare).await??
        } else {
            PoolTx::prepare(pooled, &rules)?
        };
        let hash = transaction.hash();
        match self.add_local(Arc::new(transaction)).await?.pop() {
            Some(Err(error)) => Err(error.into()),
            Some(Ok(_)) | None => Ok(hash),
        }
    }

    /// Asks until there is an answer: the actor may fail before it handles the message, and while
    /// it does.
    async fn add_local(&self, transaction: Arc<PoolTx>) -> Result<Added, AskError> {
        let deadline = Instant::now() + SUBMIT_TIMEOUT;
        let mut interruptions = 0;
        loop {
            let timeout = deadline.saturating_duration_since(Instant::now());
            let transactions = vec![Arc::clone(&transaction)];
            let message = AddLocal { transactions };
            match self.actor.within(timeout).ask(message).await {
                Err(error) if error.was_never_handled() && !timeout.is_zero() => {}
                Err(AskError::Interrupted) if interruptions < MAX_INTERRUPTIONS => {
                    interruptions += 1
                }
                // The transaction was added before the actor failed, and came back from the
                // journal.
                Ok(added) if interruptions > 0 && is_known(&added) => return Ok(Added::new()),
                answer => return answer,
            }
        }
    }

    /// Submits a slice of a peer's transactions, and returns their results in order. The peer must
    /// have joined the [verifier](Self::verifier). Signatures of unknown transactions are checked
    /// on the verifier's threads.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn submit_remote<T: RawTransaction>(
        &self,
        peer: PeerId,
        slice: LazyList<T>,
    ) -> Result<Vec<Submitted>, RemoteError> {
        let mut submitted = Vec::with_capacity(slice.len());
        let mut transactions = Vec::new();
        for checked in self.check(peer, slice).await? {
            let (place, result) = (submitted.len(), checked.result);
            submitted.push(Submitted {
                hash: checked.hash,
                tx_type: checked.tx_type,
                size: checked.size,
                // Replaced by the pool's answer.
                result: result
                    .as_ref()
                    .map(|_| Status::Queued)
                    .map_err(AddError::clone),
            });
            transactions.extend(result.ok().map(|transaction| (place, transaction)));
        }
        if transactions.is_empty() {
            return Ok(submitted);
        }
        let (places, transactions): (Vec<usize>, Vec<_>) = transactions.into_iter().unzip();
        let message = AddRemote { peer, transactions };
        let added = self.actor.within(SUBMIT_TIMEOUT).ask(message).await?;
        for (place, result) in places.into_iter().zip(added) {
            if let Some(submitted) = submitted.get_mut(place) {
                submitted.result = result;
            }
        }
        self.mark_sealed_as_known(peer, &mut submitted).await?;
        Ok(submitted)
    }

    /// Marks transactions as known whose nonce is too low because they were sealed a short time
    /// ago.
    async fn mark_sealed_as_known(
        &self,
        peer: PeerId,
        all: &mut [Submitted],
    ) -> Result<(), JobError> {
        let is_used = |it: &&mut Submitted| matches!(it.result, Err(AddError::NonceTooLow));
        let used: Vec<&mut Submitted> = all.iter_mut().filter(is_used).collect();
        if used.is_empty() {
            return Ok(());
        }
        let (chain_reader, hashes) = (self.chain_reader.clone(), used.iter().map(|it| it.hash));
        let hashes: Vec<B256> = hashes.collect();
        let look_up = move || -> Vec<bool> {
            let oldest = chain_reader.head_number().saturating_sub(RECENT_BLOCKS);
            let is_recent = |hash: &B256| {
                let block = chain_reader.store().transaction_block(hash);
                block.is_ok_and(|number| number.is_some_and(|number| number >= oldest))
            };
            hashes.iter().map(is_recent).collect()
        };
        let are_sealed = self.verifier.run(peer, look_up).await?;
        for (submitted, is_sealed) in used.into_iter().zip(are_sealed) {
            if is_sealed {
                submitted.result = Err(AddError::Known(submitted.hash));
            }
        }
        Ok(())
    }

    /// Checks a slice when its turn comes, and again where the threads were down.
    async fn check<T: RawTransaction>(
        &self,
        peer: PeerId,
        slice: LazyList<T>,
    ) -> Result<Vec<Checked>, RemoteError> {
        let mut retries = 0;
        loop {
            let (chain_reader, reader, slice) = (
                self.chain_reader.clone(),
                self.reader.clone(),
                slice.clone(),
            );
            let check = move || {
                // Without the state the pool alone checks the funds.
                let state = chain_reader.state_at(chain_reader.head_number()).ok();
                let rules = SliceRules::new(sender_rules(&chain_reader), reader.snapshot(), state);
                check_slice(&slice, &rules)
            };
            match self.verifier.run(peer, check).await {
                Err(JobError::NotRun(PoolError::Closed)) if retries < MAX_RETRIES => {
                    retries += 1;
                    sleep(RETRY_PAUSE).await;
                }
                checked => return Ok(checked??),
            }
        }
    }
}

fn is_known(added: &Added) -> bool {
    matches!(added.first(), Some(Err(AddError::Known(_))))
}
