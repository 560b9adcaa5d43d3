//! A chain of states in a store, with a model of the state of each block.

use std::collections::BTreeMap;

use actoreum_primitives::{
    Account, AccountChange, AccountInfo, Address, B256, EMPTY_ROOT_HASH, SlotChange, StateDiff,
    U256, keccak256,
};
use actoreum_storage::{Commit, HeadRecord, Store, TrieBuffer};
use actoreum_trie::{Builder, Path, encode_uint};

pub type Slots = BTreeMap<B256, U256>;

/// The state of a block by hashed keys.
pub type Model = BTreeMap<B256, (Account, Slots)>;

/// An account by address, with its slots by number.
#[derive(Clone, Default)]
struct Contract {
    info: AccountInfo,
    slots: BTreeMap<u64, u64>,
}

pub struct Chain {
    pub store: Store,
    pub roots: Vec<B256>,
    pub models: Vec<Model>,
    tries: TrieBuffer,
    state: BTreeMap<Address, Contract>,
    random: u64,
}

fn address(seed: u64) -> Address {
    Address::from_word(B256::from(U256::from(seed + 1)))
}

pub fn hashed(seed: u64) -> B256 {
    keccak256(address(seed))
}

/// The account with most slots; nothing ever destroys it.
pub const LARGE: u64 = 0;
pub const LARGE_SLOTS: u64 = 400;
const ACCOUNTS: u64 = 150;

impl Chain {
    /// Creates a chain of a genesis and `blocks` blocks.
    pub fn new(store: Store, blocks: u64, seed: u64) -> Self {
        let mut chain = Self {
            tries: TrieBuffer::new(store.clone()),
            store,
            roots: Vec::new(),
            models: Vec::new(),
            state: BTreeMap::new(),
            random: seed,
        };
        let accounts = (0..ACCOUNTS).map(|seed| {
            let slots = match seed {
                LARGE => LARGE_SLOTS,
                _ if seed % 5 == 0 => seed % 32,
                _ => 0,
            };
            let contract = Contract {
                info: AccountInfo {
                    nonce: seed % 3,
                    balance: U256::from(seed) << (seed % 90),
                    ..AccountInfo::default()
                },
                slots: (0..slots).map(|slot| (slot, slot * 77 + 1)).collect(),
            };
            (address(seed), Some(contract), false)
        });
        chain.commit(accounts.collect());
        (0..blocks).for_each(|_| chain.block());
        chain
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e);
        (self.random >> 33) % limit
    }

    /// Adds a block that changes, creates and destroys accounts.
    pub fn block(&mut self) {
        let mut touched = BTreeMap::new();
        for _ in 0..15 {
            let seed = self.below(ACCOUNTS + 20);
            let mut contract = self.state.get(&address(seed)).cloned().unwrap_or_default();
            contract.info.balance += U256::from(seed + 1);
            let what = self.below(6);
            let is_wiped = what < 2 && seed != LARGE;
            if is_wiped {
                contract.slots.clear();
            }
            if what == 0 && is_wiped {
                touched.insert(address(seed), (None, true));
                continue;
            }
            for _ in 0..self.below(6) {
                let (slot, value) = (self.below(LARGE_SLOTS), self.below(3));
                if value == 0 {
                    contract.slots.remove(&slot);
                } else {
                    contract.slots.insert(slot, value);
                }
            }
            touched.insert(address(seed), (Some(contract), is_wiped));
        }
        let touched = touched.into_iter();
        self.commit(
            touched
                .map(|(key, (after, wiped))| (key, after, wiped))
                .collect(),
        );
    }

    fn commit(&mut self, touched: Vec<(Address, Option<Contract>, bool)>) {
        let number = self.roots.len() as u64;
        let mut diff = StateDiff::default();
        for (address, after, storage_wiped) in touched {
            let before = self.state.get(&address).cloned();
            let slots_of = |contract: &Option<Contract>| {
                contract
                    .as_ref()
                    .map(|contract| contract.slots.clone())
                    .unwrap_or_default()
            };
            let (old, new) = (slots_of(&before), slots_of(&after));
            let mut storage = std::collections::HashMap::new();
            for slot in old.keys().chain(new.keys()) {
                let value = |slots: &BTreeMap<u64, u64>| {
                    U256::from(slots.get(slot).copied().unwrap_or_default())
                };
                let change = SlotChange {
                    before: value(&old),
                    after: value(&new),
                };
                if change.before != change.after && (!storage_wiped || new.contains_key(slot)) {
                    storage.insert(U256::from(*slot), change);
                }
            }
            if storage_wiped {
                // Equal values of a wiped account are written again.
                for (slot, value) in &new {
                    let change = SlotChange {
                        before: U256::ZERO,
                        after: U256::from(*value),
                    };
                    storage.insert(U256::from(*slot), change);
                }
            }
            let change = AccountChange {
                before: before.map(|contract| contract.info),
                after: after.as_ref().map(|contract| contract.info),
                storage_wiped,
                storage,
            };
            diff.accounts.insert(address, change);
            match after {
                Some(contract) => self.state.insert(address, contract),
                None => self.state.remove(&address),
            };
        }
        let root = self.tries.apply(number, &diff).unwrap();
        let mut commit = Commit::new();
        commit.state(&self.tries.freeze().unwrap());
        commit.set_head(HeadRecord {
            number,
            hash: root,
            state_root: root,
        });
        self.store.commit(commit).unwrap();
        self.tries.committed();
        self.roots.push(root);
        self.models.push(
            self.state
                .iter()
                .map(|(address, contract)| model(address, contract))
                .collect(),
        );
    }
}

fn model(address: &Address, contract: &Contract) -> (B256, (Account, Slots)) {
    let slots: Slots = contract
        .slots
        .iter()
        .map(|(slot, value)| {
            let key = keccak256(U256::from(*slot).to_be_bytes::<32>());
            (key, U256::from(*value))
        })
        .collect();
    let mut builder = Builder::new(|_: &Path, _| ());
    for (key, value) in &slots {
        builder
            .push(key.as_slice(), &encode_uint(&value.to_be_bytes::<32>()))
            .unwrap();
    }
    let root = builder.finish().unwrap();
    assert_eq!(slots.is_empty(), root == EMPTY_ROOT_HASH);
    (
        keccak256(address),
        (Account::new(contract.info, root), slots),
    )
}
