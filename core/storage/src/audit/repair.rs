//! Making a damaged database sound again.

use std::path::Path;

use actoreum_primitives::B256;

use crate::db::WriteBatch;
use crate::state::{encode_account, encode_slot};
use crate::store::{ANCIENT_COUNT, REPAIRING};
use crate::tables::Table;
use crate::{Commit, HeadRecord, StorageError, Store, StoreOptions};

use super::block::{Parent, SoundBlock, Unsound};

/// What a repair did.
#[derive(Debug, Clone)]
pub struct RepairReport {
    /// The head after it.
    pub head: HeadRecord,
    /// The first and the last block that were dropped, where any were.
    pub dropped: Option<(u64, u64)>,
    /// What was found and what was done about it, a line each; empty where all was sound.
    pub done: Vec<String>,
}

/// The sound part of the chain, and what its indexes lack.
struct Walk {
    /// Headers' hashes and state roots by number.
    blocks: Vec<(B256, B256)>,
    indexes: Commit,
    /// The newest block that was looked for.
    last: u64,
}

impl Store {
    /// Makes the database in a folder sound: mends what its checksums and hashes tell, writes
    /// flat values, tries and indexes anew from each other, and where that is not enough goes
    /// back to the last block that is sound with its state. `tell` hears what is done next.
    ///
    /// # Errors
    /// [`StorageError::BeyondRepair`] where no block is sound with a state that is kept: then
    /// no block, index or state was changed; or where the engine can't read its own files.
    pub fn repair(
        folder: &Path,
        options: &StoreOptions,
        tell: &mut dyn FnMut(&str),
    ) -> Result<RepairReport, StorageError> {
        let mut repair = || {
            let store = Self::open_damaged(folder, options)?;
            let report = store.repair_all(tell)?;
            store.flush()?;
            drop(store);
            // What lies behind the last ancient block is cut off now.
            Self::open(folder, options.clone())?;
            Ok(report)
        };
        // What is still in the way after everything that a repair knows stays there.
        repair().map_err(|error| match error {
            StorageError::Corrupt(what) => StorageError::BeyondRepair(what),
            StorageError::Trie(error) => StorageError::BeyondRepair(error.to_string()),
            other => other,
        })
    }

    fn repair_all(&self, tell: &mut dyn FnMut(&str)) -> Result<RepairReport, StorageError> {
        let mut done = Vec::new();
        tell("blocks");
        let walk = self.walk_blocks(&mut done)?;
        tell("state");
        let (target, made) = self.sound_state(&walk, &mut done)?;
        let mut batch = WriteBatch::default();
        self.drop_damaged(&mut done)?;
        batch.append(&made);
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
            self.go_back(target, &mut batch)?;
        }
        batch.append(&walk.indexes.batch);
        if self.head() != Some(head) && dropped.is_none() {
            done.push(format!("wrote the head record anew: block {target}"));
        }
        let mut commit = Commit::new();
        commit.put(Table::Meta, &[REPAIRING], &[1]);
        commit.batch.append(&batch);
        if self.ancient_blocks() > target + 1 || self.is_ancient_short()? {
            let count = self.ancient_blocks().min(target + 1);
            commit.put(Table::Meta, &[ANCIENT_COUNT], &count.to_be_bytes());
        }
        commit.set_head(head);
        self.commit(commit)?;
        tell("tries");
        self.repair_tries(&mut done)?;
        tell("history");
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

    /// From genesis up to the first block that is not sound and can't be mended.
    fn walk_blocks(&self, done: &mut Vec<String>) -> Result<Walk, StorageError> {
        let newest = match self.head() {
            Some(head) => Some(head.number),
            None => self.newest_canonical()?,
        };
        let last = newest.ok_or_else(|| {
            StorageError::BeyondRepair("no block is in it, not even a genesis".into())
        })?;
        let mut walk = Walk {
            blocks: Vec::new(),
            indexes: Commit::new(),
            last,
        };
        let mut parent = None;
        for number in 0..=last {
            let sound = match self.mended_block(number, parent, done) {
                Ok(sound) => sound,
                Err(Unsound::Fault(what)) => {
                    done.push(what);
                    break;
                }
                Err(Unsound::Failed(error)) => return Err(error),
            };
            let faults = self.index_faults(&sound)?;
            if !faults.is_empty() {
                done.extend(
                    faults
                        .into_iter()
                        .map(|fault| format!("{fault}: written anew")),
                );
                index(&sound, &mut walk.indexes);
            }
            parent = Some(sound.as_parent());
            walk.blocks
                .push((sound.hash, sound.block.header.state_root));
        }
        Ok(walk)
    }

    fn mended_block(
        &self,
        number: u64,
        parent: Option<Parent>,
        done: &mut Vec<String>,
    ) -> Result<SoundBlock, Unsound> {
        let fault = match self.sound_block(number, parent) {
            Err(Unsound::Fault(what)) => what,
            outcome => return outcome,
        };
        if !self.mend_ancient(number, parent)? {
            return Err(Unsound::Fault(fault));
        }
        let sound = self.sound_block(number, parent)?;
        done.push(format!("{fault}: mended"));
        Ok(sound)
    }

    /// The newest sound block whose state is there or can be made, and the writes that make it.
    fn sound_state(
        &self,
        walk: &Walk,
        done: &mut Vec<String>,
    ) -> Result<(u64, WriteBatch), StorageError> {
        let Some(newest) = (walk.blocks.len() as u64).checked_sub(1) else {
            let what = "the genesis block is damaged".into();
            return Err(StorageError::BeyondRepair(what));
        };
        let is_sound = |number: u64| self.state_is(number, walk.blocks[number as usize].1);
        if is_sound(newest)? {
            return Ok((newest, WriteBatch::default()));
        }
        let is_head = self.head().is_some_and(|head| head.number == newest);
        if is_head
            && let Some(batch) = self.flat_from_tries()?
            && !batch.is_empty()
        {
            done.push(format!(
                "accounts or slots did not make the state root of block {newest}: {} written anew \
                 from the tries",
                batch.len()
            ));
            return Ok((newest, batch));
        }
        done.push(format!(
            "the state of block {newest} is not there or not sound"
        ));
        let oldest = self.oldest_state();
        let target = last_sound(oldest, newest, is_sound)?.ok_or_else(|| {
            StorageError::BeyondRepair(format!(
                "blocks are sound up to {newest}, but no state from block {oldest} on is"
            ))
        })?;
        Ok((target, WriteBatch::default()))
    }

    /// Adds what takes the state and the blocks back to `target`.
    fn go_back(&self, target: u64, batch: &mut WriteBatch) -> Result<(), StorageError> {
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
                match value.is_zero() {
                    true => batch.delete(key),
                    false => batch.put(key, &encode_slot(value)),
                }
            }
        }
        self.forget_all_above(target, batch)
    }

    /// Writes the tries anew where they are not those of the flat state, after which nothing is
    /// left of what belongs to no account.
    fn repair_tries(&self, done: &mut Vec<String>) -> Result<(), StorageError> {
        let orphans = self.orphan_slots()?;
        if !orphans.is_empty() {
            done.push(format!("removed {} slots of no account", orphans.len()));
            let mut batch = WriteBatch::default();
            orphans.iter().for_each(|key| batch.delete(&[key]));
            self.database().commit(&batch)?;
        }
        let state = self.state_without_changes_above(u64::MAX)?;
        let faults = self.trie_faults(&state)?;
        if !faults.are_none() {
            done.push(format!(
                "of {} trie nodes {} were missing, {} wrong, {} of no trie: written anew",
                faults.nodes, faults.missing, faults.wrong, faults.extra
            ));
            self.rebuild_tries(&state)?;
        }
        Ok(())
    }
}

/// The newest block of `oldest..newest` that is sound. A damaged value is behind us once we have
/// gone back before the block that last wrote it: if a block is sound, those before it are.
fn last_sound(
    oldest: u64,
    newest: u64,
    is_sound: impl Fn(u64) -> Result<bool, StorageError>,
) -> Result<Option<u64>, StorageError> {
    let (mut unsound, mut step) = (newest, 1);
    let mut sound = loop {
        if unsound <= oldest {
            return Ok(None);
        }
        let number = unsound.saturating_sub(step).max(oldest);
        if is_sound(number)? {
            break number;
        }
        (unsound, step) = (number, step * 2);
    };
    while unsound - sound > 1 {
        let middle = sound + (unsound - sound) / 2;
        match is_sound(middle)? {
            true => sound = middle,
            false => unsound = middle,
        }
    }
    Ok(Some(sound))
}

fn index(sound: &SoundBlock, commit: &mut Commit) {
    let number = sound.block.header.number;
    commit.put(
        Table::Numbers,
        &[sound.hash.as_slice()],
        &number.to_be_bytes(),
    );
    commit.put(
        Table::TotalDifficulty,
        &[&number.to_be_bytes(), sound.hash.as_slice()],
        &sound.total_difficulty.to_be_bytes_trimmed_vec(),
    );
    for transaction in &sound.block.body.transactions {
        commit.put_tx_lookup(&transaction.hash(), number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sound_block_is_found_wherever_it_lies() {
        for oldest in [0, 3] {
            for newest in oldest..60 {
                for last in oldest..newest {
                    let found = last_sound(oldest, newest, |number| Ok(number <= last)).unwrap();
                    assert_eq!(found, Some(last), "{oldest} {newest}");
                }
                let none = last_sound(oldest, newest, |_| Ok(false)).unwrap();
                assert_eq!(none, None);
            }
        }
    }
}
