//! Tests of the state against a model that stores the full state of every block.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use actoreum_primitives::{
    Account, AccountChange, AccountInfo, Address, B256, Bytes, EMPTY_ROOT_HASH, Header, SlotChange,
    StateDiff, StateError, StateReader, U256, keccak256, rlp,
};
use actoreum_storage::{
    Commit, Engine, FlatBuffer, HeadRecord, RemoteState, StorageError, Store, StoreOptions,
    TrieBuffer,
};
use actoreum_trie::{EmptySource, encode_uint, update, verify};
use proptest::collection::vec;
use proptest::prelude::*;

const ADDRESSES: u8 = 6;
const SLOTS: u64 = 5;

fn address(seed: u8) -> Address {
    Address::repeat_byte(seed + 1)
}

#[derive(Debug, Clone, Default, PartialEq)]
struct ModelAccount {
    info: AccountInfo,
    slots: BTreeMap<U256, U256>,
}

type Model = BTreeMap<Address, ModelAccount>;

fn model_root(model: &Model) -> B256 {
    let leaf = |(address, account): (&Address, &ModelAccount)| {
        let slot = |(slot, value): (&U256, &U256)| {
            (
                keccak256(slot.to_be_bytes::<32>()),
                Some(encode_uint(&value.to_be_bytes::<32>())),
            )
        };
        let account = Account::new(account.info, root(account.slots.iter().map(slot)));
        (keccak256(address), Some(rlp::encode(&account)))
    };
    root(model.iter().map(leaf))
}

fn root(entries: impl Iterator<Item = (B256, Option<Vec<u8>>)>) -> B256 {
    let mut entries: Vec<_> = entries.collect();
    entries.sort();
    update(&EmptySource, EMPTY_ROOT_HASH, &entries)
        .unwrap()
        .root
}

/// A change to one account in a block.
#[derive(Debug, Clone)]
enum Touch {
    Pay(u64),
    Write(Vec<(u64, u64)>),
    Destroy,
    Recreate(Vec<(u64, u64)>),
}

fn touch() -> impl Strategy<Value = (u8, Touch)> {
    let slots = || vec((0..SLOTS, 0_u64..3), 1..4);
    let touch = prop_oneof![
        3 => (1_u64..1_000).prop_map(Touch::Pay),
        4 => slots().prop_map(Touch::Write),
        1 => Just(Touch::Destroy),
        1 => slots().prop_map(Touch::Recreate),
    ];
    (0..ADDRESSES, touch)
}

/// Returns a block's diff in the form that an executor reports.
fn diff_of(model: &Model, touches: &[(u8, Touch)]) -> (StateDiff, Model) {
    let mut after = model.clone();
    let mut wiped = HashMap::new();
    let mut written: HashMap<Address, Vec<U256>> = HashMap::new();
    for (seed, touch) in touches {
        let address = address(*seed);
        match touch {
            Touch::Pay(amount) => {
                let account = after.entry(address).or_default();
                account.info.balance += U256::from(*amount);
                account.info.nonce += 1;
            }
            Touch::Destroy => {
                after.remove(&address);
                wiped.insert(address, true);
                written.remove(&address);
                continue;
            }
            Touch::Write(slots) | Touch::Recreate(slots) => {
                if matches!(touch, Touch::Recreate(_)) {
                    let code_hash = keccak256([*seed]);
                    let info = AccountInfo {
                        nonce: 1,
                        code_hash,
                        ..Default::default()
                    };
                    after.insert(
                        address,
                        ModelAccount {
                            info,
                            slots: BTreeMap::new(),
                        },
                    );
                    wiped.insert(address, true);
                    written.remove(&address);
                }
                let account = after.entry(address).or_default();
                for (slot, value) in slots {
                    let (slot, value) = (U256::from(*slot), U256::from(*value));
                    written.entry(address).or_default().push(slot);
                    if value.is_zero() {
                        account.slots.remove(&slot);
                    } else {
                        account.slots.insert(slot, value);
                    }
                }
            }
        }
    }
    let mut diff = StateDiff::default();
    for (seed, _) in touches {
        let address = address(*seed);
        let storage_wiped = wiped.contains_key(&address);
        let value = |model: &Model, slot: &U256| {
            let account = model.get(&address);
            account
                .and_then(|account| account.slots.get(slot))
                .copied()
                .unwrap_or_default()
        };
        let slot_change = |slot: &U256| {
            // For a wiped account the executor does not always know the old value.
            let before = if storage_wiped {
                U256::ZERO
            } else {
                value(model, slot)
            };
            (
                *slot,
                SlotChange {
                    before,
                    after: value(&after, slot),
                },
            )
        };
        let change = AccountChange {
            before: model.get(&address).map(|account| account.info),
            after: after.get(&address).map(|account| account.info),
            storage_wiped,
            storage: written
                .get(&address)
                .into_iter()
                .flatten()
                .map(slot_change)
                .collect(),
        };
        diff.accounts.insert(address, change);
        diff.codes
            .insert(keccak256([*seed]), Bytes::from(vec![*seed]));
    }
    (diff, after)
}

fn assert_state(reader: &impl StateReader, model: &Model, what: &str) {
    for seed in 0..ADDRESSES {
        let address = address(seed);
        let account = model.get(&address);
        let info = account.map(|account| account.info);
        assert_eq!(reader.account(&address).unwrap(), info, "{what}: {address}");
        for slot in 0..SLOTS {
            let slot = U256::from(slot);
            let value = account
                .and_then(|account| account.slots.get(&slot))
                .copied();
            let found = reader.storage(&address, &slot).unwrap();
            assert_eq!(found, value.unwrap_or_default(), "{what}: {address} {slot}");
        }
    }
}

/// The number of the block that the forked chain of the tests begins with.
const FORK_BLOCK: u64 = 100;

/// The state of a remote chain.
struct Remote(Model);

impl RemoteState for Remote {
    fn fork_block(&self) -> u64 {
        FORK_BLOCK
    }

    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.0.get(address).map(|account| account.info))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let account = self.0.get(address);
        let value = account.and_then(|account| account.slots.get(slot));
        Ok(value.copied().unwrap_or_default())
    }

    fn code(&self, _: &B256) -> Result<Option<Bytes>, StateError> {
        Ok(None)
    }

    fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
        Ok(None)
    }
}

/// A minimal node: both buffers, the store, and the model of every block.
struct Node {
    store: Store,
    flat: FlatBuffer,
    tries: TrieBuffer,
    models: Vec<Model>,
    committed: usize,
    /// The roots of the blocks of a forked chain, which are not those of tries.
    roots: Option<Vec<B256>>,
}

impl Node {
    fn new(store: Store) -> Self {
        let mut node = Self {
            flat: FlatBuffer::new(store.clone()),
            tries: TrieBuffer::new(store.clone()),
            store,
            models: Vec::new(),
            committed: 0,
            roots: None,
        };
        let genesis = [
            (0, Touch::Pay(5)),
            (1, Touch::Recreate(vec![(0, 1), (1, 2)])),
        ];
        node.apply(&genesis);
        node.commit();
        node
    }

    /// Creates the node of a chain that is forked off one with the state of `model`.
    fn forked(store: Store, model: Model) -> Self {
        store.fork_off(Arc::new(Remote(model.clone()))).unwrap();
        let mut node = Self {
            flat: FlatBuffer::new(store.clone()),
            tries: TrieBuffer::new(store.clone()),
            store,
            models: vec![model],
            committed: 0,
            roots: Some(vec![EMPTY_ROOT_HASH]),
        };
        node.commit();
        node
    }

    fn first(&self) -> u64 {
        self.roots.as_ref().map_or(0, |_| FORK_BLOCK)
    }

    fn number(&self) -> u64 {
        self.first() + self.models.len() as u64 - 1
    }

    fn apply(&mut self, touches: &[(u8, Touch)]) {
        let empty = Model::new();
        let (diff, after) = diff_of(self.models.last().unwrap_or(&empty), touches);
        let root = match &self.roots {
            Some(_) => self.tries.root_after(&diff).unwrap(),
            None => model_root(&after),
        };
        assert_eq!(self.tries.root_after(&diff).unwrap(), root);
        self.flat.apply(&diff);
        let number = self.first() + self.models.len() as u64;
        assert_eq!(self.tries.apply(number, &diff).unwrap(), root);
        self.roots.iter_mut().for_each(|roots| roots.push(root));
        self.models.push(after);
    }

    fn revert(&mut self) {
        if self.models.len() < 2 {
            return;
        }
        let inverse = self.tries.revert(self.number()).unwrap();
        self.flat.revert(&inverse);
        self.models.pop();
        let root = match &mut self.roots {
            Some(roots) => {
                roots.pop();
                *roots.last().unwrap()
            }
            None => model_root(self.models.last().unwrap()),
        };
        assert_eq!(self.tries.root(), root);
    }

    fn commit(&mut self) {
        let mark = self.flat.mark();
        let mut commit = Commit::new();
        commit.state(&self.tries.freeze().unwrap());
        let (number, state_root) = (self.number(), self.tries.root());
        for (index, root) in self.roots.iter().flatten().enumerate() {
            let header = Header {
                number: FORK_BLOCK + index as u64,
                state_root: *root,
                ..Header::default()
            };
            commit.put_header(&header.hash(), &header, &U256::ZERO);
            commit.set_canonical(header.number, &header.hash());
        }
        commit.set_head(HeadRecord {
            number,
            hash: state_root,
            state_root,
        });
        self.store.commit(commit).unwrap();
        self.tries.committed();
        self.flat.committed(mark);
        self.committed = self.models.len();
    }

    fn check(&self) {
        assert_state(&self.flat, self.models.last().unwrap(), "buffer");
    }

    fn check_committed(&self) {
        let root = self.store.head().unwrap().state_root;
        if self.roots.is_none() {
            assert_eq!(
                self.store.compute_state_root().unwrap(),
                root,
                "flat state and trie differ"
            );
        }
        for (number, model) in self.models.iter().enumerate().take(self.committed) {
            let view = self.store.state_at(self.first() + number as u64).unwrap();
            assert_state(&view, model, &format!("block {number}"));
        }
    }

    fn check_proofs(&self, number: usize) {
        let model = &self.models[number];
        for seed in 0..ADDRESSES {
            let address = address(seed);
            let slots: Vec<_> = (0..SLOTS).map(U256::from).collect();
            let proof = self.store.prove(number as u64, &address, &slots).unwrap();
            let key = keccak256(address);
            let leaf = verify(model_root(model), key.as_slice(), &proof.proof).unwrap();
            assert_eq!(leaf, proof.account.as_ref().map(rlp::encode));
            let account = model.get(&address);
            assert_eq!(
                proof.account.map(|leaf| leaf.info()),
                account.map(|account| account.info)
            );
            let root = proof
                .account
                .map_or(EMPTY_ROOT_HASH, |leaf| leaf.storage_root);
            for slot in proof.slots {
                let key = keccak256(slot.slot.to_be_bytes::<32>());
                let value = verify(root, key.as_slice(), &slot.proof).unwrap();
                let expected = account
                    .and_then(|account| account.slots.get(&slot.slot))
                    .copied();
                assert_eq!(slot.value, expected.unwrap_or_default());
                assert_eq!(
                    value,
                    expected.map(|value| encode_uint(&value.to_be_bytes::<32>()))
                );
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Event {
    Block(Vec<(u8, Touch)>),
    Revert(usize),
    Commit,
    Restart,
}

impl Node {
    /// Plays events, and checks the state after each.
    fn play(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Block(touches) => self.apply(&touches),
                Event::Revert(depth) => (0..depth).for_each(|_| self.revert()),
                Event::Commit => {
                    self.commit();
                    self.check_committed();
                }
                Event::Restart => {
                    self.commit();
                    self.flat = FlatBuffer::new(self.store.clone());
                    self.tries = TrieBuffer::new(self.store.clone());
                }
            }
            self.check();
        }
        self.commit();
        self.check_committed();
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => vec(touch(), 0..6).prop_map(Event::Block),
        2 => (1_usize..4).prop_map(Event::Revert),
        3 => Just(Event::Commit),
        1 => Just(Event::Restart),
    ];
    vec(event, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn blocks_and_reverts_agree_with_the_model(events in events(), proof in any::<prop::sample::Index>()) {
        let mut node = Node::new(Store::memory());
        node.play(events);
        node.check_proofs(proof.index(node.models.len()));
    }

    /// Accounts and slots that a forked chain has not changed are those of the remote chain, at each
    /// of its blocks and after reverts.
    #[test]
    fn a_forked_chain_agrees_with_the_model(
        base in vec(touch(), 0..12), events in events(),
    ) {
        // Contracts of the remote chain are not destroyed, and its other accounts have no storage.
        let is_contract = |seed: u8| seed < ADDRESSES / 2;
        let base: Vec<_> = base
            .into_iter()
            .map(|(seed, touch)| match touch {
                touch if is_contract(seed) => (seed, touch),
                _ => (seed, Touch::Pay(1)),
            })
            .collect();
        let pay_in_place = |(seed, touch)| match touch {
            Touch::Destroy | Touch::Recreate(_) if is_contract(seed) => (seed, Touch::Pay(1)),
            touch => (seed, touch),
        };
        let allowed = |event| match event {
            Event::Block(touches) => {
                Event::Block(touches.into_iter().map(pay_in_place).collect())
            }
            event => event,
        };
        let base = diff_of(&Model::new(), &base).1;
        let mut node = Node::forked(Store::memory(), base);
        node.play(events.into_iter().map(allowed).collect());
    }

    /// After a full revert the store holds exactly what it held at genesis: no trie node and no
    /// history entry is left.
    #[test]
    fn a_full_revert_leaves_no_entries(blocks in vec(vec(touch(), 0..6), 1..6)) {
        let mut node = Node::new(Store::memory());
        let entries = |node: &Node| -> Vec<_> {
            let stats = node.store.table_stats().unwrap();
            stats.into_iter().filter(|table| table.name != "codes").collect()
        };
        let before = entries(&node);
        let count = blocks.len();
        for touches in &blocks {
            node.apply(touches);
        }
        node.commit();
        (0..count).for_each(|_| node.revert());
        node.commit();
        node.check_committed();
        prop_assert_eq!(entries(&node), before);
    }
}

#[test]
fn blocks_go_on_while_a_commit_is_in_flight() {
    let mut node = Node::new(Store::memory());
    node.apply(&[(1, Touch::Write(vec![(0, 2)]))]);
    let mark = node.flat.mark();
    let mut commit = Commit::new();
    let frozen = node.tries.freeze().unwrap();
    commit.state(&frozen);
    let (number, state_root) = (node.number(), frozen.root());
    commit.set_head(HeadRecord {
        number,
        hash: state_root,
        state_root,
    });
    drop(frozen);
    node.apply(&[(1, Touch::Destroy), (2, Touch::Pay(1))]);
    assert!(matches!(node.tries.freeze(), Err(StorageError::Misuse(_))));
    node.store.commit(commit).unwrap();
    node.flat.committed(mark);
    node.tries.committed();
    node.check();
    node.apply(&[(1, Touch::Recreate(vec![(1, 1)]))]);
    node.check();
    node.commit();
    node.check_committed();
}

#[test]
fn pruned_history_is_reported_as_missing() {
    let options = StoreOptions {
        engine: Engine::Memory,
        history: Some(3),
        ancient_depth: None,
        ..StoreOptions::default()
    };
    let mut node = Node::new(Store::memory_with(options).unwrap());
    let early = node.store.state_at(0).unwrap();
    for block in 0..10 {
        node.apply(&[
            (0, Touch::Pay(block + 1)),
            (1, Touch::Write(vec![(block % 5, 1)])),
        ]);
        node.commit();
    }
    let oldest = node.store.oldest_state();
    assert_eq!(oldest, 7);
    for number in 0..=10 {
        let view = node.store.state_at(number);
        if number < oldest {
            assert!(matches!(view, Err(StorageError::MissingState(missing)) if missing == number));
        } else {
            assert_state(&view.unwrap(), &node.models[number as usize], "kept");
        }
    }
    let gone = early.account(&address(0));
    assert!(matches!(gone, Err(StateError::Missing(0))), "{gone:?}");
    let history = node.store.table_stats().unwrap();
    let changes = history
        .iter()
        .find(|table| table.name == "changes")
        .unwrap();
    assert_eq!(changes.entries, 3);
}

#[test]
fn a_view_of_an_undone_block_is_missing() {
    let mut node = Node::new(Store::memory());
    for block in 0..3 {
        node.apply(&[(0, Touch::Pay(block + 1))]);
    }
    node.commit();
    let (kept, undone) = (
        node.store.state_at(1).unwrap(),
        node.store.state_at(2).unwrap(),
    );
    let model = node.models[1].clone();
    node.revert();
    node.revert();
    node.apply(&[(0, Touch::Pay(77))]);
    node.commit();
    assert_state(&kept, &model, "the common ancestor");
    assert!(matches!(
        undone.account(&address(0)),
        Err(StateError::Missing(2))
    ));
    node.check_committed();
}

/// Readers read old blocks while the writer commits and reverts.
#[test]
fn views_are_stable_under_a_concurrent_writer() {
    let mut node = Node::new(Store::memory());
    for block in 0..5 {
        node.apply(&[
            (0, Touch::Pay(block + 1)),
            (1, Touch::Write(vec![(block % 5, 2)])),
        ]);
    }
    node.commit();
    let views: Vec<_> = (0..5)
        .map(|number| node.store.state_at(number).unwrap())
        .collect();
    let models = node.models.clone();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    for (number, view) in views.iter().enumerate() {
                        assert_state(view, &models[number], "under a writer");
                    }
                }
            });
        }
        for round in 0..300_u64 {
            node.apply(&[
                (0, Touch::Pay(round)),
                (1, Touch::Write(vec![(round % 5, round % 3)])),
            ]);
            node.commit();
            if round % 3 == 0 {
                node.revert();
                node.commit();
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    node.check_committed();
}

#[test]
fn range_queries_include_slots_deleted_later() {
    let store = Store::memory();
    let mut tries = TrieBuffer::new(store.clone());
    let slots = |number: u64, values: &[(u64, u64, u64)]| {
        let info = AccountInfo {
            nonce: number + 1,
            ..AccountInfo::default()
        };
        let before = (number > 0).then(|| AccountInfo {
            nonce: number,
            ..AccountInfo::default()
        });
        let change = AccountChange {
            before,
            after: Some(info),
            storage_wiped: false,
            storage: values
                .iter()
                .map(|(slot, before, after)| {
                    let (before, after) = (U256::from(*before), U256::from(*after));
                    (U256::from(*slot), SlotChange { before, after })
                })
                .collect(),
        };
        let mut diff = StateDiff::default();
        diff.accounts.insert(address(0), change);
        diff
    };
    let blocks = [
        slots(0, &[(1, 0, 10), (2, 0, 20)]),
        slots(1, &[(1, 10, 0), (3, 0, 30)]),
    ];
    for (number, diff) in (0..).zip(&blocks) {
        let state_root = tries.apply(number, diff).unwrap();
        let mut commit = Commit::new();
        commit.state(&tries.freeze().unwrap());
        commit.set_head(HeadRecord {
            number,
            hash: B256::ZERO,
            state_root,
        });
        store.commit(commit).unwrap();
        tries.committed();
    }
    let hashed = |slot: u64| keccak256(U256::from(slot).to_be_bytes::<32>());
    let at = |number: u64, start: B256, limit: usize| {
        let view = store.state_at(number).unwrap();
        store
            .slots_from(&view, &keccak256(address(0)), start, limit)
            .unwrap()
    };
    let sorted = |values: &[(u64, u64)]| {
        let mut values: Vec<_> = values
            .iter()
            .map(|(slot, value)| (hashed(*slot), U256::from(*value)))
            .collect();
        values.sort();
        values
    };
    let (old, new) = (sorted(&[(1, 10), (2, 20)]), sorted(&[(2, 20), (3, 30)]));
    assert_eq!(at(0, B256::ZERO, 9), old);
    assert_eq!(at(1, B256::ZERO, 9), new);
    assert_eq!(at(0, B256::ZERO, 1), old[..1]);
    assert_eq!(at(0, old[1].0, 9), old[1..]);
    assert_eq!(at(0, B256::repeat_byte(0xff), 9), []);
}
