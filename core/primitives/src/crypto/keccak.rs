//! Keccak-256.

use alloy_primitives::B256;
use sha3::{Digest, Keccak256};

/// Keccak-256 as Ethereum uses it (the padding from before SHA-3).
pub fn keccak256(bytes: impl AsRef<[u8]>) -> B256 {
    B256::new(Keccak256::digest(bytes.as_ref()).into())
}
