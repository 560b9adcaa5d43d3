//! A state in memory, and its root.

use std::collections::BTreeMap;

use actoreum_evm::IntermediateRoots;
use actoreum_primitives::rlp::encode;
use actoreum_primitives::{
    Account, AccountInfo, Address, B256, BlockHashes, Bytes, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, Log,
    StateDiff, StateError, StateReader, U256, keccak256,
};
use actoreum_trie::Builder;

use super::json::{JsonState, parse_num};

#[derive(Debug, Clone, Default)]
pub struct MemoryState {
    pub accounts: BTreeMap<Address, (AccountInfo, BTreeMap<U256, U256>)>,
    pub codes: BTreeMap<B256, Bytes>,
}

impl MemoryState {
    pub fn from_json(json: &JsonState) -> Self {
        let mut state = Self::default();
        for (address, account) in json {
            let code_hash = keccak256(&account.code.0);
            if code_hash != EMPTY_CODE_HASH {
                state.codes.insert(code_hash, account.code.0.clone());
            }
            let info = AccountInfo {
                nonce: account.nonce.u64(),
                balance: account.balance.0,
                code_hash,
            };
            let slots = account.storage.iter();
            let slots = slots
                .map(|(key, value)| (parse_num(key).unwrap(), value.0))
                .filter(|(_, value)| !value.is_zero());
            state.accounts.insert(*address, (info, slots.collect()));
        }
        state
    }

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

    pub fn root(&self) -> B256 {
        let mut leaves = BTreeMap::new();
        for (address, (info, slots)) in &self.accounts {
            let account = Account::new(*info, storage_root(slots));
            leaves.insert(keccak256(address), encode(&account));
        }
        root(&leaves)
    }
}

fn storage_root(slots: &BTreeMap<U256, U256>) -> B256 {
    let leaves = slots
        .iter()
        .map(|(key, value)| (keccak256(key.to_be_bytes::<32>()), encode(value)))
        .collect();
    root(&leaves)
}

fn root(leaves: &BTreeMap<B256, Vec<u8>>) -> B256 {
    if leaves.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    let mut builder = Builder::new(|_, _| {});
    for (key, value) in leaves {
        builder.push(key.as_slice(), value).unwrap();
    }
    builder.finish().unwrap()
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

/// Applies each transaction's changes to a copy of the state.
pub struct Roots<'a> {
    parent: &'a MemoryState,
    state: Option<MemoryState>,
}

impl<'a> Roots<'a> {
    pub fn new(parent: &'a MemoryState) -> Self {
        Self {
            parent,
            state: None,
        }
    }
}

impl IntermediateRoots for Roots<'_> {
    fn root(&mut self, diff: &StateDiff) -> Result<B256, StateError> {
        let state = self.state.get_or_insert_with(|| self.parent.clone());
        state.apply(diff);
        Ok(state.root())
    }
}

/// Block hashes as the state tests have them: of the number in decimal.
pub struct NumberHashes;

impl BlockHashes for NumberHashes {
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        Ok(keccak256(number.to_string()))
    }
}

/// Block hashes by number.
#[derive(Debug, Default)]
pub struct KnownHashes(pub BTreeMap<u64, B256>);

impl BlockHashes for KnownHashes {
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        Ok(self.0.get(&number).copied().unwrap_or_default())
    }
}

pub fn logs_hash(logs: &[Log]) -> B256 {
    keccak256(encode(&logs.to_vec()))
}
