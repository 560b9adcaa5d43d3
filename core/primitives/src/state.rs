//! Accounts and state diffs.
//!
//! These types are the interface between the crates that execute blocks (`core/evm`), store them
//! (`core/storage`) and import them (`core/chain`). Those crates do not depend on one another for
//! it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use alloy_primitives::{Address, B256, Bytes, U256};

/// An account as the EVM sees it: without its storage root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountInfo {
    /// Number of transactions that the account sent (for a contract: contracts that it created).
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Keccak-256 of the code; [`crate::EMPTY_CODE_HASH`] for an account without code.
    pub code_hash: B256,
}

impl Default for AccountInfo {
    fn default() -> Self {
        Self {
            nonce: 0,
            balance: U256::ZERO,
            code_hash: crate::EMPTY_CODE_HASH,
        }
    }
}

impl AccountInfo {
    /// Returns true if the account is empty in the sense of EIP-161: no nonce, no balance, no code.
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == crate::EMPTY_CODE_HASH
    }
}

/// A storage slot before and after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotChange {
    /// The value before the first change.
    pub before: U256,
    /// The value after the last change; zero deletes the slot.
    pub after: U256,
}

/// An account before and after a change, with the slots that changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// The account before the change; `None` if it did not exist.
    pub before: Option<AccountInfo>,
    /// The account after the change; `None` if it no longer exists.
    pub after: Option<AccountInfo>,
    /// True if all earlier storage was wiped (self-destruct, or re-creation). `storage` then holds
    /// the slots written afterwards; their `before` is the value before the wipe if it is known,
    /// otherwise zero.
    pub storage_wiped: bool,
    /// Changed slots by key.
    pub storage: HashMap<U256, SlotChange>,
}

/// All changes that a block (or a run of blocks) makes to the state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateDiff {
    /// Changed accounts by address.
    pub accounts: HashMap<Address, AccountChange>,
    /// Deployed code by its hash.
    pub codes: HashMap<B256, Bytes>,
}

impl StateDiff {
    /// Merges a later diff into this one. The value before a change is taken from this diff if it
    /// has one, the value after a change from the later diff. An entry whose two values are equal
    /// stays in the diff.
    pub fn merge(&mut self, later: Self) {
        for (address, change) in later.accounts {
            match self.accounts.entry(address) {
                Entry::Occupied(mut earlier) => earlier.get_mut().merge(change),
                Entry::Vacant(vacant) => {
                    vacant.insert(change);
                }
            }
        }
        self.codes.extend(later.codes);
    }
}

impl AccountChange {
    fn merge(&mut self, later: Self) {
        self.after = later.after;
        if later.storage_wiped {
            self.storage_wiped = true;
            // The wipe removes what the earlier change wrote. The slots stay listed, because they
            // hold the values from before.
            for slot in self.storage.values_mut() {
                slot.after = U256::ZERO;
            }
        }
        for (key, change) in later.storage {
            self.storage
                .entry(key)
                .and_modify(|slot| slot.after = change.after)
                .or_insert(change);
        }
    }
}

/// The state after changes that are not in the store.
#[derive(Clone, Copy)]
pub struct StateAfter<'a> {
    /// The state before the changes.
    pub below: &'a dyn StateReader,
    /// The changes.
    pub diff: &'a StateDiff,
}

impl StateReader for StateAfter<'_> {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        match self.diff.accounts.get(address) {
            Some(change) => Ok(change.after),
            None => self.below.account(address),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        if let Some(change) = self.diff.accounts.get(address) {
            if let Some(value) = change.storage.get(slot) {
                return Ok(value.after);
            }
            if change.storage_wiped || change.after.is_none() {
                return Ok(U256::ZERO);
            }
        }
        self.below.storage(address, slot)
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError> {
        match self.diff.codes.get(code_hash) {
            Some(code) => Ok(code.clone()),
            None => self.below.code(code_hash),
        }
    }

    fn has_storage(&self, address: &Address) -> Result<bool, StateError> {
        if let Some(change) = self.diff.accounts.get(address) {
            if change.storage.values().any(|slot| !slot.after.is_zero()) {
                return Ok(true);
            }
            if change.storage_wiped || change.after.is_none() {
                return Ok(false);
            }
        }
        self.below.has_storage(address)
    }
}

/// A readable state: the store at a block, a buffer over it, or a test's map.
pub trait StateReader {
    /// Returns the account, or `None` if it does not exist.
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError>;
    /// Returns the value of a storage slot; zero if it was never written.
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError>;
    /// Returns code by its hash; empty for [`crate::EMPTY_CODE_HASH`].
    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError>;
    /// Returns true if any slot of the account's storage is not zero. The caller asks only about an
    /// account without nonce and code at whose address a contract is about to be created
    /// (EIP-7610). Such storage can occur in a genesis and in test vectors.
    fn has_storage(&self, address: &Address) -> Result<bool, StateError> {
        let _ = address;
        Ok(false)
    }
}

/// Reader of the hashes of earlier blocks, for the BLOCKHASH instruction.
pub trait BlockHashes {
    /// Returns the hash of the ancestor with this number.
    fn block_hash(&self, number: u64) -> Result<B256, StateError>;
}

/// An error of reading the state. The caller cannot recover from it: the operation fails.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// The state of that block was pruned or was never executed.
    #[error("state of block {0} is not available: it was pruned or never executed")]
    Missing(u64),
    /// The stored data are inconsistent; the operator must run `actoreum db repair`.
    #[error("corrupt state: {0}")]
    Corrupt(String),
    /// The storage engine failed.
    #[error("state storage failed: {0}")]
    Backend(String),
    /// The remote chain that this one was forked off did not give what was asked of it.
    #[error("remote chain: {0}")]
    Remote(String),
}

#[cfg(test)]
mod tests;
