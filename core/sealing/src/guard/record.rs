//! Content of a key's signing record.

use actoreum_primitives::{Address, B256};

/// The highest blocks that one key has signed on one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningRecord {
    /// The key.
    pub signer: Address,
    /// The highest block that was signed with the key; 0 where none was.
    pub highest: u64,
    /// Hash of that block; zero where it is not known.
    pub hash: B256,
    /// The highest block that was signed while the chain had several signers. It never decreases.
    pub shared: u64,
}

impl SigningRecord {
    /// Returns the record of a key that has signed nothing.
    pub const fn new(signer: Address) -> Self {
        Self {
            signer,
            highest: 0,
            hash: B256::ZERO,
            shared: 0,
        }
    }

    /// Returns the record after a signed block. A block below the highest changes nothing but the
    /// height of the blocks that were signed beside other signers.
    #[must_use]
    pub fn raised(self, number: u64, hash: B256, is_shared: bool) -> Self {
        let shared = if is_shared {
            self.shared.max(number)
        } else {
            self.shared
        };
        if number > self.highest {
            Self {
                highest: number,
                hash,
                shared,
                ..self
            }
        } else {
            Self { shared, ..self }
        }
    }

    /// Returns the record once blocks above `number` may be signed again. Blocks that were signed
    /// while the chain had several signers stay on record.
    #[must_use]
    pub fn rewound(self, number: u64) -> Self {
        let number = number.max(self.shared);
        if number < self.highest {
            Self {
                highest: number,
                hash: B256::ZERO,
                ..self
            }
        } else {
            self
        }
    }

    /// Returns the record that two files of one key give together: the higher blocks count.
    #[must_use]
    pub fn merged(self, other: &Self) -> Self {
        let highest = if other.highest > self.highest {
            other
        } else {
            &self
        };
        Self {
            shared: self.shared.max(other.shared),
            ..*highest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(highest: u64, shared: u64) -> SigningRecord {
        SigningRecord {
            highest,
            hash: B256::repeat_byte(u8::try_from(highest).unwrap()),
            shared,
            ..SigningRecord::new(Address::repeat_byte(7))
        }
    }

    #[test]
    fn a_record_is_raised_by_higher_blocks_only() {
        for (before, number, is_shared, wanted) in [
            (record(5, 0), 6, false, record(6, 0)),
            (record(5, 0), 6, true, record(6, 6)),
            (record(5, 3), 5, false, record(5, 3)),
            (record(5, 3), 4, true, record(5, 4)),
            (record(5, 3), 2, true, record(5, 3)),
        ] {
            let hash = record(number, 0).hash;
            assert_eq!(before.raised(number, hash, is_shared), wanted);
        }
    }

    #[test]
    fn a_rewind_stops_at_blocks_signed_beside_others() {
        for (before, number, highest) in [
            (record(9, 0), 4, 4),
            (record(9, 6), 4, 6),
            (record(9, 9), 4, 9),
            (record(9, 0), 9, 9),
            (record(9, 0), 12, 9),
        ] {
            let after = before.rewound(number);
            assert_eq!(after.highest, highest);
            assert_eq!(after.shared, before.shared);
            assert_eq!(after.hash.is_zero(), highest < 9, "of another block");
        }
    }

    #[test]
    fn the_higher_of_two_files_counts() {
        let (low, high) = (record(3, 3), record(5, 1));
        assert_eq!(low.merged(&high), record(5, 3));
        assert_eq!(high.merged(&low), record(5, 3));
    }
}
