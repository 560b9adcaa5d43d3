//! The devp2p base protocol: Hello, Disconnect, Ping, Pong, and the capabilities above it.

mod capability;
mod compression;
mod disconnect;
mod error;
mod hello;
mod payload;
mod session;

pub use capability::{Capability, Protocol, SharedCapability, match_capabilities};
pub use compression::{Compression, CompressionError};
pub use disconnect::DisconnectReason;
pub use error::SessionError;
pub use hello::{Hello, HelloError};
pub use payload::Payload;
pub use session::{Event, Session, SessionConfig};

/// Version of the base protocol of this node: 5 added snappy.
pub const BASE_PROTOCOL_VERSION: u64 = 5;

/// Number of message codes of the base protocol; those of capabilities follow.
pub const BASE_PROTOCOL_LENGTH: u64 = 16;

/// Message codes of the base protocol.
pub(crate) mod code {
    pub const HELLO: u64 = 0;
    pub const DISCONNECT: u64 = 1;
    pub const PING: u64 = 2;
    pub const PONG: u64 = 3;
}

#[cfg(test)]
mod tests;
