//! Messages of the snap protocol.

use actoreum_primitives::Bytes as Value;
use actoreum_primitives::rlp::{DecodeError, Encode, List};
use bytes::Bytes;

use super::{
    GetAccountRange, GetByteCodes, GetStorageRanges, GetTrieNodes, RangeAccount, StorageRange,
};
use crate::eth::{LazyList, RequestId};
use crate::limits::{
    MAX_CODES_SERVED, MAX_RANGE_PROOF_NODES, MAX_SNAP_MESSAGE, MAX_TRIE_NODES_SERVED,
};
use crate::rlp::put_list;

/// Code of a message within the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "each has the name and the meaning of its message"
)]
pub enum SnapMessageId {
    GetAccountRange = 0x00,
    AccountRange = 0x01,
    GetStorageRanges = 0x02,
    StorageRanges = 0x03,
    GetByteCodes = 0x04,
    ByteCodes = 0x05,
    GetTrieNodes = 0x06,
    TrieNodes = 0x07,
}

impl SnapMessageId {
    /// Every message.
    pub const ALL: [Self; 8] = [
        Self::GetAccountRange,
        Self::AccountRange,
        Self::GetStorageRanges,
        Self::StorageRanges,
        Self::GetByteCodes,
        Self::ByteCodes,
        Self::GetTrieNodes,
        Self::TrieNodes,
    ];

    /// Returns the message with this code.
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|message| message.code() == code)
    }

    /// Returns the message's code.
    pub fn code(self) -> u64 {
        u64::from(self as u8)
    }

    /// Returns true if the message is an answer to a request.
    pub fn is_answer(self) -> bool {
        !self.code().is_multiple_of(2)
    }
}

/// A message of the protocol. The lists of answers stay encoded until they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapMessage {
    /// Asks for accounts.
    GetAccountRange(RequestId, GetAccountRange),
    /// Accounts with the trie nodes that prove the range; empty if the state is not available.
    AccountRange(RequestId, LazyList<RangeAccount>, LazyList<Value>),
    /// Asks for the slots of accounts.
    GetStorageRanges(RequestId, GetStorageRanges),
    /// Slots by account, with the trie nodes that prove the last range if it is not complete.
    StorageRanges(RequestId, LazyList<StorageRange>, LazyList<Value>),
    /// Asks for codes.
    GetByteCodes(RequestId, GetByteCodes),
    /// Codes in the order of the request; unknown ones are left out.
    ByteCodes(RequestId, LazyList<Value>),
    /// Asks for trie nodes.
    GetTrieNodes(RequestId, GetTrieNodes),
    /// Trie nodes in the order of the request; an empty string where a path leads to none.
    TrieNodes(RequestId, LazyList<Value>),
}

/// Reason why a message was refused: disconnect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapError {
    /// The message is larger than [`MAX_SNAP_MESSAGE`].
    #[error("message too long: {size} > {MAX_SNAP_MESSAGE}")]
    TooLarge {
        /// Size of the message in bytes.
        size: usize,
    },
    /// The protocol has no message with this code.
    #[error("invalid message code: {0}")]
    InvalidCode(u64),
    /// The message does not decode, or breaks a limit.
    #[error("invalid message: {message:?}: {error}")]
    Invalid {
        /// The message.
        message: SnapMessageId,
        /// The error.
        error: DecodeError,
    },
}

impl SnapMessage {
    /// Returns which message this is.
    pub fn id(&self) -> SnapMessageId {
        match self {
            Self::GetAccountRange(..) => SnapMessageId::GetAccountRange,
            Self::AccountRange(..) => SnapMessageId::AccountRange,
            Self::GetStorageRanges(..) => SnapMessageId::GetStorageRanges,
            Self::StorageRanges(..) => SnapMessageId::StorageRanges,
            Self::GetByteCodes(..) => SnapMessageId::GetByteCodes,
            Self::ByteCodes(..) => SnapMessageId::ByteCodes,
            Self::GetTrieNodes(..) => SnapMessageId::GetTrieNodes,
            Self::TrieNodes(..) => SnapMessageId::TrieNodes,
        }
    }

    /// Returns the id that joins request and answer.
    pub fn request_id(&self) -> RequestId {
        match self {
            Self::GetAccountRange(id, _)
            | Self::AccountRange(id, ..)
            | Self::GetStorageRanges(id, _)
            | Self::StorageRanges(id, ..)
            | Self::GetByteCodes(id, _)
            | Self::ByteCodes(id, _)
            | Self::GetTrieNodes(id, _)
            | Self::TrieNodes(id, _) => *id,
        }
    }

    /// Encodes the payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_list(&mut out, |out| {
            self.request_id().encode(out);
            match self {
                Self::GetAccountRange(_, request) => request.put(out),
                Self::GetStorageRanges(_, request) => request.put(out),
                Self::GetByteCodes(_, request) => request.put(out),
                Self::GetTrieNodes(_, request) => request.put(out),
                Self::AccountRange(_, accounts, proof) => {
                    accounts.encode(out);
                    proof.encode(out);
                }
                Self::StorageRanges(_, ranges, proof) => {
                    ranges.encode(out);
                    proof.encode(out);
                }
                Self::ByteCodes(_, values) | Self::TrieNodes(_, values) => values.encode(out),
            }
        });
        out
    }

    /// Decodes the payload of the message with this code.
    pub fn decode(code: u64, payload: &Bytes) -> Result<Self, SnapError> {
        let size = payload.len();
        if size > MAX_SNAP_MESSAGE {
            return Err(SnapError::TooLarge { size });
        }
        let message = SnapMessageId::from_code(code).ok_or(SnapError::InvalidCode(code))?;
        Self::decode_payload(message, payload)
            .map_err(|error| SnapError::Invalid { message, error })
    }

    fn decode_payload(message: SnapMessageId, payload: &Bytes) -> Result<Self, DecodeError> {
        let mut list = List::open_exact(payload)?;
        let id = list.next()?;
        let decoded = match message {
            SnapMessageId::GetAccountRange => {
                Self::GetAccountRange(id, GetAccountRange::read(&mut list)?)
            }
            SnapMessageId::GetStorageRanges => {
                Self::GetStorageRanges(id, GetStorageRanges::read(&mut list)?)
            }
            SnapMessageId::GetByteCodes => Self::GetByteCodes(id, GetByteCodes::read(&mut list)?),
            SnapMessageId::GetTrieNodes => {
                Self::GetTrieNodes(id, GetTrieNodes::read(payload, &mut list)?)
            }
            SnapMessageId::AccountRange => Self::AccountRange(
                id,
                LazyList::of_content(payload, &list.next_list()?)?,
                read_values(payload, &mut list, MAX_RANGE_PROOF_NODES)?,
            ),
            SnapMessageId::StorageRanges => Self::StorageRanges(
                id,
                LazyList::of_content(payload, &list.next_list()?)?,
                read_values(payload, &mut list, MAX_RANGE_PROOF_NODES)?,
            ),
            SnapMessageId::ByteCodes => {
                Self::ByteCodes(id, read_values(payload, &mut list, MAX_CODES_SERVED)?)
            }
            SnapMessageId::TrieNodes => {
                Self::TrieNodes(id, read_values(payload, &mut list, MAX_TRIE_NODES_SERVED)?)
            }
        };
        list.finish()?;
        Ok(decoded)
    }
}

fn read_values(
    payload: &Bytes,
    list: &mut List<'_>,
    limit: usize,
) -> Result<LazyList<Value>, DecodeError> {
    LazyList::of_content_up_to(payload, &list.next_list()?, limit)
}
