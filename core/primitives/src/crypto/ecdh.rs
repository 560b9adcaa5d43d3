//! Elliptic-curve Diffie-Hellman on secp256k1.

use k256::elliptic_curve::sec1::ToEncodedPoint;
use zeroize::Zeroizing;

use super::{PublicKey, SecretKey};

/// The shared secret of two keys: the x coordinate, 32 bytes, big-endian. It is zeroed when dropped
/// and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(Zeroizing<[u8; 32]>);

impl SharedSecret {
    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedSecret(redacted)")
    }
}

impl SecretKey {
    /// Returns the x coordinate of the product of this key and the other key's point. It is not
    /// hashed, as RLPx requires.
    pub fn ecdh(&self, other: &PublicKey) -> SharedSecret {
        let scalar = Zeroizing::new(self.0.to_nonzero_scalar());
        let shared = k256::ecdh::diffie_hellman(*scalar, other.0.as_affine());
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(shared.raw_secret_bytes());
        SharedSecret(bytes)
    }

    /// Returns the product of this key and the other key's point in compressed SEC 1 form, as
    /// discovery v5 requires.
    pub fn ecdh_compressed(&self, other: &PublicKey) -> Zeroizing<[u8; 33]> {
        let scalar = Zeroizing::new(self.0.to_nonzero_scalar());
        let product = other.0.to_projective() * **scalar;
        let mut bytes = Zeroizing::new([0; 33]);
        bytes.copy_from_slice(product.to_affine().to_encoded_point(true).as_bytes());
        bytes
    }
}
