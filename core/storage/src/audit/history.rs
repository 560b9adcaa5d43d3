//! Repair of a history that is damaged.

use std::ops::ControlFlow;

use actoreum_primitives::B256;

use crate::db::WriteBatch;
use crate::state::ChangeList;
use crate::store::OLDEST_STATE;
use crate::tables::Table;
use crate::{Commit, StorageError, Store};

use super::block::none_if_damaged;
use super::delete::number_of;

impl Store {
    /// Deletes the history that cannot be read or leads to a wrong state. `roots` holds the hashes
    /// and state roots of all blocks up to `head`.
    pub(super) fn repair_history(
        &self,
        head: u64,
        roots: &[(B256, B256)],
        done: &mut Vec<String>,
    ) -> Result<(), StorageError> {
        let oldest = self.oldest_state();
        let mut reach = self.oldest_with_history(oldest, head)?;
        let is_valid = |number: u64| self.is_state_valid(number, roots[number as usize].1);
        if reach < head && !is_valid(reach)? {
            // The state at the head is valid; the closer a block is to the head, the less history
            // its state depends on.
            let (mut invalid, mut valid) = (reach, head);
            while valid - invalid > 1 {
                let middle = invalid + (valid - invalid) / 2;
                if is_valid(middle)? {
                    valid = middle;
                } else {
                    invalid = middle;
                }
            }
            reach = valid;
        }
        if reach == oldest {
            return Ok(());
        }
        done.push(format!(
            "states before block {reach} can't be read any more: their history was damaged"
        ));
        let mut commit = Commit::new();
        self.delete_history_to(reach, &mut commit.batch)?;
        commit.put(Table::Meta, &[OLDEST_STATE], &reach.to_be_bytes());
        self.database().commit(&commit.batch)
    }

    /// Returns the oldest block down to which every list of changes and every entry of the lists is
    /// present.
    fn oldest_with_history(&self, oldest: u64, head: u64) -> Result<u64, StorageError> {
        for number in (oldest + 1..=head).rev() {
            let list = self.database().get(&ChangeList::key(number));
            let list = list.and_then(|list| list.map(|list| ChangeList::decode(&list)).transpose());
            let Some(list) = none_if_damaged(list)?.flatten() else {
                return Ok(number);
            };
            for key in list.history_keys(number) {
                if none_if_damaged(self.database().get(&key))?
                    .flatten()
                    .is_none()
                {
                    return Ok(number);
                }
            }
        }
        Ok(oldest)
    }

    /// Adds the deletion of the history of all blocks up to `number`.
    fn delete_history_to(&self, number: u64, batch: &mut WriteBatch) -> Result<(), StorageError> {
        let mut delete = |key: &[u8], _: &[u8]| {
            batch.delete(&[key]);
            ControlFlow::Continue(())
        };
        let start = Table::Changes.prefix();
        let end = ChangeList::key(number + 1);
        self.database().visit(&start, Some(&end), &mut delete)?;
        for table in [Table::AccountHistory, Table::SlotHistory] {
            self.visit_prefix(&table.prefix(), |key, _| {
                let digits = key.len().saturating_sub(8);
                if number_of(&key[digits..]) <= number {
                    batch.delete(&[key]);
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
