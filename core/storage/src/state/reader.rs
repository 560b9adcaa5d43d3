//! Reads of the state from the store.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use actoreum_primitives::{Account, B256, Bytes, EMPTY_CODE_HASH, U256};

use super::TrieBuffer;
use super::codec::{decode_account, decode_slot};
use super::diff::{HashedAccount, HashedDiff, HashedSlot};
use super::history::ChangeList;
use super::view::StateView;
use crate::tables::{Table, after_prefix};
use crate::{StorageError, Store};

impl Store {
    /// Returns the state after block `number` of the canonical chain.
    ///
    /// # Errors
    /// Returns [`StorageError::MissingState`] above the head and where history was pruned.
    pub fn state_at(&self, number: u64) -> Result<StateView, StorageError> {
        let reverts = self.reverts_begun();
        let head = self.head().ok_or(StorageError::MissingState(number))?;
        if number > head.number || number < self.oldest_state() {
            return Err(StorageError::MissingState(number));
        }
        Ok(StateView::new(self.clone(), number, reverts))
    }

    /// Returns code by its hash; empty for the hash of the empty code.
    pub fn code(&self, hash: &B256) -> Result<Bytes, StorageError> {
        if *hash == EMPTY_CODE_HASH {
            return Ok(Bytes::new());
        }
        let code = self.find_code(hash)?;
        code.ok_or_else(|| StorageError::Corrupt(format!("code {hash} is missing")))
    }

    /// Returns code by a hash that a peer gave; `None` if there is no such code.
    pub fn find_code(&self, hash: &B256) -> Result<Option<Bytes>, StorageError> {
        if let Some(code) = self.cached_code(hash) {
            return Ok(Some(code));
        }
        let key = Table::Codes.key(&[hash.as_slice()]);
        let code = match (self.database().get(&key)?, self.remote()) {
            (Some(code), _) => Bytes::from(code),
            (None, Some(remote)) => match remote.code(hash)? {
                Some(code) => code,
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        self.cache_code(*hash, &code);
        Ok(Some(code))
    }

    /// Returns the newest committed value of an account, by its hashed address.
    pub(crate) fn flat_account(&self, key: &B256) -> Result<Option<Account>, StorageError> {
        Ok(self.known_account(key)?.flatten())
    }

    /// Returns the newest committed value of a slot, by its hashed keys.
    pub(crate) fn flat_slot(&self, account: &B256, slot: &B256) -> Result<U256, StorageError> {
        let key = Table::Slots.key(&[account.as_slice(), slot.as_slice()]);
        let value = self.database().get(&key)?;
        decode_slot(value.as_deref().unwrap_or_default())
    }

    /// Returns every committed slot of an account that is not zero, by its hashed address.
    pub fn flat_slots(&self, account: &B256) -> Result<BTreeMap<B256, U256>, StorageError> {
        let mut slots = BTreeMap::new();
        self.visit_prefix(&Table::Slots.key(&[account.as_slice()]), |key, value| {
            let slot = key.get(33..65).map(B256::from_slice);
            let slot =
                slot.ok_or_else(|| StorageError::Corrupt("a slot's key is truncated".into()))?;
            let value = decode_slot(value)?;
            // A forked chain keeps the slots that it set to zero.
            if !value.is_zero() {
                slots.insert(slot, value);
            }
            Ok(())
        })?;
        Ok(slots)
    }

    /// Calls `visitor` with every committed account and its hashed address, in order.
    pub fn visit_accounts(
        &self,
        mut visitor: impl FnMut(B256, Account) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let keeps_deletions = self.remote().is_some();
        self.visit_prefix(&Table::Accounts.key(&[]), |key, value| {
            if keeps_deletions && value.is_empty() {
                return Ok(());
            }
            let account = decode_account(value)?;
            let parts = key.get(1..33).zip(account).filter(|_| key.len() == 33);
            let (key, account) =
                parts.ok_or_else(|| StorageError::Corrupt("an account is unreadable".into()))?;
            visitor(B256::from_slice(key), account)
        })
    }

    /// Calls `visitor` with every entry whose key begins with `prefix`, in order.
    pub(crate) fn visit_prefix(
        &self,
        prefix: &[u8],
        mut visitor: impl FnMut(&[u8], &[u8]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut outcome = Ok(());
        let end = after_prefix(prefix);
        self.database()
            .visit(prefix, end.as_deref(), &mut |key, value| {
                outcome = visitor(key, value);
                if outcome.is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
        outcome
    }

    /// Returns the list of changes of block `number`.
    pub(crate) fn change_list(&self, number: u64) -> Result<ChangeList, StorageError> {
        let list = self.database().get(&ChangeList::key(number))?;
        ChangeList::decode(&list.ok_or(StorageError::MissingState(number.saturating_sub(1)))?)
    }

    /// Returns the diff that reverts committed block `number`, on top of `buffer`.
    pub(crate) fn inverse_of(
        &self,
        number: u64,
        buffer: &TrieBuffer,
    ) -> Result<HashedDiff, StorageError> {
        let missing = || StorageError::Corrupt(format!("history of block {number} is missing"));
        let block = number.to_be_bytes();
        let mut accounts = Vec::new();
        for changed in self.change_list(number)?.accounts {
            let before = buffer.account(&changed.key)?;
            let after = if changed.has_changed {
                let key = Table::AccountHistory.key(&[changed.key.as_slice(), &block]);
                decode_account(&self.database().get(&key)?.ok_or_else(missing)?)?
            } else {
                before
            };
            let mut slots = Vec::with_capacity(changed.slots.len());
            for key in changed.slots {
                let parts: &[&[u8]] = &[changed.key.as_slice(), key.as_slice(), &block];
                let old = self.database().get(&Table::SlotHistory.key(parts))?;
                let after = decode_slot(&old.ok_or_else(missing)?)?;
                let before = buffer.slot(&changed.key, &key)?;
                slots.push(HashedSlot { key, before, after });
            }
            accounts.push(HashedAccount {
                key: changed.key,
                before,
                after,
                slots,
            });
        }
        Ok(HashedDiff {
            accounts,
            codes: Vec::new(),
        })
    }
}
