//! Edits of the state by the user of a development chain.
//!
//! An edit is a block of its own, without transactions. Its header commits to the edit: the
//! vanity of its extra data is the edit's hash. The edit itself lies in the store, where whoever
//! executes the block finds it by that hash. A chain that is not a development chain never looks.

use actoreum_primitives::{
    AccountChange, AccountInfo, Address, B256, Bytes, EMPTY_CODE_HASH, Header, SlotChange,
    StateDiff, StateError, StateReader, U256, alloy_primitives::hex, keccak256, rlp, rlp_struct,
};
use actoreum_storage::{Commit, StorageError, Store};

/// A change of one account that no transaction makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEdit {
    /// The account.
    pub address: Address,
    /// What becomes of it.
    pub change: Edit,
}

/// What an edit changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The balance is now this, in wei.
    Balance(U256),
    /// The nonce is now this.
    Nonce(u64),
    /// The code is now this; empty: none.
    Code(Bytes),
    /// A slot of the storage now holds a value.
    Slot(U256, U256),
}

/// An edit on disk. The kinds never change meaning.
struct Encoded {
    address: Address,
    kind: u64,
    slot: U256,
    value: U256,
    code: Bytes,
}

rlp_struct!(Encoded {
    address,
    kind,
    slot,
    value,
    code
});

impl StateEdit {
    /// What the header of the edit's block commits to: Keccak-256 of the edit's encoding.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }

    /// Puts the edit where those who execute its block look for it.
    pub fn record(&self, store: &Store) -> Result<(), StorageError> {
        let mut commit = Commit::new();
        commit.put_meta(&name(&self.hash()), &self.encode());
        store.commit(commit)
    }

    /// The edit that a block of a development chain commits to.
    pub(crate) fn of_block(store: &Store, header: &Header) -> Result<Option<Self>, StorageError> {
        let Some(vanity) = header.extra_data.get(..B256::len_bytes()) else {
            return Ok(None);
        };
        let Some(encoded) = store.meta(&name(&B256::from_slice(vanity)))? else {
            return Ok(None);
        };
        match Self::decode(&encoded) {
            Some(edit) => Ok(Some(edit)),
            None => Err(StorageError::Corrupt("an edit of the state".to_owned())),
        }
    }

    /// What the edit changes in the state that `executed` left over `state`.
    pub fn diff(
        &self,
        state: &dyn StateReader,
        executed: &StateDiff,
    ) -> Result<StateDiff, StateError> {
        let earlier = executed.accounts.get(&self.address);
        let before = match earlier {
            Some(change) => change.after,
            None => state.account(&self.address)?,
        };
        let mut diff = StateDiff::default();
        let mut after = before.unwrap_or_default();
        let mut change = AccountChange {
            before,
            ..AccountChange::default()
        };
        let mut has_storage = before.is_some() && state.has_storage(&self.address)?;
        match &self.change {
            Edit::Balance(balance) => after.balance = *balance,
            Edit::Nonce(nonce) => after.nonce = *nonce,
            Edit::Code(code) if code.is_empty() => after.code_hash = EMPTY_CODE_HASH,
            Edit::Code(code) => {
                after.code_hash = keccak256(code);
                diff.codes.insert(after.code_hash, code.clone());
            }
            Edit::Slot(slot, value) => {
                let written = earlier.and_then(|change| change.storage.get(slot));
                let before = match written {
                    Some(written) => written.after,
                    None => state.storage(&self.address, slot)?,
                };
                let after = *value;
                change.storage.insert(*slot, SlotChange { before, after });
                has_storage |= !value.is_zero();
            }
        }
        // An account that holds nothing is none (EIP-161).
        change.after = (has_storage || !AccountInfo::is_empty(&after)).then_some(after);
        diff.accounts.insert(self.address, change);
        Ok(diff)
    }

    fn encode(&self) -> Vec<u8> {
        let (kind, slot, value, code) = match &self.change {
            Edit::Balance(balance) => (0, U256::ZERO, *balance, Bytes::new()),
            Edit::Nonce(nonce) => (1, U256::ZERO, U256::from(*nonce), Bytes::new()),
            Edit::Code(code) => (2, U256::ZERO, U256::ZERO, code.clone()),
            Edit::Slot(slot, value) => (3, *slot, *value, Bytes::new()),
        };
        let address = self.address;
        rlp::encode(&Encoded {
            address,
            kind,
            slot,
            value,
            code,
        })
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let encoded: Encoded = rlp::decode_exact(bytes).ok()?;
        let change = match encoded.kind {
            0 => Edit::Balance(encoded.value),
            1 => Edit::Nonce(encoded.value.try_into().ok()?),
            2 => Edit::Code(encoded.code),
            3 => Edit::Slot(encoded.slot, encoded.value),
            _ => return None,
        };
        Some(Self {
            address: encoded.address,
            change,
        })
    }
}

/// The record's name: the hash in hexadecimal.
fn name(hash: &B256) -> String {
    hex::encode(hash)
}
