//! The account record of the state trie.

use alloy_primitives::{B256, U256};

use crate::{AccountInfo, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, rlp_struct};

/// A leaf of the state trie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Number of transactions that the account sent (for a contract: contracts that it created).
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Root of the account's storage trie.
    pub storage_root: B256,
    /// Keccak-256 of the code.
    pub code_hash: B256,
}

rlp_struct!(Account {
    nonce,
    balance,
    storage_root,
    code_hash
});

impl Default for Account {
    fn default() -> Self {
        Self {
            nonce: 0,
            balance: U256::ZERO,
            storage_root: EMPTY_ROOT_HASH,
            code_hash: EMPTY_CODE_HASH,
        }
    }
}

impl Account {
    /// Returns the leaf of an account whose storage trie has the root `storage_root`.
    pub fn new(info: AccountInfo, storage_root: B256) -> Self {
        Self {
            nonce: info.nonce,
            balance: info.balance,
            storage_root,
            code_hash: info.code_hash,
        }
    }

    /// Returns the account without its storage root.
    pub fn info(&self) -> AccountInfo {
        AccountInfo {
            nonce: self.nonce,
            balance: self.balance,
            code_hash: self.code_hash,
        }
    }
}
