//! The head record: the block that the database's state belongs to.

use actoreum_primitives::B256;

use crate::StorageError;

/// The newest block whose state is in the database. Every commit that moves the head writes the
/// record last, with a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadRecord {
    /// Number of the block.
    pub number: u64,
    /// Hash of the block.
    pub hash: B256,
    /// State root after the block.
    pub state_root: B256,
}

impl HeadRecord {
    const BYTES: usize = 8 + 32 + 32 + 4;

    /// Encodes the record: number, hash, state root, then the CRC-32 of those.
    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[8..40].copy_from_slice(self.hash.as_slice());
        bytes[40..72].copy_from_slice(self.state_root.as_slice());
        let crc = crc32fast::hash(&bytes[..72]);
        bytes[72..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        let corrupt = |what: &str| StorageError::Corrupt(format!("the head record {what}"));
        let bytes: &[u8; Self::BYTES] = bytes
            .try_into()
            .map_err(|_| corrupt("has the wrong length"))?;
        let (body, crc) = bytes.split_at(72);
        if crc32fast::hash(body).to_be_bytes() != crc {
            return Err(corrupt("fails its checksum"));
        }
        let (number, hashes) = body.split_at(8);
        let number = number
            .try_into()
            .map_err(|_| corrupt("has the wrong length"))?;
        Ok(Self {
            number: u64::from_be_bytes(number),
            hash: B256::from_slice(&hashes[..32]),
            state_root: B256::from_slice(&hashes[32..]),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn prop_records_survive_a_round_trip_and_damage_is_detected(number: u64, hashes: [[u8; 32]; 2], at: prop::sample::Index, change in 1_u8..) {
            let record = HeadRecord {
                number,
                hash: hashes[0].into(),
                state_root: hashes[1].into(),
            };
            let mut bytes = record.encode();
            prop_assert_eq!(HeadRecord::decode(&bytes).unwrap(), record);
            prop_assert!(HeadRecord::decode(&bytes[..bytes.len() - 1]).is_err());
            bytes[at.index(HeadRecord::BYTES)] ^= change;
            prop_assert!(HeadRecord::decode(&bytes).is_err());
        }
    }
}
