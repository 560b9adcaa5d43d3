//! Requests to sign.

use actoreum_primitives::{B256, Bytes, TxPayload};

use crate::{TypedData, signing};

/// The data to be signed, with everything that a device shows to the user.
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
    /// Returns the hash to be signed.
    pub fn hash(&self) -> B256 {
        match self {
            Self::Transaction(payload) => payload.signing_hash(),
            Self::Message(message) => signing::personal_message_hash(message),
            Self::TypedData(data) => data.signing_hash(),
        }
    }
}
