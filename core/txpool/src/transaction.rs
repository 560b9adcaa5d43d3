//! A transaction in the pool.

use actoreum_primitives::{
    Address, B256, Fork, PooledTransaction, SenderRules, Transaction, TxType, U256, rlp::Encode,
};

use crate::blobs;
use crate::error::AddError;
use crate::head::Head;
use crate::intrinsic::DataBytes;
use crate::limits::{
    MAX_BLOB_TX_BYTES, MAX_INITCODE_BYTES, MAX_TX_BYTES, OSAKA_BLOBS_PER_TX, RECORD_BYTES,
    SLOT_BYTES,
};

/// A transaction whose signature and blobs were checked: all expensive checks that need no state.
/// The caller creates it on a thread of its own choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolTx {
    pooled: PooledTransaction,
    sender: Address,
    cost: U256,
    size: usize,
    data: DataBytes,
    authorities: Vec<Address>,
}

impl PoolTx {
    /// Makes the checks of a remote transaction that need neither its sender nor the state, the
    /// cheapest first: to be called before a signature is recovered. The minimum tip applies to
    /// every sender (as in later versions of geth; geth 1.8 exempts a local account's transaction
    /// that comes from a peer).
    ///
    /// # Errors
    /// Those that [`Pool::add`](crate::Pool::add) would return.
    pub fn precheck(
        pooled: &PooledTransaction,
        head: &Head,
        price_limit: u64,
    ) -> Result<(), AddError> {
        let transaction = &pooled.transaction;
        check_size(pooled)?;
        check(pooled, head)?;
        if transaction.max_priority_fee_per_gas() < U256::from(price_limit) {
            return Err(AddError::Underpriced);
        }
        check_intrinsic_gas(transaction, DataBytes::of(transaction), head.fork)
    }

    /// Recovers the sender and checks size, signature and blobs.
    ///
    /// # Errors
    /// Those that follow from the transaction and `rules` alone.
    pub fn prepare(pooled: PooledTransaction, rules: &SenderRules) -> Result<Self, AddError> {
        Self::prepare_funded(pooled, rules, |_, _| Ok(()))
    }

    /// Prepares a transaction like [`Self::prepare`]. Before checks beyond the one signature
    /// (blobs, authorizations), `is_funded` is called with the sender and the maximum cost of the
    /// transaction: an unfunded transaction is not worth the work.
    ///
    /// # Errors
    /// Those of [`Self::prepare`], and that of `is_funded`.
    pub fn prepare_funded(
        pooled: PooledTransaction,
        rules: &SenderRules,
        is_funded: impl FnOnce(&Address, U256) -> Result<(), AddError>,
    ) -> Result<Self, AddError> {
        check_size(&pooled)?;
        let transaction = &pooled.transaction;
        let sender = rules
            .sender(transaction)
            .map_err(|error| match transaction.tx_type() {
                TxType::Legacy => AddError::InvalidSender,
                _ => AddError::InvalidTypedSender(error),
            })?;
        let cost = cost(transaction);
        if matches!(transaction.tx_type(), TxType::Blob | TxType::SetCode) {
            is_funded(&sender, cost)?;
        }
        if transaction.tx_type() == TxType::Blob {
            let sidecar = pooled.sidecar.as_ref().ok_or(AddError::MissingSidecar)?;
            blobs::check(transaction.blob_hashes(), sidecar)?;
        }
        Ok(Self {
            cost,
            data: DataBytes::of(transaction),
            authorities: authorities(transaction),
            sender,
            size: pooled.length(),
            pooled,
        })
    }

    /// Returns the transaction as it stands in a block.
    pub fn transaction(&self) -> &Transaction {
        &self.pooled.transaction
    }

    /// Returns the transaction in its network encoding, with its sidecar.
    pub fn pooled(&self) -> &PooledTransaction {
        &self.pooled
    }

    /// Returns the transaction hash.
    pub fn hash(&self) -> B256 {
        self.pooled.transaction.hash()
    }

    /// Returns the sender.
    pub fn sender(&self) -> Address {
        self.sender
    }

    /// Returns the nonce.
    pub fn nonce(&self) -> u64 {
        self.pooled.transaction.nonce()
    }

    /// Returns the maximum cost for the sender, in wei: gas, blobs and value.
    pub fn cost(&self) -> U256 {
        self.cost
    }

    /// Returns the authorities whose code the transaction sets (EIP-7702), without duplicates and
    /// without those of invalid signatures.
    pub fn authorities(&self) -> &[Address] {
        &self.authorities
    }

    /// Returns the size on the wire in bytes, blobs included.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of slots: one for each started 32 KiB.
    pub fn slots(&self) -> u64 {
        self.size.div_ceil(SLOT_BYTES).max(1) as u64
    }

    /// Returns the memory in bytes that the pool counts for the transaction.
    pub(crate) fn bytes(&self) -> usize {
        self.size + RECORD_BYTES
    }

    /// Checks the rules that need the head and no state.
    pub(crate) fn check(&self, head: &Head) -> Result<(), AddError> {
        check(&self.pooled, head)
    }

    /// Checks the gas limit against the intrinsic gas. geth 1.8 checks it after the balance.
    pub(crate) fn check_intrinsic_gas(&self, fork: Fork) -> Result<(), AddError> {
        check_intrinsic_gas(self.transaction(), self.data, fork)
    }
}

fn check_size(pooled: &PooledTransaction) -> Result<(), AddError> {
    let is_oversized = pooled.transaction.encode_2718_length() > MAX_TX_BYTES
        || pooled.length() > MAX_BLOB_TX_BYTES;
    if is_oversized {
        Err(AddError::Oversized)
    } else {
        Ok(())
    }
}

fn check(pooled: &PooledTransaction, head: &Head) -> Result<(), AddError> {
    let transaction = &pooled.transaction;
    let tx_type = transaction.tx_type();
    let since = match tx_type {
        TxType::Legacy => Fork::Frontier,
        TxType::AccessList => Fork::Berlin,
        TxType::DynamicFee => Fork::London,
        TxType::Blob => Fork::Cancun,
        TxType::SetCode => Fork::Prague,
    };
    if head.fork < since {
        let tx_type = tx_type as u8;
        return Err(AddError::TypeNotSupported { tx_type, since });
    }
    check_gas_limit(transaction, head)?;
    if transaction.max_priority_fee_per_gas() > transaction.max_fee_per_gas() {
        return Err(AddError::TipAboveFeeCap);
    }
    if transaction.nonce() == u64::MAX {
        return Err(AddError::NonceMax);
    }
    match tx_type {
        TxType::Blob => check_blobs(pooled, head),
        TxType::SetCode if transaction.authorization_list().is_empty() => {
            Err(AddError::NoAuthorizations)
        }
        _ => Ok(()),
    }
}

fn check_gas_limit(transaction: &Transaction, head: &Head) -> Result<(), AddError> {
    let have = transaction.gas_limit();
    if head.gas_limit < have {
        return Err(AddError::GasLimit);
    }
    match head.tx_gas_cap {
        Some(cap) if have > cap => Err(AddError::GasLimitCap { cap, have }),
        _ => Ok(()),
    }
}

fn check_intrinsic_gas(
    transaction: &Transaction,
    data: DataBytes,
    fork: Fork,
) -> Result<(), AddError> {
    let initcode = transaction.input().len();
    if fork >= Fork::Shanghai && transaction.is_create() && initcode > MAX_INITCODE_BYTES {
        return Err(AddError::InitcodeSize {
            have: initcode,
            limit: MAX_INITCODE_BYTES,
        });
    }
    let have = transaction.gas_limit();
    if have < data.intrinsic_gas(transaction, fork) {
        return Err(AddError::IntrinsicGas);
    }
    let want = data.floor_gas(fork);
    if have < want {
        return Err(AddError::FloorDataGas { have, want });
    }
    Ok(())
}

fn check_blobs(pooled: &PooledTransaction, head: &Head) -> Result<(), AddError> {
    let transaction = &pooled.transaction;
    let params = head.blobs.ok_or(AddError::NoBlobMarket)?;
    let have = transaction.blob_hashes().len();
    if have == 0 {
        return Err(AddError::Blobless);
    }
    let mut limit = usize::try_from(params.max).unwrap_or(usize::MAX);
    if head.fork >= Fork::Osaka {
        limit = limit.min(OSAKA_BLOBS_PER_TX);
    }
    if have > limit {
        return Err(AddError::TooManyBlobs { have, limit });
    }
    if transaction
        .max_fee_per_blob_gas()
        .unwrap_or_default()
        .is_zero()
    {
        return Err(AddError::Underpriced);
    }
    let sidecar = pooled.sidecar.as_ref();
    sidecar.ok_or(AddError::MissingSidecar).map(|_| ())
}

fn authorities(transaction: &Transaction) -> Vec<Address> {
    let authorizations = transaction.authorization_list().iter();
    let recovered = authorizations.filter_map(|it| it.recover_authority().ok());
    let mut authorities: Vec<Address> = recovered.collect();
    authorities.sort_unstable();
    authorities.dedup();
    authorities
}

/// Returns the maximum cost in wei; saturates.
fn cost(transaction: &Transaction) -> U256 {
    let gas = U256::from(transaction.gas_limit());
    let gas_cost = transaction.max_fee_per_gas().saturating_mul(gas);
    let blob_price = transaction.max_fee_per_blob_gas().unwrap_or_default();
    let blob_cost = blob_price.saturating_mul(U256::from(transaction.blob_gas()));
    let value = transaction.value();
    gas_cost.saturating_add(blob_cost).saturating_add(value)
}
