//! Property tests: random inserts and deletes over several commits, compared with the definition.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::collections::BTreeMap;

use actoreum_primitives::{B256, EMPTY_ROOT_HASH, keccak256};
use actoreum_trie::{
    Builder, Path, TrieError, get, ordered_root, plain_root, prove, update, verify,
};
use common::{Nodes, naive_root};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

type Changes = BTreeMap<B256, Option<Vec<u8>>>;

/// Keys with long common prefixes, so that extensions split and branches collapse.
fn key() -> impl Strategy<Value = B256> {
    prop_oneof![
        (0_u8..40).prop_map(|seed| keccak256([seed])),
        (0_u8..4, 0_u8..4, 0_usize..32).prop_map(|(first, last, at)| {
            let mut key = [first << 4; 32];
            key[at] ^= last;
            B256::from(key)
        }),
    ]
}

/// Returns the nodes and the root of a trie that is built at once.
fn built(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> (Nodes, B256) {
    let mut nodes = Nodes::default();
    let mut builder = Builder::new(|path: &Path, rlp| {
        nodes.0.insert(*path, rlp);
    });
    for (key, value) in entries {
        builder.push(key, value).unwrap();
    }
    let root = builder.finish().unwrap();
    (nodes, root)
}

/// Short values lead to embedded nodes, which do not occur with hashed keys alone.
fn commits() -> impl Strategy<Value = Vec<Changes>> {
    let value = prop_oneof![
        2 => vec(1_u8.., 1..3).prop_map(Some),
        2 => vec(any::<u8>(), 30..80).prop_map(Some),
        3 => Just(None),
    ];
    vec(btree_map(key(), value, 0..60), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn incremental_commits_agree_with_the_definition(commits in commits()) {
        let mut model = BTreeMap::new();
        let mut nodes = Nodes::default();
        let mut root = EMPTY_ROOT_HASH;
        for changes in commits {
            let list: Vec<_> = changes.iter().map(|(k, v)| (*k, v.clone())).collect();
            let updated = update(&nodes, root, &list).unwrap();
            nodes.apply(&updated);
            root = updated.root;
            for (key, value) in changes {
                match value {
                    Some(value) => model.insert(key.to_vec(), value),
                    None => model.remove(key.as_slice()),
                };
            }
            prop_assert_eq!(root, naive_root(&model));
            let (at_once, built_root) = built(&model);
            prop_assert_eq!(built_root, root);
            prop_assert_eq!(&nodes, &at_once, "nodes left behind, or missing");
        }
        for seed in 0_u8..40 {
            let key = keccak256([seed]);
            let value = model.get(key.as_slice()).cloned();
            prop_assert_eq!(&get(&nodes, root, key.as_slice()).unwrap(), &value);
            let proof = prove(&nodes, root, key.as_slice()).unwrap();
            prop_assert_eq!(verify(root, key.as_slice(), &proof).unwrap(), value);
        }
    }

    #[test]
    fn keys_of_any_length_agree_with_the_definition(
        model in btree_map(vec(0_u8..3, 0..5), vec(1_u8.., 1..40), 0..30),
    ) {
        let entries: Vec<_> = model.iter().collect();
        prop_assert_eq!(plain_root(&entries).unwrap(), naive_root(&model));
    }

    #[test]
    fn lists_agree_with_the_definition(items in vec(vec(1_u8.., 1..50), 0..300)) {
        let model = items
            .iter()
            .enumerate()
            .map(|(index, item)| (actoreum_trie::encode_uint(&index.to_be_bytes()), item.clone()))
            .collect();
        prop_assert_eq!(ordered_root(&items).unwrap(), naive_root(&model));
    }

    /// A flipped bit gives an error or is on another path; it never changes an answer.
    #[test]
    fn a_flipped_bit_is_detected(seed in 0_u8..40, node in any::<prop::sample::Index>(), bit in any::<usize>()) {
        let model: BTreeMap<_, _> =
            (0_u8..40).map(|seed| (keccak256([seed]).to_vec(), vec![seed | 1; 40])).collect();
        let (mut nodes, root) = built(&model);
        let path = *nodes.0.keys().nth(node.index(nodes.0.len())).unwrap();
        let rlp = nodes.0.get_mut(&path).unwrap();
        let at = bit % (rlp.len() * 8);
        rlp[at / 8] ^= 1 << (at % 8);
        let key = keccak256([seed]);
        match get(&nodes, root, key.as_slice()) {
            Ok(value) => prop_assert_eq!(value.as_ref(), model.get(key.as_slice())),
            Err(error) => {
                let is_found = matches!(error, TrieError::Corrupt { .. });
                prop_assert!(is_found, "{}", error);
            }
        }
        let changes = [(key, Some(vec![9; 33]))];
        if let Ok(updated) = update(&nodes, root, &changes) {
            let mut changed = model;
            changed.insert(key.to_vec(), vec![9; 33]);
            prop_assert_eq!(updated.root, naive_root(&changed));
        }
    }

    /// A proof is untrusted input.
    #[test]
    fn arbitrary_bytes_as_a_proof_do_not_panic(nodes in vec(vec(any::<u8>(), 0..80), 0..4)) {
        let root = nodes.first().map_or(B256::ZERO, keccak256);
        let _ = verify(root, &[1, 2, 3], &nodes);
        let _ = verify(root, keccak256([1]).as_slice(), &nodes);
    }
}

#[test]
fn large_updates_in_parallel_agree_with_the_builder() {
    let entry = |seed: u32| {
        (
            keccak256(seed.to_be_bytes()),
            vec![(seed % 255) as u8 + 1; 70],
        )
    };
    let mut model: BTreeMap<_, _> = (0..5_000).map(entry).collect();
    let all: Vec<_> = model.iter().map(|(k, v)| (*k, Some(v.clone()))).collect();
    let first = update(&actoreum_trie::EmptySource, EMPTY_ROOT_HASH, &all).unwrap();
    let mut nodes = Nodes::default();
    nodes.apply(&first);
    let mut changes: Changes = (0..4_900).map(|seed| (entry(seed).0, None)).collect();
    changes.extend((6_000..7_000).map(entry).map(|(k, v)| (k, Some(v))));
    let list: Vec<_> = changes.iter().map(|(k, v)| (*k, v.clone())).collect();
    let second = update(&nodes, first.root, &list).unwrap();
    nodes.apply(&second);
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key, value),
            None => model.remove(&key),
        };
    }
    let model = model.into_iter().map(|(k, v)| (k.to_vec(), v)).collect();
    let (at_once, root) = built(&model);
    assert_eq!(second.root, root);
    assert_eq!(nodes, at_once);
}

#[test]
fn order_and_missing_nodes_are_errors() {
    let (low, high) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let wrong = [(high, Some(vec![1])), (low, Some(vec![1]))];
    let empty = Nodes::default();
    assert_eq!(
        update(&empty, EMPTY_ROOT_HASH, &wrong),
        Err(TrieError::Unsorted)
    );
    let twice = [(low, Some(vec![1])), (low, None)];
    assert_eq!(
        update(&empty, EMPTY_ROOT_HASH, &twice),
        Err(TrieError::Unsorted)
    );
    let right = [(low, Some(vec![1]))];
    let missing = update(&empty, high, &right);
    assert!(matches!(missing, Err(TrieError::Missing { hash, .. }) if hash == high));
}
