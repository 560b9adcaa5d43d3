//! Comparison of the stored tries with those of the flat state, and their rebuild.

use std::collections::HashSet;

use actoreum_primitives::{B256, EMPTY_CODE_HASH, keccak256};

use crate::db::WriteBatch;
use crate::state::{StateSnapshot, node_key};
use crate::tables::Table;
use crate::{StorageError, Store};

/// Maximum size of one write in bytes.
const BATCH_BYTES: usize = 8 << 20;

/// The differences between the stored tries and those of the flat state.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct TrieFaults {
    /// Root of the flat state's trie.
    pub(super) root: B256,
    pub(super) nodes: u64,
    pub(super) missing: u64,
    pub(super) wrong: u64,
    /// Number of stored nodes that are part of no trie.
    pub(super) extra: u64,
}

impl TrieFaults {
    pub(super) const fn are_none(&self) -> bool {
        self.missing == 0 && self.wrong == 0 && self.extra == 0
    }
}

impl Store {
    /// Compares every node of the flat state's tries with the stored one.
    pub(super) fn trie_faults(&self, state: &StateSnapshot) -> Result<TrieFaults, StorageError> {
        let mut faults = TrieFaults::default();
        faults.root = state.tries(|account, path, rlp| {
            faults.nodes += 1;
            match super::block::none_if_damaged(self.database().get(&node_key(account, path)))? {
                Some(None) => faults.missing += 1,
                Some(Some(stored)) if stored == rlp => {}
                _ => faults.wrong += 1,
            }
            Ok(())
        })?;
        let mut stored = 0_u64;
        for table in [Table::AccountNodes, Table::SlotNodes] {
            self.visit_prefix(&table.prefix(), |_, _| {
                stored += 1;
                Ok(())
            })?;
        }
        faults.extra = stored.saturating_sub(faults.nodes - faults.missing);
        Ok(faults)
    }

    /// Replaces the stored tries by those of the flat state.
    pub(super) fn rebuild_tries(&self, state: &StateSnapshot) -> Result<(), StorageError> {
        let mut batch = WriteBatch::default();
        for table in [Table::AccountNodes, Table::SlotNodes] {
            let mut keys = Vec::new();
            self.visit_prefix(&table.prefix(), |key, _| {
                keys.push(key.to_vec());
                Ok(())
            })?;
            for key in keys {
                batch.delete(&[&key]);
                self.write_when_full(&mut batch)?;
            }
        }
        self.database().commit(&std::mem::take(&mut batch))?;
        state.tries(|account, path, rlp| {
            batch.put(&[&node_key(account, path)], &rlp);
            self.write_when_full(&mut batch)
        })?;
        self.database().commit(&batch)
    }

    fn write_when_full(&self, batch: &mut WriteBatch) -> Result<(), StorageError> {
        if batch.as_bytes().len() < BATCH_BYTES {
            return Ok(());
        }
        self.database().commit(&std::mem::take(batch))
    }

    /// Returns the hashes of codes that accounts refer to and that are missing or damaged.
    pub(super) fn code_faults(&self, state: &StateSnapshot) -> Result<Vec<B256>, StorageError> {
        let mut seen = HashSet::from([EMPTY_CODE_HASH]);
        let mut faults = Vec::new();
        state.visit(|_, account, _| {
            if seen.insert(account.code_hash) {
                let key = Table::Codes.key(&[account.code_hash.as_slice()]);
                let code = super::block::none_if_damaged(self.database().get(&key))?;
                if code.flatten().map(keccak256) != Some(account.code_hash) {
                    faults.push(account.code_hash);
                }
            }
            Ok(())
        })?;
        Ok(faults)
    }

    /// Returns true if the state at `number`, which is the flat state with the history above
    /// `number` undone, has this root and all of its codes.
    pub(super) fn is_state_valid(&self, number: u64, root: B256) -> Result<bool, StorageError> {
        let verify = || {
            let state = self.state_without_changes_above(number)?;
            Ok(state.root()? == root && self.code_faults(&state)?.is_empty())
        };
        Ok(super::block::none_if_damaged(verify())?.unwrap_or(false))
    }
}
