//! Helpers for keys and Keccak.

use actoreum_primitives::SecretKey;
use actoreum_primitives::crypto::Keccak256;
use rand::RngCore;
use zeroize::Zeroizing;

/// Generates a secret key. `random` must be cryptographically secure.
pub fn generate_key(random: &mut impl RngCore) -> SecretKey {
    let mut bytes = Zeroizing::new([0; 32]);
    loop {
        random.fill_bytes(bytes.as_mut_slice());
        if let Ok(key) = SecretKey::from_bytes(&bytes) {
            return key;
        }
    }
}

/// Returns Keccak-256 of the concatenated parts.
pub fn keccak_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.digest().0
}
