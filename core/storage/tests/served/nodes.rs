//! Trie nodes by path, and codes.

use actoreum_primitives::{Bytes, EMPTY_CODE_HASH, keccak256, rlp};
use actoreum_storage::{Commit, NodePaths};
use actoreum_trie::{Link, Path, links};

use super::*;

/// Returns the node at a path of the state trie, or of an account's storage trie.
fn node(state: &ServedState, account: Option<B256>, path: &Path) -> Vec<u8> {
    let path = path.to_hex_prefix();
    let set = match &account {
        None => NodePaths {
            account: &path,
            slots: Vec::new(),
        },
        Some(key) => NodePaths {
            account: key.as_slice(),
            slots: vec![&path],
        },
    };
    let nodes = state
        .trie_nodes(&[set], u64::MAX, &|| false)
        .unwrap()
        .unwrap();
    assert_eq!(nodes.len(), 1);
    nodes.into_iter().next().unwrap()
}

/// Walks a trie node by node and returns its entries.
fn walk(state: &ServedState, account: Option<B256>, root: B256) -> Vec<(B256, Vec<u8>)> {
    let mut pending = vec![(Path::EMPTY, root)];
    let mut found = Vec::new();
    while let Some((path, hash)) = pending.pop() {
        let rlp = node(state, account, &path);
        assert_eq!(keccak256(&rlp), hash, "{account:?} {path:?}");
        for (path, link) in links(&path, &rlp).unwrap() {
            match link {
                Link::Node(hash) => pending.push((path, hash)),
                Link::Value(value) => found.push((B256::from_slice(path.packed()), value)),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn recent_states_are_served_node_by_node() {
    let chain = Chain::new(Store::memory(), 8, 6);
    for number in [0, 5, 8] {
        let state = served(&chain, number);
        let model = &chain.models[number as usize];
        let found = walk(&state, None, state.root());
        let expected: Vec<_> = model
            .iter()
            .map(|(key, (account, _))| (*key, rlp::encode(account)))
            .collect();
        assert_eq!(found, expected);
        for (key, (account, slots)) in model {
            if account.storage_root == EMPTY_ROOT_HASH {
                continue;
            }
            let slots: Vec<_> = slots.iter().map(|(key, value)| (*key, *value)).collect();
            assert_eq!(
                walk(&state, Some(*key), account.storage_root),
                leaves(&slots)
            );
        }
    }
}

#[test]
fn paths_to_no_node_give_empty_nodes() {
    let chain = Chain::new(Store::memory(), 2, 6);
    let state = served(&chain, 1);
    let fetch =
        |sets: &[NodePaths<'_>], bytes| state.trie_nodes(sets, bytes, &|| false).unwrap().unwrap();
    let root = NodePaths {
        account: &[0],
        slots: Vec::new(),
    };
    let long = NodePaths {
        account: &[0; 55],
        slots: Vec::new(),
    };
    let deep = NodePaths {
        account: &[0, 1, 2, 3, 4, 5, 6],
        slots: Vec::new(),
    };
    let of_nobody = NodePaths {
        account: &[1],
        slots: vec![&[0]],
    };
    let nodes = fetch(&[root.clone(), long, deep, of_nobody, root.clone()], 5_000);
    assert_eq!(nodes.len(), 4);
    assert_eq!(keccak256(&nodes[0]), state.root());
    assert!(nodes[1].is_empty() && nodes[2].is_empty());
    assert_eq!(nodes[3], nodes[0]);
    assert_eq!(
        fetch(&[root.clone(), root.clone()], 1).len(),
        1,
        "limit in bytes"
    );
    let many = vec![root.clone(); 2_000];
    assert_eq!(fetch(&many, u64::MAX).len(), 1024, "limit in nodes");
    let key = hashed(LARGE);
    let slots = NodePaths {
        account: key.as_slice(),
        slots: vec![&[0]; 2_000],
    };
    assert!(fetch(&[slots], u64::MAX).len() <= 1024);
    let late = state
        .trie_nodes(&many, u64::MAX, &|| true)
        .unwrap()
        .unwrap();
    assert_eq!(late.len(), 1, "the time is up after one node");
}

#[test]
fn codes_come_in_order_without_unknown_ones() {
    let store = Store::memory();
    let codes = [vec![1; 100], vec![2; 200], vec![3; 50]].map(Bytes::from);
    let mut commit = Commit::new();
    for code in &codes {
        commit.put_code(&keccak256(code), code);
    }
    store.commit(commit).unwrap();
    let [first, second, third] = codes.each_ref().map(keccak256);
    let unknown = B256::repeat_byte(9);
    let found = |hashes: &[B256], bytes| store.codes_for_peer(hashes, bytes).unwrap();
    let [one, two, three] = codes.clone();
    let hashes = [third, unknown, EMPTY_CODE_HASH, first, second, third];
    assert_eq!(
        found(&hashes, 10_000),
        [three.clone(), Bytes::new(), one.clone(), two, three]
    );
    assert_eq!(found(&[first, second], 0).len(), 1, "at least one code");
    assert_eq!(found(&[first, second], 99), [one]);
    assert_eq!(
        found(&[unknown, EMPTY_ROOT_HASH], 10_000),
        Vec::<Bytes>::new()
    );
    assert_eq!(found(&[EMPTY_CODE_HASH; 2_000], 1).len(), 1024);
}
