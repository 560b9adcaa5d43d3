//! RLPx: the handshake that turns two static keys into session secrets, and the frames that are
//! encrypted with them.

mod frame;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod handshake;
mod mac;
mod packet;
mod secrets;

pub use frame::{FrameCodec, FrameError};
pub use handshake::{Handshake, HandshakeError, HandshakeOutcome};
pub use packet::HandshakeFormat;
pub use secrets::Secrets;

#[cfg(test)]
mod tests;
