//! Benchmark of import into a new database of each engine: the clique-bench chain (269 blocks,
//! 30,051 transactions, 1,391.6 Mgas), with the throughput in gas (1 Gelem/s is 1,000 Mgas/s), and
//! mainnet's first 1,000 blocks, with the throughput in blocks, each with its proof of work.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion makes public functions, and a benchmark fails by its panic"
)]

use std::{fs, path::PathBuf, sync::Arc};

use actoreum_chain::{Chain, ChainOptions, ChainReader, Detail, genesis};
use actoreum_consensus::{EngineOptions, engine_for};
use actoreum_primitives::{Block, Genesis, rlp::Decode};
use actoreum_storage::{Engine, Store, StoreOptions};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn fixtures() -> Option<PathBuf> {
    let folder = std::env::var_os("ACTOREUM_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    folder.is_dir().then_some(folder)
}

fn blocks(bytes: &[u8]) -> Vec<Block> {
    let mut rest = bytes;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        blocks.push(Block::decode(&mut rest).unwrap());
    }
    blocks
}

fn open(genesis_block: &Genesis, engine: Engine, folder: &tempfile::TempDir) -> Chain {
    let options = StoreOptions {
        engine,
        ..StoreOptions::default()
    };
    let store = Store::open(folder.path(), options).unwrap();
    genesis::init(&store, genesis_block).unwrap();
    let reader = ChainReader::open(store).unwrap();
    let engine = engine_for(reader.config(), EngineOptions::default()).engine;
    let options = ChainOptions {
        engine,
        interrupt: Arc::default(),
        now: Arc::new(|| u64::MAX / 2),
    };
    Chain::open(reader, options).unwrap()
}

fn import(criterion: &mut Criterion) {
    let Some(folder) = fixtures() else {
        println!("skipped: fixtures not found");
        return;
    };
    let bytes = fs::read(folder.join("clique-bench/chain.rlp")).unwrap();
    let json = fs::read_to_string(folder.join("clique-bench/genesis.json")).unwrap();
    let genesis = Genesis::from_json(&json).unwrap();
    let gas = blocks(&bytes)
        .iter()
        .map(|block| block.header.gas_used)
        .sum();
    measure(criterion, "import clique-bench", &genesis, &bytes, gas);

    let bytes = fs::read(folder.join("mainnet/first-1000.rlp")).unwrap();
    let count = blocks(&bytes).len() as u64;
    measure(
        criterion,
        "import mainnet-1000",
        &Genesis::mainnet(),
        &bytes,
        count,
    );
}

fn measure(criterion: &mut Criterion, name: &str, genesis: &Genesis, bytes: &[u8], work: u64) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(work)).sample_size(10);
    for engine in [Engine::Sled, Engine::Redb] {
        group.bench_function(engine.name(), |bencher| {
            bencher.iter_batched(
                || {
                    let folder = tempfile::tempdir().unwrap();
                    // Decoded anew: a transaction caches its sender.
                    (open(genesis, engine, &folder), blocks(bytes), folder)
                },
                |(mut chain, blocks, folder)| {
                    let report = chain.import(&blocks, Detail::HeadOnly);
                    assert!(report.refused.is_none());
                    (chain, folder)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, import);
criterion_main!(benches);
