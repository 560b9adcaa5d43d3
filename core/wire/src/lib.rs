//! The network protocols of a node as sans-IO state machines: bytes and a clock in, events and
//! bytes out. Sockets, timers and tasks live in the actors.
//!
//! # Data flow
//!
//! ```text
//!   TCP bytes                                                UDP datagrams
//!      |                                                          |
//!      v                                                          v
//!   p2p::Session                                          discv4::Discovery
//!   +---------------------------------------------+       +---------------------------+
//!   | rlpx::Handshake   auth/ack, ECIES           |       | limits -> decode_packet   |
//!   |      v                                      |       |    v                      |
//!   | rlpx::FrameCodec  AES, rolling MACs         |       | EndpointProofs   Table    |
//!   |      v                                      |       |    v               ^      |
//!   | p2p::Hello, Ping, Disconnect                |       | pending requests   |      |
//!   |      v                                      |       |    v               |      |
//!   | p2p::Compression  snappy, from version 5    |       | Lookup ------------+      |
//!   +---------------------------------------------+       +---------------------------+
//!      |                                                          |
//!      v                                                          v
//!   Event::Message { capability, id, payload }            Output::Send, LookupFinished...
//!      |
//!      v
//!   eth::EthMessage::decode(version, id, payload)         nodes: Enode, Enr,
//!      lists stay encoded until they are read             NodeDatabase
//! ```
//!
//! # Untrusted input
//!
//! All input of this crate comes from untrusted peers. Three rules hold throughout: a number from
//! outside is only used in checked arithmetic; a size is checked against [`limits`] before anything
//! is allocated for it; a slice is only taken with `get` or a checked split
//! (`clippy::indexing_slicing` is denied). Each vulnerability that is known from other nodes has a
//! test that sends the attack.
//!
//! # Example
//!
//! Two sessions that exchange bytes through vectors:
//!
//! ```
//! use std::time::Instant;
//!
//! use actoreum_primitives::SecretKey;
//! use actoreum_wire::eth::EthVersion;
//! use actoreum_wire::p2p::{Event, Session, SessionConfig};
//! use actoreum_wire::rlpx::HandshakeFormat;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = |key| SessionConfig::new(key, "example/v1", vec![EthVersion::Eth68.protocol()]);
//! let (alice, bob) = (SecretKey::random(), SecretKey::random());
//! let now = Instant::now();
//! let remote = bob.public_key();
//! // The 32 bytes must come from the operating system's randomness in a node.
//! let mut dialer =
//!     Session::initiate(config(alice), remote, HandshakeFormat::Eip8, [1; 32], now);
//! let mut listener = Session::accept(config(bob), [2; 32], now);
//!
//! let mut greeted = 0;
//! while greeted < 2 {
//!     listener.receive(&dialer.take_output());
//!     dialer.receive(&listener.take_output());
//!     for session in [&mut dialer, &mut listener] {
//!         while let Some(event) = session.poll(now)? {
//!             match event {
//!                 Event::Authenticated { .. } => session.send_hello()?,
//!                 Event::HelloReceived(hello) => {
//!                     assert_eq!(hello.client_name, "example/v1");
//!                     assert_eq!(session.shared()[0].capability.to_string(), "eth/68");
//!                     greeted += 1;
//!                 }
//!                 other => panic!("not expected: {other:?}"),
//!             }
//!         }
//!     }
//! }
//!
//! dialer.send(0, 2, &[0xc0])?;
//! listener.receive(&dialer.take_output());
//! let event = listener.poll(now)?;
//! assert!(matches!(event, Some(Event::Message { capability: 0, id: 2, .. })));
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//!
//! - [`rlpx`]: the handshake and the frames; [`ecies`] under it.
//! - [`p2p`]: the base protocol and [`p2p::Session`], which joins the layers of a connection.
//! - [`eth`]: the eth protocol, versions 62 to 69.
//! - [`snap`]: the snap protocol, version 1.
//! - [`discv4`]: discovery; [`discv4::Discovery`] joins its parts.
//! - [`discv5`]: discovery v5.1; [`discv5::Discovery`] joins its parts.
//! - [`dns`]: discovery by DNS (EIP-1459): trees of nodes, and the walk through them.
//! - [`nodes`]: node ids, records, URLs and the node database.
//! - [`limits`]: every bound, with its reason.

#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

pub mod discv4;
pub mod discv5;
pub mod dns;
pub mod ecies;
pub mod eth;
mod keys;
pub mod limits;
pub mod nodes;
pub mod p2p;
mod rlp;
pub mod rlpx;
pub mod snap;
#[cfg(test)]
mod test_support;
