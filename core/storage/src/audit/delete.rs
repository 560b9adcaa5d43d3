//! Deletion of all traces of blocks above a number, including incomplete ones.

use std::ops::ControlFlow;

use crate::db::WriteBatch;
use crate::tables::{Table, after_prefix};
use crate::{StorageError, Store};

impl Store {
    /// Adds the deletion of everything that belongs to blocks above `number`, on any chain. It
    /// reads whole tables and trusts none of them, so it is too slow for a busy node.
    pub(super) fn delete_all_above(
        &self,
        number: u64,
        batch: &mut WriteBatch,
    ) -> Result<(), StorageError> {
        for table in [
            Table::Headers,
            Table::Bodies,
            Table::Receipts,
            Table::TotalDifficulty,
            Table::Canonical,
            Table::Changes,
        ] {
            let start = table.key(&[&number.saturating_add(1).to_be_bytes()]);
            let end = after_prefix(&table.prefix());
            let mut delete = |key: &[u8], _: &[u8]| {
                batch.delete(&[key]);
                ControlFlow::Continue(())
            };
            self.database().visit(&start, end.as_deref(), &mut delete)?;
        }
        for table in [Table::Numbers, Table::TxLookup] {
            self.visit_prefix(&table.prefix(), |key, value| {
                if number_of(value) > number {
                    batch.delete(&[key]);
                }
                Ok(())
            })?;
        }
        // The keys of these tables end with the block number.
        for table in [Table::AccountHistory, Table::SlotHistory] {
            self.visit_prefix(&table.prefix(), |key, _| {
                let digits = key.len().saturating_sub(8);
                if number_of(&key[digits..]) > number {
                    batch.delete(&[key]);
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Decodes a big-endian number with or without leading zeros. One that is too long counts as above
/// all blocks.
pub(super) fn number_of(digits: &[u8]) -> u64 {
    if digits.len() > 8 {
        return u64::MAX;
    }
    digits
        .iter()
        .fold(0, |number, digit| number << 8 | u64::from(*digit))
}
