//! Recoverable signatures.

use alloy_primitives::{Address, B256, U256, uint};

use super::{CryptoError, PublicKey, recovery};

/// Half of the order of secp256k1's group, rounded down.
const HALF_ORDER: U256 =
    uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// Begins the r of a signature that stands for a sender without a key. An r of a real signature
/// that begins so takes 2^96 attempts.
const IMPERSONATION: [u8; 12] = *b"impersonated";

/// A recoverable ECDSA signature over secp256k1. Any value can be held; recovery checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Whether the y of the nonce point is odd.
    pub y_parity: bool,
    /// The x of the nonce point.
    pub r: U256,
    /// The proof.
    pub s: U256,
}

impl Signature {
    /// Reads 65 bytes: r, s (big-endian), then 0 or 1.
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

    /// In the place of a signature, on a development chain: names the sender.
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

    /// The sender that [`Self::impersonating`] names; `None` where this is anything else.
    pub fn impersonated(&self) -> Option<Address> {
        let r = self.r.to_be_bytes::<32>();
        let sender = r.strip_prefix(&IMPERSONATION)?;
        (!self.y_parity && self.s == U256::from(1)).then(|| Address::from_slice(sender))
    }

    /// 65 bytes: r, s (big-endian), then 0 or 1.
    pub fn to_bytes(&self) -> [u8; 65] {
        let mut bytes = [0; 65];
        bytes[..32].copy_from_slice(&self.r.to_be_bytes::<32>());
        bytes[32..64].copy_from_slice(&self.s.to_be_bytes::<32>());
        bytes[64] = u8::from(self.y_parity);
        bytes
    }

    /// Whether s is in the upper half of the group (EIP-2 forbids it from Homestead on).
    pub fn has_high_s(&self) -> bool {
        self.s > HALF_ORDER
    }

    /// The key that signed `hash`.
    pub fn recover(&self, hash: B256) -> Result<PublicKey, CryptoError> {
        PublicKey::from_uncompressed(&recovery::recover(&hash, self)?)
    }

    /// [`Signature::recover`] with k256 in place of libsecp256k1: the reference that tests and
    /// the benchmark compare with.
    pub fn recover_with_k256(&self, hash: B256) -> Result<PublicKey, CryptoError> {
        recovery::recover_with_k256(&hash, self)
    }

    /// The address of the key that signed `hash`.
    pub fn recover_address(&self, hash: B256) -> Result<Address, CryptoError> {
        Ok(super::public_key::address_of(&recovery::recover(
            &hash, self,
        )?))
    }
}
