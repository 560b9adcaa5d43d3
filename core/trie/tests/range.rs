//! Property tests of range proofs: what is served is accepted, and what was tampered with is not.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use std::collections::BTreeMap;

use actoreum_primitives::{B256, EMPTY_ROOT_HASH, U256, keccak256};
use actoreum_trie::{Builder, Path, RangeError, TrieError, prove, verify_range};
use common::{Nodes, naive_root};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

type Entries = BTreeMap<B256, Vec<u8>>;
type List = Vec<(B256, Vec<u8>)>;

/// Keys with long common prefixes beside hashed ones, so that extensions and embedded nodes occur.
fn key() -> impl Strategy<Value = B256> {
    prop_oneof![
        any::<u8>().prop_map(|seed| keccak256([seed])),
        (0_u8..4, 0_u8..4, 0_usize..32).prop_map(|(first, last, at)| {
            let mut key = [first << 4; 32];
            key[at] ^= last;
            B256::from(key)
        }),
        prop_oneof![Just(B256::ZERO), Just(B256::repeat_byte(0xff))],
    ]
}

fn entries() -> impl Strategy<Value = Entries> {
    let value = prop_oneof![vec(1_u8.., 1..3), vec(any::<u8>(), 30..80)];
    btree_map(key(), value, 1..60)
}

fn built(entries: &Entries) -> (Nodes, B256) {
    let mut nodes = Nodes::default();
    let mut builder = Builder::new(|path: &Path, rlp| {
        nodes.0.insert(*path, rlp);
    });
    for (key, value) in entries {
        builder.push(key.as_slice(), value).unwrap();
    }
    let root = builder.finish().unwrap();
    let model = entries.iter().map(|(k, v)| (k.to_vec(), v.clone()));
    assert_eq!(root, naive_root(&model.collect()));
    (nodes, root)
}

/// Returns the first `count` entries from `start` on and the proof of that range.
fn serve(
    entries: &Entries,
    nodes: &Nodes,
    root: B256,
    start: B256,
    count: usize,
) -> (List, Vec<Vec<u8>>) {
    let list: List = entries
        .range(start..)
        .take(count)
        .map(|(key, value)| (*key, value.clone()))
        .collect();
    let mut proof = prove(nodes, root, start.as_slice()).unwrap();
    if let Some((last, _)) = list.last() {
        proof.extend(prove(nodes, root, last.as_slice()).unwrap());
    }
    proof.sort();
    proof.dedup();
    (list, proof)
}

fn next(key: B256) -> Option<B256> {
    let next = U256::from_be_bytes(key.0).checked_add(U256::from(1))?;
    Some(B256::from(next))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn ranges_of_a_trie_are_accepted(entries in entries(), start in key(), count in 1_usize..30) {
        let (nodes, root) = built(&entries);
        let (list, proof) = serve(&entries, &nodes, root, start, count);
        let has_more = match list.last() {
            Some((last, _)) => entries.keys().any(|key| key > last),
            None => false,
        };
        prop_assert_eq!(verify_range(root, &start, &list, &proof), Ok(has_more));
    }

    #[test]
    fn a_trie_fetched_range_by_range_is_complete(entries in entries(), count in 1_usize..30) {
        let (nodes, root) = built(&entries);
        let (mut start, mut all) = (Some(B256::ZERO), Entries::new());
        while let Some(from) = start {
            let (list, proof) = serve(&entries, &nodes, root, from, count);
            let has_more = verify_range(root, &from, &list, &proof).unwrap();
            let last = list.last().map(|(key, _)| *key);
            start = last.filter(|_| has_more).and_then(next);
            all.extend(list);
        }
        prop_assert_eq!(all, entries);
    }

    #[test]
    fn the_whole_trie_needs_no_proof(entries in entries(), start in key()) {
        let (_, root) = built(&entries);
        let list: List = entries.clone().into_iter().collect();
        let none: [&[u8]; 0] = [];
        prop_assert_eq!(verify_range(root, &B256::ZERO, &list, &none), Ok(false));
        let (tail, is_all): (List, _) = {
            let tail: List = entries.range(start..).map(|(k, v)| (*k, v.clone())).collect();
            let is_all = tail.len() == list.len();
            (tail, is_all)
        };
        prop_assert_eq!(verify_range(root, &start, &tail, &none).is_ok(), is_all);
    }

    #[test]
    fn a_dropped_entry_is_detected(
        entries in entries(), start in key(), count in 1_usize..30, at in any::<prop::sample::Index>(),
    ) {
        let (nodes, root) = built(&entries);
        let (mut list, proof) = serve(&entries, &nodes, root, start, count);
        prop_assume!(!list.is_empty());
        let at = at.index(list.len());
        list.remove(at);
        // Without its last entry the list is another range, which may be proven: then there is more.
        match verify_range(root, &start, &list, &proof) {
            Ok(has_more) => prop_assert!(at == list.len() && has_more && !list.is_empty()),
            Err(error) => prop_assert!(is_detected(&error), "{error}"),
        }
    }

    #[test]
    fn an_entry_too_many_is_detected(
        entries in entries(), start in key(), count in 1_usize..30, more in key(),
        value in vec(1_u8.., 1..40),
    ) {
        let (nodes, root) = built(&entries);
        let (mut list, proof) = serve(&entries, &nodes, root, start, count);
        prop_assume!(!entries.contains_key(&more));
        let at = list.partition_point(|(key, _)| *key < more);
        list.insert(at, (more, value));
        let result = verify_range(root, &start, &list, &proof);
        prop_assert!(result.is_err(), "{result:?}");
    }

    #[test]
    fn a_changed_value_is_detected(
        entries in entries(), start in key(), count in 1_usize..30,
        at in any::<prop::sample::Index>(), bit in any::<usize>(),
    ) {
        let (nodes, root) = built(&entries);
        let (mut list, proof) = serve(&entries, &nodes, root, start, count);
        prop_assume!(!list.is_empty());
        let at = at.index(list.len());
        let value = &mut list[at].1;
        let bit = bit % (value.len() * 8);
        value[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_range(root, &start, &list, &proof).is_err());
        list[at].1.clear();
        prop_assert_eq!(verify_range(root, &start, &list, &proof), Err(RangeError::EmptyValue));
    }

    #[test]
    fn a_changed_key_is_detected(
        entries in entries(), start in key(), count in 1_usize..30,
        at in any::<prop::sample::Index>(), key in key(),
    ) {
        let (nodes, root) = built(&entries);
        let (mut list, proof) = serve(&entries, &nodes, root, start, count);
        prop_assume!(!list.is_empty());
        let at = at.index(list.len());
        prop_assume!(list[at].0 != key);
        list[at].0 = key;
        prop_assert!(verify_range(root, &start, &list, &proof).is_err());
    }

    #[test]
    fn another_order_is_detected(
        entries in entries(), count in 2_usize..30, at in any::<prop::sample::Index>(),
    ) {
        let (nodes, root) = built(&entries);
        let (mut list, proof) = serve(&entries, &nodes, root, B256::ZERO, count);
        prop_assume!(list.len() > 1);
        let at = at.index(list.len() - 1);
        list.swap(at, at + 1);
        let result = verify_range(root, &B256::ZERO, &list, &proof);
        prop_assert_eq!(result, Err(RangeError::Order));
        list.swap(at, at + 1);
        list.insert(at, list[at].clone());
        let result = verify_range(root, &B256::ZERO, &list, &proof);
        prop_assert_eq!(result, Err(RangeError::Order), "an entry twice");
    }

    #[test]
    fn a_range_that_skips_its_start_is_detected(
        entries in entries(), start in key(), count in 1_usize..30, skipped in 1_usize..5,
    ) {
        let (nodes, root) = built(&entries);
        let later = entries.range(start..).nth(skipped).map(|(key, _)| *key);
        prop_assume!(later.is_some());
        let later = later.unwrap();
        let (list, mut proof) = serve(&entries, &nodes, root, later, count);
        prop_assert!(verify_range(root, &start, &list, &proof).is_err());
        proof.extend(prove(&nodes, root, start.as_slice()).unwrap());
        prop_assert!(verify_range(root, &start, &list, &proof).is_err());
    }

    #[test]
    fn a_missing_node_of_the_proof_is_detected(
        entries in entries(), start in key(), count in 1_usize..30, at in any::<prop::sample::Index>(),
    ) {
        let (nodes, root) = built(&entries);
        let (list, mut proof) = serve(&entries, &nodes, root, start, count);
        let is_whole = list.len() == entries.len();
        proof.remove(at.index(proof.len()));
        match verify_range(root, &start, &list, &proof) {
            // The last node of the proof was removed, and the entries need none.
            Ok(has_more) => prop_assert!(is_whole && proof.is_empty() && !has_more),
            Err(error) => prop_assert!(is_detected(&error), "{error}"),
        }
    }

    #[test]
    fn a_changed_node_of_the_proof_is_detected(
        entries in entries(), start in key(), count in 1_usize..30,
        at in any::<prop::sample::Index>(), bit in any::<usize>(),
    ) {
        let (nodes, root) = built(&entries);
        let (list, mut proof) = serve(&entries, &nodes, root, start, count);
        let at = at.index(proof.len());
        let node = &mut proof[at];
        let bit = bit % (node.len() * 8);
        node[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_range(root, &start, &list, &proof).is_err());
    }

    #[test]
    fn a_false_end_of_the_trie_is_detected(entries in entries(), start in key()) {
        let (nodes, root) = built(&entries);
        let proof = prove(&nodes, root, start.as_slice()).unwrap();
        let none: List = Vec::new();
        let is_end = entries.range(start..).next().is_none();
        let result = verify_range(root, &start, &none, &proof);
        prop_assert_eq!(result.is_ok(), is_end);
        prop_assert!(!is_end || result == Ok(false));
    }

    #[test]
    fn another_root_is_detected(entries in entries(), start in key(), count in 1_usize..30) {
        let (nodes, root) = built(&entries);
        let (list, proof) = serve(&entries, &nodes, root, start, count);
        for other in [B256::repeat_byte(7), EMPTY_ROOT_HASH] {
            let result = verify_range(other, &start, &list, &proof);
            prop_assert!(result.is_err() || (list.is_empty() && other == EMPTY_ROOT_HASH));
        }
    }

    /// A proof is untrusted input.
    #[test]
    fn arbitrary_bytes_as_a_proof_do_not_panic(
        nodes in vec(vec(any::<u8>(), 0..80), 1..4), start in key(), keys in btree_map(key(), vec(1_u8.., 1..4), 0..4),
    ) {
        let root = keccak256(&nodes[0]);
        let list: List = keys.into_iter().collect();
        let _ = verify_range(root, &start, &list, &nodes);
    }

    #[test]
    fn paths_survive_the_hex_prefix_form(nibbles in vec(0_u8..16, 0..65)) {
        let mut stored = vec![0; nibbles.len().div_ceil(2)];
        for (index, nibble) in nibbles.iter().enumerate() {
            stored[index / 2] |= nibble << (4 * ((index + 1) % 2));
        }
        stored.push(nibbles.len() as u8);
        let path = Path::from_stored(&stored).unwrap();
        prop_assert_eq!(Path::from_hex_prefix(&path.to_hex_prefix()), Some(path));
    }
}

fn is_detected(error: &RangeError) -> bool {
    matches!(
        error,
        RangeError::Mismatch(_) | RangeError::Proof(TrieError::Missing { .. })
    )
}

#[test]
fn an_empty_trie_is_proven_without_nodes() {
    let none: List = Vec::new();
    let proof: [&[u8]; 0] = [];
    let start = B256::ZERO;
    assert_eq!(
        verify_range(EMPTY_ROOT_HASH, &start, &none, &proof),
        Ok(false)
    );
    let one = [(B256::repeat_byte(1), vec![1])];
    assert!(verify_range(EMPTY_ROOT_HASH, &start, &one, &proof).is_err());
}

#[test]
fn hex_prefix_paths_are_read_as_geth_reads_them() {
    let path = |bytes: &[u8]| Path::from_hex_prefix(bytes).map(|path| format!("{path:?}"));
    assert_eq!(path(&[]), Some(String::new()));
    assert_eq!(path(&[0x00]), Some(String::new()));
    assert_eq!(path(&[0x01]), Some(String::new()));
    assert_eq!(path(&[0x1b]), Some("b".to_owned()));
    assert_eq!(path(&[0x00, 0xab]), Some("ab".to_owned()));
    assert_eq!(path(&[0x3b]), None, "a path to a value");
    assert_eq!(path(&[0x00; 34]), None, "more than 64 nibbles");
}
