//! A transaction as the pool holds it.

use actoreum_primitives::{
    Address, B256, Fork, PooledTransaction, SenderRules, Transaction, TxType, U256, rlp::Encode,
};

use crate::blobs;
use crate::error::AddError;
use crate::head::Head;
use crate::intrinsic::DataBytes;
use crate::limits::{
    MAX_BLOB_TX_BYTES, MAX_INITCODE_BYTES, MAX_TX_BYTES, OSAKA_BLOBS_PER_TX, OSAKA_TX_GAS_LIMIT,
    RECORD_BYTES, SLOT_BYTES,
};

/// A transaction whose signature and blobs were checked: everything about it that takes long
/// and needs no state. Whoever brings a transaction makes one, on a thread of its own choice.
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
    /// Recovers the sender and checks size, signature and blobs.
    ///
    /// # Errors
    /// Those that follow from the transaction and `rules` alone.
    pub fn prepare(pooled: PooledTransaction, rules: &SenderRules) -> Result<Self, AddError> {
        let transaction = &pooled.transaction;
        if transaction.encode_2718_length() > MAX_TX_BYTES {
            return Err(AddError::Oversized);
        }
        let size = pooled.length();
        if size > MAX_BLOB_TX_BYTES {
            return Err(AddError::Oversized);
        }
        let sender = rules
            .sender(transaction)
            .map_err(|error| match transaction.tx_type() {
                TxType::Legacy => AddError::InvalidSender,
                _ => AddError::InvalidTypedSender(error),
            })?;
        if transaction.tx_type() == TxType::Blob {
            let sidecar = pooled.sidecar.as_ref().ok_or(AddError::MissingSidecar)?;
            blobs::check(transaction.blob_hashes(), sidecar)?;
        }
        Ok(Self {
            cost: cost(transaction),
            data: DataBytes::of(transaction),
            authorities: authorities(transaction),
            sender,
            size,
            pooled,
        })
    }

    /// The transaction as it will stand in a block.
    pub fn transaction(&self) -> &Transaction {
        &self.pooled.transaction
    }

    /// The transaction as pools exchange it.
    pub fn pooled(&self) -> &PooledTransaction {
        &self.pooled
    }

    /// Its hash.
    pub fn hash(&self) -> B256 {
        self.pooled.transaction.hash()
    }

    /// Who signed it.
    pub fn sender(&self) -> Address {
        self.sender
    }

    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.pooled.transaction.nonce()
    }

    /// The most that it can cost its sender, in wei: gas, blobs and value.
    pub fn cost(&self) -> U256 {
        self.cost
    }

    /// Whose code it sets (EIP-7702), each once; of those whose signatures are valid.
    pub fn authorities(&self) -> &[Address] {
        &self.authorities
    }

    /// Bytes on the wire, blobs included.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Slots that it takes: one for each 32 KiB that it begins.
    pub fn slots(&self) -> u64 {
        self.size.div_ceil(SLOT_BYTES).max(1) as u64
    }

    /// Bytes of memory that it is counted with.
    pub(crate) fn bytes(&self) -> usize {
        self.size + RECORD_BYTES
    }

    /// The rules that need the head, and no state.
    pub(crate) fn check(&self, head: &Head) -> Result<(), AddError> {
        let transaction = self.transaction();
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
        self.check_gas_limit(head)?;
        if transaction.max_priority_fee_per_gas() > transaction.max_fee_per_gas() {
            return Err(AddError::TipAboveFeeCap);
        }
        if transaction.nonce() == u64::MAX {
            return Err(AddError::NonceMax);
        }
        match tx_type {
            TxType::Blob => self.check_blobs(head),
            TxType::SetCode if transaction.authorization_list().is_empty() => {
                Err(AddError::NoAuthorizations)
            }
            _ => Ok(()),
        }
    }

    fn check_gas_limit(&self, head: &Head) -> Result<(), AddError> {
        let transaction = self.transaction();
        let have = transaction.gas_limit();
        if head.gas_limit < have {
            return Err(AddError::GasLimit);
        }
        if head.fork >= Fork::Osaka && have > OSAKA_TX_GAS_LIMIT {
            let cap = OSAKA_TX_GAS_LIMIT;
            return Err(AddError::GasLimitCap { cap, have });
        }
        Ok(())
    }

    /// The gas that it needs before it runs. geth 1.8 asks this after the balance.
    pub(crate) fn check_intrinsic_gas(&self, fork: Fork) -> Result<(), AddError> {
        let transaction = self.transaction();
        let initcode = transaction.input().len();
        if fork >= Fork::Shanghai && transaction.is_create() && initcode > MAX_INITCODE_BYTES {
            return Err(AddError::InitcodeSize {
                have: initcode,
                limit: MAX_INITCODE_BYTES,
            });
        }
        let have = transaction.gas_limit();
        if have < self.data.intrinsic_gas(transaction, fork) {
            return Err(AddError::IntrinsicGas);
        }
        let want = self.data.floor_gas(fork);
        if have < want {
            return Err(AddError::FloorDataGas { have, want });
        }
        Ok(())
    }

    fn check_blobs(&self, head: &Head) -> Result<(), AddError> {
        let transaction = self.transaction();
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
        let sidecar = self.pooled.sidecar.as_ref();
        sidecar.ok_or(AddError::MissingSidecar).map(|_| ())
    }
}

fn authorities(transaction: &Transaction) -> Vec<Address> {
    let authorizations = transaction.authorization_list().iter();
    let recovered = authorizations.filter_map(|it| it.recover_authority().ok());
    let mut authorities: Vec<Address> = recovered.collect();
    authorities.sort_unstable();
    authorities.dedup();
    authorities
}

/// Saturates where nobody could pay.
fn cost(transaction: &Transaction) -> U256 {
    let gas = U256::from(transaction.gas_limit());
    let gas_cost = transaction.max_fee_per_gas().saturating_mul(gas);
    let blob_price = transaction.max_fee_per_blob_gas().unwrap_or_default();
    let blob_cost = blob_price.saturating_mul(U256::from(transaction.blob_gas()));
    let value = transaction.value();
    gas_cost.saturating_add(blob_cost).saturating_add(value)
}
