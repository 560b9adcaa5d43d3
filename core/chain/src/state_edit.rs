//! State edits by the user of a development chain (`hardhat_setBalance` and the like).
//!
//! An edit is a block of its own, without transactions. The vanity of the header's extra data is
//! the edit's hash. The edit itself is a record in the store, found by that hash when the block is
//! executed. A chain that is not a development chain never looks for edits.

use actoreum_primitives::{
    AccountChange, AccountInfo, Address, B256, Bytes, EMPTY_CODE_HASH, Header, SlotChange,
    StateDiff, StateError, StateReader, U256,
    alloy_primitives::hex,
    config::{DevSchedule, SignatureBytes},
    keccak256, rlp, rlp_struct,
};
use actoreum_storage::{Commit, StorageError, Store};

/// Changes of accounts outside of transactions, which one block makes in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEdit(Vec<AccountEdit>);

/// A change of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEdit {
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
    /// Sets the chain id, from the block of the edit on. The account has no meaning.
    ChainId(u64),
    /// Has ECRECOVER return the account for this signature, from the block of the edit on.
    Signer(SignatureBytes),
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
    /// Creates an edit of one field of one account.
    pub fn new(address: Address, change: Edit) -> Self {
        Self(vec![AccountEdit { address, change }])
    }

    /// Creates an edit that makes all these changes, in their order.
    pub fn of(changes: Vec<AccountEdit>) -> Self {
        Self(changes)
    }

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
    pub fn of_block(store: &Store, header: &Header) -> Result<Option<Self>, StorageError> {
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
        let mut diff = StateDiff::default();
        let mut so_far = executed.clone();
        for edit in &self.0 {
            let change = edit.diff(state, &so_far)?;
            so_far.merge(change.clone());
            diff.merge(change);
        }
        Ok(diff)
    }

    /// Returns the accounts that the edit changes, and the slots in them.
    pub fn touched(&self) -> impl Iterator<Item = (Address, Option<U256>)> {
        self.0.iter().filter_map(|edit| match edit.change {
            Edit::Slot(slot, _) => Some((edit.address, Some(slot))),
            Edit::Balance(_) | Edit::Nonce(_) | Edit::Code(_) => Some((edit.address, None)),
            Edit::ChainId(_) | Edit::Signer(_) => None,
        })
    }

    /// Writes the changes of rules to `schedule`, for the block `number` of the edit. Returns whether
    /// there are any.
    pub(crate) fn schedule(&self, number: u64, schedule: &mut DevSchedule) -> bool {
        let mut changes = false;
        for edit in &self.0 {
            match edit.change {
                Edit::ChainId(chain_id) => schedule.set_chain_id(number, chain_id),
                Edit::Signer(signature) => schedule.set_signer(number, signature, edit.address),
                Edit::Balance(_) | Edit::Nonce(_) | Edit::Code(_) | Edit::Slot(..) => continue,
            }
            changes = true;
        }
        changes
    }

    /// Encodes one change as a record of its own, and any other number of them as a list of
    /// records.
    fn encode(&self) -> Vec<u8> {
        match self.0.as_slice() {
            [one] => rlp::encode(&one.encoded()),
            all => rlp::encode(&all.iter().map(AccountEdit::encoded).collect::<Vec<_>>()),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        // A record begins with an address, and a list of records with a list.
        let records = match rlp::decode_exact::<Encoded>(bytes) {
            Ok(one) => vec![one],
            Err(_) => rlp::decode_exact(bytes).ok()?,
        };
        let changes: Option<Vec<_>> = records.into_iter().map(AccountEdit::decoded).collect();
        changes.map(Self)
    }
}

impl AccountEdit {
    fn diff(&self, state: &dyn StateReader, executed: &StateDiff) -> Result<StateDiff, StateError> {
        if let Edit::ChainId(_) | Edit::Signer(_) = self.change {
            return Ok(StateDiff::default());
        }
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
        let mut has_storage = earlier.is_some_and(|change| {
            let mut slots = change.storage.values();
            slots.any(|slot| !slot.after.is_zero())
        });
        has_storage |= before.is_some() && state.has_storage(&self.address)?;
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
            Edit::ChainId(_) | Edit::Signer(_) => {}
        }
        // An empty account is deleted (EIP-161).
        change.after = (has_storage || !AccountInfo::is_empty(&after)).then_some(after);
        diff.accounts.insert(self.address, change);
        Ok(diff)
    }

    fn encoded(&self) -> Encoded {
        let (kind, slot, value, code) = match &self.change {
            Edit::Balance(balance) => (0, U256::ZERO, *balance, Bytes::new()),
            Edit::Nonce(nonce) => (1, U256::ZERO, U256::from(*nonce), Bytes::new()),
            Edit::Code(code) => (2, U256::ZERO, U256::ZERO, code.clone()),
            Edit::Slot(slot, value) => (3, *slot, *value, Bytes::new()),
            Edit::ChainId(chain_id) => (4, U256::ZERO, U256::from(*chain_id), Bytes::new()),
            Edit::Signer(signature) => {
                let code = Bytes::copy_from_slice(signature.as_slice());
                (5, U256::ZERO, U256::ZERO, code)
            }
        };
        let address = self.address;
        Encoded {
            address,
            kind,
            slot,
            value,
            code,
        }
    }

    fn decoded(encoded: Encoded) -> Option<Self> {
        let change = match encoded.kind {
            0 => Edit::Balance(encoded.value),
            1 => Edit::Nonce(encoded.value.try_into().ok()?),
            2 => Edit::Code(encoded.code),
            3 => Edit::Slot(encoded.slot, encoded.value),
            4 => Edit::ChainId(encoded.value.try_into().ok()?),
            5 => Edit::Signer(encoded.code.as_ref().try_into().ok()?),
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

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Address = Address::repeat_byte(7);

    /// The state in which nothing exists.
    struct EmptyState;

    impl StateReader for EmptyState {
        fn account(&self, _: &Address) -> Result<Option<AccountInfo>, StateError> {
            Ok(None)
        }

        fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
            Ok(U256::ZERO)
        }

        fn code(&self, _: &B256) -> Result<Bytes, StateError> {
            Ok(Bytes::new())
        }
    }

    fn changes() -> Vec<AccountEdit> {
        let edit = |change| AccountEdit {
            address: ACCOUNT,
            change,
        };
        vec![
            edit(Edit::Slot(U256::from(3), U256::from(4))),
            edit(Edit::Balance(U256::ZERO)),
            edit(Edit::Code(Bytes::from_static(&[0x60]))),
            edit(Edit::Nonce(9)),
        ]
    }

    #[test]
    fn edits_of_any_number_of_accounts_are_restored() {
        let header = |edit: &StateEdit| Header {
            extra_data: Bytes::copy_from_slice(edit.hash().as_slice()),
            ..Header::default()
        };
        let store = Store::memory();
        for count in 0..=changes().len() {
            let edit = StateEdit::of(changes().into_iter().take(count).collect());
            edit.record(&store).unwrap();
            let restored = StateEdit::of_block(&store, &header(&edit)).unwrap();
            assert_eq!(restored, Some(edit));
        }
    }

    #[test]
    fn the_changes_of_an_edit_see_those_before_them() {
        let edit = StateEdit::of(changes());
        let diff = edit.diff(&EmptyState, &StateDiff::default()).unwrap();
        let change = &diff.accounts[&ACCOUNT];
        assert_eq!(change.before, None);
        assert_eq!(change.after.unwrap().nonce, 9);
        assert_eq!(change.storage[&U256::from(3)].after, U256::from(4));
    }
}
