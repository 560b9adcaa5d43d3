//! State that is frozen for its commit, and its conversion to writes.

use std::sync::Arc;

use actoreum_primitives::{Account, B256, U256};
use rustc_hash::FxHashMap;

use super::codec::{encode_account, encode_slot};
use super::diff::{HashedDiff, Step};
use super::history::ChangeList;
use super::nodes::{TrieNodes, node_key};
use crate::db::WriteBatch;
use crate::tables::Table;

/// The state changes of several blocks, frozen by [`crate::TrieBuffer::freeze`].
#[derive(Debug)]
pub struct FrozenState {
    pub(crate) root: B256,
    pub(crate) nodes: Arc<TrieNodes>,
    pub(crate) steps: Vec<Step>,
    pub(crate) accounts: FxHashMap<B256, Option<Account>>,
    /// Whether deletions are written as empty values, as on a forked chain.
    pub(crate) keeps_deletions: bool,
}

impl FrozenState {
    /// Returns the state root.
    pub const fn root(&self) -> B256 {
        self.root
    }

    /// Returns the parent of the oldest reverted block, if a block was reverted.
    pub(crate) fn reverted_to(&self) -> Option<u64> {
        let reverted = |step: &Step| match step {
            Step::Revert(number, _) => Some(number.saturating_sub(1)),
            Step::Apply(..) => None,
        };
        self.steps.iter().filter_map(reverted).min()
    }

    /// Writes history first, then codes, flat values and nodes, so that a concurrent reader finds
    /// the old value of everything that it already sees changed. Returns the deletions of reverted
    /// history, which must come last.
    pub(crate) fn write(&self, batch: &mut WriteBatch) -> WriteBatch {
        let mut history = Vec::new();
        let mut reverted = Vec::new();
        for step in &self.steps {
            match step {
                // Genesis has no earlier state, so it has no history.
                Step::Apply(0, _) => {}
                Step::Apply(number, diff) => add_history(*number, diff, &mut history),
                Step::Revert(number, diff) => {
                    reverted.extend(ChangeList::of(diff).history_keys(*number));
                    reverted.push(ChangeList::key(*number));
                }
            }
        }
        // The entries are sorted by key, because neighbouring keys are found and written faster in
        // sequence. A block that was reverted and applied again has two entries under a key; the
        // last one counts.
        history.sort_by(|(left, _), (right, _)| left.cmp(right));
        for (key, value) in &history {
            batch.put(&[key], value);
        }
        self.write_codes(batch);
        self.write_flat(batch);
        self.write_nodes(batch);
        let mut last = WriteBatch::default();
        let is_written = |key: &Vec<u8>| {
            history
                .binary_search_by(|(other, _)| other.cmp(key))
                .is_ok()
        };
        for key in reverted.iter().filter(|key| !is_written(key)) {
            last.delete(&[key]);
        }
        last
    }

    fn write_codes(&self, batch: &mut WriteBatch) {
        for (hash, code) in self.steps.iter().flat_map(|step| &step.diff().codes) {
            batch.put(&[&Table::Codes.prefix(), hash.as_slice()], code);
        }
    }

    fn write_flat(&self, batch: &mut WriteBatch) {
        let mut slots: FxHashMap<(B256, B256), U256> = FxHashMap::default();
        let mut accounts: FxHashMap<B256, Option<Account>> = FxHashMap::default();
        for account in self.steps.iter().flat_map(|step| &step.diff().accounts) {
            if account.before != account.after {
                accounts.insert(account.key, account.after);
            }
            slots.extend(
                account
                    .slots
                    .iter()
                    .map(|slot| ((account.key, slot.key), slot.after)),
            );
        }
        let mut accounts: Vec<_> = accounts.into_iter().collect();
        accounts.sort_unstable_by_key(|(key, _)| *key);
        for (key, account) in accounts {
            let key: &[&[u8]] = &[&Table::Accounts.prefix(), key.as_slice()];
            match account {
                Some(account) => batch.put(key, &encode_account(&account)),
                None if self.keeps_deletions => batch.put(key, &[]),
                None => batch.delete(key),
            }
        }
        let mut slots: Vec<_> = slots.into_iter().collect();
        slots.sort_unstable_by_key(|(key, _)| *key);
        for ((account, slot), value) in slots {
            let key: &[&[u8]] = &[&Table::Slots.prefix(), account.as_slice(), slot.as_slice()];
            if value.is_zero() && !self.keeps_deletions {
                batch.delete(key);
            } else {
                batch.put(key, &encode_slot(&value));
            }
        }
    }

    fn write_nodes(&self, batch: &mut WriteBatch) {
        let storages = self
            .nodes
            .storages
            .iter()
            .map(|(account, nodes)| (Some(account), nodes));
        let mut storages: Vec<_> = storages.collect();
        storages.sort_unstable_by_key(|(account, _)| *account);
        for (account, nodes) in storages.into_iter().chain([(None, &self.nodes.accounts)]) {
            let mut nodes: Vec<_> = nodes.iter().collect();
            nodes.sort_unstable_by_key(|(path, _)| *path);
            for (path, node) in nodes {
                let key = node_key(account, path);
                match node {
                    Some(rlp) => batch.put(&[&key], rlp),
                    None => batch.delete(&[&key]),
                }
            }
        }
    }
}

/// Adds the history entries of block `number`, with their keys.
fn add_history(number: u64, diff: &HashedDiff, history: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    let block = number.to_be_bytes();
    for account in &diff.accounts {
        if account.before != account.after {
            let key = Table::AccountHistory.key(&[account.key.as_slice(), &block]);
            let old = account.before.as_ref();
            history.push((key, old.map(encode_account).unwrap_or_default()));
        }
        for slot in &account.slots {
            let key =
                Table::SlotHistory.key(&[account.key.as_slice(), slot.key.as_slice(), &block]);
            history.push((key, encode_slot(&slot.before)));
        }
    }
    history.push((ChangeList::key(number), ChangeList::of(diff).encode()));
}
