//! Public keys and addresses.

use alloy_primitives::Address;
use k256::elliptic_curve::sec1::ToEncodedPoint;

use super::{CryptoError, keccak256};

/// A public key: a point of secp256k1 other than the point at infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub(super) k256::PublicKey);

impl PublicKey {
    /// Creates a key from x and y, 32 bytes each, big-endian (a node id).
    pub fn from_uncompressed(coordinates: &[u8; 64]) -> Result<Self, CryptoError> {
        let mut sec1 = [0; 65];
        sec1[0] = 4;
        sec1[1..].copy_from_slice(coordinates);
        Self::from_sec1(&sec1)
    }

    /// Creates a key from its SEC 1 form: 33 bytes (compressed) or 65.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, CryptoError> {
        if !matches!(bytes.len(), 33 | 65) {
            return Err(CryptoError::InvalidPublicKey);
        }
        k256::PublicKey::from_sec1_bytes(bytes)
            .map(Self)
            .map_err(|_| CryptoError::InvalidPublicKey)
    }

    /// Returns x and y, 32 bytes each, big-endian (a node id).
    pub fn to_uncompressed(&self) -> [u8; 64] {
        let mut coordinates = [0; 64];
        coordinates.copy_from_slice(&self.0.to_encoded_point(false).as_bytes()[1..]);
        coordinates
    }

    /// Returns the compressed SEC 1 form.
    pub fn to_compressed(&self) -> [u8; 33] {
        let mut bytes = [0; 33];
        bytes.copy_from_slice(self.0.to_encoded_point(true).as_bytes());
        bytes
    }

    /// Returns the address: the last 20 bytes of the key's Keccak-256.
    pub fn address(&self) -> Address {
        address_of(&self.to_uncompressed())
    }
}

/// Returns the address of a key given as x and y.
pub(super) fn address_of(coordinates: &[u8; 64]) -> Address {
    Address::from_slice(&keccak256(coordinates)[12..])
}
