//! A read-only view of the state after a block.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actoreum_primitives::{
    Account, AccountInfo, Address, B256, Bytes, EMPTY_ROOT_HASH, StateError, StateReader, U256,
    keccak256,
};

use super::codec::{decode_account, decode_slot};
use crate::limits::READ_RETRIES;
use crate::remote::{has_remote_storage, remote_account, remote_slot};
use crate::tables::Table;
use crate::{StorageError, Store};

/// The state after one block. It is cheap to clone. Many threads may read through it while the
/// writer commits; they wait for it only while it reverts blocks.
///
/// The value at block B is the first history entry of a block after B, or the flat value if there
/// is none. The flat value is read first: a commit writes history before flat values, so a reader
/// that saw a value from after B also finds the entry with the earlier value.
#[derive(Clone)]
pub struct StateView {
    store: Store,
    number: u64,
    /// Counter of reverts when this view was last known to be unaffected by them.
    reverts: Arc<AtomicU64>,
}

impl StateView {
    pub(crate) fn new(store: Store, number: u64, reverts: u64) -> Self {
        Self {
            store,
            number,
            reverts: Arc::new(AtomicU64::new(reverts)),
        }
    }

    /// Returns the block's number.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Returns the account with its storage root, by its hashed address. On a forked chain `None`
    /// may also mean that the account is the remote chain's.
    pub fn hashed_account(&self, key: &B256) -> Result<Option<Account>, StorageError> {
        Ok(self.known_account(key)?.flatten())
    }

    /// Returns the account by its hashed address; `None` if the store says nothing about it.
    fn known_account(&self, key: &B256) -> Result<Option<Option<Account>>, StorageError> {
        let flat = Table::Accounts.key(&[key.as_slice()]);
        self.read(&flat, Table::AccountHistory, decode_account)
    }

    /// Returns a slot's value, by hashed address and hashed slot.
    pub fn hashed_slot(&self, account: &B256, slot: &B256) -> Result<U256, StorageError> {
        Ok(self.known_slot(account, slot)?.unwrap_or_default())
    }

    /// Returns a slot's value by its hashed keys; `None` if the store says nothing about it.
    fn known_slot(&self, account: &B256, slot: &B256) -> Result<Option<U256>, StorageError> {
        let flat = Table::Slots.key(&[account.as_slice(), slot.as_slice()]);
        self.read(&flat, Table::SlotHistory, decode_slot)
    }

    fn read<T>(
        &self,
        flat: &[u8],
        history: Table,
        decode: impl FnOnce(&[u8]) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        for _ in 0..READ_RETRIES {
            let before = self.store.reverts_begun();
            if self.store.is_reverting() {
                // A commit takes as long as its disk does.
                self.store.wait_for_commit();
                continue;
            }
            let value = self.read_once(flat, history)?;
            if self.store.reverts_begun() != before {
                continue;
            }
            self.check_reverts(before)?;
            if self.number < self.store.oldest_state() {
                return Err(StorageError::MissingState(self.number));
            }
            return value.as_deref().map(decode).transpose();
        }
        Err(StorageError::MissingState(self.number))
    }

    fn read_once(&self, flat: &[u8], history: Table) -> Result<Option<Vec<u8>>, StorageError> {
        let value = self.store.database().get(flat)?;
        if self.store.newest_begun() <= self.number {
            return Ok(value);
        }
        let mut start = flat.to_vec();
        start[0] = history as u8;
        start.extend_from_slice(&(self.number + 1).to_be_bytes());
        let entry = self.store.database().seek(&start)?;
        let prefix = &start[..flat.len()];
        Ok(match entry {
            Some((key, old)) if key.len() == start.len() && key.starts_with(prefix) => Some(old),
            _ => value,
        })
    }

    /// Returns an error if a revert went below this view's block, which removed the view's state.
    fn check_reverts(&self, now: u64) -> Result<(), StorageError> {
        let known = self.reverts.load(Ordering::Relaxed);
        if known == now {
            return Ok(());
        }
        if self.store.lowest_revert_since(known) < self.number {
            return Err(StorageError::MissingState(self.number));
        }
        self.reverts.store(now, Ordering::Relaxed);
        Ok(())
    }
}

impl StateReader for StateView {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        let account = match (
            self.known_account(&keccak256(address))?,
            self.store.remote(),
        ) {
            (Some(account), _) => account,
            (None, Some(remote)) => remote_account(remote, address)?,
            (None, None) => None,
        };
        Ok(account.map(|account| account.info()))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let (account, key) = (keccak256(address), keccak256(slot.to_be_bytes::<32>()));
        match (self.known_slot(&account, &key)?, self.store.remote()) {
            (Some(value), _) => Ok(value),
            (None, Some(remote)) => {
                remote_slot(remote, address, slot, self.known_account(&account)?)
            }
            (None, None) => Ok(U256::ZERO),
        }
    }

    fn has_storage(&self, address: &Address) -> Result<bool, StateError> {
        let key = keccak256(address);
        if let Some(remote) = self.store.remote() {
            let known = self.known_account(&key)?;
            return Ok(!self.store.flat_slots(&key)?.is_empty()
                || has_remote_storage(remote, address, known)?);
        }
        let account = self.hashed_account(&key)?;
        Ok(account.is_some_and(|account| account.storage_root != EMPTY_ROOT_HASH))
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError> {
        Ok(self.store.code(code_hash)?)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::db::{Database, MemoryDatabase, Visitor, WriteBatch};
    use crate::{Commit, StoreOptions};

    /// A database whose commits take long.
    #[derive(Default)]
    struct SlowDatabase(MemoryDatabase);

    impl Database for SlowDatabase {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
            self.0.get(key)
        }

        fn visit(
            &self,
            start: &[u8],
            end: Option<&[u8]>,
            visitor: &mut Visitor<'_>,
        ) -> Result<(), StorageError> {
            self.0.visit(start, end, visitor)
        }

        fn commit(&self, batch: &WriteBatch) -> Result<(), StorageError> {
            thread::sleep(Duration::from_millis(300));
            self.0.commit(batch)
        }

        fn flush(&self) -> Result<(), StorageError> {
            self.0.flush()
        }

        fn size(&self) -> Result<u64, StorageError> {
            self.0.size()
        }
    }

    #[test]
    fn a_read_waits_for_the_end_of_a_slow_revert() {
        let database = Arc::new(SlowDatabase::default());
        let options = StoreOptions::default();
        let store = Store::assemble(database, None, None, options, None).unwrap();
        let view = StateView::new(store.clone(), 0, store.reverts_begun());
        let revert = Commit {
            reverted_to: Some(0),
            ..Commit::new()
        };
        thread::scope(|scope| {
            scope.spawn(|| store.commit(revert).unwrap());
            while !store.is_reverting() {
                thread::yield_now();
            }
            assert_eq!(view.hashed_account(&B256::ZERO).unwrap(), None);
        });
    }
}
