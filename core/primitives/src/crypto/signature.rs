//! Recoverable signatures.

use alloy_primitives::{Address, B256, U256, uint};

use super::{CryptoError, PublicKey, recovery};

/// Half of the order of secp256k1's group, rounded down.
const HALF_ORDER: U256 =
    uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// Prefix of the r of a signature that stands for an impersonated sender, whose key the node does
/// not have. A real signature whose r has this prefix takes 2^96 attempts.
const IMPERSONATION: [u8; 12] = *b"impersonated";

/// A recoverable ECDSA signature over secp256k1. The fields may hold any value; recovery validates
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Whether the y coordinate of the nonce point is odd.
    pub y_parity: bool,
    /// The x coordinate of the nonce point.
    pub r: U256,
    /// The signature's proof value.
    pub s: U256,
}

impl Signature {
    /// Creates a signature from 65 bytes: r, s (big-endian), then 0 or 1.
    pub fn from_bytes(bytes: &[u8; 65]) -> Result<Self, CryptoError> {
        let (r, rest) = bytes.split_at(32);
        let (s, parity) = rest.split_at(32);
        let y_parity = match parity {
            [0] => false,
            [1] => true,
            _ => return Err(CryptoError::InvalidSignature),
        };
        Ok(Self {
            y_parity,
            r: U256::from_be_slice(r),
            s: U256::from_be_slice(s),
        })
    }

    /// Creates a placeholder for a signature that names the sender, for use on a development chain.
    pub fn impersonating(sender: Address) -> Self {
        let mut r = [0; 32];
        r[..12].copy_from_slice(&IMPERSONATION);
        r[12..].copy_from_slice(sender.as_slice());
        Self {
            y_parity: false,
            r: U256::from_be_bytes(r),
            s: U256::from(1),
        }
    }

    /// Returns the sender that [`Self::impersonating`] encoded; `None` for a real signature.
    pub fn impersonated(&self) -> Option<Address> {
        let r = self.r.to_be_bytes::<32>();
        let sender = r.strip_prefix(&IMPERSONATION)?;
        (!self.y_parity && self.s == U256::from(1)).then(|| Address::from_slice(sender))
    }

    /// Returns 65 bytes: r, s (big-endian), then 0 or 1.
    pub fn to_bytes(&self) -> [u8; 65] {
        let mut bytes = [0; 65];
        bytes[..32].copy_from_slice(&self.r.to_be_bytes::<32>());
        bytes[32..64].copy_from_slice(&self.s.to_be_bytes::<32>());
        bytes[64] = u8::from(self.y_parity);
        bytes
    }

    /// Returns true if s is in the upper half of the group (EIP-2 forbids it from Homestead on).
    pub fn has_high_s(&self) -> bool {
        self.s > HALF_ORDER
    }

    /// Returns the public key that signed `hash`.
    pub fn recover(&self, hash: B256) -> Result<PublicKey, CryptoError> {
        PublicKey::from_uncompressed(&recovery::recover(&hash, self)?)
    }

    /// Recovers with k256 instead of libsecp256k1. Tests and the benchmark compare the two.
    pub fn recover_with_k256(&self, hash: B256) -> Result<PublicKey, CryptoError> {
        recovery::recover_with_k256(&hash, self)
    }

    /// Returns the address of the key that signed `hash`.
    pub fn recover_address(&self, hash: B256) -> Result<Address, CryptoError> {
        Ok(super::public_key::address_of(&recovery::recover(
            &hash, self,
        )?))
    }
}
