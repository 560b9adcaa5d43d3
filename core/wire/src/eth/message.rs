//! Messages of the eth protocol, and their encoding in every version.

use actoreum_primitives::rlp::{DecodeError, Encode, List};
use actoreum_primitives::{B256, Body, Bytes as Value, Header, PooledTransaction, Transaction};
use bytes::Bytes;

use super::{
    BlockAnnouncement, BlockRange, EthVersion, GetBlockHeaders, LazyList, NewBlock, ReceiptLists,
    Status, TransactionAnnouncement, WireItem, transaction,
};
use crate::limits::{MAX_BLOCK_ANNOUNCEMENTS, MAX_ETH_MESSAGE, MAX_REQUEST_HASHES};
use crate::rlp::{decode_bounded, put_list};

/// Id that joins a response to its request. Versions before eth/66 have none: it is 0 there, and
/// responses come in the order of the requests.
pub type RequestId = u64;

/// Code of a message within the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "each has the name and the meaning of its message"
)]
pub enum MessageId {
    Status = 0x00,
    NewBlockHashes = 0x01,
    Transactions = 0x02,
    GetBlockHeaders = 0x03,
    BlockHeaders = 0x04,
    GetBlockBodies = 0x05,
    BlockBodies = 0x06,
    NewBlock = 0x07,
    NewPooledTransactionHashes = 0x08,
    GetPooledTransactions = 0x09,
    PooledTransactions = 0x0a,
    GetNodeData = 0x0d,
    NodeData = 0x0e,
    GetReceipts = 0x0f,
    Receipts = 0x10,
    BlockRangeUpdate = 0x11,
}

impl MessageId {
    /// Every message.
    pub const ALL: [Self; 16] = [
        Self::Status,
        Self::NewBlockHashes,
        Self::Transactions,
        Self::GetBlockHeaders,
        Self::BlockHeaders,
        Self::GetBlockBodies,
        Self::BlockBodies,
        Self::NewBlock,
        Self::NewPooledTransactionHashes,
        Self::GetPooledTransactions,
        Self::PooledTransactions,
        Self::GetNodeData,
        Self::NodeData,
        Self::GetReceipts,
        Self::Receipts,
        Self::BlockRangeUpdate,
    ];

    /// Returns the message with this code.
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|message| message.code() == code)
    }

    /// Returns true if the message is an answer to a request.
    pub fn is_answer(self) -> bool {
        matches!(
            self,
            Self::BlockHeaders
                | Self::BlockBodies
                | Self::PooledTransactions
                | Self::NodeData
                | Self::Receipts
        )
    }

    /// Returns the message's code.
    pub fn code(self) -> u64 {
        u64::from(self as u8)
    }
}

/// A message of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EthMessage {
    /// Chain and head of the sender; sent once, first.
    Status(Status),
    /// Blocks that the sender has.
    NewBlockHashes(Vec<BlockAnnouncement>),
    /// Transactions that the receiver may not have.
    Transactions(LazyList<Transaction>),
    /// Asks for headers.
    GetBlockHeaders(RequestId, GetBlockHeaders),
    /// Headers.
    BlockHeaders(RequestId, LazyList<Header>),
    /// Asks for the bodies of blocks.
    GetBlockBodies(RequestId, Vec<B256>),
    /// Bodies, in the order of the request; unknown ones are left out.
    BlockBodies(RequestId, LazyList<Body>),
    /// A full block that was just sealed.
    NewBlock(Box<NewBlock>),
    /// Transactions that the sender has (eth/65).
    NewPooledTransactionHashes(Vec<TransactionAnnouncement>),
    /// Asks for announced transactions (eth/65).
    GetPooledTransactions(RequestId, Vec<B256>),
    /// Transactions, in the order of the request; unknown ones are left out (eth/65).
    PooledTransactions(RequestId, LazyList<PooledTransaction>),
    /// Asks for trie nodes and code by hash (eth/63 to 66).
    GetNodeData(RequestId, Vec<B256>),
    /// Trie nodes and code, in any order (eth/63 to 66).
    NodeData(RequestId, LazyList<Value>),
    /// Asks for the receipts of blocks (eth/63).
    GetReceipts(RequestId, Vec<B256>),
    /// Receipts by block, in the order of the request; unknown ones are left out (eth/63).
    Receipts(RequestId, ReceiptLists),
    /// The blocks that the sender has (eth/69).
    BlockRangeUpdate(BlockRange),
}

/// Reason why a message was refused: disconnect. The texts are geth's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EthError {
    /// The message is larger than [`MAX_ETH_MESSAGE`].
    #[error("Message too long - {size} > {MAX_ETH_MESSAGE}")]
    TooLarge {
        /// Size of the message in bytes.
        size: usize,
    },
    /// The version has no message with this code.
    #[error("Invalid message code - {0}")]
    InvalidCode(u64),
    /// The message does not decode, or breaks a limit.
    #[error("Invalid message - {message:?}: {error}")]
    Invalid {
        /// The message.
        message: MessageId,
        /// The error.
        error: DecodeError,
    },
}

impl EthMessage {
    /// Returns which message this is.
    pub fn id(&self) -> MessageId {
        match self {
            Self::Status(_) => MessageId::Status,
            Self::NewBlockHashes(_) => MessageId::NewBlockHashes,
            Self::Transactions(_) => MessageId::Transactions,
            Self::GetBlockHeaders(..) => MessageId::GetBlockHeaders,
            Self::BlockHeaders(..) => MessageId::BlockHeaders,
            Self::GetBlockBodies(..) => MessageId::GetBlockBodies,
            Self::BlockBodies(..) => MessageId::BlockBodies,
            Self::NewBlock(_) => MessageId::NewBlock,
            Self::NewPooledTransactionHashes(_) => MessageId::NewPooledTransactionHashes,
            Self::GetPooledTransactions(..) => MessageId::GetPooledTransactions,
            Self::PooledTransactions(..) => MessageId::PooledTransactions,
            Self::GetNodeData(..) => MessageId::GetNodeData,
            Self::NodeData(..) => MessageId::NodeData,
            Self::GetReceipts(..) => MessageId::GetReceipts,
            Self::Receipts(..) => MessageId::Receipts,
            Self::BlockRangeUpdate(_) => MessageId::BlockRangeUpdate,
        }
    }

    /// Returns the id that joins request and response; `None` for messages that are neither.
    pub fn request_id(&self) -> Option<RequestId> {
        match self {
            Self::GetBlockHeaders(id, _)
            | Self::BlockHeaders(id, _)
            | Self::GetBlockBodies(id, _)
            | Self::BlockBodies(id, _)
            | Self::GetPooledTransactions(id, _)
            | Self::PooledTransactions(id, _)
            | Self::GetNodeData(id, _)
            | Self::NodeData(id, _)
            | Self::GetReceipts(id, _)
            | Self::Receipts(id, _) => Some(*id),
            Self::Status(_)
            | Self::NewBlockHashes(_)
            | Self::Transactions(_)
            | Self::NewBlock(_)
            | Self::NewPooledTransactionHashes(_)
            | Self::BlockRangeUpdate(_) => None,
        }
    }

    /// Encodes the payload for a version. Fails for a message that the version does not have, or has in
    /// another form: a mistake of the caller.
    pub fn encode(&self, version: EthVersion) -> Result<Vec<u8>, EthError> {
        if !version.has(self.id()) {
            return Err(EthError::InvalidCode(self.id().code()));
        }
        let mut out = Vec::new();
        match self {
            Self::Status(status) => status.encode(version, &mut out),
            Self::NewBlockHashes(announcements) => announcements.encode(&mut out),
            Self::Transactions(transactions) => transactions.encode(&mut out),
            Self::NewBlock(block) => block.encode(&mut out),
            Self::NewPooledTransactionHashes(announcements) => {
                transaction::encode(announcements, version, &mut out);
            }
            Self::GetBlockHeaders(id, request) => {
                put_with_id(*id, version, &mut out, |out| request.encode(out));
            }
            Self::GetBlockBodies(id, hashes)
            | Self::GetPooledTransactions(id, hashes)
            | Self::GetNodeData(id, hashes)
            | Self::GetReceipts(id, hashes) => {
                put_with_id(*id, version, &mut out, |out| hashes.encode(out));
            }
            Self::BlockHeaders(id, list) => put_lazy(*id, version, &mut out, list),
            Self::BlockBodies(id, list) => put_lazy(*id, version, &mut out, list),
            Self::PooledTransactions(id, list) => put_lazy(*id, version, &mut out, list),
            Self::NodeData(id, list) => put_lazy(*id, version, &mut out, list),
            Self::Receipts(_, lists) if lists.is_slim() != version.is_merged() => {
                return Err(EthError::InvalidCode(self.id().code()));
            }
            Self::Receipts(id, lists) => {
                put_with_id(*id, version, &mut out, |out| lists.encode(out));
            }
            Self::BlockRangeUpdate(range) => range.encode(&mut out),
        }
        Ok(out)
    }

    /// Decodes the payload of the message with this code.
    pub fn decode(version: EthVersion, code: u64, payload: &Bytes) -> Result<Self, EthError> {
        let size = payload.len();
        if size > MAX_ETH_MESSAGE {
            return Err(EthError::TooLarge { size });
        }
        let message = MessageId::from_code(code)
            .filter(|message| version.has(*message))
            .ok_or(EthError::InvalidCode(code))?;
        Self::decode_payload(version, message, payload)
            .map_err(|error| EthError::Invalid { message, error })
    }

    fn decode_payload(
        version: EthVersion,
        message: MessageId,
        payload: &Bytes,
    ) -> Result<Self, DecodeError> {
        Ok(match message {
            MessageId::Status => Self::Status(Status::decode(version, payload)?),
            MessageId::NewBlockHashes => {
                let list = List::open_exact(payload)?;
                Self::NewBlockHashes(decode_bounded(list, MAX_BLOCK_ANNOUNCEMENTS)?)
            }
            MessageId::Transactions => {
                let list = List::open_exact(payload)?;
                Self::Transactions(LazyList::of_content(payload, &list)?)
            }
            MessageId::NewBlock => Self::NewBlock(Box::new(NewBlock::decode(payload)?)),
            MessageId::NewPooledTransactionHashes => {
                Self::NewPooledTransactionHashes(transaction::decode(version, payload)?)
            }
            MessageId::GetBlockHeaders => {
                let (id, request) = split_id(version, payload)?;
                Self::GetBlockHeaders(id, GetBlockHeaders::decode(request)?)
            }
            MessageId::GetBlockBodies => {
                let (id, hashes) = read_hashes(version, payload)?;
                Self::GetBlockBodies(id, hashes)
            }
            MessageId::GetPooledTransactions => {
                let (id, hashes) = read_hashes(version, payload)?;
                Self::GetPooledTransactions(id, hashes)
            }
            MessageId::GetNodeData => {
                let (id, hashes) = read_hashes(version, payload)?;
                Self::GetNodeData(id, hashes)
            }
            MessageId::GetReceipts => {
                let (id, hashes) = read_hashes(version, payload)?;
                Self::GetReceipts(id, hashes)
            }
            MessageId::BlockHeaders => {
                let (id, list) = read_lazy(version, payload)?;
                Self::BlockHeaders(id, list)
            }
            MessageId::BlockBodies => {
                let (id, list) = read_lazy(version, payload)?;
                Self::BlockBodies(id, list)
            }
            MessageId::PooledTransactions => {
                let (id, list) = read_lazy(version, payload)?;
                Self::PooledTransactions(id, list)
            }
            MessageId::NodeData => {
                let (id, list) = read_lazy(version, payload)?;
                Self::NodeData(id, list)
            }
            MessageId::Receipts if version.is_merged() => {
                let (id, list) = read_lazy(version, payload)?;
                Self::Receipts(id, ReceiptLists::Slim(list))
            }
            MessageId::Receipts => {
                let (id, list) = read_lazy(version, payload)?;
                Self::Receipts(id, ReceiptLists::Full(list))
            }
            MessageId::BlockRangeUpdate => Self::BlockRangeUpdate(BlockRange::decode(payload)?),
        })
    }
}

fn put_lazy<T: WireItem>(
    id: RequestId,
    version: EthVersion,
    out: &mut Vec<u8>,
    list: &LazyList<T>,
) {
    put_with_id(id, version, out, |out| list.encode(out));
}

fn put_with_id(
    id: RequestId,
    version: EthVersion,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    if !version.has_request_ids() {
        write(out);
        return;
    }
    put_list(out, |out| {
        id.encode(out);
        write(out);
    });
}

fn read_lazy<T: WireItem>(
    version: EthVersion,
    payload: &Bytes,
) -> Result<(RequestId, LazyList<T>), DecodeError> {
    let (id, content) = split_id(version, payload)?;
    Ok((
        id,
        LazyList::of_content(payload, &List::open_exact(content)?)?,
    ))
}

fn read_hashes(version: EthVersion, payload: &[u8]) -> Result<(RequestId, Vec<B256>), DecodeError> {
    let (id, content) = split_id(version, payload)?;
    Ok((
        id,
        decode_bounded(List::open_exact(content)?, MAX_REQUEST_HASHES)?,
    ))
}

/// Returns the request id and the item after it.
fn split_id(version: EthVersion, payload: &[u8]) -> Result<(RequestId, &[u8]), DecodeError> {
    if !version.has_request_ids() {
        return Ok((0, payload));
    }
    let mut list = List::open_exact(payload)?;
    let (id, content) = (list.next()?, list.next_raw()?);
    list.finish()?;
    Ok((id, content))
}
