//! Entries whose bytes changed on disk.

use crate::db::WriteBatch;
use crate::store::REPAIRING;
use crate::tables::Table;
use crate::{StorageError, Store};

impl Store {
    /// Removes every damaged entry, and what is not whole without it; from then on a repair is
    /// under way. What can be made from the rest is written after it.
    pub(super) fn drop_damaged(&self, done: &mut Vec<String>) -> Result<(), StorageError> {
        let damaged = self.database().damaged_keys()?.len();
        if damaged == 0 {
            return Ok(());
        }
        done.push(format!("{damaged} damaged entries: removed"));
        let mut repairing = WriteBatch::default();
        repairing.put(&[&Table::Meta.key(&[REPAIRING])], &[1]);
        // Without one of its bits the bloom index would hide logs. Where the key is damaged, too,
        // nothing tells which section that is: all are made anew.
        let is_kept = |key: &[u8]| key.first() != Some(&(Table::BloomBits as u8));
        self.database().drop_damaged(&is_kept, &repairing)
    }
}
