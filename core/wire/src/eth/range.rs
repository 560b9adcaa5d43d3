//! The range of blocks that a peer has (eth/69).

use actoreum_primitives::B256;
use actoreum_primitives::rlp::{DecodeError, Encode, List};

use crate::rlp::put_list;

/// The blocks whose bodies and receipts a peer has. Headers are available from genesis on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRange {
    /// The number of the first block.
    pub earliest: u64,
    /// The number of the last block.
    pub latest: u64,
    /// The hash of the last block.
    pub latest_hash: B256,
}

/// A range that cannot be. The text is geth's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid block range: earliest ({earliest}) > latest ({latest})")]
pub struct RangeError {
    /// The number of the first block.
    pub earliest: u64,
    /// The number of the last block.
    pub latest: u64,
}

impl BlockRange {
    /// Checks that the first block is not after the last.
    ///
    /// # Errors
    /// The range is empty.
    pub fn check(&self) -> Result<(), RangeError> {
        if self.earliest > self.latest {
            let Self {
                earliest, latest, ..
            } = *self;
            return Err(RangeError { earliest, latest });
        }
        Ok(())
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, |out| self.encode_fields(out));
    }

    pub(super) fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut list = List::open_exact(message)?;
        let range = Self::decode_fields(&mut list)?;
        list.finish()?;
        Ok(range)
    }

    pub(super) fn encode_fields(&self, out: &mut Vec<u8>) {
        self.earliest.encode(out);
        self.latest.encode(out);
        self.latest_hash.encode(out);
    }

    pub(super) fn decode_fields(list: &mut List<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            earliest: list.next()?,
            latest: list.next()?,
            latest_hash: list.next()?,
        })
    }
}
