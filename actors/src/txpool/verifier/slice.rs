//! Checks of a slice: the transactions of a peer that are checked in one turn.

use std::collections::HashSet;
use std::sync::Arc;

use actoreum_primitives::rlp::{self, DecodeError};
use actoreum_primitives::{
    Address, B256, PooledTransaction, SenderRules, StateReader, Transaction, TxType, U256,
};
use actoreum_storage::StateView;
use actoreum_txpool::limits::{MAX_BLOB_TX_BYTES, MAX_TX_BYTES};
use actoreum_txpool::{AddError, PoolTx, Snapshot};
use actoreum_wire::eth::{LazyList, WireItem};

/// Bytes of the header of an RLP string.
const STRING_HEADER: usize = 4;

/// A transaction in a message, still encoded.
pub trait RawTransaction: WireItem + Send + 'static {
    /// Maximum number of bytes that are decoded.
    const MAX_BYTES: usize;

    /// Returns the transaction as pools exchange it.
    fn into_pooled(self) -> PooledTransaction;
}

/// Of a `Transactions` message.
impl RawTransaction for Transaction {
    const MAX_BYTES: usize = MAX_TX_BYTES + STRING_HEADER;

    fn into_pooled(self) -> PooledTransaction {
        PooledTransaction {
            transaction: self,
            sidecar: None,
        }
    }
}

/// Of a `PooledTransactions` message.
impl RawTransaction for PooledTransaction {
    const MAX_BYTES: usize = MAX_BLOB_TX_BYTES + STRING_HEADER;

    fn into_pooled(self) -> PooledTransaction {
        self
    }
}

/// A peer's transaction after the checks that need no pool.
#[derive(Debug)]
pub struct Checked {
    /// Hash of the transaction.
    pub hash: B256,
    /// Type of the transaction (EIP-2718).
    pub tx_type: TxType,
    /// Bytes of its encoding (EIP-2718) with its blobs: the size that eth/68 announces.
    pub size: usize,
    /// The transaction, ready for the pool, or the reason of the refusal.
    pub result: Result<Arc<PoolTx>, AddError>,
}

/// Context of the checks of a slice.
pub struct SliceRules {
    pub(super) senders: SenderRules,
    pub(super) snapshot: Option<Arc<Snapshot>>,
    pub(super) state: Option<StateView>,
}

impl SliceRules {
    /// Creates the context of the block after the head, with the pool and the state as far as they
    /// can be read.
    pub fn new(
        senders: SenderRules,
        snapshot: Option<Arc<Snapshot>>,
        state: Option<StateView>,
    ) -> Self {
        Self {
            senders,
            snapshot,
            state,
        }
    }

    fn is_known(&self, hash: &B256) -> bool {
        let snapshot = self.snapshot.as_ref();
        snapshot.is_some_and(|it| it.get(hash).is_some())
    }

    fn precheck(&self, pooled: &PooledTransaction) -> Result<(), AddError> {
        match &self.snapshot {
            Some(snapshot) => PoolTx::precheck(pooled, snapshot.head(), snapshot.price_limit()),
            None => Ok(()),
        }
    }

    /// Checks that a sender has the maximum cost of its transaction. The pool checks it again.
    fn is_funded(&self, sender: &Address, cost: U256) -> Result<(), AddError> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        let account = state.account(sender)?.unwrap_or_default();
        if cost > account.balance {
            Err(AddError::InsufficientFunds)
        } else {
            Ok(())
        }
    }
}

/// Decodes the transactions of a slice and checks each, the cheapest check first: its size before
/// it is decoded, then whether it is known, what needs no sender, the signature, and what costs
/// more than that only where the sender can pay.
///
/// # Errors
/// A transaction cannot be decoded.
pub fn check_slice<T: RawTransaction>(
    slice: &LazyList<T>,
    rules: &SliceRules,
) -> Result<Vec<Checked>, DecodeError> {
    let mut seen = HashSet::new();
    let mut all = Vec::with_capacity(slice.len());
    for raw in slice.raw() {
        if raw.len() > T::MAX_BYTES {
            return Err(DecodeError::Custom(
                "a transaction of more bytes than any has",
            ));
        }
        T::check(raw)?;
        let pooled = rlp::decode_exact::<T>(raw)?.into_pooled();
        let hash = pooled.transaction.hash();
        let tx_type = pooled.transaction.tx_type();
        let result = if seen.insert(hash) && !rules.is_known(&hash) {
            check_one(pooled, rules).map(Arc::new)
        } else {
            Err(AddError::Known(hash))
        };
        all.push(Checked {
            hash,
            tx_type,
            size: announced_size(raw),
            result,
        });
    }
    Ok(all)
}

fn check_one(pooled: PooledTransaction, rules: &SliceRules) -> Result<PoolTx, AddError> {
    rules.precheck(&pooled)?;
    PoolTx::prepare_funded(pooled, &rules.senders, |sender, cost| {
        rules.is_funded(sender, cost)
    })
}

/// Returns the bytes of the EIP-2718 encoding: a typed transaction is in an RLP string, whose
/// header is not counted.
fn announced_size(raw: &[u8]) -> usize {
    let mut rest = raw;
    rlp::decode_str(&mut rest).map_or(raw.len(), <[u8]>::len)
}
