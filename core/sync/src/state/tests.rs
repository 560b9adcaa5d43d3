use std::cell::RefCell;

use actoreum_primitives::U256;
use actoreum_trie::{Builder, encode_uint};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::*;

#[derive(Default)]
struct Store(RefCell<HashMap<Id, Bytes>>);

impl Store {
    fn write(&self, finished: &[StateValue]) {
        for value in finished {
            // Everything below it is written already.
            for (kind, hash) in child_values(value.kind, &value.data).unwrap() {
                let is_nothing = hash == EMPTY_CODE_HASH || hash == EMPTY_ROOT_HASH;
                assert!(is_nothing || self.0.borrow().contains_key(&id(kind, hash)));
            }
            let id = id(value.kind, value.hash);
            self.0.borrow_mut().insert(id, value.data.clone());
        }
    }
}

impl StateStore for Store {
    fn has_node(&self, hash: &B256) -> bool {
        self.0.borrow().contains_key(&(false, *hash))
    }

    fn has_code(&self, hash: &B256) -> bool {
        self.0.borrow().contains_key(&(true, *hash))
    }
}

fn trie(mut entries: Vec<(B256, Vec<u8>)>, values: &mut HashMap<B256, Bytes>) -> B256 {
    if entries.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    entries.sort();
    let mut builder = Builder::new(|_: &Path, rlp: Vec<u8>| {
        values.insert(keccak256(&rlp), Bytes::from(rlp));
    });
    for (key, value) in &entries {
        builder.push(key.as_slice(), value).unwrap();
    }
    builder.finish().unwrap()
}

/// Returns the root and all values of a state of `accounts` accounts.
fn state(accounts: u64) -> (B256, HashMap<B256, Bytes>) {
    let mut values = HashMap::new();
    let mut leaves = Vec::new();
    for index in 0..accounts {
        let slots = (0..index % 4 * 9).map(|slot| {
            let value = encode_uint(&(slot + 1 + index % 3).to_be_bytes()).to_vec();
            (keccak256(U256::from(slot).to_be_bytes::<32>()), value)
        });
        let storage_root = trie(slots.collect(), &mut values);
        let code = Bytes::from(vec![index as u8 % 5; index as usize % 3 * 20]);
        values.insert(keccak256(&code), code.clone());
        let account = Account {
            nonce: index,
            storage_root,
            code_hash: keccak256(&code),
            ..Account::default()
        };
        leaves.push((keccak256(index.to_be_bytes()), rlp::encode(&account)));
    }
    let root = trie(leaves, &mut values);
    (root, values)
}

/// Fetches from peers that leave values out or do not answer, until done or after `max` requests.
fn fetch(
    root: B256,
    values: &HashMap<B256, Bytes>,
    store: &Store,
    rng: &mut StdRng,
    max: usize,
) -> (StateSync, usize) {
    let mut sync = StateSync::new(root, store);
    let honest = SyncPeerId(0);
    for request in 0..max {
        if sync.is_done() {
            return (sync, request);
        }
        let peer = SyncPeerId(rng.random_range(0..4));
        let asked = sync.ask(peer, rng.random_range(1..50));
        if peer != honest && rng.random_bool(0.3) {
            sync.requeue(&asked);
            continue;
        }
        let leaves_out = if peer == honest { 0.0 } else { 0.4 };
        let mut answer: Vec<HashedValue> = asked
            .iter()
            .filter(|_| !rng.random_bool(leaves_out))
            .map(|(_, hash)| HashedValue::new(values[hash].clone()))
            .collect();
        answer.shuffle(rng);
        answer.dedup_by_key(|value| value.hash);
        sync.deliver(peer, &asked, answer, store).unwrap();
        if rng.random_bool(0.3) {
            let finished = sync.take_finished();
            store.write(&finished);
            let written: Vec<_> = finished.iter().map(|it| (it.kind, it.hash)).collect();
            sync.written(&written);
        }
    }
    (sync, max)
}

#[test]
fn a_state_is_written_children_first_and_resumes_after_a_cut() {
    for seed in 0..30 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (root, values) = state(rng.random_range(1..300));
        let store = Store::default();
        let (first, _) = fetch(root, &values, &store, &mut rng, 20);
        let before = store.0.borrow().len();
        assert!(first.pulled() >= before as u64);
        let (second, requests) = fetch(root, &values, &store, &mut rng, 100_000);
        assert!(second.is_done(), "seed {seed}: {requests} requests");
        let wanted = values.keys().filter(|hash| **hash != EMPTY_CODE_HASH);
        let there = store
            .0
            .borrow()
            .keys()
            .map(|(_, hash)| *hash)
            .collect::<HashSet<_>>();
        assert!(
            wanted.clone().all(|hash| there.contains(hash)),
            "seed {seed}"
        );
        assert_eq!(second.pulled() as usize + before, store.0.borrow().len());
        // Another root, most of whose values are stored.
        let (next, more) = state(301);
        let (third, _) = fetch(next, &more, &store, &mut rng, 100_000);
        assert!(third.is_done() && third.pulled() < more.len() as u64);
    }
}

#[test]
fn unrequested_values_are_refused_and_stuck_is_detected() {
    let (root, values) = state(50);
    let store = Store::default();
    let mut sync = StateSync::new(root, &store);
    let asked = sync.ask(SyncPeerId(1), 10);
    let unexpected = vec![HashedValue::new(Bytes::from_static(b"unexpected"))];
    assert_eq!(
        sync.deliver(SyncPeerId(1), &asked, unexpected, &store),
        Err(UnexpectedData)
    );
    let asked = sync.ask(SyncPeerId(2), 10);
    assert_eq!(asked, [(ValueKind::AccountNode, root)]);
    assert_eq!(
        sync.deliver(SyncPeerId(2), &asked, Vec::new(), &store),
        Ok(0)
    );
    assert!(sync.is_stuck(&[SyncPeerId(1), SyncPeerId(2)]));
    assert!(!sync.is_stuck(&[SyncPeerId(1), SyncPeerId(2), SyncPeerId(3)]));
    let asked = sync.ask(SyncPeerId(3), 10);
    let right = vec![HashedValue::new(values[&root].clone())];
    assert_eq!(sync.deliver(SyncPeerId(3), &asked, right, &store), Ok(1));
    assert!(!sync.is_stuck(&[SyncPeerId(1), SyncPeerId(2), SyncPeerId(3)]));
}

#[test]
fn a_root_of_invalid_data_is_refused() {
    let store = Store::default();
    let data = Bytes::from_static(b"this is no trie node");
    let root = keccak256(&data);
    let mut sync = StateSync::new(root, &store);
    let asked = sync.ask(SyncPeerId(1), 1);
    let answer = vec![HashedValue::new(data)];
    assert_eq!(
        sync.deliver(SyncPeerId(1), &asked, answer, &store),
        Err(UnexpectedData)
    );
}
