//! Benchmarks of the trie alone: a root built from nothing, and the changes of a block to a big
//! trie.

#![expect(missing_docs, reason = "criterion's macros make a public item")]

use std::collections::HashMap;
use std::hint::black_box;

use actoreum_primitives::{B256, EMPTY_ROOT_HASH, keccak256};
use actoreum_trie::{Builder, EmptySource, Fetched, NodeSource, Path, TrieError, update};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

struct Nodes {
    nodes: HashMap<Path, Vec<u8>>,
    verified: bool,
}

impl NodeSource for Nodes {
    fn node(&self, path: &Path) -> Result<Option<Fetched<'_>>, TrieError> {
        let node = self.nodes.get(path);
        Ok(node.map(|rlp| Fetched {
            rlp: rlp.into(),
            verified: self.verified,
        }))
    }
}

fn entries(count: u32) -> Vec<(B256, Option<Vec<u8>>)> {
    let mut entries: Vec<_> = (0..count)
        .map(|seed| (keccak256(seed.to_be_bytes()), Some(vec![7; 80])))
        .collect();
    entries.sort();
    entries
}

fn state_root(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("trie");
    group.sample_size(10);
    let all = entries(200_000);
    group.bench_function("build_200000", |bencher| {
        bencher.iter_batched(
            || (),
            |()| {
                let mut builder = Builder::new(|_: &Path, rlp| drop(black_box(rlp)));
                for (key, value) in &all {
                    builder.push(key.as_slice(), value.as_deref().unwrap_or_default())?;
                }
                builder.finish()
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("insert_200000_at_once", |bencher| {
        bencher.iter(|| update(&EmptySource, EMPTY_ROOT_HASH, &all));
    });
    let built = update(&EmptySource, EMPTY_ROOT_HASH, &all).expect("the entries are sorted");
    for verified in [false, true] {
        let nodes = built.nodes.iter().cloned();
        let nodes = nodes.filter_map(|(path, rlp)| Some((path, rlp?))).collect();
        let source = Nodes { nodes, verified };
        for touched in [100, 1_000, 10_000] {
            let step = all.len() / touched;
            let changes: Vec<_> = all
                .iter()
                .step_by(step)
                .map(|(key, _)| (*key, Some(vec![9; 80])))
                .collect();
            let origin = if verified { "buffer" } else { "store" };
            group.bench_function(
                format!("touch_{touched}_of_200000_from_{origin}"),
                |bencher| {
                    bencher.iter(|| update(&source, built.root, &changes));
                },
            );
        }
    }
    group.finish();
}

criterion_group!(benches, state_root);
criterion_main!(benches);
