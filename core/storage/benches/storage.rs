//! Benchmarks of the state on sled and on redb: inserting accounts, the root and the commit of a
//! block that touches 10,000 accounts, and cold historic reads.
//!
//! `ACTOREUM_BENCH_ACCOUNTS` sets the number of accounts in the state (default 100,000),
//! `ACTOREUM_BENCH_ENGINE` the engine to measure (default both), `ACTOREUM_BENCH_CACHE` the page
//! cache in megabytes (default that of a store).

#![expect(missing_docs, reason = "criterion's macros make a public item")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use actoreum_primitives::{
    AccountChange, AccountInfo, Address, StateDiff, StateReader, U256, keccak256,
};
use actoreum_storage::{Commit, Engine, HeadRecord, Store, StoreOptions, TrieBuffer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const TOUCHED: u64 = 10_000;
/// Number of accounts in one commit while the state is filled.
const FILL: u64 = 20_000;

fn account_count() -> u64 {
    let count = std::env::var("ACTOREUM_BENCH_ACCOUNTS").ok();
    count
        .and_then(|count| count.parse().ok())
        .unwrap_or(100_000)
}

fn address(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

/// Returns a diff of account `first` and every `step`th account after it, each with a new balance.
fn diff(first: u64, step: u64, count: u64, balance: u64) -> StateDiff {
    let mut diff = StateDiff::default();
    for index in (0..count).map(|index| first + index * step) {
        let info = AccountInfo {
            balance: U256::from(balance + index),
            ..AccountInfo::default()
        };
        let change = AccountChange {
            after: Some(info),
            ..AccountChange::default()
        };
        diff.accounts.insert(address(index), change);
    }
    diff
}

fn commit(store: &Store, tries: &mut TrieBuffer, number: u64) {
    let frozen = tries.freeze().expect("no commit is in flight");
    let state_root = frozen.root();
    let mut commit = Commit::new();
    commit.state(&frozen);
    drop(frozen);
    commit.set_head(HeadRecord {
        number,
        hash: state_root,
        state_root,
    });
    store.commit(commit).expect("the commit succeeds");
    tries.committed();
}

fn fill(store: &Store, accounts: u64) -> (TrieBuffer, u64) {
    let mut tries = TrieBuffer::new(store.clone());
    let mut number = 0;
    for first in (0..accounts).step_by(FILL as usize) {
        let diff = diff(first, 1, FILL.min(accounts - first), 1);
        tries.apply(number, &diff).expect("the state is valid");
        commit(store, &mut tries, number);
        number += 1;
    }
    (tries, number)
}

fn open(engine: Engine, folder: &std::path::Path) -> Store {
    let cache = std::env::var("ACTOREUM_BENCH_CACHE").ok();
    let cache = cache.and_then(|megabytes| megabytes.parse::<u64>().ok());
    let mut options = StoreOptions {
        engine,
        ..StoreOptions::default()
    };
    options.cache_bytes = cache.map_or(options.cache_bytes, |megabytes| megabytes << 20);
    Store::open(folder, options).expect("a new folder opens")
}

fn storage(criterion: &mut Criterion) {
    let accounts = account_count();
    let wanted = std::env::var("ACTOREUM_BENCH_ENGINE").ok();
    for engine in [Engine::Sled, Engine::Redb] {
        if wanted.as_ref().is_some_and(|name| name != engine.name()) {
            continue;
        }
        let mut group = criterion.benchmark_group(engine.name());
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(engine, folder.path());
        let begun = Instant::now();
        let (mut tries, mut number) = fill(&store, accounts);
        store.flush().expect("the flush succeeds");
        let (bytes, _) = store.size().expect("the folder is readable");
        println!(
            "{}: {accounts} accounts inserted in {:.2?}, {} bytes an account on disk, {} MB resident",
            engine.name(),
            begun.elapsed(),
            bytes / accounts,
            resident_megabytes(),
        );
        let step = (accounts / TOUCHED).max(1);
        group.throughput(Throughput::Elements(TOUCHED.min(accounts)));
        group.bench_function("root_of_10000_touched", |bencher| {
            let block = diff(0, step, TOUCHED.min(accounts), 1_000);
            bencher.iter(|| tries.root_after(&block).expect("the state is valid"));
        });
        group.bench_function("commit_of_10000_touched", |bencher| {
            bencher.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    number += 1;
                    let block = diff(0, step, TOUCHED.min(accounts), number * 1_000);
                    let begun = Instant::now();
                    tries.apply(number, &block).expect("the state is valid");
                    commit(&store, &mut tries, number);
                    spent += begun.elapsed();
                }
                spent
            });
        });
        drop(tries);
        drop(store);
        let store = open(engine, folder.path());
        group.throughput(Throughput::Elements(1));
        group.bench_function("cold_historic_read", |bencher| {
            let view = store.state_at(number - 5).expect("all history is kept");
            let mut index = 0;
            bencher.iter(|| {
                index = (index + 7_919) % accounts;
                black_box(view.account(&address(index)).expect("the state is valid"))
            });
        });
        drop(store);
        group.bench_function("open_after_stop", |bencher| {
            bencher.iter(|| open(engine, folder.path()).head());
        });
        group.finish();
    }
}

fn resident_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096 / 1_000_000
}

criterion_group!(benches, storage);
criterion_main!(benches);
