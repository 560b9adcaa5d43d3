//! The engine without a disk.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::RwLock;

use super::{Database, Visitor, WriteBatch};
use crate::StorageError;

/// An ordered map behind a lock.
#[derive(Debug, Default)]
pub struct MemoryDatabase {
    entries: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Database for MemoryDatabase {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.entries.read().get(key).cloned())
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
        let entries = self.entries.read();
        for (key, value) in entries.range::<[u8], _>((Bound::Included(start), end)) {
            if visitor(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        let mut entries = self.entries.write();
        for operation in batch.operations() {
            match operation.value {
                Some(value) => entries.insert(operation.key.to_vec(), value.to_vec()),
                None => entries.remove(operation.key),
            };
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn size(&self) -> Result<u64, StorageError> {
        let entries = self.entries.read();
        Ok(entries
            .iter()
            .map(|(key, value)| (key.len() + value.len()) as u64)
            .sum())
    }
}
