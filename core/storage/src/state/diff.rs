//! What a block changes, by hashed keys, with the tries' roots: what the database
//! and the tries need, worked out once.

use actoreum_primitives::{Account, B256, Bytes, U256};

/// A slot's value before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashedSlot {
    /// keccak(slot).
    pub key: B256,
    /// The value before; zero where there was none.
    pub before: U256,
    /// The value after; zero where there is none.
    pub after: U256,
}

/// An account before and after, with its storage root, and every slot that changed
/// (where storage was wiped: every slot that it had).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedAccount {
    /// keccak(address).
    pub key: B256,
    /// The account before; `None` where it did not exist.
    pub before: Option<Account>,
    /// The account after; `None` where it no longer exists.
    pub after: Option<Account>,
    /// Sorted by key.
    pub slots: Vec<HashedSlot>,
}

/// A [`actoreum_primitives::StateDiff`] ready for the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HashedDiff {
    /// Sorted by key.
    pub accounts: Vec<HashedAccount>,
    /// Code by its hash.
    pub codes: Vec<(B256, Bytes)>,
}

impl HashedDiff {
    /// The change that undoes this one. Codes stay: they hurt nobody.
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

/// A step that the state took since the last commit.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The block with this number was applied.
    Apply(u64, HashedDiff),
    /// The block with this number, which is in the database, was undone.
    Revert(u64, HashedDiff),
}

impl Step {
    pub(crate) const fn diff(&self) -> &HashedDiff {
        match self {
            Self::Apply(_, diff) | Self::Revert(_, diff) => diff,
        }
    }
}
