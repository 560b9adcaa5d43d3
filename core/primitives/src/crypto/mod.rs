//! Keccak-256 and secp256k1.
//!
//! Keys, signing and ECDH are k256's. Recovery, which a node does for every transaction it
//! sees, goes through libsecp256k1 (`docs/adr/0002-libsecp256k1-for-recovery.md`).

mod ecdh;
mod keccak;
mod public_key;
mod recovery;
mod secret_key;
mod signature;

#[cfg(test)]
mod tests;

pub use ecdh::SharedSecret;
pub use keccak::{Keccak256, ROUND_CONSTANTS, keccak_f1600, keccak256};
pub use public_key::PublicKey;
pub use secret_key::SecretKey;
pub use signature::Signature;

/// Why a key or a signature is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// Zero, or not below the order of the group.
    #[error("invalid secret key")]
    InvalidSecretKey,
    /// Not a point on the curve, or of the wrong size.
    #[error("invalid public key")]
    InvalidPublicKey,
    /// r or s out of range, or no key signed this.
    #[error("invalid transaction v, r, s values")]
    InvalidSignature,
    /// s is in the upper half of the group, which EIP-2 forbids from Homestead on.
    #[error("invalid transaction v, r, s values: s is too high")]
    HighS,
}
