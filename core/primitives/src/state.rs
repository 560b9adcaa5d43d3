//! Accounts, and the change that a block makes to the state.
//!
//! These types stand between the crates that execute (`core/evm`), that keep
//! (`core/storage`) and that order (`core/chain`), which know nothing of each other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use alloy_primitives::{Address, B256, Bytes, U256};

/// An account as the EVM sees it: without its storage root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountInfo {
    /// Transactions sent (or contracts created) so far.
    pub nonce: u64,
    /// In wei.
    pub balance: U256,
    /// Keccak-256 of the code; [`crate::EMPTY_CODE_HASH`] where there is none.
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
    /// Empty in the sense of EIP-161: no nonce, no balance, no code.
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
    /// The account before the change; `None` where it did not exist.
    pub before: Option<AccountInfo>,
    /// The account after the change; `None` where it no longer exists.
    pub after: Option<AccountInfo>,
    /// All storage from before was wiped (self-destruct, or re-creation);
    /// `storage` then holds what was written afterwards, with `before` as it was
    /// where that is known and zero elsewhere.
    pub storage_wiped: bool,
    /// Slots by key.
    pub storage: HashMap<U256, SlotChange>,
}

/// Everything that a block (or a run of blocks) changes in the state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateDiff {
    /// Changed accounts.
    pub accounts: HashMap<Address, AccountChange>,
    /// Code that was deployed, by its hash.
    pub codes: HashMap<B256, Bytes>,
}

impl StateDiff {
    /// Adds a change that came after this one, so that both together are one: what was before
    /// is this diff's where it knows it, what is after is the later one's. What ends as it
    /// began stays listed.
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
            // What this change wrote is gone. The slots stay listed: they know what was
            // before.
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

/// A state that can be read: the store at a block, a buffer over it, a test's map.
pub trait StateReader {
    /// The account, or `None` where it does not exist.
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError>;
    /// A storage slot's value; zero where it was never written.
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError>;
    /// Code by its hash; empty for [`crate::EMPTY_CODE_HASH`].
    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError>;
    /// Whether any slot of the account's storage is not zero. Asked only of an account without
    /// nonce and code that a contract is about to be created at (EIP-7610): such storage can
    /// stand in a genesis, and in test vectors.
    fn has_storage(&self, address: &Address) -> Result<bool, StateError> {
        let _ = address;
        Ok(false)
    }
}

/// The hashes of earlier blocks, for the BLOCKHASH instruction.
pub trait BlockHashes {
    /// The hash of the ancestor with this number.
    fn block_hash(&self, number: u64) -> Result<B256, StateError>;
}

/// Why a state could not be read. A caller cannot mend it: the operation fails.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// The state of that block is no longer (or not yet) held.
    #[error("state of block {0} is not available: it was pruned or never executed")]
    Missing(u64),
    /// What was read contradicts itself: the database needs `actoreum db repair`.
    #[error("corrupt state: {0}")]
    Corrupt(String),
    /// The storage engine failed.
    #[error("state storage failed: {0}")]
    Backend(String),
}

#[cfg(test)]
mod tests;
