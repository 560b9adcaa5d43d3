//! The two packets of the handshake, auth and ack, in the plain format and in that of EIP-8.

use actoreum_primitives::rlp::{self, Encode};
use actoreum_primitives::{PublicKey, SecretKey, Signature};
use rand::{Rng, RngCore};

use super::HandshakeError;
use crate::ecies;
use crate::limits::MAX_HANDSHAKE_PACKET;
use crate::rlp::{next_fixed, open_tolerant, put_list};

/// Version written into handshake packets; that of received packets is ignored (EIP-8).
const VERSION: u64 = 4;

/// Format of the packets of a handshake. The responder uses the initiator's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFormat {
    /// Fixed fields, no length in front (before EIP-8).
    Plain,
    /// An RLP list after a length, with random padding (EIP-8).
    Eip8,
}

/// The initiator's packet, auth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Auth {
    /// Signature by the ephemeral key, over the static shared secret XOR `nonce`.
    pub signature: Signature,
    pub public_key: PublicKey,
    pub nonce: [u8; 32],
    /// Keccak-256 of the ephemeral key. Only the plain format has it, and it is not needed: the key
    /// is recovered from the signature. Zero if it was not sent.
    pub ephemeral_hash: [u8; 32],
}

/// The responder's packet, ack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ack {
    pub ephemeral_key: PublicKey,
    pub nonce: [u8; 32],
}

/// A handshake packet that can be sealed and opened.
pub(super) trait Packet: Sized {
    /// Length of the plaintext in the plain format.
    const PLAIN_LENGTH: usize;
    /// Length of the encrypted plain format, and minimum length of an EIP-8 packet.
    const SEALED_LENGTH: usize = Self::PLAIN_LENGTH + ecies::OVERHEAD;

    fn write_plain(&self) -> Vec<u8>;
    fn read_plain(bytes: &[u8]) -> Result<Self, HandshakeError>;
    fn write_list(&self, out: &mut Vec<u8>);
    fn read_list(bytes: &[u8]) -> Result<Self, HandshakeError>;
}

fn split<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], HandshakeError> {
    let (head, rest) = bytes
        .split_first_chunk::<N>()
        .ok_or(HandshakeError::Malformed)?;
    *bytes = rest;
    Ok(*head)
}

impl Packet for Auth {
    const PLAIN_LENGTH: usize = 65 + 32 + 64 + 32 + 1;

    fn write_plain(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::PLAIN_LENGTH);
        out.extend_from_slice(&self.signature.to_bytes());
        out.extend_from_slice(&self.ephemeral_hash);
        out.extend_from_slice(&self.public_key.to_uncompressed());
        out.extend_from_slice(&self.nonce);
        out.push(0);
        out
    }

    fn read_plain(mut bytes: &[u8]) -> Result<Self, HandshakeError> {
        let signature = Signature::from_bytes(&split(&mut bytes)?)?;
        let ephemeral_hash = split(&mut bytes)?;
        let public_key = PublicKey::from_uncompressed(&split(&mut bytes)?)?;
        Ok(Self {
            signature,
            public_key,
            nonce: split(&mut bytes)?,
            ephemeral_hash,
        })
    }

    fn write_list(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            rlp::encode_str(&self.signature.to_bytes(), out);
            rlp::encode_str(&self.public_key.to_uncompressed(), out);
            rlp::encode_str(&self.nonce, out);
            VERSION.encode(out);
        });
    }

    fn read_list(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let mut list = open_tolerant(bytes)?;
        let signature = Signature::from_bytes(&next_fixed(&mut list)?)?;
        let public_key = PublicKey::from_uncompressed(&next_fixed(&mut list)?)?;
        let nonce = next_fixed(&mut list)?;
        Ok(Self {
            signature,
            public_key,
            nonce,
            ephemeral_hash: [0; 32],
        })
    }
}

impl Packet for Ack {
    const PLAIN_LENGTH: usize = 64 + 32 + 1;

    fn write_plain(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::PLAIN_LENGTH);
        out.extend_from_slice(&self.ephemeral_key.to_uncompressed());
        out.extend_from_slice(&self.nonce);
        out.push(0);
        out
    }

    fn read_plain(mut bytes: &[u8]) -> Result<Self, HandshakeError> {
        let ephemeral_key = PublicKey::from_uncompressed(&split(&mut bytes)?)?;
        Ok(Self {
            ephemeral_key,
            nonce: split(&mut bytes)?,
        })
    }

    fn write_list(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            rlp::encode_str(&self.ephemeral_key.to_uncompressed(), out);
            rlp::encode_str(&self.nonce, out);
            VERSION.encode(out);
        });
    }

    fn read_list(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let mut list = open_tolerant(bytes)?;
        let ephemeral_key = PublicKey::from_uncompressed(&next_fixed(&mut list)?)?;
        Ok(Self {
            ephemeral_key,
            nonce: next_fixed(&mut list)?,
        })
    }
}

/// Encodes a packet, and encrypts it for the owner of `remote`.
pub(super) fn seal<P: Packet>(
    packet: &P,
    format: HandshakeFormat,
    remote: &PublicKey,
    random: &mut impl RngCore,
) -> Vec<u8> {
    if format == HandshakeFormat::Plain {
        return ecies::encrypt(remote, &packet.write_plain(), &[], random);
    }
    let mut plaintext = Vec::with_capacity(512);
    packet.write_list(&mut plaintext);
    // The padding makes the packet distinguishable from the plain format by its length.
    let padding = random.random_range(100..300);
    plaintext.resize(plaintext.len() + padding, 0);

    let length = u16::try_from(plaintext.len() + ecies::OVERHEAD)
        .expect("because fields, padding and overhead are under 1,000 bytes")
        .to_be_bytes();
    let mut sealed = length.to_vec();
    sealed.extend_from_slice(&ecies::encrypt(remote, &plaintext, &length, random));
    sealed
}

/// Result of [`open`].
pub(super) enum Opened<P> {
    /// The packet is not complete.
    Incomplete,
    /// A packet, its format, and the number of bytes that it took.
    Packet {
        /// The packet.
        packet: P,
        /// Its format.
        format: HandshakeFormat,
        /// Number of bytes that belong to the packet.
        length: usize,
    },
}

/// Decrypts and decodes a packet for `key`, in either format.
///
/// The plain format starts with 4, the tag of an uncompressed point. An EIP-8 packet starts with
/// its length, so only one of 1,024 to 1,279 bytes can be mistaken for it: only then are both
/// formats tried.
pub(super) fn open<P: Packet>(key: &SecretKey, bytes: &[u8]) -> Result<Opened<P>, HandshakeError> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<2>() else {
        return Ok(Opened::Incomplete);
    };
    if prefix.first() == Some(&4) {
        let Some(sealed) = bytes.get(..P::SEALED_LENGTH) else {
            return Ok(Opened::Incomplete);
        };
        if let Ok(plaintext) = ecies::decrypt(key, sealed, &[]) {
            let packet = P::read_plain(&plaintext)?;
            let format = HandshakeFormat::Plain;
            return Ok(Opened::Packet {
                packet,
                format,
                length: sealed.len(),
            });
        }
    }
    let length = usize::from(u16::from_be_bytes(*prefix));
    if length < P::SEALED_LENGTH {
        return Err(HandshakeError::TooShort {
            minimum: P::SEALED_LENGTH,
        });
    }
    if length > MAX_HANDSHAKE_PACKET {
        return Err(HandshakeError::TooLong);
    }
    let Some(sealed) = rest.get(..length) else {
        return Ok(Opened::Incomplete);
    };
    let plaintext = ecies::decrypt(key, sealed, prefix)?;
    let packet = P::read_list(&plaintext)?;
    Ok(Opened::Packet {
        packet,
        format: HandshakeFormat::Eip8,
        length: prefix.len() + length,
    })
}
