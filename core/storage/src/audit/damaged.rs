//! Entries whose bytes changed on disk.

use crate::db::WriteBatch;
use crate::tables::{BLOOM_HEADS, Table, bloom_key};
use crate::{StorageError, Store};

impl Store {
    /// Adds the deletion of every damaged entry, and of what is not whole without it. What can be
    /// made from the rest is written after it.
    pub(super) fn drop_damaged(
        &self,
        batch: &mut WriteBatch,
        done: &mut Vec<String>,
    ) -> Result<(), StorageError> {
        let damaged = self.database().damaged_keys()?;
        if damaged.is_empty() {
            return Ok(());
        }
        done.push(format!("{} damaged entries: removed", damaged.len()));
        for key in damaged {
            batch.delete(&[&key]);
            let section = key.get(3..11).and_then(|digits| digits.try_into().ok());
            if key.first() == Some(&(Table::BloomBits as u8))
                && let Some(section) = section
            {
                // Without one of its bits a section would hide logs.
                let head = bloom_key(BLOOM_HEADS, u64::from_be_bytes(section));
                batch.delete(&[&head]);
            }
        }
        Ok(())
    }
}
