//! Tests of discovery v5: the official vectors, and properties of packets and messages.

mod messages;
mod packets;
mod vectors;

use actoreum_primitives::SecretKey;

/// Returns a key made from a number.
fn key(number: u32) -> SecretKey {
    let mut bytes = [1; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_bytes(&bytes).unwrap()
}
