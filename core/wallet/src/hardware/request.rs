//! What a wallet is asked to sign.

use actoreum_primitives::{B256, Bytes, TxPayload};

use crate::{TypedData, signing};

/// What is to be signed, with all that a device shows to its owner.
#[derive(Debug, Clone, PartialEq)]
pub enum SignRequest {
    /// A transaction.
    Transaction(TxPayload),
    /// A personal message (EIP-191), without its prefix.
    Message(Bytes),
    /// Typed data (EIP-712).
    TypedData(TypedData),
}

impl SignRequest {
    /// The hash that a signature is of.
    pub fn hash(&self) -> B256 {
        match self {
            Self::Transaction(payload) => payload.signing_hash(),
            Self::Message(message) => signing::personal_message_hash(message),
            Self::TypedData(data) => data.signing_hash(),
        }
    }
}
