//! The signed fields of a transaction, by type.

use alloy_primitives::{Address, B256, Bytes, U256};

use super::{AccessListItem, Authorization, Transaction, TxType};
use crate::rlp::{self, DecodeError, Encode, List};
use crate::{SecretKey, keccak256};

/// Codec of the fields of a transaction type, in the order of their encoding, without the
/// signature.
trait Fields: Sized {
    fn fields_length(&self) -> usize;
    fn encode_fields(&self, out: &mut Vec<u8>);
    fn decode_fields(list: &mut List<'_>) -> Result<Self, DecodeError>;
}

macro_rules! fields {
    ($type:ident { $($field:ident),+ $(,)? } $($absent:ident),*) => {
        impl Fields for $type {
            fn fields_length(&self) -> usize {
                0 $(+ self.$field.length())+
            }

            fn encode_fields(&self, out: &mut Vec<u8>) {
                $(self.$field.encode(out);)+
            }

            fn decode_fields(list: &mut List<'_>) -> Result<Self, DecodeError> {
                Ok(Self { $($field: list.next()?,)+ $($absent: None,)* })
            }
        }
    };
}

/// A transaction from before EIP-2718.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LegacyTx {
    /// Chain id that the transaction is bound to (EIP-155); `None` if it is valid on every chain.
    pub chain_id: Option<u64>,
    /// Number of transactions that the sender sent before.
    pub nonce: u64,
    /// Price per gas in wei.
    pub gas_price: U256,
    /// Maximum amount of gas that the transaction may use.
    pub gas_limit: u64,
    /// Recipient; `None` for a contract creation.
    pub to: Option<Address>,
    /// Transferred value in wei.
    pub value: U256,
    /// Data of the call, or init code of the contract.
    pub input: Bytes,
}

// The chain id is part of the encoded `v`, not a field.
fields!(LegacyTx { nonce, gas_price, gas_limit, to, value, input } chain_id);

impl LegacyTx {
    /// Returns the `v` of the encoding (EIP-155).
    pub(super) fn v(&self, y_parity: bool) -> u128 {
        let parity = u128::from(y_parity);
        self.chain_id
            .map_or(27 + parity, |id| u128::from(id) * 2 + 35 + parity)
    }
}

/// A transaction with an access list (EIP-2930, type 1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessListTx {
    /// Chain id that the transaction is bound to.
    pub chain_id: u64,
    /// Number of transactions that the sender sent before.
    pub nonce: u64,
    /// Price per gas in wei.
    pub gas_price: U256,
    /// Maximum amount of gas that the transaction may use.
    pub gas_limit: u64,
    /// Recipient; `None` for a contract creation.
    pub to: Option<Address>,
    /// Transferred value in wei.
    pub value: U256,
    /// Data of the call, or init code of the contract.
    pub input: Bytes,
    /// Accounts and slots that the transaction declares to access.
    pub access_list: Vec<AccessListItem>,
}

fields!(AccessListTx {
    chain_id,
    nonce,
    gas_price,
    gas_limit,
    to,
    value,
    input,
    access_list
});

/// A transaction of the fee market (EIP-1559, type 2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DynamicFeeTx {
    /// Chain id that the transaction is bound to.
    pub chain_id: u64,
    /// Number of transactions that the sender sent before.
    pub nonce: u64,
    /// Maximum tip per gas for the beneficiary, in wei.
    pub max_priority_fee_per_gas: U256,
    /// Maximum fee per gas in wei, base fee included.
    pub max_fee_per_gas: U256,
    /// Maximum amount of gas that the transaction may use.
    pub gas_limit: u64,
    /// Recipient; `None` for a contract creation.
    pub to: Option<Address>,
    /// Transferred value in wei.
    pub value: U256,
    /// Data of the call, or init code of the contract.
    pub input: Bytes,
    /// Accounts and slots that the transaction declares to access.
    pub access_list: Vec<AccessListItem>,
}

fields!(DynamicFeeTx {
    chain_id,
    nonce,
    max_priority_fee_per_gas,
    max_fee_per_gas,
    gas_limit,
    to,
    value,
    input,
    access_list,
});

/// A transaction with blobs (EIP-4844, type 3) in the form of a block, that is, without the blobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobTx {
    /// Chain id that the transaction is bound to.
    pub chain_id: u64,
    /// Number of transactions that the sender sent before.
    pub nonce: u64,
    /// Maximum tip per gas for the beneficiary, in wei.
    pub max_priority_fee_per_gas: U256,
    /// Maximum fee per gas in wei, base fee included.
    pub max_fee_per_gas: U256,
    /// Maximum amount of gas that the transaction may use.
    pub gas_limit: u64,
    /// Recipient.
    pub to: Address,
    /// Transferred value in wei.
    pub value: U256,
    /// Data of the call.
    pub input: Bytes,
    /// Accounts and slots that the transaction declares to access.
    pub access_list: Vec<AccessListItem>,
    /// Maximum fee per blob gas in wei.
    pub max_fee_per_blob_gas: U256,
    /// Versioned hash of each blob: a version byte and the hash of the blob's commitment.
    pub blob_versioned_hashes: Vec<B256>,
}

fields!(BlobTx {
    chain_id,
    nonce,
    max_priority_fee_per_gas,
    max_fee_per_gas,
    gas_limit,
    to,
    value,
    input,
    access_list,
    max_fee_per_blob_gas,
    blob_versioned_hashes,
});

/// A transaction that sets the code of accounts (EIP-7702, type 4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetCodeTx {
    /// Chain id that the transaction is bound to.
    pub chain_id: u64,
    /// Number of transactions that the sender sent before.
    pub nonce: u64,
    /// Maximum tip per gas for the beneficiary, in wei.
    pub max_priority_fee_per_gas: U256,
    /// Maximum fee per gas in wei, base fee included.
    pub max_fee_per_gas: U256,
    /// Maximum amount of gas that the transaction may use.
    pub gas_limit: u64,
    /// Recipient.
    pub to: Address,
    /// Transferred value in wei.
    pub value: U256,
    /// Data of the call.
    pub input: Bytes,
    /// Accounts and slots that the transaction declares to access.
    pub access_list: Vec<AccessListItem>,
    /// Authorizations that the accounts signed.
    pub authorization_list: Vec<Authorization>,
}

fields!(SetCodeTx {
    chain_id,
    nonce,
    max_priority_fee_per_gas,
    max_fee_per_gas,
    gas_limit,
    to,
    value,
    input,
    access_list,
    authorization_list,
});

/// The signed fields of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxPayload {
    /// Type 0.
    Legacy(LegacyTx),
    /// Type 1 (EIP-2930).
    AccessList(AccessListTx),
    /// Type 2 (EIP-1559).
    DynamicFee(DynamicFeeTx),
    /// Type 3 (EIP-4844).
    Blob(BlobTx),
    /// Type 4 (EIP-7702).
    SetCode(SetCodeTx),
}

/// Evaluates one expression over the payload's inner type.
macro_rules! each {
    ($self:expr, $tx:ident => $expression:expr) => {
        match $self {
            TxPayload::Legacy($tx) => $expression,
            TxPayload::AccessList($tx) => $expression,
            TxPayload::DynamicFee($tx) => $expression,
            TxPayload::Blob($tx) => $expression,
            TxPayload::SetCode($tx) => $expression,
        }
    };
}

impl TxPayload {
    /// Signs the payload.
    pub fn sign(self, key: &SecretKey) -> Transaction {
        let signature = key.sign(self.signing_hash());
        Transaction::new(self, signature)
    }

    /// Returns the hash that the sender signs: that of
    /// [`encode_for_signing`](Self::encode_for_signing).
    pub fn signing_hash(&self) -> B256 {
        keccak256(self.encode_for_signing())
    }

    /// Returns the encoding that is hashed for signing: the fields without a signature, after the
    /// type byte (EIP-2718). For a legacy transaction that is bound to a chain, the chain id
    /// follows the fields (EIP-155).
    pub fn encode_for_signing(&self) -> Vec<u8> {
        let replay_protection = match self {
            Self::Legacy(LegacyTx { chain_id, .. }) => *chain_id,
            _ => None,
        };
        // EIP-155: the chain id, then two zeros in place of r and s.
        let protection_length = replay_protection.map_or(0, |id| id.length() + 2);
        let payload_length = self.fields_length() + protection_length;

        let mut out = Vec::with_capacity(1 + rlp::list_length(payload_length));
        if self.tx_type() != TxType::Legacy {
            out.push(self.tx_type() as u8);
        }
        rlp::encode_list_header(payload_length, &mut out);
        self.encode_fields(&mut out);
        if let Some(chain_id) = replay_protection {
            chain_id.encode(&mut out);
            out.extend([rlp::EMPTY_STRING; 2]);
        }
        out
    }

    pub(super) fn fields_length(&self) -> usize {
        each!(self, tx => tx.fields_length())
    }

    pub(super) fn encode_fields(&self, out: &mut Vec<u8>) {
        each!(self, tx => tx.encode_fields(out));
    }

    pub(super) fn decode_fields(tx_type: TxType, list: &mut List<'_>) -> Result<Self, DecodeError> {
        Ok(match tx_type {
            TxType::Legacy => Self::Legacy(LegacyTx::decode_fields(list)?),
            TxType::AccessList => Self::AccessList(AccessListTx::decode_fields(list)?),
            TxType::DynamicFee => Self::DynamicFee(DynamicFeeTx::decode_fields(list)?),
            TxType::Blob => Self::Blob(BlobTx::decode_fields(list)?),
            TxType::SetCode => Self::SetCode(SetCodeTx::decode_fields(list)?),
        })
    }

    /// Extracts the chain id from an encoded `v`, if `v` contains it, and returns the y parity.
    pub(super) fn take_v(&mut self, v: u128) -> Result<bool, DecodeError> {
        const INVALID: DecodeError = DecodeError::InvalidV;
        let Self::Legacy(tx) = self else {
            return match v {
                0 => Ok(false),
                1 => Ok(true),
                _ => Err(INVALID),
            };
        };
        match v {
            27 | 28 => Ok(v == 28),
            35.. => {
                tx.chain_id = Some(u64::try_from((v - 35) / 2).map_err(|_| INVALID)?);
                Ok((v - 35) % 2 == 1)
            }
            _ => Err(INVALID),
        }
    }

    /// Returns the type (EIP-2718).
    pub fn tx_type(&self) -> TxType {
        match self {
            Self::Legacy(_) => TxType::Legacy,
            Self::AccessList(_) => TxType::AccessList,
            Self::DynamicFee(_) => TxType::DynamicFee,
            Self::Blob(_) => TxType::Blob,
            Self::SetCode(_) => TxType::SetCode,
        }
    }

    /// Returns the chain id that the transaction is bound to; `None` for a legacy transaction
    /// without EIP-155.
    pub fn chain_id(&self) -> Option<u64> {
        match self {
            Self::Legacy(tx) => tx.chain_id,
            Self::AccessList(tx) => Some(tx.chain_id),
            Self::DynamicFee(tx) => Some(tx.chain_id),
            Self::Blob(tx) => Some(tx.chain_id),
            Self::SetCode(tx) => Some(tx.chain_id),
        }
    }

    /// Returns the nonce: the number of transactions that the sender sent before.
    pub fn nonce(&self) -> u64 {
        each!(self, tx => tx.nonce)
    }

    /// Returns the maximum amount of gas that the transaction may use.
    pub fn gas_limit(&self) -> u64 {
        each!(self, tx => tx.gas_limit)
    }

    /// Returns the gas price of a legacy or EIP-2930 transaction, in wei.
    pub fn gas_price(&self) -> Option<U256> {
        match self {
            Self::Legacy(tx) => Some(tx.gas_price),
            Self::AccessList(tx) => Some(tx.gas_price),
            Self::DynamicFee(_) | Self::Blob(_) | Self::SetCode(_) => None,
        }
    }

    /// Returns the maximum fee per gas in wei, base fee included; the gas price before EIP-1559.
    pub fn max_fee_per_gas(&self) -> U256 {
        match self {
            Self::Legacy(tx) => tx.gas_price,
            Self::AccessList(tx) => tx.gas_price,
            Self::DynamicFee(tx) => tx.max_fee_per_gas,
            Self::Blob(tx) => tx.max_fee_per_gas,
            Self::SetCode(tx) => tx.max_fee_per_gas,
        }
    }

    /// Returns the maximum tip per gas for the beneficiary in wei; the gas price before EIP-1559.
    pub fn max_priority_fee_per_gas(&self) -> U256 {
        match self {
            Self::Legacy(tx) => tx.gas_price,
            Self::AccessList(tx) => tx.gas_price,
            Self::DynamicFee(tx) => tx.max_priority_fee_per_gas,
            Self::Blob(tx) => tx.max_priority_fee_per_gas,
            Self::SetCode(tx) => tx.max_priority_fee_per_gas,
        }
    }

    /// Returns the maximum fee per blob gas in wei (EIP-4844).
    pub fn max_fee_per_blob_gas(&self) -> Option<U256> {
        match self {
            Self::Blob(tx) => Some(tx.max_fee_per_blob_gas),
            _ => None,
        }
    }

    /// Returns the price per gas that the sender pays in a block with this base fee, in wei
    /// (EIP-1559).
    pub fn effective_gas_price(&self, base_fee_per_gas: Option<u64>) -> U256 {
        let Some(base_fee) = base_fee_per_gas else {
            return self.max_fee_per_gas();
        };
        self.max_priority_fee_per_gas()
            .saturating_add(U256::from(base_fee))
            .min(self.max_fee_per_gas())
    }

    /// Returns the recipient; `None` for a contract creation.
    pub fn to(&self) -> Option<Address> {
        match self {
            Self::Legacy(tx) => tx.to,
            Self::AccessList(tx) => tx.to,
            Self::DynamicFee(tx) => tx.to,
            Self::Blob(tx) => Some(tx.to),
            Self::SetCode(tx) => Some(tx.to),
        }
    }

    /// Returns the transferred value in wei.
    pub fn value(&self) -> U256 {
        each!(self, tx => tx.value)
    }

    /// Returns the call's data or the contract's init code.
    pub fn input(&self) -> &Bytes {
        each!(self, tx => &tx.input)
    }

    /// Returns the accounts and slots that the transaction declares to access (EIP-2930); empty for
    /// a legacy transaction.
    pub fn access_list(&self) -> &[AccessListItem] {
        match self {
            Self::Legacy(_) => &[],
            Self::AccessList(tx) => &tx.access_list,
            Self::DynamicFee(tx) => &tx.access_list,
            Self::Blob(tx) => &tx.access_list,
            Self::SetCode(tx) => &tx.access_list,
        }
    }

    /// Returns the versioned hashes of the blobs (EIP-4844); empty for other types.
    pub fn blob_hashes(&self) -> &[B256] {
        match self {
            Self::Blob(tx) => &tx.blob_versioned_hashes,
            _ => &[],
        }
    }

    /// Returns the authorizations to set code (EIP-7702); empty for other types.
    pub fn authorization_list(&self) -> &[Authorization] {
        match self {
            Self::SetCode(tx) => &tx.authorization_list,
            _ => &[],
        }
    }
}
