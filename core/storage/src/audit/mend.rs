//! A byte that changed on disk, found by its checksum.

use actoreum_primitives::{B256, Block, Header, U256, keccak256, rlp};

use crate::ancient::{Ancient, Kind};
use crate::blocks::decode_receipts;
use crate::{StorageError, Store};

use super::block::{Parent, body_is_of, readable, receipts_are_of};

impl Store {
    /// Tries to bring back the damaged records of an ancient block, each by the one change of a
    /// byte after which its checksum and the hashes of the chain fit. Whether something was
    /// written.
    pub(super) fn mend_ancient(
        &self,
        number: u64,
        parent: Option<Parent>,
    ) -> Result<bool, StorageError> {
        let Some(ancient) = self.ancient() else {
            return Ok(false);
        };
        let mut is_mended = false;
        if let Some(hash) = self.ancient_hash(ancient, number)? {
            is_mended |=
                ancient.mend(Kind::Headers, number, &|record| keccak256(record) == hash)?;
        }
        let record = readable(ancient.get(Kind::Headers, number))?.flatten();
        let Some(header) = record.and_then(|record| rlp::decode_exact::<Header>(&record).ok())
        else {
            return Ok(is_mended);
        };
        let below = parent.map_or(U256::ZERO, |parent| parent.total_difficulty);
        let total = below.saturating_add(header.difficulty);
        let hashes = [header.hash().as_slice(), &total.to_be_bytes_trimmed_vec()].concat();
        is_mended |= ancient.mend(Kind::Hashes, number, &|record| record == hashes)?;
        is_mended |= ancient.mend(Kind::Bodies, number, &|record| {
            let Ok(body) = rlp::decode_exact(record) else {
                return false;
            };
            let header = header.clone();
            body_is_of(&Block { header, body }).unwrap_or(false)
        })?;
        is_mended |= ancient.mend(Kind::Receipts, number, &|record| {
            decode_receipts(record)
                .is_ok_and(|receipts| receipts_are_of(&header, &receipts).unwrap_or(false))
        })?;
        Ok(is_mended)
    }
}

impl Store {
    /// The hash of an ancient block: its own record, or else what the next header says.
    fn ancient_hash(&self, ancient: &Ancient, number: u64) -> Result<Option<B256>, StorageError> {
        let own = readable(ancient.get(Kind::Hashes, number))?.flatten();
        if let Some(hash) = own.and_then(|record| record.get(..32).map(B256::from_slice)) {
            return Ok(Some(hash));
        }
        let Some(hash) = readable(self.canonical_hash(number + 1))?.flatten() else {
            return Ok(None);
        };
        let next = readable(self.header(&hash, number + 1))?.flatten();
        Ok(next.map(|next| next.parent_hash))
    }
}

/// The position and the value to XOR at which a record of `length` bytes has another CRC-32: those
/// single bytes whose change turns `have` into `want`.
pub(crate) fn changes_of_one_byte(have: u32, want: u32, length: usize) -> Vec<(usize, u8)> {
    // The CRC is linear: a change of one byte shifts it by an entry of its table, carried
    // through the bytes that follow. Here the shift is carried back instead.
    let table: [u32; 256] = std::array::from_fn(|byte| step(byte as u32));
    let mut back = [0_u8; 256];
    for (byte, entry) in (0..=u8::MAX).zip(table) {
        back[(entry >> 24) as usize] = byte;
    }
    let mut shift = have ^ want;
    let mut found = Vec::new();
    for position in (0..length).rev() {
        let byte = back[(shift >> 24) as usize];
        if byte != 0 && table[usize::from(byte)] == shift {
            found.push((position, byte));
        }
        shift = (shift ^ table[usize::from(byte)]) << 8 | u32::from(byte);
    }
    found
}

/// Eight steps of the CRC-32's shift register (polynomial 0xedb88320, low bit first).
const fn step(mut register: u32) -> u32 {
    let mut bit = 0;
    while bit < 8 {
        let carry = register & 1;
        register >>= 1;
        if carry == 1 {
            register ^= 0xedb8_8320;
        }
        bit += 1;
    }
    register
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn prop_a_changed_byte_is_found(
            record in proptest::collection::vec(any::<u8>(), 1..2_000),
            at: prop::sample::Index,
            change in 1_u8..,
        ) {
            let mut damaged = record.clone();
            let at = at.index(record.len());
            damaged[at] ^= change;
            let (have, want) = (crc32fast::hash(&damaged), crc32fast::hash(&record));
            let found = changes_of_one_byte(have, want, record.len());
            prop_assert!(found.contains(&(at, change)), "{found:?}");
        }
    }
}
