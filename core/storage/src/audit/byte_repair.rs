//! Repair of a byte that changed on disk, which its checksum locates.

use actoreum_primitives::{B256, Block, Header, U256, keccak256, rlp};

use crate::ancient::{Ancient, RecordKind};
use crate::blocks::decode_receipts;
use crate::{StorageError, Store};

use super::block::{Parent, body_matches, none_if_damaged, receipts_match};

impl Store {
    /// Tries to repair the damaged records of an ancient block. Each is repaired by the one change
    /// of a byte after which its checksum and the hashes of the chain match. Returns true if a
    /// record was repaired.
    pub(super) fn repair_ancient(
        &self,
        number: u64,
        parent: Option<Parent>,
    ) -> Result<bool, StorageError> {
        let Some(ancient) = self.ancient() else {
            return Ok(false);
        };
        let mut is_repaired = false;
        if let Some(hash) = self.ancient_hash(ancient, number)? {
            is_repaired |= ancient.repair(RecordKind::Headers, number, &|record| {
                keccak256(record) == hash
            })?;
        }
        let record = none_if_damaged(ancient.get(RecordKind::Headers, number))?.flatten();
        let Some(header) = record.and_then(|record| rlp::decode_exact::<Header>(&record).ok())
        else {
            return Ok(is_repaired);
        };
        let below = parent.map_or(U256::ZERO, |parent| parent.total_difficulty);
        let total = below.saturating_add(header.difficulty);
        let hashes = [header.hash().as_slice(), &total.to_be_bytes_trimmed_vec()].concat();
        is_repaired |= ancient.repair(RecordKind::Hashes, number, &|record| record == hashes)?;
        is_repaired |= ancient.repair(RecordKind::Bodies, number, &|record| {
            let Ok(body) = rlp::decode_exact(record) else {
                return false;
            };
            let header = header.clone();
            body_matches(&Block { header, body }).unwrap_or(false)
        })?;
        is_repaired |= ancient.repair(RecordKind::Receipts, number, &|record| {
            decode_receipts(record)
                .is_ok_and(|receipts| receipts_match(&header, &receipts).unwrap_or(false))
        })?;
        Ok(is_repaired)
    }
}

impl Store {
    /// Returns the hash of an ancient block: from its own record, or else the parent hash of the
    /// next header.
    fn ancient_hash(&self, ancient: &Ancient, number: u64) -> Result<Option<B256>, StorageError> {
        let own = none_if_damaged(ancient.get(RecordKind::Hashes, number))?.flatten();
        if let Some(hash) = own.and_then(|record| record.get(..32).map(B256::from_slice)) {
            return Ok(Some(hash));
        }
        let Some(hash) = none_if_damaged(self.canonical_hash(number + 1))?.flatten() else {
            return Ok(None);
        };
        let next = none_if_damaged(self.header(&hash, number + 1))?.flatten();
        Ok(next.map(|next| next.parent_hash))
    }
}

/// Returns the changes of a single byte (position and value to XOR) that turn the CRC-32 of a
/// record of `length` bytes from `have` into `want`.
pub(crate) fn changes_of_one_byte(have: u32, want: u32, length: usize) -> Vec<(usize, u8)> {
    // The CRC is linear: a change of one byte changes the CRC by an entry of its table, which is
    // then carried through the bytes that follow. The loop carries the difference back instead.
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

/// Advances the CRC-32's shift register by eight steps (polynomial 0xedb88320, low bit first).
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
        fn prop_a_changed_byte_is_located(
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
