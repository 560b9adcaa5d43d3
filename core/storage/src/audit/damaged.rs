//! Removal of entries whose bytes changed on disk.

use crate::db::WriteBatch;
use crate::store::REPAIRING;
use crate::tables::Table;
use crate::{StorageError, Store};

impl Store {
    /// Removes every damaged entry, and entries that are incomplete without it. It marks that a
    /// repair is in progress. The entries that can be computed from the rest are written
    /// afterwards.
    pub(super) fn remove_damaged(&self, done: &mut Vec<String>) -> Result<(), StorageError> {
        let damaged = self.database().damaged_keys()?.len();
        if damaged == 0 {
            return Ok(());
        }
        done.push(format!("{damaged} damaged entries: removed"));
        let mut repairing = WriteBatch::default();
        repairing.put(&[&Table::Meta.key(&[REPAIRING])], &[1]);
        // A bloom index that lacks one of its bits would hide logs. If the key is damaged too, the
        // section is unknown, so all sections are removed and built again.
        let is_kept = |key: &[u8]| key.first() != Some(&(Table::BloomBits as u8));
        self.database().remove_damaged(&is_kept, &repairing)
    }
}
