//! Tests of discovery: vectors and properties of packets, the table's rules, the engine alone
//! against hostile datagrams, and many engines in one simulated network.

mod engine;
mod flood;
mod packets;
mod simulation;
mod table;

use std::net::SocketAddr;

use actoreum_primitives::SecretKey;

use super::Node;
use crate::nodes::EnodeEndpoint;

/// Returns a key made from a number.
fn key(number: u32) -> SecretKey {
    let mut bytes = [1; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_bytes(&bytes).unwrap()
}

/// Returns a node with the key of `number` at an address.
fn node(number: u32, address: &str) -> Node {
    let address: SocketAddr = address.parse().unwrap();
    let endpoint = EnodeEndpoint::new(address.ip(), address.port(), address.port());
    Node::new(key(number).public_key(), endpoint)
}
