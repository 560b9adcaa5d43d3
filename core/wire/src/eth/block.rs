//! Block propagation: NewBlockHashes and NewBlock.

use actoreum_primitives::rlp::{DecodeError, Encode, List, encode_list_header};
use actoreum_primitives::{B256, Block, Header, U256, rlp, rlp_struct};
use bytes::Bytes;

use super::item::check_body_fields;
use crate::limits::{
    MAX_DIFFICULTY_BITS, MAX_ENCODED_HEADER, MAX_EXTRA_DATA, MAX_TOTAL_DIFFICULTY_BITS,
};
use crate::rlp::put_list;

/// An announced block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockAnnouncement {
    /// Hash of the block.
    pub hash: B256,
    /// Number of the block, unchecked.
    pub number: u64,
}

rlp_struct!(BlockAnnouncement { hash, number });

/// A full block that is sent unasked. Its header is decoded, its body is not: a body of a few
/// megabytes takes ten times as much when it is decoded, and most of what a byzantine peer sends is
/// refused for its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBlock {
    /// Header of the block.
    pub header: Header,
    /// Total difficulty of the chain up to this block, as the sender claims.
    pub total_difficulty: U256,
    /// Keccak-256 of the header.
    hash: B256,
    /// The lists of transactions, ommers and, if there is one, withdrawals, encoded one after the
    /// other. Their structure was checked, and that no element is shorter than a valid one.
    body_fields: Bytes,
}

impl NewBlock {
    /// Creates the message for a block.
    pub fn new(block: &Block, total_difficulty: U256) -> Self {
        let mut body_fields = Vec::new();
        block.body.transactions.encode(&mut body_fields);
        block.body.ommers.encode(&mut body_fields);
        if let Some(withdrawals) = &block.body.withdrawals {
            withdrawals.encode(&mut body_fields);
        }
        Self {
            header: block.header.clone(),
            total_difficulty,
            hash: block.hash(),
            body_fields: body_fields.into(),
        }
    }

    /// Returns the block's hash.
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// Returns the size of the encoded body in bytes.
    pub fn body_size(&self) -> usize {
        self.body_fields.len()
    }

    /// Returns a copy of the encoded body.
    pub fn encoded_body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(rlp::list_length(self.body_fields.len()));
        encode_list_header(self.body_fields.len(), &mut body);
        body.extend_from_slice(&self.body_fields);
        body
    }

    /// Returns the number of transactions and of ommers in the body. Reads their headers, decodes
    /// nothing.
    ///
    /// # Errors
    /// Never for a message that was decoded.
    pub fn counts(&self) -> Result<(usize, usize), DecodeError> {
        let mut fields = self.body_fields.as_ref();
        let transactions = List::open(&mut fields)?.count()?;
        let ommers = List::open(&mut fields)?.count()?;
        Ok((transactions, ommers))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            encode_list_header(self.header.length() + self.body_fields.len(), out);
            self.header.encode(out);
            out.extend_from_slice(&self.body_fields);
            self.total_difficulty.encode(out);
        });
    }

    /// Decodes the header, and checks the structure of the rest and the numbers that no chain can
    /// reach.
    pub(super) fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut list = List::open_exact(message)?;
        let mut block = list.next_list()?;
        let total_difficulty: U256 = list.next()?;
        list.finish()?;
        let raw_header = block.next_raw()?;
        if raw_header.len() > MAX_ENCODED_HEADER {
            return Err(DecodeError::Custom("header is too long"));
        }
        let header: Header = rlp::decode_exact(raw_header)?;
        let body_fields = message.slice_ref(block.remaining());
        check_body_fields(&mut block)?;
        block.finish()?;
        if header.difficulty.bit_len() > MAX_DIFFICULTY_BITS
            || total_difficulty.bit_len() > MAX_TOTAL_DIFFICULTY_BITS
        {
            return Err(DecodeError::Custom("difficulty is impossible"));
        }
        if header.extra_data.len() > MAX_EXTRA_DATA {
            return Err(DecodeError::Custom("extra data is too long"));
        }
        Ok(Self {
            hash: actoreum_primitives::keccak256(raw_header),
            header,
            total_difficulty,
            body_fields,
        })
    }
}
