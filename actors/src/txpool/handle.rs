//! How everybody else reaches the pool.

use std::{sync::Arc, time::Duration};

use actoreum_chain::ChainReader;
use actoreum_messages::txpool::{AddLocal, AddRemote, Added};
use actoreum_primitives::rlp::DecodeError;
use actoreum_primitives::{B256, PooledTransaction, TxType};
use actoreum_txpool::{AddError, PeerId, PoolReader, PoolTx, Snapshot, Status};
use actoreum_wire::eth::LazyList;
use tokio::time::{Instant, sleep};

use super::limits::{RECENT_BLOCKS, RETRIES, RETRY_PAUSE};
use super::verifier::{Checked, RawTransaction, SliceRules, TransactionVerifier, check_slice};
use super::{TxPoolActor, sender_rules};
use crate::supervision::{ActorRef, AskError, JobError, Pool, PoolError};

/// How long a submission waits for an actor that is starting again, and for its answer. See
/// [`BACKOFF`](super::BACKOFF).
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a submission is made again after the actor went down while it was at it: it may be
/// the transaction that brings it down.
const INTERRUPTIONS: u32 = 1;

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

/// Why a peer's transactions were not submitted.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// One of them cannot be decoded.
    #[error("malformed transaction: {0}")]
    Malformed(#[from] DecodeError),
    /// The threads that check signatures did not answer, or the peer has left.
    #[error("transaction pool: {0}")]
    NotChecked(#[from] JobError),
    /// The pool did not answer; it may have taken some.
    #[error("transaction pool: {0}")]
    NoAnswer(#[from] AskError),
}

/// What came of a transaction that a peer sent.
#[derive(Debug)]
pub struct Submitted {
    /// Its hash.
    pub hash: B256,
    /// Its type (EIP-2718).
    pub tx_type: TxType,
    /// Bytes of its encoding (EIP-2718) with its blobs.
    pub size: usize,
    /// Where it stands in the pool, or why it was not taken.
    pub result: Result<Status, AddError>,
}

/// The pool, for those who submit and those who read. Cloning is cheap; it outlives every
/// generation of the actor.
#[derive(Clone)]
pub struct TxPoolHandle {
    /// Who decides.
    pub actor: ActorRef<TxPoolActor>,
    /// What readers see.
    pub reader: PoolReader,
    /// Checks what peers send.
    pub verifier: TransactionVerifier,
    chain: ChainReader,
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
            verifier: TransactionVerifier::new(signatures),
            chain,
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

    /// Hands on a slice of what a peer sent, which must have joined the
    /// [verifier](Self::verifier); what came of each, in order. Signatures are checked on threads
    /// of their own, of what the pool does not know yet.
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
                // Until the pool says more.
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
        let added = self.actor.within(PATIENCE).ask(message).await?;
        for (place, result) in places.into_iter().zip(added) {
            if let Some(submitted) = submitted.get_mut(place) {
                submitted.result = result;
            }
        }
        self.find_sealed(peer, &mut submitted).await?;
        Ok(submitted)
    }

    /// A nonce that is too low may be that of a transaction which was sealed while it was on its
    /// way here: then it is known.
    async fn find_sealed(&self, peer: PeerId, all: &mut [Submitted]) -> Result<(), JobError> {
        let is_used = |it: &&mut Submitted| matches!(it.result, Err(AddError::NonceTooLow));
        let used: Vec<&mut Submitted> = all.iter_mut().filter(is_used).collect();
        if used.is_empty() {
            return Ok(());
        }
        let (chain, hashes) = (self.chain.clone(), used.iter().map(|it| it.hash));
        let hashes: Vec<B256> = hashes.collect();
        let look_up = move || -> Vec<bool> {
            let oldest = chain.head_number().saturating_sub(RECENT_BLOCKS);
            let is_recent = |hash: &B256| {
                let block = chain.store().transaction_block(hash);
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

    /// Checks a slice when its turn comes; again where the threads went down before.
    async fn check<T: RawTransaction>(
        &self,
        peer: PeerId,
        slice: LazyList<T>,
    ) -> Result<Vec<Checked>, RemoteError> {
        let mut retries = 0;
        loop {
            let (chain, reader, slice) = (self.chain.clone(), self.reader.clone(), slice.clone());
            let check = move || {
                // What cannot be read here is left to the pool.
                let state = chain.state_at(chain.head_number()).ok();
                let rules = SliceRules::new(sender_rules(&chain), reader.snapshot(), state);
                check_slice(&slice, &rules)
            };
            match self.verifier.run(peer, check).await {
                Err(JobError::NotRun(PoolError::Closed)) if retries < RETRIES => {
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
