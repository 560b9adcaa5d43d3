//! The tables of the database. Each has its own first byte of the key.

/// A table. The numbers are on disk and must never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Table {
    /// Name -> record: the head, clique snapshots' newest block, and so on.
    Meta = 0,
    /// Number (8 bytes, big-endian), hash -> header RLP.
    Headers = 1,
    /// Number, hash -> body RLP.
    Bodies = 2,
    /// Number, hash -> receipts.
    Receipts = 3,
    /// Number, hash -> total difficulty, big-endian without leading zeros.
    TotalDifficulty = 4,
    /// Number -> hash of the canonical block.
    Canonical = 5,
    /// Hash -> number.
    Numbers = 6,
    /// Transaction hash -> number of the canonical block that holds it.
    TxLookup = 7,
    /// Code hash -> code.
    Codes = 8,
    /// keccak(address) -> account.
    Accounts = 9,
    /// keccak(address), keccak(slot) -> value, big-endian without leading zeros.
    Slots = 10,
    /// Path -> node of the state trie.
    AccountNodes = 11,
    /// keccak(address), path -> node of a storage trie.
    SlotNodes = 12,
    /// keccak(address), block -> the account before that block.
    AccountHistory = 13,
    /// keccak(address), keccak(slot), block -> the value before that block.
    SlotHistory = 14,
    /// Number -> list of the accounts and slots that the block changed.
    Changes = 15,
    /// Block hash -> clique snapshot in the engine's encoding.
    Snapshots = 16,
    /// Bit of a bloom (2 bytes), section (8 bytes) -> blocks of the section whose bloom has the
    /// bit. [`BLOOM_HEADS`] instead of a bit -> hash of the section's last block.
    BloomBits = 17,
    /// Hash -> trie node of a state that is being fetched from peers.
    IncomingNodes = 18,
}

/// Marker for the heads of [`Table::BloomBits`]; no bloom has a bit with this number.
pub(crate) const BLOOM_HEADS: u16 = u16::MAX;

impl Table {
    /// Every table with its name in the statistics.
    pub(crate) const ALL: [(Self, &'static str); 19] = [
        (Self::Meta, "meta"),
        (Self::Headers, "headers"),
        (Self::Bodies, "bodies"),
        (Self::Receipts, "receipts"),
        (Self::TotalDifficulty, "total difficulty"),
        (Self::Canonical, "canonical"),
        (Self::Numbers, "numbers"),
        (Self::TxLookup, "transaction lookup"),
        (Self::Codes, "codes"),
        (Self::Accounts, "accounts"),
        (Self::Slots, "slots"),
        (Self::AccountNodes, "account trie nodes"),
        (Self::SlotNodes, "storage trie nodes"),
        (Self::AccountHistory, "account history"),
        (Self::SlotHistory, "slot history"),
        (Self::Changes, "changes"),
        (Self::Snapshots, "clique snapshots"),
        (Self::BloomBits, "bloom bits"),
        (Self::IncomingNodes, "incoming trie nodes"),
    ];

    /// Returns the table's byte, which is the first part of each key.
    pub(crate) const fn prefix(self) -> [u8; 1] {
        [self as u8]
    }

    /// Builds a key of this table from its parts.
    pub(crate) fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        let length = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
        let mut key = Vec::with_capacity(length);
        key.push(self as u8);
        for part in parts {
            key.extend_from_slice(part);
        }
        key
    }
}

/// Builds a key of [`Table::BloomBits`].
pub(crate) fn bloom_key(bit: u16, section: u64) -> Vec<u8> {
    Table::BloomBits.key(&[&bit.to_be_bytes(), &section.to_be_bytes()])
}

/// Returns the smallest key that is greater than every key with `prefix`; `None` if there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_above_all_keys_with_it() {
        assert_eq!(after_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(&[1, 0xff]), Some(vec![2]));
        assert_eq!(after_prefix(&[0xff, 0xff]), None);
    }

    #[test]
    fn table_numbers_are_distinct_and_in_order() {
        for (index, (table, _)) in Table::ALL.iter().enumerate() {
            assert_eq!(*table as usize, index);
        }
    }
}
