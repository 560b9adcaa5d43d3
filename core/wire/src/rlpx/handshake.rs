//! The RLPx handshake as a state machine: bytes in, one packet out, secrets at the end.

use actoreum_primitives::crypto::{CryptoError, SharedSecret};
use actoreum_primitives::rlp::DecodeError;
use actoreum_primitives::{B256, PublicKey, SecretKey};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use super::packet::{Ack, Auth, Opened, Packet, open, seal};
use super::secrets::{Agreement, xor};
use super::{HandshakeFormat, Secrets};
use crate::ecies::EciesError;
use crate::keys::{generate_key, keccak_of};

/// Reason why a handshake failed. There is nothing to answer: close the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The packet does not decrypt.
    #[error(transparent)]
    Ecies(#[from] EciesError),
    /// A key or a signature in the packet is invalid.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The packet's fields do not decode.
    #[error("malformed handshake packet")]
    Malformed,
    /// An EIP-8 packet claims fewer bytes than its fields need.
    #[error("size underflow, need at least {minimum} bytes")]
    TooShort {
        /// Bytes that its fields need.
        minimum: usize,
    },
    /// An EIP-8 packet is longer than [`crate::limits::MAX_HANDSHAKE_PACKET`].
    #[error("handshake packet too long")]
    TooLong,
}

impl From<DecodeError> for HandshakeError {
    fn from(_: DecodeError) -> Self {
        Self::Malformed
    }
}

/// Returns the hash that the initiator's ephemeral key signs.
fn signed_token(token: &SharedSecret, nonce: &[u8; 32]) -> B256 {
    B256::new(xor(token.as_bytes(), nonce))
}

/// Result of a handshake.
#[derive(Debug)]
pub struct HandshakeOutcome {
    /// The remote's static key: proven by the auth packet for a responder, confirmed by the first
    /// frame for an initiator.
    pub remote: PublicKey,
    /// The session's secrets.
    pub secrets: Secrets,
    /// The packet to send; empty for the initiator, which has sent its own.
    pub reply: Vec<u8>,
    /// Number of input bytes that belonged to the handshake; frames follow.
    pub consumed: usize,
}

/// One side's handshake, before the other side's packet has arrived.
#[derive(Debug)]
#[cfg_attr(feature = "fuzz", derive(Clone))]
pub struct Handshake {
    key: SecretKey,
    ephemeral: SecretKey,
    nonce: [u8; 32],
    random: StdRng,
    role: Role,
}

#[derive(Debug)]
#[cfg_attr(feature = "fuzz", derive(Clone))]
enum Role {
    Initiator { remote: PublicKey, auth: Vec<u8> },
    Responder,
}

impl Handshake {
    /// Starts a handshake with the owner of `remote`. Returns the auth packet to send.
    /// `entropy` must be fresh random bytes: the ephemeral key comes from it.
    pub fn initiate(
        key: SecretKey,
        remote: PublicKey,
        format: HandshakeFormat,
        entropy: [u8; 32],
    ) -> (Self, Vec<u8>) {
        let mut handshake = Self::respond(key, entropy);
        let auth = handshake.auth(&remote, format);
        let sealed = seal(&auth, format, &remote, &mut handshake.random);
        handshake.role = Role::Initiator {
            remote,
            auth: sealed.clone(),
        };
        (handshake, sealed)
    }

    /// Waits for a handshake that the other side starts. `entropy` as in [`Self::initiate`].
    pub fn respond(key: SecretKey, entropy: [u8; 32]) -> Self {
        let mut random = StdRng::from_seed(entropy);
        let ephemeral = generate_key(&mut random);
        let mut nonce = [0; 32];
        random.fill_bytes(&mut nonce);
        Self {
            key,
            ephemeral,
            nonce,
            random,
            role: Role::Responder,
        }
    }

    /// Replaces the random values by those of a published vector.
    #[cfg(test)]
    pub(super) fn fix(&mut self, ephemeral: SecretKey, nonce: [u8; 32]) {
        self.ephemeral = ephemeral;
        self.nonce = nonce;
    }

    /// Reads the other side's packet from `input`, which has all bytes received so far. Returns
    /// `None` if more bytes are needed; call again with all bytes then.
    pub fn read(&mut self, input: &[u8]) -> Result<Option<HandshakeOutcome>, HandshakeError> {
        match &self.role {
            Role::Initiator { .. } => self.read_ack(input),
            Role::Responder => self.read_auth(input),
        }
    }

    fn auth(&self, remote: &PublicKey, format: HandshakeFormat) -> Auth {
        let token = self.key.ecdh(remote);
        let ephemeral_hash = match format {
            HandshakeFormat::Plain => keccak_of(&[&self.ephemeral.public_key().to_uncompressed()]),
            HandshakeFormat::Eip8 => [0; 32],
        };
        Auth {
            signature: self.ephemeral.sign(signed_token(&token, &self.nonce)),
            public_key: self.key.public_key(),
            nonce: self.nonce,
            ephemeral_hash,
        }
    }

    fn read_auth(&mut self, input: &[u8]) -> Result<Option<HandshakeOutcome>, HandshakeError> {
        let Opened::Packet {
            packet: auth,
            format,
            length,
        } = open::<Auth>(&self.key, input)?
        else {
            return Ok(None);
        };
        let token = self.key.ecdh(&auth.public_key);
        let remote_ephemeral = auth.signature.recover(signed_token(&token, &auth.nonce))?;

        let ack = Ack {
            ephemeral_key: self.ephemeral.public_key(),
            nonce: self.nonce,
        };
        let reply = seal(&ack, format, &auth.public_key, &mut self.random);
        let secrets = Secrets::derive(&Agreement {
            ephemeral: &self.ephemeral,
            remote_ephemeral: &remote_ephemeral,
            initiated: false,
            nonce: self.nonce,
            remote_nonce: auth.nonce,
            sent: &reply,
            received: input.get(..length).ok_or(HandshakeError::Malformed)?,
        });
        Ok(Some(HandshakeOutcome {
            remote: auth.public_key,
            secrets,
            reply,
            consumed: length,
        }))
    }

    fn read_ack(&mut self, input: &[u8]) -> Result<Option<HandshakeOutcome>, HandshakeError> {
        let Role::Initiator { remote, auth } = &self.role else {
            return Ok(None);
        };
        let Opened::Packet {
            packet: ack,
            length,
            ..
        } = open::<Ack>(&self.key, input)?
        else {
            return Ok(None);
        };
        let secrets = Secrets::derive(&Agreement {
            ephemeral: &self.ephemeral,
            remote_ephemeral: &ack.ephemeral_key,
            initiated: true,
            nonce: self.nonce,
            remote_nonce: ack.nonce,
            sent: auth,
            received: input.get(..length).ok_or(HandshakeError::Malformed)?,
        });
        Ok(Some(HandshakeOutcome {
            remote: *remote,
            secrets,
            reply: Vec::new(),
            consumed: length,
        }))
    }

    /// Maximum number of bytes that [`Self::read`] can need: the caller need not buffer more.
    pub const MAX_INPUT: usize = 2 + crate::limits::MAX_HANDSHAKE_PACKET;

    /// Returns the minimum number of bytes of the other side's packet.
    pub fn min_input(&self) -> usize {
        match self.role {
            Role::Initiator { .. } => Ack::SEALED_LENGTH,
            Role::Responder => Auth::SEALED_LENGTH,
        }
    }
}
