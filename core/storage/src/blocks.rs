//! Reads and deletion of blocks, in the database and in the ancient files.

use std::ops::ControlFlow;

use actoreum_primitives::rlp::{self, Decode, DecodeError, Encode, List};
use actoreum_primitives::{B256, Body, Header, Receipt, TxType, U256};

use crate::ancient::{Ancient, RecordKind};
use crate::store::ANCIENT_COUNT;
use crate::tables::Table;
use crate::{Commit, StorageError, Store};

impl Store {
    /// Returns the hash of the canonical block with this number.
    pub fn canonical_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        let key = Table::Canonical.key(&[&number.to_be_bytes()]);
        let hash = match self.database().get(&key)? {
            Some(hash) => Some(hash),
            None => self
                .ancient_record(RecordKind::Hashes, number)?
                .map(|mut record| {
                    record.truncate(32);
                    record
                }),
        };
        hash.map(|hash| B256::try_from(hash.as_slice()))
            .transpose()
            .map_err(|_| StorageError::Corrupt(format!("the hash of block {number} is truncated")))
    }

    /// Returns the number of a block, canonical or not.
    pub fn number_of(&self, hash: &B256) -> Result<Option<u64>, StorageError> {
        let number = self
            .database()
            .get(&Table::Numbers.key(&[hash.as_slice()]))?;
        number
            .map(|number| number.try_into().map(u64::from_be_bytes))
            .transpose()
            .map_err(|_| StorageError::Corrupt(format!("the number of block {hash} is unreadable")))
    }

    /// Returns the number of the canonical block that holds a transaction.
    pub fn transaction_block(&self, transaction: &B256) -> Result<Option<u64>, StorageError> {
        let number = self
            .database()
            .get(&Table::TxLookup.key(&[transaction.as_slice()]))?;
        Ok(number.map(|digits| {
            digits
                .iter()
                .fold(0, |number, digit| number << 8 | u64::from(*digit))
        }))
    }

    /// Returns a header.
    pub fn header(&self, hash: &B256, number: u64) -> Result<Option<Header>, StorageError> {
        decode(
            self.header_rlp(hash, number)?,
            "header",
            number,
            rlp::decode_exact,
        )
    }

    /// Returns a header's RLP.
    pub fn header_rlp(&self, hash: &B256, number: u64) -> Result<Option<Vec<u8>>, StorageError> {
        self.block_record(Table::Headers, RecordKind::Headers, hash, number)
    }

    /// Returns a body.
    pub fn body(&self, hash: &B256, number: u64) -> Result<Option<Body>, StorageError> {
        decode(
            self.body_rlp(hash, number)?,
            "body",
            number,
            rlp::decode_exact,
        )
    }

    /// Returns a body's RLP.
    pub fn body_rlp(&self, hash: &B256, number: u64) -> Result<Option<Vec<u8>>, StorageError> {
        self.block_record(Table::Bodies, RecordKind::Bodies, hash, number)
    }

    /// Returns a block's receipts.
    pub fn receipts(&self, hash: &B256, number: u64) -> Result<Option<Vec<Receipt>>, StorageError> {
        let receipts = self.block_record(Table::Receipts, RecordKind::Receipts, hash, number)?;
        decode(receipts, "receipts", number, decode_receipts)
    }

    /// Returns the total difficulty: the sum of the difficulties of a block and all its ancestors.
    pub fn total_difficulty(&self, hash: &B256, number: u64) -> Result<Option<U256>, StorageError> {
        let key = Table::TotalDifficulty.key(&[&number.to_be_bytes(), hash.as_slice()]);
        let record = match self.database().get(&key)? {
            Some(record) => Some(record),
            None => self
                .ancient_record(RecordKind::Hashes, number)?
                .filter(|record| record.starts_with(hash.as_slice()))
                .map(|record| record[32..].to_vec()),
        };
        decode(record, "total difficulty", number, |bytes| {
            U256::try_from_be_slice(bytes).ok_or(DecodeError::Overflow)
        })
    }

    /// Returns the hashes of all blocks with this number in the database, including side chains.
    pub fn hashes_at(&self, number: u64) -> Result<Vec<B256>, StorageError> {
        let mut hashes = Vec::new();
        self.visit_prefix(&Table::Headers.key(&[&number.to_be_bytes()]), |key, _| {
            hashes.extend(key.get(9..41).map(B256::from_slice));
            Ok(())
        })?;
        if hashes.is_empty() {
            hashes.extend(self.canonical_hash(number)?);
        }
        Ok(hashes)
    }

    /// Returns the number of blocks in the ancient files, which hold the chain from genesis on.
    pub fn ancient_blocks(&self) -> u64 {
        self.ancient().map_or(0, Ancient::count)
    }

    /// Moves up to `limit` blocks that are old enough to the ancient files, and returns the number
    /// of moved blocks. A block is deleted from the database after the files are durable.
    pub fn migrate_ancient(&self, limit: u64) -> Result<u64, StorageError> {
        let (Some(ancient), Some(depth)) = (self.ancient(), self.options().ancient_depth) else {
            return Ok(0);
        };
        let head = self.head().map_or(0, |head| head.number);
        let first = ancient.count();
        let end = (head + 1)
            .saturating_sub(depth)
            .min(first.saturating_add(limit));
        if end <= first {
            return Ok(0);
        }
        let mut commit = Commit::new();
        for number in first..end {
            self.append_ancient(ancient, number)?;
            self.delete_block(number, &mut commit)?;
        }
        ancient.sync()?;
        commit.put(Table::Meta, &[ANCIENT_COUNT], &end.to_be_bytes());
        self.commit(commit)?;
        Ok(end - first)
    }

    fn append_ancient(&self, ancient: &Ancient, number: u64) -> Result<(), StorageError> {
        let missing =
            |what: &str| StorageError::Corrupt(format!("the {what} of block {number} is missing"));
        let hash = self
            .canonical_hash(number)?
            .ok_or_else(|| missing("canonical hash"))?;
        let get = |table: Table, what: &str| {
            let key = table.key(&[&number.to_be_bytes(), hash.as_slice()]);
            self.database().get(&key)?.ok_or_else(|| missing(what))
        };
        let difficulty = get(Table::TotalDifficulty, "total difficulty")?;
        ancient.append(
            number,
            &[
                &[hash.as_slice(), &difficulty].concat(),
                &get(Table::Headers, "header")?,
                &get(Table::Bodies, "body")?,
                &self.encoded_receipts(&hash, number)?,
            ],
        )
    }

    /// Returns a block's encoded receipts; an empty list if there are none, as for genesis and
    /// after a header-only import.
    fn encoded_receipts(&self, hash: &B256, number: u64) -> Result<Vec<u8>, StorageError> {
        let key = Table::Receipts.key(&[&number.to_be_bytes(), hash.as_slice()]);
        Ok(self
            .database()
            .get(&key)?
            .unwrap_or_else(|| encode_receipts(&[])))
    }

    /// Deletes all blocks with a number; for side-chain blocks also their number entries.
    fn delete_block(&self, number: u64, commit: &mut Commit) -> Result<(), StorageError> {
        let canonical = self.canonical_hash(number)?;
        let block = number.to_be_bytes();
        for hash in self.hashes_at(number)? {
            for table in [
                Table::Headers,
                Table::Bodies,
                Table::Receipts,
                Table::TotalDifficulty,
            ] {
                commit.delete(table, &[&block, hash.as_slice()]);
            }
            if Some(hash) != canonical {
                commit.delete(Table::Numbers, &[hash.as_slice()]);
            }
        }
        commit.delete(Table::Canonical, &[&block]);
        Ok(())
    }

    /// Checks every record of the ancient files against its checksum, and each header against its
    /// hash and its parent. Returns the number of checked blocks.
    pub fn check_ancient(&self) -> Result<u64, StorageError> {
        let Some(ancient) = self.ancient() else {
            return Ok(0);
        };
        let mut parent = None;
        for number in 0..ancient.count() {
            let corrupt =
                |what: &str| StorageError::Corrupt(format!("ancient block {number} {what}"));
            let hash = self
                .canonical_hash(number)?
                .ok_or_else(|| corrupt("has no hash"))?;
            let header = self
                .header(&hash, number)?
                .ok_or_else(|| corrupt("has no header"))?;
            if header.hash() != hash || header.number != number {
                return Err(corrupt("has a wrong header"));
            }
            if parent.is_some_and(|parent| parent != header.parent_hash) {
                return Err(corrupt("does not follow its parent"));
            }
            self.body(&hash, number)?
                .ok_or_else(|| corrupt("has no body"))?;
            self.receipts(&hash, number)?
                .ok_or_else(|| corrupt("has no receipts"))?;
            parent = Some(hash);
        }
        Ok(ancient.count())
    }

    /// Deletes every block of the database above `number` (headers, bodies, receipts, canonical
    /// hashes), as `db repair` and `debug_setHead` do once the state is at `number`. Returns the
    /// number of deleted canonical blocks.
    pub fn delete_blocks_above(
        &self,
        number: u64,
        commit: &mut Commit,
    ) -> Result<u64, StorageError> {
        let mut numbers = std::collections::BTreeSet::new();
        for table in [Table::Headers, Table::Canonical] {
            let start = table.key(&[&(number + 1).to_be_bytes()]);
            let end = crate::tables::after_prefix(&table.prefix());
            self.database()
                .visit(&start, end.as_deref(), &mut |key, _| {
                    let digits = key.get(1..9).and_then(|digits| digits.try_into().ok());
                    numbers.extend(digits.map(u64::from_be_bytes));
                    ControlFlow::Continue(())
                })?;
        }
        for number in &numbers {
            if let Some(hash) = self.canonical_hash(*number)? {
                commit.delete(Table::Numbers, &[hash.as_slice()]);
                for transaction in self
                    .body(&hash, *number)?
                    .iter()
                    .flat_map(|body| &body.transactions)
                {
                    commit.remove_tx_lookup(&transaction.hash());
                }
            }
            self.delete_block(*number, commit)?;
        }
        Ok(numbers.len() as u64)
    }

    fn block_record(
        &self,
        table: Table,
        kind: RecordKind,
        hash: &B256,
        number: u64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let key = table.key(&[&number.to_be_bytes(), hash.as_slice()]);
        if let Some(record) = self.database().get(&key)? {
            return Ok(Some(record));
        }
        let canonical = self.ancient_record(RecordKind::Hashes, number)?;
        if !canonical.is_some_and(|canonical| canonical.starts_with(hash.as_slice())) {
            return Ok(None);
        }
        self.ancient_record(kind, number)
    }

    fn ancient_record(
        &self,
        kind: RecordKind,
        number: u64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        match self.ancient() {
            Some(ancient) => ancient.get(kind, number),
            None => Ok(None),
        }
    }
}

fn decode<T>(
    record: Option<Vec<u8>>,
    what: &str,
    number: u64,
    decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
) -> Result<Option<T>, StorageError> {
    record
        .map(|record| decode(&record))
        .transpose()
        .map_err(|error| {
            StorageError::Corrupt(format!(
                "the {what} of block {number} is unreadable: {error}"
            ))
        })
}

/// Encodes a list of receipts without their blooms, which follow from the logs. Each receipt has
/// its type, its outcome, the cumulative gas and the logs.
pub(crate) fn encode_receipts(receipts: &[Receipt]) -> Vec<u8> {
    let fields_length = |receipt: &Receipt| {
        1 + receipt.outcome.length() + receipt.cumulative_gas_used.length() + receipt.logs.length()
    };
    let payload: usize = receipts
        .iter()
        .map(|receipt| rlp::list_length(fields_length(receipt)))
        .sum();
    let mut out = Vec::with_capacity(rlp::list_length(payload));
    rlp::encode_list_header(payload, &mut out);
    for receipt in receipts {
        rlp::encode_list_header(fields_length(receipt), &mut out);
        u64::from(receipt.tx_type as u8).encode(&mut out);
        receipt.outcome.encode(&mut out);
        receipt.cumulative_gas_used.encode(&mut out);
        receipt.logs.encode(&mut out);
    }
    out
}

pub(crate) fn decode_receipts(bytes: &[u8]) -> Result<Vec<Receipt>, DecodeError> {
    let mut list = List::open_exact(bytes)?;
    let mut receipts = Vec::new();
    while !list.is_empty() {
        let mut fields = list.next_list()?;
        let tx_type = u64::decode(&mut fields.next_raw()?)?;
        let tx_type = match u8::try_from(tx_type) {
            Ok(0) => Some(TxType::Legacy),
            Ok(byte) => TxType::from_prefix(byte),
            Err(_) => None,
        };
        let tx_type = tx_type.ok_or(DecodeError::UnsupportedTxType)?;
        let (outcome, gas) = (fields.next()?, fields.next()?);
        receipts.push(Receipt::new(tx_type, outcome, gas, fields.next()?));
        fields.finish()?;
    }
    Ok(receipts)
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::{Address, Bytes, Log, ReceiptOutcome};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn receipts() -> impl Strategy<Value = Vec<Receipt>> {
        let topics = vec(any::<[u8; 32]>().prop_map(B256::from), 0..5);
        let log = (any::<[u8; 20]>(), topics, vec(any::<u8>(), 0..70)).prop_map(
            |(address, topics, data)| Log {
                address: Address::from(address),
                topics,
                data: Bytes::from(data),
            },
        );
        let outcome = prop_oneof![
            any::<bool>().prop_map(ReceiptOutcome::Status),
            any::<[u8; 32]>().prop_map(|root| ReceiptOutcome::StateRoot(root.into())),
        ];
        let receipt = (0_u8..5, outcome, any::<u64>(), vec(log, 0..4)).prop_map(
            |(prefix, outcome, gas, logs)| {
                let tx_type = TxType::from_prefix(prefix).unwrap_or(TxType::Legacy);
                Receipt::new(tx_type, outcome, gas, logs)
            },
        );
        vec(receipt, 0..5)
    }

    proptest! {
        #[test]
        fn prop_receipts_survive_a_round_trip(receipts in receipts()) {
            let bytes = encode_receipts(&receipts);
            prop_assert_eq!(decode_receipts(&bytes).unwrap(), receipts);
            prop_assert!(decode_receipts(&bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn prop_arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = decode_receipts(&bytes);
        }
    }

    #[test]
    fn prealloc_an_overlong_list_is_refused() {
        for claim in ["fb7fffffff", "c5fb7fffff", "c6c5fb7fffffff"] {
            let bytes: Bytes = claim.parse().unwrap();
            assert!(decode_receipts(&bytes).is_err(), "{claim}");
        }
    }
}
