//! A state in memory.

use std::collections::BTreeMap;

use actoreum_primitives::{
    AccountInfo, Address, B256, BlockHashes, Bytes, StateDiff, StateError, StateReader, U256,
    keccak256,
};

#[derive(Debug, Clone, Default)]
pub struct MemoryState {
    pub accounts: BTreeMap<Address, (AccountInfo, BTreeMap<U256, U256>)>,
    pub codes: BTreeMap<B256, Bytes>,
}

impl MemoryState {
    /// Lays a diff over the state; panics where it does not start from it.
    pub fn apply(&mut self, diff: &StateDiff) {
        self.codes
            .extend(diff.codes.iter().map(|(hash, code)| (*hash, code.clone())));
        for (address, change) in &diff.accounts {
            let before = self.accounts.get(address).map(|(info, _)| *info);
            assert_eq!(before, change.before, "account {address} before the change");
            let Some(after) = change.after else {
                let (_, slots) = self.accounts.remove(address).unwrap_or_default();
                assert!(
                    change.storage_wiped || slots.is_empty(),
                    "{address} left storage"
                );
                continue;
            };
            let (info, slots) = self.accounts.entry(*address).or_default();
            *info = after;
            if change.storage_wiped {
                slots.clear();
            }
            for (key, slot) in &change.storage {
                if !change.storage_wiped {
                    let before = slots.get(key).copied().unwrap_or_default();
                    assert_eq!(before, slot.before, "slot {key} of {address}");
                }
                match slot.after.is_zero() {
                    true => slots.remove(key),
                    false => slots.insert(*key, slot.after),
                };
            }
        }
    }
}

impl StateReader for MemoryState {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.accounts.get(address).map(|(info, _)| *info))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let value = self
            .accounts
            .get(address)
            .and_then(|(_, slots)| slots.get(slot));
        Ok(value.copied().unwrap_or_default())
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError> {
        Ok(self.codes.get(code_hash).cloned().unwrap_or_default())
    }

    fn has_storage(&self, address: &Address) -> Result<bool, StateError> {
        Ok(self
            .accounts
            .get(address)
            .is_some_and(|(_, slots)| !slots.is_empty()))
    }
}

/// Block hashes as the state tests have them: of the number in decimal.
pub struct NumberHashes;

impl BlockHashes for NumberHashes {
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        Ok(keccak256(number.to_string()))
    }
}
