//! Recovery of public keys from signatures, with libsecp256k1 and with k256 as the reference.

use alloy_primitives::B256;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, SECP256K1};

use super::{CryptoError, PublicKey, Signature};

/// Returns the signer's public key: x and y, big-endian.
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

/// Recovers with k256, which refuses a high s: the call passes the equivalent signature `(r, n -
/// s)` with the opposite parity instead.
pub(super) fn recover_with_k256(
    hash: &B256,
    signature: &Signature,
) -> Result<PublicKey, CryptoError> {
    let bytes = signature.to_bytes();
    let mut compact = k256::ecdsa::Signature::from_slice(&bytes[..64])
        .map_err(|_| CryptoError::InvalidSignature)?;
    let mut y_parity = signature.y_parity;
    if let Some(low_s) = compact.normalize_s() {
        compact = low_s;
        y_parity = !y_parity;
    }
    let recovery_id = k256::ecdsa::RecoveryId::new(y_parity, false);
    let key =
        k256::ecdsa::VerifyingKey::recover_from_prehash(hash.as_slice(), &compact, recovery_id)
            .map_err(|_| CryptoError::InvalidSignature)?;
    Ok(PublicKey(key.into()))
}
