//! Tests of a pivot state that arrives node by node and replaces another state.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::HashMap;

use actoreum_primitives::{
    Account, Address, B256, EMPTY_ROOT_HASH, StateReader, U256, keccak256, rlp,
};
use actoreum_storage::{Commit, Engine, HeadRecord, StorageError, Store, StoreOptions};
use actoreum_trie::{Builder, Path, encode_uint};

/// A complete state: its nodes by hash, its root, and the head that it belongs to.
struct TestState {
    nodes: HashMap<B256, Vec<u8>>,
    root: B256,
    head: HeadRecord,
    addresses: Vec<Address>,
}

fn trie(entries: Vec<(B256, Vec<u8>)>, nodes: &mut HashMap<B256, Vec<u8>>) -> B256 {
    let mut entries = entries;
    entries.sort();
    if entries.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    let mut builder = Builder::new(|_: &Path, rlp: Vec<u8>| {
        nodes.insert(keccak256(&rlp), rlp);
    });
    for (key, value) in &entries {
        builder.push(key.as_slice(), value).unwrap();
    }
    builder.finish().unwrap()
}

fn make_state(accounts: u8, number: u64) -> TestState {
    let mut nodes = HashMap::new();
    let mut leaves = Vec::new();
    let addresses: Vec<Address> = (0..accounts).map(Address::repeat_byte).collect();
    for (index, address) in addresses.iter().enumerate() {
        let slots = (0..index as u64 % 7 * 20).map(|slot| {
            let key = keccak256(U256::from(slot).to_be_bytes::<32>());
            (key, encode_uint(&(slot + 1).to_be_bytes()).to_vec())
        });
        let storage_root = trie(slots.collect(), &mut nodes);
        let account = Account {
            nonce: index as u64,
            balance: U256::from(number),
            storage_root,
            ..Account::default()
        };
        leaves.push((keccak256(address), rlp::encode(&account)));
    }
    let root = trie(leaves, &mut nodes);
    TestState {
        root,
        head: HeadRecord {
            number,
            hash: B256::repeat_byte(number as u8),
            state_root: root,
        },
        nodes,
        addresses,
    }
}

fn put(store: &Store, made: &TestState, skipped: usize) {
    let mut commit = Commit::new();
    for (hash, rlp) in made.nodes.iter().skip(skipped) {
        commit.put_incoming_node(hash, rlp);
    }
    store.commit(commit).unwrap();
}

fn assert_holds(store: &Store, made: &TestState) {
    assert_eq!(store.head(), Some(made.head));
    assert_eq!(store.compute_state_root().unwrap(), made.root);
    let state = store.state_at(made.head.number).unwrap();
    for (index, address) in made.addresses.iter().enumerate() {
        let account = state.account(address).unwrap().unwrap();
        assert_eq!(account.nonce, index as u64);
        let slot = state.storage(address, &U256::from(3)).unwrap();
        assert_eq!(slot, U256::from(if index % 7 == 0 { 0 } else { 4 }));
    }
    assert!(matches!(
        store.state_at(made.head.number - 1),
        Err(StorageError::MissingState(_))
    ));
    let incoming = store.table_stats().unwrap().pop().unwrap();
    assert_eq!(
        (incoming.name, incoming.entries),
        ("incoming trie nodes", 0)
    );
}

#[test]
fn a_complete_state_replaces_the_earlier_one() {
    let store = Store::memory();
    for (accounts, number) in [(40, 7), (90, 11), (3, 20)] {
        let made = make_state(accounts, number);
        put(&store, &made, 0);
        let size = store.commit_pivot_state(made.head).unwrap();
        assert_eq!(size.accounts, u64::from(accounts));
        // Equal storage tries have the same nodes, each under a path of its own.
        assert!(size.nodes >= made.nodes.len() as u64);
        assert_holds(&store, &made);
        assert_eq!(store.finish_pivot_commit().unwrap(), None);
    }
}

#[test]
fn a_missing_node_leaves_the_state_unchanged() {
    let store = Store::memory();
    let first = make_state(20, 5);
    put(&store, &first, 0);
    store.commit_pivot_state(first.head).unwrap();
    let second = make_state(60, 9);
    put(&store, &second, 1);
    assert!(matches!(
        store.commit_pivot_state(second.head),
        Err(StorageError::MissingState(9))
    ));
    assert_eq!(store.head(), Some(first.head));
    assert_eq!(store.compute_state_root().unwrap(), first.root);
}

#[test]
fn a_committed_pivot_state_survives_a_restart() {
    for engine in [Engine::Sled, Engine::Redb] {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            engine,
            ..StoreOptions::default()
        };
        let made = make_state(50, 8);
        let store = Store::open(folder.path(), options.clone()).unwrap();
        put(&store, &made, 0);
        store.commit_pivot_state(made.head).unwrap();
        drop(store);
        let store = Store::open(folder.path(), options).unwrap();
        assert_eq!(store.oldest_state(), 8);
        assert_holds(&store, &made);
    }
}
