//! The base protocol: Hello, Disconnect, Ping, Pong, and the capabilities above it.

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

/// The version of the base protocol that we speak: 5 brought snappy.
pub const BASE_PROTOCOL_VERSION: u64 = 5;

/// Message codes that belong to the base protocol; capabilities come behind them.
pub const BASE_PROTOCOL_LENGTH: u64 = 16;

/// The messages of the base protocol.
pub(crate) mod code {
    pub const HELLO: u64 = 0;
    pub const DISCONNECT: u64 = 1;
    pub const PING: u64 = 2;
    pub const PONG: u64 = 3;
}

#[cfg(test)]
mod tests;
