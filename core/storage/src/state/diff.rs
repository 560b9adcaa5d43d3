//! A block's state diff by hashed keys, with the tries' roots. It is computed once, for the
//! database and for the tries.

use actoreum_primitives::{Account, B256, Bytes, U256};

/// A slot's value before and after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashedSlot {
    /// Hashed slot: keccak(slot).
    pub key: B256,
    /// Value before the change; zero if there was none.
    pub before: U256,
    /// Value after the change; zero if there is none.
    pub after: U256,
}

/// An account before and after a change, with its storage root and every slot that changed (if its
/// storage was wiped: every slot that it had).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedAccount {
    /// Hashed address: keccak(address).
    pub key: B256,
    /// The account before; `None` if it did not exist.
    pub before: Option<Account>,
    /// The account after; `None` if it no longer exists.
    pub after: Option<Account>,
    /// Changed slots, sorted by key.
    pub slots: Vec<HashedSlot>,
}

impl HashedAccount {
    /// Returns true if the diff changes slots of the account and says nothing about the account
    /// itself, which is that of the remote chain.
    pub(crate) fn is_unknown(&self) -> bool {
        self.before.is_none() && self.after.is_none() && !self.slots.is_empty()
    }
}

/// A [`actoreum_primitives::StateDiff`] with hashed keys, ready for the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HashedDiff {
    /// Changed accounts, sorted by key.
    pub accounts: Vec<HashedAccount>,
    /// Deployed code with its hash.
    pub codes: Vec<(B256, Bytes)>,
}

impl HashedDiff {
    /// Returns the diff that undoes this one. Codes are not removed, because unused codes do no
    /// harm.
    pub fn inverse(&self) -> Self {
        let undo_slot = |slot: &HashedSlot| HashedSlot {
            key: slot.key,
            before: slot.after,
            after: slot.before,
        };
        let undo = |account: &HashedAccount| HashedAccount {
            key: account.key,
            before: account.after,
            after: account.before,
            slots: account.slots.iter().map(undo_slot).collect(),
        };
        Self {
            accounts: self.accounts.iter().map(undo).collect(),
            codes: Vec::new(),
        }
    }
}

/// A step of the state since the last commit.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The block with this number was applied.
    Apply(u64, HashedDiff),
    /// The block with this number, which is in the database, was reverted.
    Revert(u64, HashedDiff),
}

impl Step {
    pub(crate) const fn diff(&self) -> &HashedDiff {
        match self {
            Self::Apply(_, diff) | Self::Revert(_, diff) => diff,
        }
    }
}
