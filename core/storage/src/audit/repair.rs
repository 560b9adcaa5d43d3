//! The repair of a damaged database.

use std::path::Path;

use actoreum_primitives::B256;

use crate::db::WriteBatch;
use crate::state::{encode_account, encode_slot};
use crate::store::{ANCIENT_COUNT, REPAIRING};
use crate::tables::Table;
use crate::{Commit, HeadRecord, StorageError, Store, StoreOptions};

use super::block::{CheckError, Parent, ValidBlock};

/// The result of a repair.
#[derive(Debug, Clone)]
pub struct RepairReport {
    /// Head after the repair.
    pub head: HeadRecord,
    /// The first and the last block that were dropped, if any were.
    pub dropped: Option<(u64, u64)>,
    /// Faults that were found, with what was done about them, a line each; empty if there were
    /// none.
    pub done: Vec<String>,
}

/// The valid part of the chain, and the index entries that it lacks.
struct Walk {
    /// Hash and state root of each block, by number.
    blocks: Vec<(B256, B256)>,
    indexes: Commit,
    /// The newest block that the walk looked for.
    last: u64,
}

impl Store {
    /// Repairs the database in a folder. It restores single bytes by checksums and hashes, rebuilds
    /// flat values, tries and indexes from each other, and if that is not enough reverts to the
    /// last valid block with a valid state. `progress` is called with the name of each step.
    ///
    /// # Errors
    /// Returns [`StorageError::BeyondRepair`] if no block is valid with a state that is available
    /// (no block, index or state was changed then), or if the engine cannot read its own files.
    pub fn repair(
        folder: &Path,
        options: &StoreOptions,
        progress: &mut dyn FnMut(&str),
    ) -> Result<RepairReport, StorageError> {
        let mut repair = || {
            let store = Self::open_damaged(folder, options)?;
            let report = store.repair_all(progress)?;
            store.flush()?;
            drop(store);
            // This opening truncates whatever follows the last ancient block.
            Self::open(folder, options.clone())?;
            Ok(report)
        };
        // Damage that remains after the repair cannot be repaired.
        repair().map_err(|error| match error {
            StorageError::Corrupt(what) => StorageError::BeyondRepair(what),
            StorageError::Trie(error) => StorageError::BeyondRepair(error.to_string()),
            other => other,
        })
    }

    fn repair_all(&self, progress: &mut dyn FnMut(&str)) -> Result<RepairReport, StorageError> {
        let mut done = Vec::new();
        progress("blocks");
        let walk = self.walk_blocks(&mut done)?;
        progress("state");
        let (target, writes) = self.newest_valid_state(&walk, &mut done)?;
        let mut batch = WriteBatch::default();
        self.remove_damaged(&mut done)?;
        batch.append(&writes);
        let (hash, state_root) = walk.blocks[target as usize];
        let head = HeadRecord {
            number: target,
            hash,
            state_root,
        };
        let dropped = (target < walk.last).then_some((target + 1, walk.last));
        let is_above = self.newest_canonical()? > Some(target);
        let has_history_above = !self.change_lists_above(target)?.is_empty();
        if dropped.is_some() || is_above || has_history_above {
            self.revert_to(target, &mut batch)?;
        }
        batch.append(&walk.indexes.batch);
        if self.head() != Some(head) && dropped.is_none() {
            done.push(format!("rewrote the head record: block {target}"));
        }
        let mut commit = Commit::new();
        commit.put(Table::Meta, &[REPAIRING], &[1]);
        commit.batch.append(&batch);
        if self.ancient_blocks() > target + 1 || self.is_ancient_truncated()? {
            let count = self.ancient_blocks().min(target + 1);
            commit.put(Table::Meta, &[ANCIENT_COUNT], &count.to_be_bytes());
        }
        commit.set_head(head);
        self.commit(commit)?;
        progress("tries");
        self.repair_tries(&mut done)?;
        progress("history");
        self.repair_history(target, &walk.blocks, &mut done)?;
        let mut commit = Commit::new();
        commit.delete(Table::Meta, &[REPAIRING]);
        self.commit(commit)?;
        Ok(RepairReport {
            head,
            dropped,
            done,
        })
    }

    /// Validates the blocks from genesis up to the first one that is invalid and cannot be
    /// repaired.
    fn walk_blocks(&self, done: &mut Vec<String>) -> Result<Walk, StorageError> {
        let newest = match self.head() {
            Some(head) => Some(head.number),
            None => self.newest_canonical()?,
        };
        let last = newest.ok_or_else(|| {
            StorageError::BeyondRepair("it has no blocks, not even a genesis".into())
        })?;
        let mut walk = Walk {
            blocks: Vec::new(),
            indexes: Commit::new(),
            last,
        };
        let mut parent = None;
        for number in 0..=last {
            let valid = match self.repaired_block(number, parent, done) {
                Ok(valid) => valid,
                Err(CheckError::Invalid(what)) => {
                    done.push(what);
                    break;
                }
                Err(CheckError::Failed(error)) => return Err(error),
            };
            let faults = self.index_faults(&valid)?;
            if !faults.is_empty() {
                done.extend(faults.into_iter().map(|fault| format!("{fault}: rebuilt")));
                write_indexes(&valid, &mut walk.indexes);
            }
            parent = Some(valid.as_parent());
            walk.blocks
                .push((valid.hash, valid.block.header.state_root));
        }
        Ok(walk)
    }

    fn repaired_block(
        &self,
        number: u64,
        parent: Option<Parent>,
        done: &mut Vec<String>,
    ) -> Result<ValidBlock, CheckError> {
        let fault = match self.valid_block(number, parent) {
            Err(CheckError::Invalid(what)) => what,
            outcome => return outcome,
        };
        if !self.repair_ancient(number, parent)? {
            return Err(CheckError::Invalid(fault));
        }
        let valid = self.valid_block(number, parent)?;
        done.push(format!("{fault}: restored"));
        Ok(valid)
    }

    /// Returns the newest valid block whose state is valid or can be rebuilt, and the writes that
    /// rebuild it.
    fn newest_valid_state(
        &self,
        walk: &Walk,
        done: &mut Vec<String>,
    ) -> Result<(u64, WriteBatch), StorageError> {
        let Some(newest) = (walk.blocks.len() as u64).checked_sub(1) else {
            let what = "the genesis block is damaged".into();
            return Err(StorageError::BeyondRepair(what));
        };
        let is_valid = |number: u64| self.is_state_valid(number, walk.blocks[number as usize].1);
        if is_valid(newest)? {
            return Ok((newest, WriteBatch::default()));
        }
        let is_head = self.head().is_some_and(|head| head.number == newest);
        if is_head
            && let Some(batch) = self.flat_from_tries()?
            && !batch.is_empty()
        {
            done.push(format!(
                "accounts or slots did not match the state root of block {newest}: {} rebuilt from \
                 the tries",
                batch.len()
            ));
            return Ok((newest, batch));
        }
        done.push(format!("the state of block {newest} is missing or damaged"));
        let oldest = self.oldest_state();
        let target = last_valid(oldest, newest, is_valid)?.ok_or_else(|| {
            StorageError::BeyondRepair(format!(
                "blocks are valid up to {newest}, but no state from block {oldest} on is"
            ))
        })?;
        Ok((target, WriteBatch::default()))
    }

    /// Adds the writes that revert the state and the blocks to `target`.
    fn revert_to(&self, target: u64, batch: &mut WriteBatch) -> Result<(), StorageError> {
        let state = self.state_without_changes_above(target)?;
        let (accounts, slots) = state.overwritten();
        for (key, account) in accounts {
            let key: &[&[u8]] = &[&Table::Accounts.prefix(), key.as_slice()];
            match account {
                Some(account) => batch.put(key, &encode_account(account)),
                None => batch.delete(key),
            }
        }
        for (account, slots) in slots {
            for (slot, value) in slots {
                let key: &[&[u8]] = &[&Table::Slots.prefix(), account.as_slice(), slot.as_slice()];
                if value.is_zero() {
                    batch.delete(key);
                } else {
                    batch.put(key, &encode_slot(value));
                }
            }
        }
        self.delete_all_above(target, batch)
    }

    /// Rebuilds the tries if they differ from those of the flat state, after removing the slots
    /// that belong to no account.
    fn repair_tries(&self, done: &mut Vec<String>) -> Result<(), StorageError> {
        let orphans = self.orphan_slots()?;
        if !orphans.is_empty() {
            done.push(format!(
                "removed {} slots that belong to no account",
                orphans.len()
            ));
            let mut batch = WriteBatch::default();
            orphans.iter().for_each(|key| batch.delete(&[key]));
            self.database().commit(&batch)?;
        }
        let state = self.state_without_changes_above(u64::MAX)?;
        let faults = self.trie_faults(&state)?;
        if !faults.are_none() {
            done.push(format!(
                "of {} trie nodes {} were missing, {} wrong, {} belong to no trie: rebuilt",
                faults.nodes, faults.missing, faults.wrong, faults.extra
            ));
            self.rebuild_tries(&state)?;
        }
        Ok(())
    }
}

/// Returns the newest valid block of `oldest..newest`. The search relies on this: reverting to
/// before the block that last wrote a damaged value removes the damage, so if a block is valid, all
/// earlier ones are.
fn last_valid(
    oldest: u64,
    newest: u64,
    is_valid: impl Fn(u64) -> Result<bool, StorageError>,
) -> Result<Option<u64>, StorageError> {
    let (mut invalid, mut step) = (newest, 1);
    let mut valid = loop {
        if invalid <= oldest {
            return Ok(None);
        }
        let number = invalid.saturating_sub(step).max(oldest);
        if is_valid(number)? {
            break number;
        }
        (invalid, step) = (number, step * 2);
    };
    while invalid - valid > 1 {
        let middle = valid + (invalid - valid) / 2;
        if is_valid(middle)? {
            valid = middle;
        } else {
            invalid = middle;
        }
    }
    Ok(Some(valid))
}

fn write_indexes(valid: &ValidBlock, commit: &mut Commit) {
    let number = valid.block.header.number;
    commit.put(
        Table::Numbers,
        &[valid.hash.as_slice()],
        &number.to_be_bytes(),
    );
    commit.put(
        Table::TotalDifficulty,
        &[&number.to_be_bytes(), valid.hash.as_slice()],
        &valid.total_difficulty.to_be_bytes_trimmed_vec(),
    );
    for transaction in &valid.block.body.transactions {
        commit.put_tx_lookup(&transaction.hash(), number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_valid_block_is_found_at_any_position() {
        for oldest in [0, 3] {
            for newest in oldest..60 {
                for last in oldest..newest {
                    let found = last_valid(oldest, newest, |number| Ok(number <= last)).unwrap();
                    assert_eq!(found, Some(last), "{oldest} {newest}");
                }
                let none = last_valid(oldest, newest, |_| Ok(false)).unwrap();
                assert_eq!(none, None);
            }
        }
    }
}
