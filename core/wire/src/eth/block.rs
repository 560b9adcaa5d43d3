//! Blocks that are told without being asked for.

use actoreum_primitives::rlp::{DecodeError, Encode, List};
use actoreum_primitives::{B256, Block, U256, rlp, rlp_struct};

use super::item::check_body_fields;
use crate::limits::{MAX_DIFFICULTY_BITS, MAX_EXTRA_DATA, MAX_TOTAL_DIFFICULTY_BITS};
use crate::rlp::put_list;

/// A block of which only the name is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockAnnouncement {
    /// The block's hash.
    pub hash: B256,
    /// The block's number, which nobody has checked.
    pub number: u64,
}

rlp_struct!(BlockAnnouncement { hash, number });

/// A block that is sent whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBlock {
    /// The block.
    pub block: Block,
    /// The total difficulty of its chain, with it, as the sender says.
    pub total_difficulty: U256,
}

impl NewBlock {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            self.block.encode(out);
            self.total_difficulty.encode(out);
        });
    }

    /// Checks the shape before it decodes, and the numbers that no chain can reach after.
    pub(super) fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut list = List::open_exact(message)?;
        let raw_block = list.next_raw()?;
        let mut fields = List::open(&mut { raw_block })?;
        fields.next_raw()?;
        check_body_fields(&mut fields)?;
        let block: Block = rlp::decode_exact(raw_block)?;
        let total_difficulty: U256 = list.next()?;
        list.finish()?;
        if block.header.difficulty.bit_len() > MAX_DIFFICULTY_BITS
            || total_difficulty.bit_len() > MAX_TOTAL_DIFFICULTY_BITS
        {
            return Err(DecodeError::Custom("difficulty is impossible"));
        }
        if block.header.extra_data.len() > MAX_EXTRA_DATA {
            return Err(DecodeError::Custom("extra data is too long"));
        }
        Ok(Self {
            block,
            total_difficulty,
        })
    }
}
