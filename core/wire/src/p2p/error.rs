//! Errors that end a session.

use super::{CompressionError, DisconnectReason, HelloError};
use crate::rlpx::{FrameError, HandshakeError};

/// Reason why a session cannot go on. Call [`Session::disconnect`](super::Session::disconnect) with
/// [`SessionError::disconnect_reason`] if there is one, then close the socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The encryption handshake failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// A frame was refused.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The Hello was refused.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// A payload was refused.
    #[error(transparent)]
    Compression(#[from] CompressionError),
    /// The key of the Hello is not the one that the handshake proved.
    #[error("unexpected identity")]
    UnexpectedIdentity,
    /// The first message was neither Hello nor Disconnect.
    #[error("expected handshake, got {0:x}")]
    ExpectedHello(u64),
    /// A frame has no message code.
    #[error("frame without a message code")]
    MissingCode,
    /// A base protocol message is above its limit, or a message to send is above the protocol's.
    #[error("message too big")]
    TooLarge,
    /// A code belongs to no shared capability.
    #[error("msg code out of range: {0}")]
    CodeOutOfRange(u64),
    /// The handshakes took longer than [`HANDSHAKE_TIMEOUT`](crate::limits::HANDSHAKE_TIMEOUT).
    #[error("handshake timeout")]
    HandshakeTimeout,
    /// Nothing was received for [`IDLE_TIMEOUT`](crate::limits::IDLE_TIMEOUT).
    #[error("read timeout")]
    ReadTimeout,
    /// A message was sent before both Hellos were exchanged, or after the end.
    #[error("connection is not open")]
    NotOpen,
}

impl SessionError {
    /// Returns the reason to send to the other side; `None` if it could not decrypt it.
    pub fn disconnect_reason(&self) -> Option<DisconnectReason> {
        match self {
            Self::Handshake(_) | Self::HandshakeTimeout | Self::NotOpen => None,
            Self::Hello(error) => Some(error.disconnect_reason()),
            Self::UnexpectedIdentity => Some(DisconnectReason::UnexpectedIdentity),
            Self::ReadTimeout => Some(DisconnectReason::ReadTimeout),
            Self::Frame(_)
            | Self::Compression(_)
            | Self::ExpectedHello(_)
            | Self::MissingCode
            | Self::TooLarge
            | Self::CodeOutOfRange(_) => Some(DisconnectReason::ProtocolBreach),
        }
    }
}
