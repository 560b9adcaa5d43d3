//! History that does not lead back as far as it should.

use std::ops::ControlFlow;

use actoreum_primitives::B256;

use crate::db::WriteBatch;
use crate::state::ChangeList;
use crate::store::OLDEST_STATE;
use crate::tables::Table;
use crate::{Commit, StorageError, Store};

use super::block::readable;
use super::forget::number_of;

impl Store {
    /// Drops the history that can't be read or leads to another state than it should; `roots`
    /// are the state roots of all blocks up to `head`.
    pub(super) fn repair_history(
        &self,
        head: u64,
        roots: &[(B256, B256)],
        done: &mut Vec<String>,
    ) -> Result<(), StorageError> {
        let oldest = self.oldest_state();
        let mut reach = self.history_reach(oldest, head)?;
        let is_sound = |number: u64| self.state_is(number, roots[number as usize].1);
        if reach < head && !is_sound(reach)? {
            // The state at the head is sound; the nearer to it, the less history counts.
            let (mut unsound, mut sound) = (reach, head);
            while sound - unsound > 1 {
                let middle = unsound + (sound - unsound) / 2;
                match is_sound(middle)? {
                    true => sound = middle,
                    false => unsound = middle,
                }
            }
            reach = sound;
        }
        if reach == oldest {
            return Ok(());
        }
        done.push(format!(
            "states before block {reach} can't be read any more: their history was damaged"
        ));
        let mut commit = Commit::new();
        self.forget_history_to(reach, &mut commit.batch)?;
        commit.put(Table::Meta, &[OLDEST_STATE], &reach.to_be_bytes());
        self.database().commit(&commit.batch)
    }

    /// The oldest block to which every list of changes and every entry of them is there.
    fn history_reach(&self, oldest: u64, head: u64) -> Result<u64, StorageError> {
        for number in (oldest + 1..=head).rev() {
            let list = self.database().get(&ChangeList::key(number));
            let list = list.and_then(|list| list.map(|list| ChangeList::decode(&list)).transpose());
            let Some(list) = readable(list)?.flatten() else {
                return Ok(number);
            };
            for key in list.history_keys(number) {
                if readable(self.database().get(&key))?.flatten().is_none() {
                    return Ok(number);
                }
            }
        }
        Ok(oldest)
    }

    /// Adds the deletion of the history of all blocks up to `number`.
    fn forget_history_to(&self, number: u64, batch: &mut WriteBatch) -> Result<(), StorageError> {
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
