//! Public keys from signatures, with libsecp256k1.

use alloy_primitives::B256;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, SECP256K1};

use super::{CryptoError, Signature};

/// The signer's public key: x and y, big-endian.
pub(super) fn recover(hash: &B256, signature: &Signature) -> Result<[u8; 64], CryptoError> {
    let recovery_id = if signature.y_parity {
        RecoveryId::One
    } else {
        RecoveryId::Zero
    };
    let bytes = signature.to_bytes();
    let compact = RecoverableSignature::from_compact(&bytes[..64], recovery_id)
        .map_err(|_| CryptoError::InvalidSignature)?;
    let key = SECP256K1
        .recover_ecdsa(Message::from_digest(hash.0), &compact)
        .map_err(|_| CryptoError::InvalidSignature)?;
    let mut coordinates = [0; 64];
    coordinates.copy_from_slice(&key.serialize_uncompressed()[1..]);
    Ok(coordinates)
}
