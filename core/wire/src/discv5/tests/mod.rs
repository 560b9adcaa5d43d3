//! Tests of discovery v5: the official vectors, properties of packets and messages, the engine
//! alone against peers and hostile datagrams, and many engines in one simulated network.

mod engine;
mod floods;
mod messages;
mod packets;
mod peer;
mod requests;
mod simulation;
mod vectors;

use std::net::SocketAddr;

use actoreum_primitives::SecretKey;

use crate::nodes::{EnodeEndpoint, Enr, EnrBuilder};

/// Returns a key made from a number.
fn key(number: u32) -> SecretKey {
    let mut bytes = [1; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_bytes(&bytes).unwrap()
}

/// Returns the record of the node with the key of `number` at an address.
fn record(number: u32, seq: u64, address: SocketAddr) -> Enr {
    let endpoint = EnodeEndpoint::new(address.ip(), address.port(), address.port());
    EnrBuilder::new()
        .with_endpoint(&endpoint)
        .sign(seq, &key(number))
        .unwrap()
}
