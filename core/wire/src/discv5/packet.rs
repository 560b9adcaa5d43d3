//! The packets of discovery v5.
//!
//! ```text
//!   masking IV (16)   header, masked   message, encrypted
//!                     \_ AES-CTR with the first 16 bytes of the recipient's id
//!   header:  "discv5"   version (2)   flag (1)   nonce (12)   length (2)   authdata
//! ```
//!
//! IV and header together are authenticated by the message's AES-GCM tag; those of a WHOAREYOU
//! packet are the challenge data of the handshake.

use actoreum_primitives::PeerId;
use aes::Aes128;
use aes::cipher::{KeyIvInit, StreamCipher};
use ctr::Ctr128BE;

use super::crypto::seal;
use crate::limits::{MAX_DISCV5_PACKET, MAX_ENR_SIZE, MIN_DISCV5_PACKET};

/// Nonce of a message, and the reference of a WHOAREYOU packet to it.
pub type Nonce = [u8; 12];

/// Initial counter of the masking, random for each packet.
pub type MaskingIv = [u8; 16];

const IV_LENGTH: usize = 16;
const STATIC_HEADER_LENGTH: usize = 23;
const PROTOCOL_ID: &[u8; 6] = b"discv5";
const VERSION: u16 = 1;

const ORDINARY: u8 = 0;
const WHO_ARE_YOU: u8 = 1;
const HANDSHAKE: u8 = 2;

/// Length of a signature of the "v4" identity scheme.
const SIGNATURE_LENGTH: u8 = 64;
/// Length of a public key of the "v4" identity scheme.
const KEY_LENGTH: u8 = 33;

/// Content of a WHOAREYOU packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WhoAreYou {
    /// Random bytes that the answer's signature covers.
    pub id_nonce: [u8; 16],
    /// Sequence number of the record that the sender has of the recipient; 0 for none.
    pub enr_seq: u64,
}

/// Authentication data of a handshake packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// Id of the sender.
    pub source: PeerId,
    /// Signature of the challenge.
    pub signature: [u8; 64],
    /// Ephemeral public key, compressed.
    pub ephemeral_key: [u8; 33],
    /// RLP of the sender's record, not verified; `None` if the recipient has it.
    pub record: Option<Vec<u8>>,
}

/// Content of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PacketKind {
    /// A message in a session, or random bytes that ask for a handshake.
    Ordinary {
        /// Id of the sender.
        source: PeerId,
    },
    /// A challenge.
    WhoAreYou(WhoAreYou),
    /// The answer to a challenge with the first message of the session.
    Handshake(Box<Handshake>),
}

/// A packet whose header is decoded. Nothing in it is authenticated yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Nonce of the message; of a WHOAREYOU packet, the nonce of the packet that it answers.
    pub nonce: Nonce,
    /// Content of the header.
    pub kind: PacketKind,
    /// Masking IV and header: the associated data of the message.
    pub associated: Vec<u8>,
    /// The encrypted message with its tag.
    pub message: &'a [u8],
}

/// Reason why a datagram is not a packet for this node. Ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The datagram is shorter than a WHOAREYOU packet, or than its own header.
    #[error("packet too short")]
    TooShort,
    /// The datagram is longer than [`MAX_DISCV5_PACKET`].
    #[error("packet too long")]
    TooLong,
    /// The datagram is no discv5 packet, or is for another node.
    #[error("invalid packet header")]
    InvalidHeader,
    /// The version is older than v5.1.
    #[error("version of packet header below minimum")]
    Version,
    /// The flag is unknown.
    #[error("invalid flag {0} in packet header")]
    Flag(u8),
    /// The size of the authentication data is not that of its kind.
    #[error("invalid auth size")]
    AuthSize,
    /// A WHOAREYOU packet has a message.
    #[error("message in WHOAREYOU packet")]
    UnexpectedMessage,
}

fn masking(recipient: &PeerId, iv: &MaskingIv) -> Ctr128BE<Aes128> {
    let mut key = [0; 16];
    key.iter_mut()
        .zip(recipient.0)
        .for_each(|(key, byte)| *key = byte);
    Ctr128BE::new(&key.into(), iv.into())
}

/// Returns true if a datagram has the header of a discv5 packet for the node `own_id`. It costs one
/// block of AES, and is wrong for other datagrams with a chance of 2^-48.
pub fn is_discv5(own_id: &PeerId, datagram: &[u8]) -> bool {
    if !(MIN_DISCV5_PACKET..=MAX_DISCV5_PACKET).contains(&datagram.len()) {
        return false;
    }
    let Some((iv, rest)) = datagram.split_first_chunk::<IV_LENGTH>() else {
        return false;
    };
    let Some(mut protocol) = rest.first_chunk::<6>().copied() else {
        return false;
    };
    masking(own_id, iv).apply_keystream(&mut protocol);
    protocol == *PROTOCOL_ID
}

/// Decodes the header of a datagram for the node `own_id`.
///
/// # Errors
/// [`PacketError`]; the reason is for counters, the sender gets no answer.
pub fn decode_packet<'a>(own_id: &PeerId, datagram: &'a [u8]) -> Result<Packet<'a>, PacketError> {
    if datagram.len() < MIN_DISCV5_PACKET {
        return Err(PacketError::TooShort);
    }
    if datagram.len() > MAX_DISCV5_PACKET {
        return Err(PacketError::TooLong);
    }
    let (iv, rest) = datagram
        .split_first_chunk::<IV_LENGTH>()
        .ok_or(PacketError::TooShort)?;
    let (masked, rest) = rest
        .split_first_chunk::<STATIC_HEADER_LENGTH>()
        .ok_or(PacketError::TooShort)?;
    let mut cipher = masking(own_id, iv);
    let mut header = *masked;
    cipher.apply_keystream(&mut header);
    let StaticHeader {
        flag,
        nonce,
        auth_size,
    } = StaticHeader::decode(&header)?;
    let (masked, message) = rest
        .split_at_checked(auth_size)
        .ok_or(PacketError::TooShort)?;
    let mut auth = masked.to_vec();
    cipher.apply_keystream(&mut auth);
    let kind = decode_auth(flag, &auth)?;
    if matches!(kind, PacketKind::WhoAreYou(_)) && !message.is_empty() {
        return Err(PacketError::UnexpectedMessage);
    }
    let associated = [iv.as_slice(), &header, &auth].concat();
    Ok(Packet {
        nonce,
        kind,
        associated,
        message,
    })
}

struct StaticHeader {
    flag: u8,
    nonce: Nonce,
    auth_size: usize,
}

impl StaticHeader {
    fn decode(header: &[u8; STATIC_HEADER_LENGTH]) -> Result<Self, PacketError> {
        let mut rest = header.as_slice();
        if take::<6>(&mut rest)? != *PROTOCOL_ID {
            return Err(PacketError::InvalidHeader);
        }
        if u16::from_be_bytes(take(&mut rest)?) < VERSION {
            return Err(PacketError::Version);
        }
        let [flag] = take(&mut rest)?;
        let nonce = take(&mut rest)?;
        let auth_size = u16::from_be_bytes(take(&mut rest)?).into();
        Ok(Self {
            flag,
            nonce,
            auth_size,
        })
    }
}

/// Takes `N` bytes from the start of `rest`.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], PacketError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(PacketError::AuthSize)?;
    *rest = tail;
    Ok(*head)
}

fn decode_auth(flag: u8, mut auth: &[u8]) -> Result<PacketKind, PacketError> {
    let kind = match flag {
        ORDINARY => PacketKind::Ordinary {
            source: PeerId(take(&mut auth)?.into()),
        },
        WHO_ARE_YOU => PacketKind::WhoAreYou(WhoAreYou {
            id_nonce: take(&mut auth)?,
            enr_seq: u64::from_be_bytes(take(&mut auth)?),
        }),
        HANDSHAKE => {
            let source = PeerId(take(&mut auth)?.into());
            if take(&mut auth)? != [SIGNATURE_LENGTH, KEY_LENGTH] {
                return Err(PacketError::AuthSize);
            }
            let (signature, ephemeral_key) = (take(&mut auth)?, take(&mut auth)?);
            if auth.len() > MAX_ENR_SIZE {
                return Err(PacketError::AuthSize);
            }
            let record = (!auth.is_empty()).then(|| auth.to_vec());
            auth = &[];
            PacketKind::Handshake(Box::new(Handshake {
                source,
                signature,
                ephemeral_key,
                record,
            }))
        }
        flag => return Err(PacketError::Flag(flag)),
    };
    if auth.is_empty() {
        Ok(kind)
    } else {
        Err(PacketError::AuthSize)
    }
}

/// Returns IV and header: what the tag of the message covers, and what is masked.
fn header(iv: &MaskingIv, flag: u8, nonce: &Nonce, auth: &[&[u8]]) -> Vec<u8> {
    let auth_size: usize = auth.iter().map(|part| part.len()).sum();
    let auth_size = u16::try_from(auth_size)
        .expect("because a record has at most 300 bytes, and the other parts less");
    let mut header = Vec::with_capacity(MAX_DISCV5_PACKET);
    header.extend_from_slice(iv);
    header.extend_from_slice(PROTOCOL_ID);
    header.extend_from_slice(&VERSION.to_be_bytes());
    header.push(flag);
    header.extend_from_slice(nonce);
    header.extend_from_slice(&auth_size.to_be_bytes());
    auth.iter().for_each(|part| header.extend_from_slice(part));
    header
}

fn mask(recipient: &PeerId, iv: &MaskingIv, mut packet: Vec<u8>) -> Vec<u8> {
    if let Some(header) = packet.get_mut(IV_LENGTH..) {
        masking(recipient, iv).apply_keystream(header);
    }
    packet
}

fn mask_and_append(recipient: &PeerId, iv: &MaskingIv, header: Vec<u8>, message: &[u8]) -> Vec<u8> {
    let mut packet = mask(recipient, iv, header);
    packet.extend_from_slice(message);
    packet
}

/// Encodes a message in a session.
pub fn encode_ordinary(
    source: &PeerId,
    recipient: &PeerId,
    (iv, nonce): (&MaskingIv, &Nonce),
    key: &[u8; 16],
    message: &[u8],
) -> Vec<u8> {
    let header = header(iv, ORDINARY, nonce, &[source.0.as_slice()]);
    let sealed = seal(key, nonce, &header, message);
    mask_and_append(recipient, iv, header, &sealed)
}

/// Encodes a packet that looks like a message and has random bytes, to ask for a challenge.
pub fn encode_random(
    source: &PeerId,
    recipient: &PeerId,
    (iv, nonce): (&MaskingIv, &Nonce),
    random: &[u8],
) -> Vec<u8> {
    let header = header(iv, ORDINARY, nonce, &[source.0.as_slice()]);
    mask_and_append(recipient, iv, header, random)
}

/// Encodes a challenge for the packet with this nonce. Returns the datagram and the challenge data.
pub fn encode_who_are_you(
    recipient: &PeerId,
    (iv, nonce): (&MaskingIv, &Nonce),
    content: &WhoAreYou,
) -> (Vec<u8>, Vec<u8>) {
    let seq = content.enr_seq.to_be_bytes();
    let challenge = header(iv, WHO_ARE_YOU, nonce, &[&content.id_nonce, &seq]);
    (mask(recipient, iv, challenge.clone()), challenge)
}

/// Encodes the answer to a challenge with a message. The record must have at most
/// [`MAX_ENR_SIZE`] bytes, as every [`Enr`](crate::nodes::Enr) has.
pub fn encode_handshake(
    recipient: &PeerId,
    (iv, nonce): (&MaskingIv, &Nonce),
    handshake: &Handshake,
    key: &[u8; 16],
    message: &[u8],
) -> Vec<u8> {
    let auth = [
        handshake.source.0.as_slice(),
        &[SIGNATURE_LENGTH, KEY_LENGTH],
        &handshake.signature,
        &handshake.ephemeral_key,
        handshake.record.as_deref().unwrap_or_default(),
    ];
    let header = header(iv, HANDSHAKE, nonce, &auth);
    let sealed = seal(key, nonce, &header, message);
    mask_and_append(recipient, iv, header, &sealed)
}
