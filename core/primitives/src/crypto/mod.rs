//! Keccak-256 and secp256k1.
//!
//! k256 implements keys, signing and ECDH. libsecp256k1 implements recovery, which a node runs for
//! every transaction that it receives (`docs/adr/0002-libsecp256k1-for-recovery.md`).

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

/// An error about a key or a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The secret key is zero, or not below the order of the group.
    #[error("invalid secret key")]
    InvalidSecretKey,
    /// The public key is not a point on the curve, or has the wrong size.
    #[error("invalid public key")]
    InvalidPublicKey,
    /// r or s is out of range, or no public key can be recovered.
    #[error("invalid transaction v, r, s values")]
    InvalidSignature,
    /// s is in the upper half of the group, which EIP-2 forbids from Homestead on.
    #[error("invalid transaction v, r, s values: s is too high")]
    HighS,
}
