//! States that are served to peers: every answer is verified as a peer verifies it.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod chain;
mod nodes;

use actoreum_primitives::{Account, B256, EMPTY_ROOT_HASH, U256, rlp};
use actoreum_storage::{ServedState, Store, StoreOptions};
use actoreum_trie::{encode_uint, verify_range};
use chain::{Chain, LARGE, LARGE_SLOTS, Model, hashed};

const FIRST: B256 = B256::ZERO;
const LAST: B256 = B256::repeat_byte(0xff);

fn served(chain: &Chain, number: u64) -> ServedState {
    let root = chain.roots[number as usize];
    let state = chain.store.served_state(number, root).unwrap();
    state.expect("the state is available")
}

fn plus(key: B256, more: i64) -> B256 {
    let key = U256::from_be_bytes(key.0);
    let sum = if more < 0 {
        key - U256::from(more.unsigned_abs())
    } else {
        key + U256::from(more)
    };
    B256::from(sum)
}

/// Fetches accounts, verifies them, and returns them with whether more follow.
fn accounts(
    state: &ServedState,
    origin: B256,
    limit: B256,
    bytes: u64,
) -> (Vec<(B256, Account)>, bool) {
    let range = state.account_range(origin, limit, bytes).unwrap().unwrap();
    let leaves: Vec<_> = range
        .accounts
        .iter()
        .map(|(key, account)| (*key, rlp::encode(account)))
        .collect();
    let has_more = verify_range(state.root(), &origin, &leaves, &range.proof).unwrap();
    (range.accounts, has_more)
}

fn leaves(slots: &[(B256, U256)]) -> Vec<(B256, Vec<u8>)> {
    let leaf = |(key, value): &(B256, U256)| (*key, encode_uint(&value.to_be_bytes::<32>()));
    slots.iter().map(leaf).collect()
}

/// Fetches the whole state in ranges of `bytes`.
fn fetch(state: &ServedState, bytes: u64) -> Model {
    let mut model = Model::new();
    let mut origin = FIRST;
    loop {
        let (found, has_more) = accounts(state, origin, LAST, bytes);
        let entry = |(key, account): &(B256, Account)| (*key, (*account, Default::default()));
        model.extend(found.iter().map(entry));
        match found.last() {
            Some((last, _)) if has_more => origin = plus(*last, 1),
            _ => break,
        }
    }
    let has_slots = |account: &Account| account.storage_root != EMPTY_ROOT_HASH;
    let mut wanted: Vec<_> = model
        .iter()
        .filter(|(_, (account, _))| has_slots(account))
        .map(|(key, (account, _))| (*key, account.storage_root))
        .collect();
    let mut origin = FIRST;
    while !wanted.is_empty() {
        let keys: Vec<_> = wanted.iter().map(|(key, _)| *key).collect();
        let answer = state.storage_ranges(&keys, Some(origin), Some(LAST), bytes);
        let answer = answer.unwrap().unwrap();
        assert!(!answer.ranges.is_empty() || !answer.proof.is_empty());
        let is_partial = !answer.proof.is_empty();
        let count = answer.ranges.len().max(1);
        for index in 0..count {
            let slots = answer.ranges.get(index).cloned().unwrap_or_default();
            let (key, root) = wanted[0];
            let is_last = index + 1 == count && is_partial;
            let proof = if is_last { &answer.proof[..] } else { &[] };
            let has_more = verify_range(root, &origin, &leaves(&slots), proof).unwrap();
            let last = slots.last().map(|(slot, _)| *slot);
            model.get_mut(&key).unwrap().1.extend(slots);
            if has_more {
                origin = plus(last.unwrap(), 1);
            } else {
                wanted.remove(0);
                origin = FIRST;
            }
        }
    }
    model
}

#[test]
fn recent_states_are_served_range_by_range() {
    for seed in 0..3 {
        let chain = Chain::new(Store::memory(), 12, seed);
        for number in 0..=12 {
            let state = served(&chain, number);
            assert_eq!(state.number(), number);
            for bytes in [1, 700, 5_000, u64::MAX] {
                let fetched = fetch(&state, bytes);
                let expected = &chain.models[number as usize];
                assert!(fetched == *expected, "block {number}, {bytes} bytes");
            }
        }
    }
}

#[test]
fn bounds_of_account_ranges_are_those_of_geth() {
    let chain = Chain::new(Store::memory(), 3, 9);
    let state = served(&chain, 2);
    let keys: Vec<_> = chain.models[2].keys().copied().collect();
    let (first, second) = (keys[0], keys[1]);
    let found = |origin, limit, bytes| -> Vec<B256> {
        let (accounts, _) = accounts(&state, origin, limit, bytes);
        accounts.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(found(FIRST, LAST, 0), [first]);
    assert_eq!(found(FIRST, LAST, 1), [first]);
    assert_eq!(
        found(plus(first, -500), plus(first, 1), 4000),
        [first, second]
    );
    assert_eq!(found(plus(first, -500), plus(first, -450), 4000), [first]);
    assert_eq!(found(FIRST, FIRST, 4000), [first]);
    assert_eq!(found(first, LAST, 4000)[0], first);
    assert_eq!(found(plus(first, 1), LAST, 4000)[0], second);
    assert_eq!(found(first, plus(first, -1), 4000), [first]);
    let last = *keys.last().unwrap();
    assert_eq!(found(last, LAST, 4000), [last]);
    assert!(found(plus(last, 1), LAST, 4000).is_empty());
    assert!(found(LAST, FIRST, 4000).is_empty());
}

#[test]
fn the_limit_in_bytes_counts_as_in_geth() {
    let chain = Chain::new(Store::memory(), 3, 4);
    let state = served(&chain, 3);
    let (found, has_more) = accounts(&state, FIRST, LAST, 2_000);
    assert!(has_more);
    let slim = |account: &Account| {
        let full = rlp::encode(account).len();
        let without_root = if account.storage_root == EMPTY_ROOT_HASH {
            32
        } else {
            0
        };
        // No account has code; a header of two bytes becomes one of one byte below 56.
        let payload = full - 2 - 32 - without_root;
        32 + payload + if payload < 56 { 1 } else { 2 }
    };
    let sizes: Vec<_> = found.iter().map(|(_, account)| slim(account)).collect();
    let total: usize = sizes.iter().sum();
    assert!(
        total > 2_000 && total - sizes.last().unwrap() <= 2_000,
        "{total}"
    );
}

#[test]
fn an_unavailable_state_is_not_served() {
    let options = StoreOptions {
        history: Some(4),
        ..StoreOptions::default()
    };
    let chain = Chain::new(Store::memory_with(options).unwrap(), 12, 1);
    let is_served = |number: u64, root| chain.store.served_state(number, root).unwrap().is_some();
    assert!(is_served(12, chain.roots[12]));
    assert!(is_served(9, chain.roots[9]));
    assert!(!is_served(2, chain.roots[2]), "pruned");
    assert!(!is_served(13, chain.roots[12]), "above the head");
    assert!(!is_served(12, chain.roots[11]), "another root");
    let storage_root = chain.models[12][&hashed(LARGE)].0.storage_root;
    assert!(!is_served(12, storage_root), "the root of a storage trie");
}

#[test]
fn a_commit_ends_the_answers_of_a_state() {
    let mut chain = Chain::new(Store::memory(), 5, 2);
    let state = served(&chain, 4);
    assert!(state.account_range(FIRST, LAST, 1).unwrap().is_some());
    chain.block();
    assert!(!state.is_current());
    assert_eq!(state.account_range(FIRST, LAST, 1).unwrap(), None);
    assert_eq!(state.storage_ranges(&[], None, None, 1).unwrap(), None);
    assert_eq!(state.trie_nodes(&[], 1, &|| false).unwrap(), None);
    assert!(fetch(&served(&chain, 4), u64::MAX) == chain.models[4]);
}

#[test]
fn several_storages_end_with_a_proven_one() {
    let chain = Chain::new(Store::memory(), 2, 3);
    let state = served(&chain, 1);
    let model = &chain.models[1];
    let small = model
        .iter()
        .filter(|(_, (_, slots))| (1..30).contains(&slots.len()));
    let small: Vec<_> = small.map(|(key, _)| *key).take(3).collect();
    let size: usize = small.iter().map(|key| model[key].1.len() * 40).sum();
    let keys = [small[0], small[1], hashed(LARGE), small[2]];
    let answer = state.storage_ranges(&keys, None, None, size as u64);
    let answer = answer.unwrap().unwrap();
    assert_eq!(answer.ranges.len(), 3, "the last account does not fit");
    let whole: [&[u8]; 0] = [];
    for (key, slots) in keys.iter().zip(&answer.ranges).take(2) {
        let root = model[key].0.storage_root;
        assert_eq!(
            verify_range(root, &FIRST, &leaves(slots), &whole),
            Ok(false)
        );
    }
    let cut = &answer.ranges[2];
    assert!(cut.len() < LARGE_SLOTS as usize / 2);
    let root = model[&hashed(LARGE)].0.storage_root;
    assert_eq!(
        verify_range(root, &FIRST, &leaves(cut), &answer.proof),
        Ok(true)
    );
}

#[test]
fn a_contract_slightly_too_large_is_not_cut() {
    let chain = Chain::new(Store::memory(), 1, 3);
    let state = served(&chain, 1);
    let slots = &chain.models[1][&hashed(LARGE)].1;
    let size: u64 = slots
        .values()
        .map(|value| 32 + rlp::encode(value).len() as u64)
        .sum();
    let ranges = |bytes| {
        state
            .storage_ranges(&[hashed(LARGE)], None, None, bytes)
            .unwrap()
            .unwrap()
    };
    let whole = ranges(size * 19 / 20);
    assert_eq!(whole.ranges[0].len(), slots.len());
    assert!(whole.proof.is_empty());
    let cut = ranges(size * 3 / 4);
    assert!(cut.ranges[0].len() < slots.len());
    assert!(!cut.proof.is_empty());
    assert_eq!(ranges(0).ranges[0].len(), 1, "at least one slot");
}

#[test]
fn a_bounded_range_of_slots_is_proven() {
    let chain = Chain::new(Store::memory(), 3, 5);
    let state = served(&chain, 2);
    let (account, slots) = &chain.models[2][&hashed(LARGE)];
    let keys: Vec<_> = slots.keys().copied().collect();
    for (origin, limit, expected) in [
        (None, Some(keys[5]), &keys[..6]),
        (Some(keys[3]), Some(keys[5]), &keys[3..6]),
        (Some(plus(keys[3], 1)), Some(plus(keys[5], 1)), &keys[4..7]),
        (Some(plus(keys[3], 1)), Some(FIRST), &keys[4..5]),
        (Some(keys[keys.len() - 2]), None, &keys[keys.len() - 2..]),
        (Some(plus(keys[keys.len() - 1], 1)), None, &[]),
    ] {
        let answer = state.storage_ranges(&[hashed(LARGE)], origin, limit, u64::MAX);
        let answer = answer.unwrap().unwrap();
        let found = answer.ranges.first().cloned().unwrap_or_default();
        let found_keys: Vec<_> = found.iter().map(|(key, _)| *key).collect();
        assert_eq!(found_keys, expected);
        let origin = origin.unwrap_or_default();
        let verified = verify_range(
            account.storage_root,
            &origin,
            &leaves(&found),
            &answer.proof,
        );
        let has_more = expected
            .last()
            .is_some_and(|last| last != &keys[keys.len() - 1]);
        assert_eq!(verified, Ok(has_more));
    }
}

#[test]
fn the_slots_of_an_unknown_account_are_an_empty_answer() {
    let chain = Chain::new(Store::memory(), 1, 5);
    let state = served(&chain, 1);
    let keys = [hashed(LARGE), B256::repeat_byte(7)];
    let answer = state.storage_ranges(&keys, None, None, u64::MAX);
    assert_eq!(answer.unwrap().unwrap(), Default::default());
}
