//! The packets of discovery v4, decoded tolerantly as EIP-8 asks: extra list elements and bytes
//! after the list are ignored, and so is the version of a ping.
//!
//! ```text
//!   hash (32)   signature (65)   type (1)   data (RLP list)
//!   \_ Keccak-256 of what follows
//!               \_ over Keccak-256 of type ‖ data, by the sender's key
//! ```

use std::net::IpAddr;

use actoreum_primitives::rlp::{self, DecodeError, Encode, List};
use actoreum_primitives::{B256, PeerId, PublicKey, SecretKey, Signature, keccak256};

use super::address::{Endpoint, decode_address, encode_address};
use crate::limits::{MAX_DISCV4_PACKET, MAX_NEIGHBORS_DECODED};
use crate::nodes::Enr;
use crate::rlp::{next_fixed, next_str, open_tolerant, put_list};

const HASH_LENGTH: usize = 32;
const SIGNATURE_LENGTH: usize = 65;

/// Version written into pings; receivers ignore it.
const PING_VERSION: u64 = 4;

/// A ping: asks whether a node is alive at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// Endpoint of the sender, as the sender sees it.
    pub from: Endpoint,
    /// Endpoint of the recipient, as the sender sees it.
    pub to: Endpoint,
    /// Time after which the packet is invalid, in seconds since 1970.
    pub expiration: u64,
    /// Sequence number of the sender's node record (EIP-868), if the packet has it.
    pub enr_seq: Option<u64>,
}

/// A pong: the answer to a ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pong {
    /// Endpoint of the recipient, as the sender sees it.
    pub to: Endpoint,
    /// Hash of the ping packet.
    pub ping_hash: B256,
    /// Time after which the packet is invalid, in seconds since 1970.
    pub expiration: u64,
    /// Sequence number of the sender's node record (EIP-868), if the packet has it.
    pub enr_seq: Option<u64>,
}

/// A request for the known nodes closest to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindNode {
    /// 64 bytes whose Keccak-256 hash is the target; often a public key, but any bytes will do.
    pub target: [u8; 64],
    /// Time after which the packet is invalid, in seconds since 1970.
    pub expiration: u64,
}

/// A node in a [`Neighbors`] packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeighborNode {
    /// IP address.
    pub address: IpAddr,
    /// UDP port of discovery.
    pub udp: u16,
    /// TCP port of RLPx.
    pub tcp: u16,
    /// Public key.
    pub public_key: PublicKey,
}

/// The answer to a find-node request, in one or more packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbors {
    /// The nodes with a valid key and address; the first [`MAX_NEIGHBORS_DECODED`].
    pub nodes: Vec<NeighborNode>,
    /// Time after which the packet is invalid, in seconds since 1970.
    pub expiration: u64,
}

/// A request for a node's record (EIP-868).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrRequest {
    /// Time after which the packet is invalid, in seconds since 1970.
    pub expiration: u64,
}

/// The answer to a request for a record (EIP-868).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrResponse {
    /// Hash of the request packet.
    pub request_hash: B256,
    /// The sender's record, verified.
    pub record: Enr,
}

/// Any packet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each variant is named and documented as its type"
)]
pub enum Packet {
    Ping(Ping),
    Pong(Pong),
    FindNode(FindNode),
    Neighbors(Neighbors),
    EnrRequest(EnrRequest),
    EnrResponse(EnrResponse),
}

/// A packet with the sender and the hash of its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPacket {
    /// The content.
    pub packet: Packet,
    /// Public key that signed the packet.
    pub sender: PublicKey,
    /// Hash of the packet, which answers refer to.
    pub hash: B256,
}

impl SignedPacket {
    /// Returns the sender's node id.
    pub fn sender_id(&self) -> PeerId {
        PeerId::of(&self.sender)
    }
}

/// Reason why a datagram was refused. Ignore it: its source address may be spoofed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The datagram is shorter than the envelope.
    #[error("too small")]
    TooSmall,
    /// The datagram is larger than [`MAX_DISCV4_PACKET`].
    #[error("too big")]
    TooLarge,
    /// The hash is not that of the content.
    #[error("bad hash")]
    BadHash,
    /// The signature is invalid.
    #[error("bad signature")]
    BadSignature,
    /// The packet type is unknown.
    #[error("unknown type: {0}")]
    UnknownType(u8),
    /// The data does not decode.
    #[error("invalid packet: {0}")]
    Rlp(#[from] DecodeError),
    /// The record in the packet does not verify.
    #[error("invalid record in packet")]
    InvalidRecord,
}

impl Packet {
    fn type_byte(&self) -> u8 {
        match self {
            Self::Ping(_) => 1,
            Self::Pong(_) => 2,
            Self::FindNode(_) => 3,
            Self::Neighbors(_) => 4,
            Self::EnrRequest(_) => 5,
            Self::EnrResponse(_) => 6,
        }
    }

    /// Returns the time after which the packet is invalid, in seconds since 1970. An ENR response
    /// has none.
    pub fn expiration(&self) -> Option<u64> {
        match self {
            Self::Ping(packet) => Some(packet.expiration),
            Self::Pong(packet) => Some(packet.expiration),
            Self::FindNode(packet) => Some(packet.expiration),
            Self::Neighbors(packet) => Some(packet.expiration),
            Self::EnrRequest(packet) => Some(packet.expiration),
            Self::EnrResponse(_) => None,
        }
    }

    pub(super) fn encode_data(&self, out: &mut Vec<u8>) {
        put_list(out, |out| match self {
            Self::Ping(ping) => {
                PING_VERSION.encode(out);
                ping.from.encode(out);
                ping.to.encode(out);
                ping.expiration.encode(out);
                encode_optional(ping.enr_seq, out);
            }
            Self::Pong(pong) => {
                pong.to.encode(out);
                pong.ping_hash.encode(out);
                pong.expiration.encode(out);
                encode_optional(pong.enr_seq, out);
            }
            Self::FindNode(request) => {
                rlp::encode_str(&request.target, out);
                request.expiration.encode(out);
            }
            Self::Neighbors(neighbors) => {
                put_list(out, |out| {
                    neighbors.nodes.iter().for_each(|node| node.encode(out))
                });
                neighbors.expiration.encode(out);
            }
            Self::EnrRequest(request) => request.expiration.encode(out),
            Self::EnrResponse(response) => {
                response.request_hash.encode(out);
                out.extend_from_slice(response.record.encoded());
            }
        });
    }

    pub(super) fn decode_data(type_byte: u8, data: &[u8]) -> Result<Self, PacketError> {
        if !(1..=6).contains(&type_byte) {
            return Err(PacketError::UnknownType(type_byte));
        }
        let mut list = open_tolerant(data)?;
        Ok(match type_byte {
            1 => {
                // The version, a string of any length.
                next_str(&mut list)?;
                Self::Ping(Ping {
                    from: Endpoint::decode(&mut list)?,
                    to: Endpoint::decode(&mut list)?,
                    expiration: list.next()?,
                    enr_seq: decode_optional(&mut list),
                })
            }
            2 => Self::Pong(Pong {
                to: Endpoint::decode(&mut list)?,
                ping_hash: list.next()?,
                expiration: list.next()?,
                enr_seq: decode_optional(&mut list),
            }),
            3 => Self::FindNode(FindNode {
                target: next_fixed(&mut list)?,
                expiration: list.next()?,
            }),
            4 => {
                let nodes = decode_neighbors(list.next_list()?)?;
                Self::Neighbors(Neighbors {
                    nodes,
                    expiration: list.next()?,
                })
            }
            5 => Self::EnrRequest(EnrRequest {
                expiration: list.next()?,
            }),
            _ => {
                let request_hash = list.next()?;
                let record =
                    Enr::decode(list.next_raw()?).map_err(|_| PacketError::InvalidRecord)?;
                Self::EnrResponse(EnrResponse {
                    request_hash,
                    record,
                })
            }
        })
    }
}

fn encode_optional(value: Option<u64>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        value.encode(out);
    }
}

/// Decodes the optional sequence number of EIP-868. Older or newer senders may put something else
/// in its place: it is `None` then.
fn decode_optional(list: &mut List<'_>) -> Option<u64> {
    rlp::decode_exact(list.next_raw().ok()?).ok()
}

/// Decodes neighbors. Nodes that are of no use (a key off the curve, an address of another length)
/// are left out.
fn decode_neighbors(mut list: List<'_>) -> Result<Vec<NeighborNode>, DecodeError> {
    let mut nodes = Vec::with_capacity(MAX_NEIGHBORS_DECODED);
    while !list.is_empty() && nodes.len() < MAX_NEIGHBORS_DECODED {
        let mut fields = list.next_list()?;
        let address = decode_address(next_str(&mut fields)?);
        let (udp, tcp) = (fields.next()?, fields.next()?);
        let public_key = PublicKey::from_uncompressed(&next_fixed(&mut fields)?);
        if let (Some(address), Ok(public_key)) = (address, public_key) {
            nodes.push(NeighborNode {
                address,
                udp,
                tcp,
                public_key,
            });
        }
    }
    Ok(nodes)
}

impl NeighborNode {
    fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            encode_address(self.address, out);
            self.udp.encode(out);
            self.tcp.encode(out);
            rlp::encode_str(&self.public_key.to_uncompressed(), out);
        });
    }
}

/// Decodes a packet's type and data without the envelope. Returns the packet, and its type and data
/// encoded again.
///
/// # Errors
/// Those of [`decode_packet`] after its envelope.
#[cfg(feature = "fuzz")]
pub fn decode_unsigned(signed: &[u8]) -> Result<(Packet, Vec<u8>), PacketError> {
    let (type_byte, data) = signed.split_first().ok_or(PacketError::TooSmall)?;
    let packet = Packet::decode_data(*type_byte, data)?;
    let mut again = vec![packet.type_byte()];
    packet.encode_data(&mut again);
    Ok((packet, again))
}

/// Signs a packet. Returns the datagram and its hash.
pub fn encode_packet(packet: &Packet, key: &SecretKey) -> (Vec<u8>, B256) {
    let mut signed = Vec::with_capacity(256);
    signed.push(packet.type_byte());
    packet.encode_data(&mut signed);
    let signature = key.sign(keccak256(&signed)).to_bytes();
    let mut datagram = vec![0; HASH_LENGTH];
    datagram.extend_from_slice(&signature);
    datagram.extend_from_slice(&signed);
    let hash = datagram
        .get(HASH_LENGTH..)
        .map(keccak256)
        .unwrap_or_default();
    if let Some(head) = datagram.first_chunk_mut::<HASH_LENGTH>() {
        *head = hash.0;
    }
    (datagram, hash)
}

/// Decodes a datagram. The cheap checks come first: size, hash, type, and only then the signature.
/// The caller must check the expiration.
pub fn decode_packet(datagram: &[u8]) -> Result<SignedPacket, PacketError> {
    decode_unverified(datagram)?.verify()
}

/// A packet whose signature is not verified yet: its sender is unknown.
pub(super) struct UnverifiedPacket<'a> {
    pub(super) packet: Packet,
    hash: B256,
    signature: &'a [u8; SIGNATURE_LENGTH],
    signed: &'a [u8],
}

impl UnverifiedPacket<'_> {
    /// Recovers the sender from the signature, which takes about 0.1 ms.
    pub(super) fn verify(self) -> Result<SignedPacket, PacketError> {
        let sender = Signature::from_bytes(self.signature)
            .and_then(|signature| signature.recover(keccak256(self.signed)))
            .map_err(|_| PacketError::BadSignature)?;
        Ok(SignedPacket {
            packet: self.packet,
            sender,
            hash: self.hash,
        })
    }
}

/// Decodes a datagram without verifying its signature.
pub(super) fn decode_unverified(datagram: &[u8]) -> Result<UnverifiedPacket<'_>, PacketError> {
    if datagram.len() > MAX_DISCV4_PACKET {
        return Err(PacketError::TooLarge);
    }
    let (hash, hashed) = datagram
        .split_first_chunk::<HASH_LENGTH>()
        .ok_or(PacketError::TooSmall)?;
    let (signature, signed) = hashed
        .split_first_chunk::<SIGNATURE_LENGTH>()
        .ok_or(PacketError::TooSmall)?;
    let (type_byte, data) = signed.split_first().ok_or(PacketError::TooSmall)?;
    let hash = B256::new(*hash);
    if keccak256(hashed) != hash {
        return Err(PacketError::BadHash);
    }
    let packet = Packet::decode_data(*type_byte, data)?;
    Ok(UnverifiedPacket {
        packet,
        hash,
        signature,
        signed,
    })
}
