//! Compares the builder and the proofs with `alloy-trie`: the same accounts, the same root, the same
//! nodes. The figures are processor time.

#![expect(missing_docs, reason = "criterion's macros make a public item")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by its panic")]

use std::collections::HashMap;
use std::hint::black_box;

use actoreum_primitives::{Account, B256, U256, keccak256, rlp};
use actoreum_trie::{Builder, Fetched, NodeSource, Path, TrieError, prove, verify};
use alloy_trie::proof::{ProofRetainer, verify_proof};
use alloy_trie::{HashBuilder, Nibbles};
use criterion::{Criterion, criterion_group, criterion_main};
use thread_time::ThreadTime;

#[path = "../../../tests/bench/thread_time.rs"]
mod thread_time;

const ACCOUNTS: u64 = 10_000;

type Leaf = (B256, Vec<u8>);

/// Returns the leaves of a state, sorted: hashed addresses and encoded accounts, one in four a contract.
fn accounts() -> Vec<Leaf> {
    let leaf = |seed: u64| {
        let random = keccak256(seed.to_be_bytes());
        let mut account = Account {
            nonce: seed % 300,
            balance: U256::from_be_slice(&random[20..]),
            ..Account::default()
        };
        if seed.is_multiple_of(4) {
            account.storage_root = keccak256(random);
            account.code_hash = keccak256(account.storage_root);
        }
        (keccak256(&random[..20]), rlp::encode(&account))
    };
    let mut leaves: Vec<Leaf> = (0..ACCOUNTS).map(leaf).collect();
    leaves.sort();
    leaves
}

fn own_build(leaves: &[Leaf], sink: impl FnMut(&Path, Vec<u8>)) -> B256 {
    let mut builder = Builder::new(sink);
    for (key, value) in leaves {
        builder.push(key.as_slice(), value).unwrap();
    }
    builder.finish().unwrap()
}

fn own_root(leaves: &[Leaf]) -> B256 {
    own_build(leaves, |_, node| drop(black_box(node)))
}

fn alloy_root(leaves: &[Leaf]) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

/// Builds the trie and keeps the nodes on the path to `key`, root first.
fn own_proof_from_leaves(leaves: &[Leaf], key: &B256) -> Vec<Vec<u8>> {
    let mut proof = Vec::new();
    own_build(leaves, |path, node| {
        if is_on_path(path, key) {
            proof.push((path.len(), node));
        }
    });
    proof.sort_unstable_by_key(|(depth, _)| *depth);
    proof.into_iter().map(|(_, node)| node).collect()
}

fn is_on_path(path: &Path, key: &B256) -> bool {
    (0..path.len()).all(|index| {
        let byte = key[index / 2];
        path.at(index)
            == if index.is_multiple_of(2) {
                byte >> 4
            } else {
                byte & 0xf
            }
    })
}

fn alloy_proof_from_leaves(leaves: &[Leaf], key: &B256) -> Vec<Vec<u8>> {
    let target = Nibbles::unpack(key);
    let retainer = ProofRetainer::new(vec![target]);
    let mut builder = HashBuilder::default().with_proof_retainer(retainer);
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root();
    let nodes = builder.take_proof_nodes().into_nodes_sorted();
    nodes.into_iter().map(|(_, node)| node.to_vec()).collect()
}

/// The nodes of a trie in a map, in place of a store.
struct Nodes(HashMap<Path, Vec<u8>>);

impl NodeSource for Nodes {
    fn node(&self, path: &Path) -> Result<Option<Fetched<'_>>, TrieError> {
        let node = self.0.get(path);
        Ok(node.map(|rlp| Fetched {
            rlp: rlp.into(),
            verified: true,
        }))
    }
}

fn root(criterion: &mut Criterion<ThreadTime>) {
    let leaves = accounts();
    assert_eq!(own_root(&leaves), alloy_root(&leaves));
    let mut group = criterion.benchmark_group("root_of_10000_accounts");
    group.bench_function("own", |bencher| bencher.iter(|| own_root(&leaves)));
    group.bench_function("alloy-trie", |bencher| bencher.iter(|| alloy_root(&leaves)));
    group.finish();
}

fn proof(criterion: &mut Criterion<ThreadTime>) {
    let leaves = accounts();
    let (key, value) = &leaves[leaves.len() / 3];
    let mut nodes = Nodes(HashMap::new());
    let root = own_build(&leaves, |path, node| {
        nodes.0.insert(*path, node);
    });
    let proof = prove(&nodes, root, key.as_slice()).unwrap();
    assert_eq!(own_proof_from_leaves(&leaves, key), proof);
    assert_eq!(alloy_proof_from_leaves(&leaves, key), proof);

    let mut group = criterion.benchmark_group("proof_from_leaves");
    group.bench_function("own", |bencher| {
        bencher.iter(|| own_proof_from_leaves(&leaves, key));
    });
    group.bench_function("alloy-trie", |bencher| {
        bencher.iter(|| alloy_proof_from_leaves(&leaves, key));
    });
    group.finish();

    // `alloy-trie` cannot make a proof from stored nodes.
    criterion.bench_function("proof_from_nodes/own", |bencher| {
        bencher.iter(|| prove(&nodes, root, black_box(key.as_slice())));
    });

    let encoded: Vec<_> = proof.iter().cloned().map(Into::into).collect();
    let alloy_verify = || verify_proof(root, Nibbles::unpack(key), Some(value.clone()), &encoded);
    let own_verify = || verify(root, key.as_slice(), &proof);
    assert_eq!(own_verify().unwrap().as_ref(), Some(value));
    alloy_verify().unwrap();
    let mut group = criterion.benchmark_group("verify_proof");
    group.bench_function("own", |bencher| {
        bencher.iter(|| assert_eq!(own_verify().unwrap().as_ref(), Some(value)));
    });
    group.bench_function("alloy-trie", |bencher| {
        bencher.iter(|| alloy_verify().unwrap())
    });
    group.finish();
}

criterion_group!(
    name = benches;
    config = Criterion::default().with_measurement(ThreadTime);
    targets = root, proof
);
criterion_main!(benches);
