//! Slots of a storage trie. A value is the leaf of the trie, the RLP of the number, as a string.

use actoreum_primitives::rlp::{self, Decode, DecodeError, Encode, List, decode_str, list_length};
use actoreum_primitives::{B256, U256};

use crate::eth::WireItem;
use crate::limits::{MAX_RANGE_SLOTS, MAX_STORAGE_RANGES, MIN_RANGE_SLOT_SIZE};
use crate::rlp::{count_plausible, put_list};

/// A slot of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeSlot {
    /// Hashed slot: keccak(slot).
    pub hash: B256,
    /// Value of the slot, never zero.
    pub value: U256,
}

impl RangeSlot {
    /// Returns the size that geth counts towards the limit of a response: that of the hashed slot and
    /// of the trie's leaf, in bytes.
    pub fn counted_size(&self) -> usize {
        32 + self.value.length()
    }
}

impl Encode for RangeSlot {
    fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            self.hash.encode(out);
            rlp::encode_str(&rlp::encode(&self.value), out);
        });
    }

    fn length(&self) -> usize {
        let value = rlp::encode(&self.value);
        list_length(self.hash.length() + rlp::str_length(&value))
    }
}

impl Decode for RangeSlot {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut entry = List::open(buf)?;
        let hash = entry.next()?;
        let value: U256 = rlp::decode_exact(decode_str(&mut entry.next_raw()?)?)?;
        entry.finish()?;
        if value.is_zero() {
            return Err(DecodeError::Custom("slot is zero"));
        }
        Ok(Self { hash, value })
    }
}

/// Consecutive slots of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageRange(pub Vec<RangeSlot>);

impl Encode for StorageRange {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn length(&self) -> usize {
        self.0.length()
    }
}

impl Decode for StorageRange {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        Vec::decode(buf).map(Self)
    }
}

impl WireItem for StorageRange {
    const LIMIT: usize = MAX_STORAGE_RANGES;
    const MIN_SIZE: usize = 1;

    fn check(mut raw: &[u8]) -> Result<(), DecodeError> {
        let slots = List::open(&mut raw)?;
        count_plausible(&slots, MAX_RANGE_SLOTS, MIN_RANGE_SLOT_SIZE)?;
        Ok(())
    }
}
