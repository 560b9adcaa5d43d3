//! State edits by the user of a development chain (`hardhat_setBalance` and the like).
//!
//! An edit is a block of its own, without transactions. The vanity of the header's extra data is
//! the edit's hash. The edit itself is a record in the store, found by that hash when the block is
//! executed. A chain that is not a development chain never looks for edits.

use actoreum_primitives::{
    AccountChange, AccountInfo, Address, B256, Bytes, EMPTY_CODE_HASH, Header, SlotChange,
    StateDiff, StateError, StateReader, U256, alloy_primitives::hex, keccak256, rlp, rlp_struct,
};
use actoreum_storage::{Commit, StorageError, Store};

/// A change of one account outside of transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEdit {
    /// The account.
    pub address: Address,
    /// The change.
    pub change: Edit,
}

/// The field that an edit changes, and its new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Sets the balance, in wei.
    Balance(U256),
    /// Sets the nonce.
    Nonce(u64),
    /// Sets the code; empty removes it.
    Code(Bytes),
    /// Sets a storage slot (the first value) to the second value.
    Slot(U256, U256),
}

/// The stored form of an edit. A number of `kind` never changes its meaning.
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
    /// Returns the Keccak-256 hash of the edit's encoding, to which the block's header commits.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }

    /// Writes the edit to the store, for executions of its block.
    pub fn record(&self, store: &Store) -> Result<(), StorageError> {
        let mut commit = Commit::new();
        commit.put_meta(&name(&self.hash()), &self.encode());
        store.commit(commit)
    }

    /// Returns the edit that a block of a development chain commits to.
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

    /// Returns the state changes of the edit, given the changes `executed` by the block so far over
    /// the parent state `state`.
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
        // An empty account is deleted (EIP-161).
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

/// Returns the name of an edit's record: its hash in hexadecimal.
fn name(hash: &B256) -> String {
    hex::encode(hash)
}
