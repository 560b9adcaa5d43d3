//! The state of a remote chain, below that of a chain that was forked off it.
//!
//! A forked store holds what its own blocks changed, and nothing else. A value that it lacks is that
//! of the remote chain at the fork block, which never changes. Four rules follow from it:
//!
//! - A deletion is written as an empty value, because an absent one would be the remote's again.
//! - The storage root of an account says whose storage it has: [`REMOTE_STORAGE`] for slots that the
//!   remote chain may have written too, that of the empty trie for an account that was created or
//!   whose storage was wiped since the fork.
//! - An account with slots on the remote chain is never deleted with its storage, because a later revert
//!   would have to bring back slots that nobody has listed. From Cancun on no instruction deletes the
//!   storage of an earlier block (EIP-6780), and a fork has at least these rules.
//! - There are no tries, whose root would need the whole remote state. The state root of a block is
//!   the Keccak-256 of its parent's and of the block's changes ([`next_root`]).

use actoreum_primitives::{
    Account, AccountInfo, Address, B256, Bytes, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, StateError, U256,
    keccak256,
};

use crate::state::{HashedDiff, encode_account, encode_slot};
use crate::tables::Table;
use crate::{StorageError, Store};

/// The storage root of an account whose slots are the remote chain's, unless they are in the store.
pub(crate) const REMOTE_STORAGE: B256 = B256::ZERO;

/// The state of a remote chain at the block that a chain forks off it. A call may take as long as a
/// few requests over a network; what was read once is expected to be remembered.
pub trait RemoteState: Send + Sync {
    /// Returns the number of the fork block.
    fn fork_block(&self) -> u64;
    /// Returns the account, or `None` if it does not exist.
    ///
    /// # Errors
    /// Returns [`StateError::Remote`] if the remote chain does not answer.
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError>;
    /// Returns the value of a storage slot; zero if it was never written.
    ///
    /// # Errors
    /// Returns [`StateError::Remote`] if the remote chain does not answer.
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError>;
    /// Returns the code with this hash, of an account that was read before; `None` if no such
    /// account has it.
    ///
    /// # Errors
    /// Returns [`StateError::Remote`] if the remote chain does not answer.
    fn code(&self, hash: &B256) -> Result<Option<Bytes>, StateError>;
    /// Returns the hash of the block with this number, at or below the fork block.
    ///
    /// # Errors
    /// Returns [`StateError::Remote`] if the remote chain does not answer.
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError>;
}

impl Store {
    /// Returns the newest committed account, or that of the remote chain.
    pub(crate) fn newest_account(
        &self,
        address: &Address,
        key: &B256,
    ) -> Result<Option<Account>, StateError> {
        match (self.known_account(key)?, self.remote()) {
            (Some(account), _) => Ok(account),
            (None, Some(remote)) => remote_account(remote, address),
            (None, None) => Ok(None),
        }
    }

    /// Returns the newest committed value of a slot, or that of the remote chain. `account` is the
    /// account's record where a layer above the store has one.
    pub(crate) fn newest_slot(
        &self,
        address: &Address,
        slot: &U256,
        keys: (&B256, &B256),
        account: Option<Option<Account>>,
    ) -> Result<U256, StateError> {
        let Some(remote) = self.remote() else {
            return Ok(self.flat_slot(keys.0, keys.1)?);
        };
        if let Some(value) = self.known_slot(keys.0, keys.1)? {
            return Ok(value);
        }
        let account = match account {
            Some(account) => Some(account),
            None => self.known_account(keys.0)?,
        };
        remote_slot(remote, address, slot, account)
    }

    /// Returns a committed account by its hashed address; `None` if the store says nothing about it.
    pub(crate) fn known_account(
        &self,
        key: &B256,
    ) -> Result<Option<Option<Account>>, StorageError> {
        let value = self
            .database()
            .get(&Table::Accounts.key(&[key.as_slice()]))?;
        let account = value.as_deref().map(crate::state::decode_account);
        account.transpose()
    }

    fn known_slot(&self, account: &B256, slot: &B256) -> Result<Option<U256>, StorageError> {
        let key = Table::Slots.key(&[account.as_slice(), slot.as_slice()]);
        let value = self.database().get(&key)?;
        value.as_deref().map(crate::state::decode_slot).transpose()
    }
}

/// Returns an account of the remote chain, with the mark of its storage.
pub(crate) fn remote_account(
    remote: &dyn RemoteState,
    address: &Address,
) -> Result<Option<Account>, StateError> {
    let account = remote.account(address)?;
    Ok(account.map(|info| Account::new(info, REMOTE_STORAGE)))
}

/// Returns a slot that the store says nothing about. `account` is what it says about the account.
pub(crate) fn remote_slot(
    remote: &dyn RemoteState,
    address: &Address,
    slot: &U256,
    account: Option<Option<Account>>,
) -> Result<U256, StateError> {
    let is_remote = account.is_none_or(|account| {
        account.is_some_and(|account| account.storage_root == REMOTE_STORAGE)
    });
    if is_remote {
        remote.storage(address, slot)
    } else {
        Ok(U256::ZERO)
    }
}

/// Returns whether an account may have slots of the remote chain, which cannot be listed: it has code
/// there. `account` is what the store says about the account.
pub(crate) fn has_remote_storage(
    remote: &dyn RemoteState,
    address: &Address,
    account: Option<Option<Account>>,
) -> Result<bool, StateError> {
    let is_remote = account.is_none_or(|account| {
        account.is_some_and(|account| account.storage_root == REMOTE_STORAGE)
    });
    let has_code = |account: AccountInfo| account.code_hash != EMPTY_CODE_HASH;
    Ok(is_remote && remote.account(address)?.is_some_and(has_code))
}

/// Returns the mark of an account's storage after a change: that before, unless the storage was
/// wiped or the account is new.
pub(crate) fn storage_mark(before: Option<Account>, is_wiped: bool) -> B256 {
    match before {
        Some(before) if !is_wiped => before.storage_root,
        _ => EMPTY_ROOT_HASH,
    }
}

/// Returns the state root of a block of a forked chain: Keccak-256 of its parent's root and of the
/// changed accounts and slots, in the order of their hashed keys.
pub(crate) fn next_root(parent: B256, diff: &HashedDiff) -> B256 {
    let mut input = parent.to_vec();
    for account in &diff.accounts {
        if account.before == account.after && account.slots.is_empty() {
            continue;
        }
        let after = account.after.as_ref().map(encode_account);
        put(&mut input, account.key.as_slice());
        put(&mut input, &after.unwrap_or_default());
        for slot in &account.slots {
            put(&mut input, slot.key.as_slice());
            put(&mut input, &encode_slot(&slot.after));
        }
    }
    keccak256(input)
}

/// Appends a part and its length, so that no two lists of parts have the same bytes.
fn put(input: &mut Vec<u8>, part: &[u8]) {
    input.extend_from_slice(&(part.len() as u64).to_be_bytes());
    input.extend_from_slice(part);
}
