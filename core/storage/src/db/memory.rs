//! The engine in memory.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;

use parking_lot::RwLock;

use super::{Database, Visitor, WriteBatch};
use crate::StorageError;
use crate::limits::MAX_KEY_BYTES;

/// A database in memory: an ordered set of records behind a lock.
#[derive(Debug, Default)]
pub struct MemoryDatabase {
    records: RwLock<BTreeSet<Record>>,
}

/// A key and its value in one allocation: the key's length (1 byte), the key, the value. Most
/// records are small, so that two allocations with spare capacity would take more than the content.
#[derive(Debug)]
struct Record(Box<[u8]>);

const _: () = assert!(MAX_KEY_BYTES <= u8::MAX as usize);

impl Record {
    fn new(key: &[u8], value: &[u8]) -> Self {
        debug_assert!(key.len() <= MAX_KEY_BYTES);
        let mut bytes = Vec::with_capacity(1 + key.len() + value.len());
        bytes.push(key.len() as u8);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        Self(bytes.into_boxed_slice())
    }

    fn split(&self) -> (&[u8], &[u8]) {
        self.0[1..].split_at(self.0[0].into())
    }
}

impl Borrow<[u8]> for Record {
    fn borrow(&self) -> &[u8] {
        self.split().0
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.split().0 == other.split().0
    }
}

impl Eq for Record {}

impl PartialOrd for Record {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Record {
    fn cmp(&self, other: &Self) -> Ordering {
        self.split().0.cmp(other.split().0)
    }
}

impl Database for MemoryDatabase {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let records = self.records.read();
        Ok(records.get(key).map(|record| record.split().1.to_vec()))
    }

    fn visit(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), StorageError> {
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        if matches!(end, Bound::Excluded(end) if end <= start) {
            return Ok(());
        }
        let records = self.records.read();
        for record in records.range::<[u8], _>((Bound::Included(start), end)) {
            let (key, value) = record.split();
            if visitor(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        let mut records = self.records.write();
        for operation in batch.operations() {
            match operation.value {
                Some(value) => drop(records.replace(Record::new(operation.key, value))),
                None => drop(records.take(operation.key)),
            };
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn size(&self) -> Result<u64, StorageError> {
        let records = self.records.read();
        Ok(records
            .iter()
            .map(|record| (record.0.len() - 1) as u64)
            .sum())
    }
}
