//! In-memory state of the vectors.

use std::collections::{BTreeMap, HashMap};

use actoreum_primitives::{
    Account, AccountInfo, Address, B256, BlockHashes, Bytes, EMPTY_CODE_HASH, EMPTY_ROOT_HASH,
    StateDiff, StateError, StateReader, U256, keccak256, rlp,
};
use actoreum_trie::{EmptySource, encode_uint, update};
use serde::Deserialize;

use crate::json::{Hex, Number};
use crate::report::{Difference, same};

/// An account in a vector's `pre` or `postState`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VectorAccount {
    /// Balance in wei.
    #[serde(default)]
    pub balance: Number,
    /// The next nonce.
    #[serde(default)]
    pub nonce: Number,
    /// The code.
    #[serde(default)]
    pub code: Hex,
    /// Values by slot.
    #[serde(default)]
    pub storage: BTreeMap<String, Number>,
}

impl VectorAccount {
    /// Returns the account without its storage.
    pub fn info(&self) -> AccountInfo {
        let code_hash = if self.code.0.is_empty() {
            EMPTY_CODE_HASH
        } else {
            keccak256(&self.code.0)
        };
        AccountInfo {
            nonce: self.nonce.as_u64(),
            balance: self.balance.as_u256(),
            code_hash,
        }
    }

    /// Returns the slots that are not zero.
    pub fn slots(&self) -> BTreeMap<U256, U256> {
        let slots = self.storage.iter().map(|(slot, value)| {
            let slot = crate::json::parse_number(slot).expect("a vector's slot is a number");
            (slot, value.as_u256())
        });
        slots.filter(|(_, value)| !value.is_zero()).collect()
    }
}

/// The accounts of a vector's `pre` or `postState`.
pub type VectorState = BTreeMap<Address, VectorAccount>;

/// A state in memory.
#[derive(Debug, Clone, Default)]
pub struct StateMap {
    accounts: BTreeMap<Address, (AccountInfo, BTreeMap<U256, U256>)>,
    codes: HashMap<B256, Bytes>,
}

impl StateMap {
    /// Creates the state of a vector.
    pub fn new(accounts: &VectorState) -> Self {
        let mut state = Self::default();
        for (address, account) in accounts {
            let info = account.info();
            state.codes.insert(info.code_hash, account.code.0.clone());
            state.accounts.insert(*address, (info, account.slots()));
        }
        state
    }

    /// Applies the changes of an execution.
    pub fn apply(&mut self, diff: &StateDiff) {
        self.codes
            .extend(diff.codes.iter().map(|(hash, code)| (*hash, code.clone())));
        for (address, change) in &diff.accounts {
            let Some(info) = change.after else {
                self.accounts.remove(address);
                continue;
            };
            let account = self.accounts.entry(*address).or_default();
            account.0 = info;
            if change.storage_wiped {
                account.1.clear();
            }
            for (slot, value) in &change.storage {
                if value.after.is_zero() {
                    account.1.remove(slot)
                } else {
                    account.1.insert(*slot, value.after)
                };
            }
        }
    }

    /// Returns the state root.
    pub fn root(&self) -> B256 {
        let accounts = self.accounts.iter().map(|(address, (info, slots))| {
            let account = Account::new(*info, storage_root(slots));
            (keccak256(address), Some(rlp::encode(&account)))
        });
        root_of(accounts.collect())
    }

    /// Returns every account with its slots.
    pub fn accounts(
        &self,
    ) -> impl Iterator<Item = (&Address, &(AccountInfo, BTreeMap<U256, U256>))> {
        self.accounts.iter()
    }

    /// Compares this state with `expected`.
    ///
    /// # Errors
    /// The first account or slot that differs.
    pub fn compare(&self, expected: &VectorState) -> Result<(), Difference> {
        for (address, account) in expected {
            let Some((info, slots)) = self.accounts.get(address) else {
                return Err(Difference::new(format!("{address}"), "an account", "none"));
            };
            let want = account.info();
            same(&format!("{address} balance"), &want.balance, &info.balance)?;
            same(&format!("{address} nonce"), &want.nonce, &info.nonce)?;
            same(
                &format!("{address} code hash"),
                &want.code_hash,
                &info.code_hash,
            )?;
            let want = account.slots();
            for slot in want.keys().chain(slots.keys()) {
                same(
                    &format!("{address} slot {slot:#x}"),
                    &want.get(slot),
                    &slots.get(slot),
                )?;
            }
        }
        for address in self.accounts.keys() {
            if !expected.contains_key(address) {
                return Err(Difference::new(
                    format!("{address}"),
                    "no account",
                    "an account",
                ));
            }
        }
        Ok(())
    }
}

fn storage_root(slots: &BTreeMap<U256, U256>) -> B256 {
    let slots = slots.iter().map(|(slot, value)| {
        let key = keccak256(slot.to_be_bytes::<32>());
        (key, Some(encode_uint(&value.to_be_bytes::<32>())))
    });
    root_of(slots.collect())
}

fn root_of(mut leaves: Vec<(B256, Option<Vec<u8>>)>) -> B256 {
    leaves.sort_unstable_by_key(|(key, _)| *key);
    update(&EmptySource, EMPTY_ROOT_HASH, &leaves)
        .expect("an empty source has nothing to fail")
        .root
}

impl StateReader for StateMap {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.accounts.get(address).map(|(info, _)| *info))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let slots = self.accounts.get(address).map(|(_, slots)| slots);
        Ok(slots
            .and_then(|slots| slots.get(slot))
            .copied()
            .unwrap_or_default())
    }

    fn has_storage(&self, address: &Address) -> Result<bool, StateError> {
        Ok(self
            .accounts
            .get(address)
            .is_some_and(|(_, slots)| !slots.is_empty()))
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError> {
        Ok(self.codes.get(code_hash).cloned().unwrap_or_default())
    }
}

/// The block hashes of state and VM vectors: Keccak-256 of the number in decimal digits.
#[derive(Debug, Clone, Copy)]
pub struct VectorBlockHashes;

impl BlockHashes for VectorBlockHashes {
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        Ok(keccak256(number.to_string()))
    }
}
