//! A state that comes node by node and takes the place of another.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;

use actoreum_primitives::{
    Account, Address, B256, EMPTY_ROOT_HASH, StateReader, U256, keccak256, rlp,
};
use actoreum_storage::{Commit, Engine, HeadRecord, StorageError, Store, StoreOptions};
use actoreum_trie::{Builder, Path, encode_uint};

/// A state: nodes by hash, and its root.
struct Made {
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

fn make(accounts: u8, number: u64) -> Made {
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
    Made {
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

fn put(store: &Store, made: &Made, leave_out: usize) {
    let mut commit = Commit::new();
    for (hash, rlp) in made.nodes.iter().skip(leave_out) {
        commit.put_incoming_node(hash, rlp);
    }
    store.commit(commit).unwrap();
}

fn holds(store: &Store, made: &Made) {
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
fn a_state_that_is_whole_takes_the_place_of_the_one_before() {
    let store = Store::memory();
    for (accounts, number) in [(40, 7), (90, 11), (3, 20)] {
        let made = make(accounts, number);
        put(&store, &made, 0);
        let size = store.adopt_state(made.head).unwrap();
        assert_eq!(size.accounts, u64::from(accounts));
        // Equal storage tries have the same nodes, each under a path of its own.
        assert!(size.nodes >= made.nodes.len() as u64);
        holds(&store, &made);
        assert_eq!(store.finish_adoption().unwrap(), None);
    }
}

#[test]
fn where_a_node_has_not_come_nothing_changes() {
    let store = Store::memory();
    let first = make(20, 5);
    put(&store, &first, 0);
    store.adopt_state(first.head).unwrap();
    let second = make(60, 9);
    put(&store, &second, 1);
    assert!(matches!(
        store.adopt_state(second.head),
        Err(StorageError::MissingState(9))
    ));
    assert_eq!(store.head(), Some(first.head));
    assert_eq!(store.compute_state_root().unwrap(), first.root);
}

#[test]
fn an_adopted_state_outlives_the_process() {
    for engine in [Engine::Sled, Engine::Redb] {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            engine,
            ..StoreOptions::default()
        };
        let made = make(50, 8);
        let store = Store::open(folder.path(), options.clone()).unwrap();
        put(&store, &made, 0);
        store.adopt_state(made.head).unwrap();
        drop(store);
        let store = Store::open(folder.path(), options).unwrap();
        assert_eq!(store.oldest_state(), 8);
        holds(&store, &made);
    }
}
