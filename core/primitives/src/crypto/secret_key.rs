//! Secret keys.

use alloy_primitives::{Address, B256, U256};
use secp256k1::{Message, SECP256K1};
use zeroize::Zeroizing;

use super::{CryptoError, PublicKey, Signature};

/// A secret key. Its memory is zeroed when it is dropped, and it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(pub(super) k256::SecretKey);

impl SecretKey {
    /// Creates a key from 32 bytes, big-endian. Zero and values not below the group's order are
    /// errors.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, CryptoError> {
        k256::SecretKey::from_bytes(bytes.into())
            .map(Self)
            .map_err(|_| CryptoError::InvalidSecretKey)
    }

    /// Creates a key from the operating system's randomness.
    pub fn random() -> Self {
        Self(k256::SecretKey::random(
            &mut k256::elliptic_curve::rand_core::OsRng,
        ))
    }

    /// Returns the key's 32 bytes, big-endian, zeroed when dropped.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        let field_bytes = Zeroizing::new(self.0.to_bytes());
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(&field_bytes);
        bytes
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key())
    }

    /// Returns the address of the key's account.
    pub fn address(&self) -> Address {
        self.public_key().address()
    }

    /// Signs a hash, deterministically (RFC 6979), with a low s.
    pub fn sign(&self, hash: B256) -> Signature {
        let mut key = secp256k1::SecretKey::from_byte_array(*self.to_bytes())
            .expect("because a secret key is not zero and below the group's order");
        let message = Message::from_digest(hash.0);
        let signature = SECP256K1.sign_ecdsa_recoverable(message, &key);
        key.non_secure_erase();
        let (recovery_id, bytes) = signature.serialize_compact();
        let (r, s) = bytes.split_at(32);
        Signature {
            y_parity: i32::from(recovery_id) & 1 == 1,
            r: U256::from_be_slice(r),
            s: U256::from_be_slice(s),
        }
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}
