//! The flat state of blocks that are not committed yet.

use actoreum_primitives::{
    Account, AccountInfo, Address, B256, Bytes, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, StateDiff,
    StateError, StateReader, U256, keccak256,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::diff::HashedDiff;
use crate::Store;
use crate::limits::{CACHE_BYTES_PER_SLOT, FLAT_CACHE_SLOTS};
use crate::remote::has_remote_storage;

/// A value with the mark of the change that wrote it.
#[derive(Debug, Clone, Copy)]
struct Marked<T> {
    value: T,
    mark: u64,
}

#[derive(Debug, Default)]
struct BufferedAccount {
    info: Option<Marked<Option<AccountInfo>>>,
    /// Mark of the change that wiped the storage. Slots that are not in `slots` are zero then.
    wiped: Option<u64>,
    slots: FxHashMap<U256, Marked<U256>>,
}

/// The flat state of the newest executed block; its newest changes are in memory.
///
/// [`Self::apply`] is cheap, because it hashes nothing. Each change has a mark. When a commit that
/// contains the change is done, [`Self::committed`] turns the change into a cache entry.
pub struct FlatBuffer {
    store: Store,
    mark: u64,
    committed: u64,
    accounts: FxHashMap<Address, BufferedAccount>,
    slots: usize,
    codes: FxHashMap<B256, Marked<Bytes>>,
    reverted: RevertedLayer,
}

/// Values that reverts restored, by hashed keys. The layer is below `accounts` and above the store.
#[derive(Debug, Default)]
struct RevertedLayer {
    mark: u64,
    accounts: FxHashMap<B256, Option<Account>>,
    /// Accounts whose storage in the layers below is wiped.
    wiped: FxHashSet<B256>,
    slots: FxHashMap<(B256, B256), U256>,
}

impl FlatBuffer {
    /// Creates a buffer over the store's head.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            mark: 0,
            committed: 0,
            accounts: FxHashMap::default(),
            slots: 0,
            codes: FxHashMap::default(),
            reverted: RevertedLayer::default(),
        }
    }

    /// Applies a block's diff and returns its mark.
    pub fn apply(&mut self, diff: &StateDiff) -> u64 {
        self.mark += 1;
        let mark = self.mark;
        for (address, change) in &diff.accounts {
            let account = self.accounts.entry(*address).or_default();
            account.info = Some(Marked {
                value: change.after,
                mark,
            });
            if change.storage_wiped || change.after.is_none() {
                self.slots -= account.slots.len();
                account.slots.clear();
                account.wiped = Some(mark);
            }
            if change.after.is_none() {
                continue;
            }
            for (slot, value) in &change.storage {
                let marked = Marked {
                    value: value.after,
                    mark,
                };
                self.slots += usize::from(account.slots.insert(*slot, marked).is_none());
            }
        }
        for (hash, code) in &diff.codes {
            self.codes.insert(
                *hash,
                Marked {
                    value: code.clone(),
                    mark,
                },
            );
        }
        mark
    }

    /// Applies the diff that [`crate::TrieBuffer::revert`] returned, and returns its mark.
    pub fn revert(&mut self, inverse: &HashedDiff) -> u64 {
        self.mark += 1;
        let addresses: Vec<_> = self.accounts.keys().copied().collect();
        let by_hash: FxHashMap<_, _> = addresses
            .into_iter()
            .map(|address| (keccak256(address), address))
            .collect();
        self.reverted.mark = self.mark;
        for account in &inverse.accounts {
            if let Some(address) = by_hash.get(&account.key) {
                self.demote(account.key, *address);
            }
            if !account.is_unknown() {
                self.reverted.accounts.insert(account.key, account.after);
            }
            for slot in &account.slots {
                self.reverted
                    .slots
                    .insert((account.key, slot.key), slot.after);
            }
        }
        self.mark
    }

    /// Moves an account's entries to the layer of hashed keys.
    fn demote(&mut self, key: B256, address: Address) {
        let Some(account) = self.accounts.remove(&address) else {
            return;
        };
        self.slots -= account.slots.len();
        if account.wiped.is_some() {
            self.reverted.wiped.insert(key);
            self.reverted
                .slots
                .retain(|(account, _), _| *account != key);
        }
        for (slot, value) in account.slots {
            let slot = keccak256(slot.to_be_bytes::<32>());
            self.reverted.slots.insert((key, slot), value.value);
        }
    }

    /// Returns the mark of the newest change, up to which a commit that begins now contains all
    /// changes.
    pub const fn mark(&self) -> u64 {
        self.mark
    }

    /// Reports that everything up to `mark` is in the database.
    pub fn committed(&mut self, mark: u64) {
        self.committed = mark;
        if self.reverted.mark <= mark {
            self.reverted = RevertedLayer::default();
        }
        self.codes.retain(|_, code| code.mark > mark);
        for account in self.accounts.values_mut() {
            if account.wiped.is_some_and(|wiped| wiped <= mark) {
                account.wiped = None;
            }
        }
        let of_cache = self.store.options().cache_bytes / CACHE_BYTES_PER_SLOT;
        let limit = of_cache.min(FLAT_CACHE_SLOTS as u64);
        if (self.accounts.len() + self.slots) as u64 <= limit {
            return;
        }
        self.accounts.retain(|_, account| {
            account.slots.retain(|_, slot| slot.mark > mark);
            account.info = account.info.take_if(|info| info.mark > mark);
            account.info.is_some() || account.wiped.is_some() || !account.slots.is_empty()
        });
        self.slots = self
            .accounts
            .values()
            .map(|account| account.slots.len())
            .sum();
    }

    /// Returns the store below the buffer.
    pub const fn store(&self) -> &Store {
        &self.store
    }
}

impl StateReader for FlatBuffer {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        if let Some(info) = self.accounts.get(address).and_then(|account| account.info) {
            return Ok(info.value);
        }
        let key = keccak256(address);
        if let Some(info) = self.reverted.accounts.get(&key) {
            return Ok(info.map(|account| account.info()));
        }
        let account = self.store.newest_account(address, &key)?;
        Ok(account.map(|account| account.info()))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        if let Some(account) = self.accounts.get(address) {
            if let Some(value) = account.slots.get(slot) {
                return Ok(value.value);
            }
            if account.wiped.is_some() {
                return Ok(U256::ZERO);
            }
        }
        let (account, key) = (keccak256(address), keccak256(slot.to_be_bytes::<32>()));
        if let Some(value) = self.reverted.slots.get(&(account, key)) {
            return Ok(*value);
        }
        if self.reverted.wiped.contains(&account) {
            return Ok(U256::ZERO);
        }
        let reverted = self.reverted.accounts.get(&account).copied();
        self.store
            .newest_slot(address, slot, (&account, &key), reverted)
    }

    /// Answers from the storage root in the store if the buffer holds none of the account's slots.
    /// That is correct because the caller asks only about accounts without code, and such an
    /// account changes no slot.
    fn has_storage(&self, address: &Address) -> Result<bool, StateError> {
        if let Some(account) = self.accounts.get(address) {
            if account.slots.values().any(|slot| !slot.value.is_zero()) {
                return Ok(true);
            }
            if account.wiped.is_some() {
                return Ok(false);
            }
        }
        let key = keccak256(address);
        let mut reverted = self.reverted.slots.iter();
        if reverted.any(|((account, _), value)| *account == key && !value.is_zero()) {
            return Ok(true);
        }
        if self.reverted.wiped.contains(&key) {
            return Ok(false);
        }
        if let Some(remote) = self.store.remote() {
            let known = match self.reverted.accounts.get(&key) {
                Some(account) => Some(*account),
                None => self.store.known_account(&key)?,
            };
            return Ok(!self.store.flat_slots(&key)?.is_empty()
                || has_remote_storage(remote, address, known)?);
        }
        let account = self.store.flat_account(&key)?;
        Ok(account.is_some_and(|account| account.storage_root != EMPTY_ROOT_HASH))
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError> {
        if *code_hash == EMPTY_CODE_HASH {
            return Ok(Bytes::new());
        }
        match self.codes.get(code_hash) {
            Some(code) => Ok(code.value.clone()),
            None => Ok(self.store.code(code_hash)?),
        }
    }
}
