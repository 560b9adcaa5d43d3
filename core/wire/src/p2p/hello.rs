//! Hello, the first message of each side.

use actoreum_primitives::PublicKey;
use actoreum_primitives::rlp::{self, DecodeError, Encode};

use super::{Capability, DisconnectReason};
use crate::limits::{MAX_BASE_MESSAGE_SIZE, MAX_CAPABILITIES, MAX_CLIENT_NAME};
use crate::rlp::{next_str, open_tolerant, put_list};

/// Content of a Hello. Further list elements are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Version of the base protocol.
    pub version: u64,
    /// Client name, cut to [`MAX_CLIENT_NAME`] characters, without control characters.
    pub client_name: String,
    /// The capabilities; the first [`MAX_CAPABILITIES`].
    pub capabilities: Vec<Capability>,
    /// Port on which the node listens; 0 if unknown.
    pub listen_port: u64,
    /// Static public key of the node.
    pub public_key: PublicKey,
}

/// Reason why a Hello was refused. Disconnect with [`HelloError::disconnect_reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The Hello is longer than [`MAX_BASE_MESSAGE_SIZE`].
    #[error("message too big")]
    TooLarge,
    /// The Hello does not decode.
    #[error("invalid hello: {0}")]
    Rlp(#[from] DecodeError),
    /// The key is missing, zero or not on the curve.
    #[error("invalid node identity")]
    InvalidIdentity,
}

impl HelloError {
    /// Returns the reason to send to the other side.
    pub fn disconnect_reason(&self) -> DisconnectReason {
        match self {
            Self::TooLarge | Self::Rlp(_) => DisconnectReason::ProtocolBreach,
            Self::InvalidIdentity => DisconnectReason::InvalidIdentity,
        }
    }
}

/// Returns a peer's text, made safe for logs.
fn clean_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|character| !character.is_control())
        .take(MAX_CLIENT_NAME)
        .collect()
}

impl Hello {
    /// Appends the message's payload.
    pub fn encode_payload(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            self.version.encode(out);
            rlp::encode_str(self.client_name.as_bytes(), out);
            put_list(out, |out| {
                for capability in &self.capabilities {
                    put_list(out, |out| {
                        rlp::encode_str(capability.name.as_bytes(), out);
                        capability.version.encode(out);
                    });
                }
            });
            self.listen_port.encode(out);
            rlp::encode_str(&self.public_key.to_uncompressed(), out);
        });
    }

    /// Decodes the message's payload.
    pub fn decode_payload(payload: &[u8]) -> Result<Self, HelloError> {
        if payload.len() > MAX_BASE_MESSAGE_SIZE {
            return Err(HelloError::TooLarge);
        }
        let mut list = open_tolerant(payload)?;
        let version = list.next()?;
        let client_name = clean_text(next_str(&mut list)?);
        let mut named = list.next_list()?;
        let mut capabilities = Vec::new();
        while !named.is_empty() {
            let mut pair = named.next_list()?;
            let name = clean_text(next_str(&mut pair)?);
            let version = pair.next()?;
            if capabilities.len() < MAX_CAPABILITIES {
                capabilities.push(Capability { name, version });
            }
        }
        let listen_port = list.next()?;
        let key: [u8; 64] = next_str(&mut list)?
            .try_into()
            .map_err(|_| HelloError::InvalidIdentity)?;
        let public_key =
            PublicKey::from_uncompressed(&key).map_err(|_| HelloError::InvalidIdentity)?;
        Ok(Self {
            version,
            client_name,
            capabilities,
            listen_port,
            public_key,
        })
    }
}
