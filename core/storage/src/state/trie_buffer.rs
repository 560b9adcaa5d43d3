//! The state tries of blocks that are not committed yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use actoreum_primitives::{
    Account, AccountChange, Address, B256, EMPTY_ROOT_HASH, StateDiff, U256, keccak256, rlp,
};
use actoreum_trie::{NodeChange, TrieUpdate, encode_uint, update};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::diff::{HashedAccount, HashedDiff, HashedSlot, Step};
use super::frozen::FrozenState;
use super::nodes::{CleanNodes, LayeredSource, TrieNodes};
use crate::limits::{TRIE_CACHE_BYTES, TRIE_CACHE_THIRDS};
use crate::remote::{REMOTE_STORAGE, next_root, storage_mark};
use crate::{StorageError, Store};

/// Computes the state roots of blocks that are not yet committed.
///
/// The caller applies each block with [`Self::apply`], calls [`Self::freeze`] from time to time and
/// passes the frozen state to the committing thread ([`crate::Commit::state`]). It may apply
/// further blocks meanwhile, and reports the end of the commit with [`Self::committed`]. Only one
/// state may be frozen at a time.
pub struct TrieBuffer {
    store: Store,
    root: B256,
    dirty: TrieNodes,
    steps: Vec<Step>,
    /// On a forked chain: the root before each of `steps`.
    roots: Vec<B256>,
    accounts: FxHashMap<B256, Option<Account>>,
    frozen: Option<Arc<FrozenState>>,
    clean: CleanNodes,
}

impl TrieBuffer {
    /// Creates a buffer over the store's head (over the empty state if the store has no head).
    pub fn new(store: Store) -> Self {
        let root = store.head().map_or(EMPTY_ROOT_HASH, |head| head.state_root);
        Self {
            store,
            root,
            dirty: TrieNodes::default(),
            steps: Vec::new(),
            roots: Vec::new(),
            accounts: FxHashMap::default(),
            frozen: None,
            clean: CleanNodes::default(),
        }
    }

    /// Returns the state root after everything that was applied.
    pub const fn root(&self) -> B256 {
        self.root
    }

    /// Returns true if a change was applied that is not frozen.
    pub fn is_dirty(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Applies the diff of block `number` and returns the state root after it. After an error the
    /// buffer is unchanged.
    pub fn apply(&mut self, number: u64, diff: &StateDiff) -> Result<B256, StorageError> {
        let mut hashed = self.hash(diff)?;
        let before = self.root;
        self.advance(&mut hashed)?;
        self.roots.push(before);
        self.steps.push(Step::Apply(number, hashed));
        Ok(self.root)
    }

    /// Returns the root that the state would have after `diff`, without applying it. It is needed
    /// for receipts before Byzantium, which have a state root after each transaction.
    pub fn root_after(&self, diff: &StateDiff) -> Result<B256, StorageError> {
        let mut hashed = self.hash(diff)?;
        if self.store.remote().is_some() {
            return Ok(next_root(self.root, &hashed));
        }
        Ok(self.tries_after(&mut hashed)?.0.root)
    }

    /// Reverts block `number`, which must be the newest, whether it is committed or not. Returns
    /// the diff that reverts it (for [`crate::FlatBuffer::revert`]). A commit that is in flight
    /// must be finished first.
    pub fn revert(&mut self, number: u64) -> Result<HashedDiff, StorageError> {
        if let Some(Step::Apply(newest, diff)) = self.steps.last() {
            if *newest != number {
                return Err(StorageError::Misuse("only the newest block can be undone"));
            }
            let mut inverse = diff.inverse();
            self.advance(&mut inverse)?;
            self.steps.pop();
            if let Some(before) = self.roots.pop().filter(|_| self.store.remote().is_some()) {
                self.root = before;
            }
            return Ok(inverse);
        }
        if self.frozen.is_some() {
            return Err(StorageError::Misuse("a commit is in flight"));
        }
        let mut inverse = self.store.inverse_of(number, self)?;
        let before = self.root;
        self.advance(&mut inverse)?;
        self.roots.push(before);
        if self.store.remote().is_some() {
            self.root = self.root_of(number.saturating_sub(1))?;
        }
        self.steps.push(Step::Revert(number, inverse.clone()));
        Ok(inverse)
    }

    /// Freezes everything that was applied, for a commit.
    pub fn freeze(&mut self) -> Result<Arc<FrozenState>, StorageError> {
        if self.frozen.is_some() {
            return Err(StorageError::Misuse("a commit is in flight"));
        }
        self.roots.clear();
        let frozen = Arc::new(FrozenState {
            root: self.root,
            nodes: Arc::new(std::mem::take(&mut self.dirty)),
            steps: std::mem::take(&mut self.steps),
            accounts: std::mem::take(&mut self.accounts),
            keeps_deletions: self.store.remote().is_some(),
        });
        self.frozen = Some(Arc::clone(&frozen));
        Ok(frozen)
    }

    /// Reports that the frozen state is in the database.
    pub fn committed(&mut self) {
        if let Some(frozen) = self.frozen.take() {
            let nodes = match Arc::try_unwrap(frozen) {
                Ok(frozen) => frozen.nodes,
                Err(shared) => Arc::clone(&shared.nodes),
            };
            let thirds = self.store.options().cache_bytes / 3 * TRIE_CACHE_THIRDS;
            let limit = usize::try_from(thirds)
                .map_or(TRIE_CACHE_BYTES, |of_cache| of_cache.min(TRIE_CACHE_BYTES));
            self.clean.insert(nodes, limit);
        }
    }

    /// Returns the source of the nodes of the state trie, or of an account's storage trie.
    pub(crate) fn source(&self, account: Option<B256>) -> LayeredSource<'_> {
        LayeredSource {
            store: &self.store,
            dirty: &self.dirty,
            frozen: self.frozen.as_ref().map(|frozen| frozen.nodes.as_ref()),
            clean: &self.clean,
            account,
        }
    }

    /// Returns an account by its hashed address, in the buffer's state.
    pub(crate) fn account(&self, key: &B256) -> Result<Option<Account>, StorageError> {
        Ok(self.known_account(key)?.flatten())
    }

    /// Returns an account by its hashed address; `None` if neither the buffer nor the store says
    /// anything about it.
    fn known_account(&self, key: &B256) -> Result<Option<Option<Account>>, StorageError> {
        if let Some(account) = self.accounts.get(key) {
            return Ok(Some(*account));
        }
        if let Some(account) = self
            .frozen
            .as_ref()
            .and_then(|frozen| frozen.accounts.get(key))
        {
            return Ok(Some(*account));
        }
        self.store.known_account(key)
    }

    /// Returns the state root in the header of a canonical block.
    fn root_of(&self, number: u64) -> Result<B256, StorageError> {
        let header = match self.store.canonical_hash(number)? {
            Some(hash) => self.store.header(&hash, number)?,
            None => None,
        };
        let missing = || StorageError::Corrupt(format!("the header of block {number} is missing"));
        Ok(header.ok_or_else(missing)?.state_root)
    }

    fn pending_diffs(&self) -> impl DoubleEndedIterator<Item = &HashedDiff> {
        let frozen = self.frozen.iter().flat_map(|frozen| &frozen.steps);
        frozen.chain(&self.steps).map(Step::diff)
    }

    /// Returns a slot by its hashed keys, in the buffer's state.
    pub(crate) fn slot(&self, account: &B256, slot: &B256) -> Result<U256, StorageError> {
        let pending = self.pending_diffs().rev().find_map(|diff| {
            let slots = &find_account(diff, account)?.slots;
            let at = slots.binary_search_by_key(slot, |slot| slot.key).ok()?;
            Some(slots[at].after)
        });
        pending.map_or_else(|| self.store.flat_slot(account, slot), Ok)
    }

    /// Returns every slot of an account, in the buffer's state.
    fn slots(&self, account: &B256) -> Result<BTreeMap<B256, U256>, StorageError> {
        let mut slots = self.store.flat_slots(account)?;
        for diff in self.pending_diffs() {
            let Some(account) = find_account(diff, account) else {
                continue;
            };
            slots.extend(account.slots.iter().map(|slot| (slot.key, slot.after)));
        }
        slots.retain(|_, value| !value.is_zero());
        Ok(slots)
    }

    /// Converts a diff to hashed keys. `before` is the value in the buffer's state.
    fn hash(&self, diff: &StateDiff) -> Result<HashedDiff, StorageError> {
        let hash = |(address, change): (&Address, &AccountChange)| {
            self.hash_account(address, keccak256(address), change)
        };
        let mut accounts = if diff.accounts.len() < PARALLEL_ACCOUNTS {
            diff.accounts
                .iter()
                .map(hash)
                .collect::<Result<Vec<_>, _>>()?
        } else {
            diff.accounts
                .par_iter()
                .map(hash)
                .collect::<Result<Vec<_>, _>>()?
        };
        accounts.retain(|account| {
            !account.slots.is_empty() || account.before.is_some() || account.after.is_some()
        });
        accounts.sort_unstable_by_key(|account| account.key);
        let codes = diff
            .codes
            .iter()
            .map(|(hash, code)| (*hash, code.clone()))
            .collect();
        Ok(HashedDiff { accounts, codes })
    }

    fn hash_account(
        &self,
        address: &Address,
        key: B256,
        change: &AccountChange,
    ) -> Result<HashedAccount, StorageError> {
        let remote = self.store.remote();
        let before = match self.known_account(&key)? {
            Some(account) => account,
            // Only the remote chain knows it, and the block was executed on it.
            None if remote.is_some() => {
                change.before.map(|info| Account::new(info, REMOTE_STORAGE))
            }
            None => None,
        };
        let is_wiped = change.storage_wiped || change.after.is_none();
        let old_root = before.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let has_slots = remote.is_some() || old_root != EMPTY_ROOT_HASH;
        let mut slots = Vec::with_capacity(change.storage.len());
        if is_wiped && has_slots {
            let mut merged: BTreeMap<_, _> = self
                .slots(&key)?
                .into_iter()
                .map(|(key, before)| {
                    (
                        key,
                        HashedSlot {
                            key,
                            before,
                            after: U256::ZERO,
                        },
                    )
                })
                .collect();
            for (slot, value) in change.storage.iter().filter(|_| change.after.is_some()) {
                let key = keccak256(slot.to_be_bytes::<32>());
                let before = match remote {
                    Some(remote) if old_root == REMOTE_STORAGE && !merged.contains_key(&key) => {
                        remote.storage(address, slot)?
                    }
                    _ => U256::ZERO,
                };
                let fresh = HashedSlot {
                    key,
                    before,
                    after: U256::ZERO,
                };
                merged.entry(key).or_insert(fresh).after = value.after;
            }
            slots.extend(merged.into_values());
        } else if change.after.is_some() {
            slots.extend(change.storage.iter().map(|(slot, value)| HashedSlot {
                key: keccak256(slot.to_be_bytes::<32>()),
                before: if is_wiped { U256::ZERO } else { value.before },
                after: value.after,
            }));
            slots.sort_unstable_by_key(|slot| slot.key);
        }
        slots.retain(|slot| slot.before != slot.after);
        let mark = match remote {
            Some(_) => storage_mark(before, is_wiped),
            None => old_root,
        };
        let after = change.after.map(|info| Account::new(info, mark));
        Ok(HashedAccount {
            key,
            before,
            after,
            slots,
        })
    }

    /// Applies a change that is not a block's, in order to inspect the resulting state.
    pub(crate) fn advance_to(&mut self, mut diff: HashedDiff) -> Result<(), StorageError> {
        self.advance(&mut diff)?;
        self.steps.push(Step::Apply(0, diff));
        Ok(())
    }

    /// Applies a diff to the tries and fills in the storage roots.
    fn advance(&mut self, diff: &mut HashedDiff) -> Result<(), StorageError> {
        if self.store.remote().is_some() {
            self.root = next_root(self.root, diff);
            let known = diff.accounts.iter().filter(|account| !account.is_unknown());
            self.accounts
                .extend(known.map(|account| (account.key, account.after)));
            return Ok(());
        }
        let (accounts, storages) = self.tries_after(diff)?;
        self.root = accounts.root;
        self.dirty.put(None, accounts.nodes);
        for (account, nodes) in storages {
            self.dirty.put(Some(account), nodes);
        }
        self.accounts.extend(
            diff.accounts
                .iter()
                .map(|account| (account.key, account.after)),
        );
        Ok(())
    }

    #[expect(
        clippy::type_complexity,
        reason = "the state trie's update, and nodes by account"
    )]
    fn tries_after(
        &self,
        diff: &mut HashedDiff,
    ) -> Result<(TrieUpdate, Vec<(B256, Vec<NodeChange>)>), StorageError> {
        let storage = |account: &mut HashedAccount| self.storage_after(account);
        let slots: usize = diff
            .accounts
            .iter()
            .map(|account| account.slots.len())
            .sum();
        let mut touched: Vec<_> = diff
            .accounts
            .iter_mut()
            .filter(|account| !account.slots.is_empty())
            .collect();
        let storages = if slots < PARALLEL_SLOTS || touched.len() == 1 {
            touched
                .into_iter()
                .map(storage)
                .collect::<Result<Vec<_>, _>>()?
        } else {
            touched
                .par_iter_mut()
                .map(|account| storage(account))
                .collect::<Result<Vec<_>, _>>()?
        };
        let leaf = |account: &HashedAccount| {
            (
                account.key,
                account.after.map(|account| rlp::encode(&account)),
            )
        };
        let changes: Vec<_> = diff
            .accounts
            .iter()
            .filter(|account| account.before != account.after)
            .map(leaf)
            .collect();
        Ok((update(&self.source(None), self.root, &changes)?, storages))
    }

    fn storage_after(
        &self,
        account: &mut HashedAccount,
    ) -> Result<(B256, Vec<NodeChange>), StorageError> {
        let root = account
            .before
            .map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let value = |slot: &HashedSlot| {
            let value =
                (!slot.after.is_zero()).then(|| encode_uint(&slot.after.to_be_bytes::<32>()));
            (slot.key, value)
        };
        let changes: Vec<_> = account.slots.iter().map(value).collect();
        let updated = update(&self.source(Some(account.key)), root, &changes)?;
        if let Some(after) = &mut account.after {
            after.storage_root = updated.root;
        }
        Ok((account.key, updated.nodes))
    }
}

/// Minimum number of changed accounts in a block for which they are hashed in parallel.
const PARALLEL_ACCOUNTS: usize = 64;
/// Minimum number of changed slots in a block for which storage tries are updated in parallel.
const PARALLEL_SLOTS: usize = 128;

fn find_account<'d>(diff: &'d HashedDiff, key: &B256) -> Option<&'d HashedAccount> {
    let at = diff
        .accounts
        .binary_search_by_key(key, |account| account.key)
        .ok()?;
    Some(&diff.accounts[at])
}
