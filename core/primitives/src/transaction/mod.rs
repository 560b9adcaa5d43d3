//! The five transaction types.
//!
//! A [`Transaction`] is a [`TxPayload`] (the signed fields) with its [`Signature`]. It is
//! immutable, so it caches its hash and its sender.
//!
//! There are three encodings. [`Transaction::encode_2718`] is the canonical one: it is hashed, put
//! into the trie and sent over RPC. [`rlp::Encode`] gives the item of a list (a block, a wire
//! message), where a typed transaction is wrapped in a string. [`PooledTransaction`] adds the
//! blobs.

mod access_list;
mod authorization;
mod envelope;
mod payload;
mod pooled;
mod sender;
mod tx_type;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::crypto::Signature;
use crate::rlp::{self, Decode, DecodeError, Encode, List};
use crate::{CryptoError, keccak256};

pub use access_list::AccessListItem;
pub use authorization::Authorization;
pub(crate) use envelope::{decode_enveloped, encode_enveloped, enveloped_length};
pub use payload::{AccessListTx, BlobTx, DynamicFeeTx, LegacyTx, SetCodeTx, TxPayload};
pub use pooled::{BlobSidecar, PooledTransaction, SidecarProofs};
pub use sender::{SenderError, SenderRules, contract_address, recover_senders};
pub use tx_type::TxType;

/// A signed transaction.
#[derive(Clone)]
pub struct Transaction {
    payload: TxPayload,
    signature: Signature,
    /// Whether the signature is missing, so that `v` is zero for every type.
    is_unsigned: bool,
    hash: OnceLock<B256>,
    sender: OnceLock<Address>,
}

impl Transaction {
    /// Creates a transaction with an existing signature, which is not verified.
    pub fn new(payload: TxPayload, signature: Signature) -> Self {
        Self {
            payload,
            signature,
            is_unsigned: false,
            hash: OnceLock::new(),
            sender: OnceLock::new(),
        }
    }

    /// Creates a transaction without a signature: v, r and s are zero in its encoding, as in geth's
    /// simulated blocks. Such a transaction is valid on no chain.
    pub fn unsigned(payload: TxPayload) -> Self {
        let signature = Signature {
            y_parity: false,
            r: U256::ZERO,
            s: U256::ZERO,
        };
        Self {
            is_unsigned: true,
            ..Self::new(payload, signature)
        }
    }

    /// Returns the signed fields.
    pub fn payload(&self) -> &TxPayload {
        &self.payload
    }

    /// Returns the signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Returns Keccak-256 of [`Transaction::encode_2718`]; it is computed once.
    pub fn hash(&self) -> B256 {
        *self.hash.get_or_init(|| keccak256(self.encode_2718()))
    }

    /// Returns the hash that was signed.
    pub fn signing_hash(&self) -> B256 {
        self.payload.signing_hash()
    }

    /// Returns the address that signed; it is computed once. The fork decides which signatures are
    /// valid: [`SenderRules`] checks that too.
    pub fn recover_sender(&self) -> Result<Address, CryptoError> {
        if let Some(sender) = self.sender.get() {
            return Ok(*sender);
        }
        let sender = self.signature.recover_address(self.signing_hash())?;
        Ok(*self.sender.get_or_init(|| sender))
    }

    /// Returns the transaction's type (EIP-2718).
    pub fn tx_type(&self) -> TxType {
        self.payload.tx_type()
    }

    /// Returns the chain id that the transaction is bound to; `None` for a legacy transaction
    /// without EIP-155.
    pub fn chain_id(&self) -> Option<u64> {
        self.payload.chain_id()
    }

    /// Returns the nonce: the number of transactions that the sender sent before.
    pub fn nonce(&self) -> u64 {
        self.payload.nonce()
    }

    /// Returns the maximum amount of gas that the transaction may use.
    pub fn gas_limit(&self) -> u64 {
        self.payload.gas_limit()
    }

    /// Returns the gas price of a legacy or EIP-2930 transaction, in wei.
    pub fn gas_price(&self) -> Option<U256> {
        self.payload.gas_price()
    }

    /// Returns the maximum fee per gas in wei, base fee included; the gas price before EIP-1559.
    pub fn max_fee_per_gas(&self) -> U256 {
        self.payload.max_fee_per_gas()
    }

    /// Returns the maximum tip per gas for the beneficiary in wei; the gas price before EIP-1559.
    pub fn max_priority_fee_per_gas(&self) -> U256 {
        self.payload.max_priority_fee_per_gas()
    }

    /// Returns the maximum fee per blob gas in wei (EIP-4844).
    pub fn max_fee_per_blob_gas(&self) -> Option<U256> {
        self.payload.max_fee_per_blob_gas()
    }

    /// Returns the price per gas that the sender pays in a block with this base fee, in wei.
    pub fn effective_gas_price(&self, base_fee_per_gas: Option<u64>) -> U256 {
        self.payload.effective_gas_price(base_fee_per_gas)
    }

    /// Returns the tip per gas that the beneficiary gets in a block with this base fee, in wei;
    /// `None` if the maximum fee is below the base fee.
    pub fn effective_tip(&self, base_fee_per_gas: Option<u64>) -> Option<U256> {
        let base_fee = U256::from(base_fee_per_gas.unwrap_or(0));
        let most = self.max_fee_per_gas().checked_sub(base_fee)?;
        Some(most.min(self.max_priority_fee_per_gas()))
    }

    /// Returns the recipient; `None` for a contract creation.
    pub fn to(&self) -> Option<Address> {
        self.payload.to()
    }

    /// Returns true if the transaction creates a contract.
    pub fn is_create(&self) -> bool {
        self.to().is_none()
    }

    /// Returns the transferred value in wei.
    pub fn value(&self) -> U256 {
        self.payload.value()
    }

    /// Returns the call's data or the contract's init code.
    pub fn input(&self) -> &Bytes {
        self.payload.input()
    }

    /// Returns the accounts and slots that the sender declares to access (EIP-2930); empty for a
    /// legacy transaction.
    pub fn access_list(&self) -> &[AccessListItem] {
        self.payload.access_list()
    }

    /// Returns the versioned hashes of the blobs (EIP-4844); empty for other types.
    pub fn blob_hashes(&self) -> &[B256] {
        self.payload.blob_hashes()
    }

    /// Returns the gas of the blobs (EIP-4844).
    pub fn blob_gas(&self) -> u64 {
        self.blob_hashes().len() as u64 * crate::GAS_PER_BLOB
    }

    /// Returns the authorizations to set code (EIP-7702); empty for other types.
    pub fn authorization_list(&self) -> &[Authorization] {
        self.payload.authorization_list()
    }

    /// Returns the `v` of the encoding: 27 or 28, EIP-155's chain id × 2 + 35 or 36, or a typed
    /// transaction's y parity. Zero without a signature.
    pub fn v(&self) -> u128 {
        match &self.payload {
            TxPayload::Legacy(_) if self.is_unsigned => 0,
            TxPayload::Legacy(tx) => tx.v(self.signature.y_parity),
            _ => u128::from(self.signature.y_parity),
        }
    }

    /// Returns the canonical encoding of EIP-2718: a type byte before the list; none for a legacy
    /// transaction.
    pub fn encode_2718(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encode_2718_length());
        if self.tx_type() != TxType::Legacy {
            out.push(self.tx_type() as u8);
        }
        self.encode_list(&mut out);
        out
    }

    /// Returns the size of [`Transaction::encode_2718`] in bytes.
    pub fn encode_2718_length(&self) -> usize {
        usize::from(self.tx_type() != TxType::Legacy) + self.list_length()
    }

    /// Decodes the encoding of [`Transaction::encode_2718`]. Trailing bytes are an error.
    pub fn decode_2718(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (tx_type, mut list) = TxType::split(bytes)?;
        let transaction = Self::decode_list(tx_type, &mut list)?;
        if !list.is_empty() {
            return Err(DecodeError::TrailingBytes);
        }
        Ok(transaction.with_hash_of(bytes))
    }

    fn with_hash_of(self, encoded_2718: &[u8]) -> Self {
        self.hash.get_or_init(|| keccak256(encoded_2718));
        self
    }

    fn list_payload_length(&self) -> usize {
        self.payload.fields_length()
            + self.v().length()
            + self.signature.r.length()
            + self.signature.s.length()
    }

    fn list_length(&self) -> usize {
        rlp::list_length(self.list_payload_length())
    }

    fn encode_list(&self, out: &mut Vec<u8>) {
        rlp::encode_list_header(self.list_payload_length(), out);
        self.payload.encode_fields(out);
        self.v().encode(out);
        self.signature.r.encode(out);
        self.signature.s.encode(out);
    }

    fn decode_list(tx_type: TxType, buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut list = List::open(buf)?;
        let mut payload = TxPayload::decode_fields(tx_type, &mut list)?;
        let v: u128 = list.next()?;
        let y_parity = payload.take_v(v)?;
        let signature = Signature {
            y_parity,
            r: list.next()?,
            s: list.next()?,
        };
        list.finish()?;
        Ok(Self::new(payload, signature))
    }
}

/// The encoding of an item of a list: a typed transaction is wrapped in a string.
impl Encode for Transaction {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_enveloped(self.tx_type(), self.list_length(), out, |out| {
            self.encode_list(out)
        });
    }

    fn length(&self) -> usize {
        enveloped_length(self.tx_type(), self.list_length())
    }
}

impl Decode for Transaction {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        decode_enveloped(buf, Self::decode_list)
    }
}

impl PartialEq for Transaction {
    fn eq(&self, other: &Self) -> bool {
        self.payload == other.payload && self.signature == other.signature
    }
}

impl Eq for Transaction {}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("hash", &self.hash())
            .field("payload", &self.payload)
            .field("signature", &self.signature)
            .finish()
    }
}
