//! The messages of discovery v5: a type byte, then an RLP list that begins with the request id.

use std::fmt;
use std::net::IpAddr;

use actoreum_primitives::rlp::{self, DecodeError, Encode, List};

use crate::discv4::decode_address;
use crate::limits::{MAX_FINDNODE_DISTANCES, MAX_FOUND_RECORDS, MAX_REQUEST_ID};
use crate::rlp::{count_bounded, next_str, put_list};

const PING: u8 = 1;
const PONG: u8 = 2;
const FIND_NODE: u8 = 3;
const NODES: u8 = 4;
const TALK_REQUEST: u8 = 5;
const TALK_RESPONSE: u8 = 6;

/// Largest logarithmic distance of two ids.
const MAX_DISTANCE: u64 = 256;

/// Id of a request, at most [`MAX_REQUEST_ID`] bytes, which the response repeats.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RequestId {
    bytes: [u8; MAX_REQUEST_ID],
    length: u8,
}

impl RequestId {
    /// Creates an id; `None` for more than [`MAX_REQUEST_ID`] bytes.
    pub fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_REQUEST_ID];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        let length = u8::try_from(id.len()).ok()?;
        Some(Self { bytes, length })
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RequestId({:02x?})", self.as_bytes())
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Asks whether a node is alive.
    Ping {
        /// Id of the request.
        id: RequestId,
        /// Sequence number of the sender's record.
        enr_seq: u64,
    },
    /// The answer to a ping.
    Pong {
        /// Id of the request.
        id: RequestId,
        /// Sequence number of the sender's record.
        enr_seq: u64,
        /// Address of the recipient, as the sender sees it.
        address: IpAddr,
        /// UDP port of the recipient, as the sender sees it.
        port: u16,
    },
    /// A request for the nodes at some distances from the recipient.
    FindNode {
        /// Id of the request.
        id: RequestId,
        /// Logarithmic distances, at most 256; 0 asks for the recipient's own record.
        distances: Vec<u16>,
    },
    /// A part of the answer to a request for nodes.
    Nodes {
        /// Id of the request.
        id: RequestId,
        /// Number of packets of the whole answer.
        total: u64,
        /// RLP of the records, not verified; the first [`MAX_FOUND_RECORDS`].
        records: Vec<Vec<u8>>,
    },
    /// A request of a protocol above discovery.
    TalkRequest {
        /// Id of the request.
        id: RequestId,
        /// Name of the protocol.
        protocol: Vec<u8>,
        /// Content of the request.
        request: Vec<u8>,
    },
    /// The answer to a talk request.
    TalkResponse {
        /// Id of the request.
        id: RequestId,
        /// Content of the response; empty if the protocol is unknown.
        response: Vec<u8>,
    },
}

/// Reason why a decrypted message was refused. Its sender is faulty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The message has no type.
    #[error("empty message")]
    Empty,
    /// The type is unknown: topics, or a later extension.
    #[error("unknown message type {0}")]
    UnknownType(u8),
    /// The request id is longer than [`MAX_REQUEST_ID`].
    #[error("request ID larger than 8 bytes")]
    RequestIdTooLong,
    /// The address of a pong has neither 4 nor 16 bytes.
    #[error("invalid IP address in pong")]
    InvalidAddress,
    /// The content does not decode.
    #[error("invalid message: {0}")]
    Rlp(#[from] DecodeError),
}

impl Message {
    /// Returns the id of the request to which the message belongs.
    pub fn request_id(&self) -> RequestId {
        match self {
            Self::Ping { id, .. }
            | Self::Pong { id, .. }
            | Self::FindNode { id, .. }
            | Self::Nodes { id, .. }
            | Self::TalkRequest { id, .. }
            | Self::TalkResponse { id, .. } => *id,
        }
    }

    /// Returns true for a message that asks for an answer.
    pub fn is_request(&self) -> bool {
        match self {
            Self::Ping { .. } | Self::FindNode { .. } | Self::TalkRequest { .. } => true,
            Self::Pong { .. } | Self::Nodes { .. } | Self::TalkResponse { .. } => false,
        }
    }

    /// Encodes the message with its type.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.push(match self {
            Self::Ping { .. } => PING,
            Self::Pong { .. } => PONG,
            Self::FindNode { .. } => FIND_NODE,
            Self::Nodes { .. } => NODES,
            Self::TalkRequest { .. } => TALK_REQUEST,
            Self::TalkResponse { .. } => TALK_RESPONSE,
        });
        let mut content = Vec::with_capacity(64);
        put_list(&mut content, |out| self.encode_fields(out));
        out.extend_from_slice(&content);
        out
    }

    fn encode_fields(&self, out: &mut Vec<u8>) {
        rlp::encode_str(self.request_id().as_bytes(), out);
        match self {
            Self::Ping { enr_seq, .. } => enr_seq.encode(out),
            Self::Pong {
                enr_seq,
                address,
                port,
                ..
            } => {
                enr_seq.encode(out);
                match address {
                    IpAddr::V4(address) => rlp::encode_str(&address.octets(), out),
                    IpAddr::V6(address) => rlp::encode_str(&address.octets(), out),
                }
                port.encode(out);
            }
            Self::FindNode { distances, .. } => {
                put_list(out, |out| distances.iter().for_each(|d| d.encode(out)));
            }
            Self::Nodes { total, records, .. } => {
                total.encode(out);
                put_list(out, |out| records.iter().for_each(|r| out.extend(r)));
            }
            Self::TalkRequest {
                protocol, request, ..
            } => {
                rlp::encode_str(protocol, out);
                rlp::encode_str(request, out);
            }
            Self::TalkResponse { response, .. } => rlp::encode_str(response, out),
        }
    }

    /// Decodes a message that takes all of `bytes`.
    ///
    /// # Errors
    /// [`MessageError`]: the sender is faulty.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let (kind, content) = bytes.split_first().ok_or(MessageError::Empty)?;
        if !(PING..=TALK_RESPONSE).contains(kind) {
            return Err(MessageError::UnknownType(*kind));
        }
        let mut list = List::open_exact(content)?;
        let id = RequestId::new(next_str(&mut list)?).ok_or(MessageError::RequestIdTooLong)?;
        let message = match *kind {
            PING => Self::Ping {
                id,
                enr_seq: list.next()?,
            },
            PONG => Self::Pong {
                id,
                enr_seq: list.next()?,
                address: decode_address(next_str(&mut list)?)
                    .ok_or(MessageError::InvalidAddress)?,
                port: list.next()?,
            },
            FIND_NODE => Self::FindNode {
                id,
                distances: decode_distances(list.next_list()?)?,
            },
            NODES => Self::Nodes {
                id,
                total: list.next()?,
                records: decode_records(list.next_list()?)?,
            },
            TALK_REQUEST => Self::TalkRequest {
                id,
                protocol: next_str(&mut list)?.to_vec(),
                request: next_str(&mut list)?.to_vec(),
            },
            _ => Self::TalkResponse {
                id,
                response: next_str(&mut list)?.to_vec(),
            },
        };
        list.finish()?;
        Ok(message)
    }
}

/// Decodes the distances of a request. Those that no two ids have are left out.
fn decode_distances(mut list: List<'_>) -> Result<Vec<u16>, DecodeError> {
    let mut distances = Vec::with_capacity(count_bounded(&list, MAX_FINDNODE_DISTANCES)?);
    while let Some(distance) = list.next_optional::<u64>()? {
        if distance <= MAX_DISTANCE {
            distances.extend(u16::try_from(distance));
        }
    }
    Ok(distances)
}

/// Takes the records of an answer, each as it is encoded.
fn decode_records(mut list: List<'_>) -> Result<Vec<Vec<u8>>, DecodeError> {
    let mut records = Vec::with_capacity(MAX_FOUND_RECORDS);
    while !list.is_empty() && records.len() < MAX_FOUND_RECORDS {
        records.push(list.next_raw()?.to_vec());
    }
    Ok(records)
}
