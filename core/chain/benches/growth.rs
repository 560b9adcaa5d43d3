//! A benchmark of the growth of import time: the same workload at two sizes, ten times apart, on
//! each engine.
//!
//! There are two workloads: that of clique-bench (the same contract, the same mix of transfers,
//! token transfers, storage fills and hashing loops), and one that creates an account or a slot
//! with each transaction. The benchmark prints wall time, processor time (less disturbed by other
//! load on the machine) and bytes on disk. `ACTOREUM_GROWTH_BLOCKS` is the size of the small run,
//! `ACTOREUM_GROWTH_CACHE` the engine's cache in MB, `ACTOREUM_GROWTH_FOLDER` the folder where the
//! chains are stored as files, for `actoreum import` and for the next run, which need not generate
//! them again.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark fails by its panic"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use actoreum_chain::{BuildPlan, Chain, ChainOptions, ChainReader, Detail, build, genesis};
use actoreum_consensus::{Clique, CliqueError, clique::unsealed_extra};
use actoreum_primitives::{
    Address, B256, Block, Bytes, Genesis, LegacyTx, SecretKey, Transaction, TxPayload, U256,
    keccak256,
    rlp::{self, Decode},
};
use actoreum_storage::{Engine, Store, StoreOptions, limits::CACHE_BYTES};
use rayon::prelude::*;
use serde_json::{Value, json};

/// Number of blocks of the small workload; clique-bench has some 150 that are not empty. The big
/// workload is ten times as large.
const BLOCKS: u64 = 151;
const TIMES: u64 = 10;
/// Transactions per block.
const TRANSACTIONS: u64 = 199;
const GAS: u64 = 2_000_000;
/// Number of senders; the first deploys the contract and gives tokens to all.
const SENDERS: u64 = 200;
const CHAIN_ID: u64 = 1_337;
/// Duration of a tick of `/proc/self/stat`.
const TICK: Duration = Duration::from_millis(10);

/// A function from the index of a transaction, over all blocks, to the transaction.
type Workload<'w> = &'w (dyn Fn(u64) -> (u64, Option<Address>, Bytes, u64) + Sync);

fn key(number: u64) -> SecretKey {
    let seed = keccak256([b"growth", &number.to_be_bytes()[..]].concat());
    SecretKey::from_bytes(&seed.0).unwrap()
}

fn fixtures() -> Option<PathBuf> {
    let folder = std::env::var_os("ACTOREUM_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    folder.is_dir().then_some(folder.join("clique-bench"))
}

/// Returns clique-bench's genesis with the keys of this benchmark.
fn genesis_json(folder: &Path, keys: &[SecretKey]) -> Value {
    let text = fs::read_to_string(folder.join("genesis.json")).unwrap();
    let mut genesis: Value = serde_json::from_str(&text).unwrap();
    let rich = json!({"balance": "0x200000000000000000000000000000000000000000000"});
    let alloc = keys
        .iter()
        .map(|key| (key.address().to_string(), rich.clone()));
    genesis["alloc"] = Value::Object(alloc.collect());
    genesis["extraData"] = json!(unsealed_extra(b"", [keys[0].address()]).to_string());
    genesis
}

fn call(selector: [u8; 4], words: &[B256]) -> Bytes {
    [&selector[..], &words.concat()].concat().into()
}

/// Returns a transaction of clique-bench's mix: of 1,000 transactions 449 are transfers, a third of
/// them to new accounts, 454 token transfers, 68 fills of 1 to 11 slots, 29 hashing loops.
fn as_clique_bench(
    index: u64,
    keys: &[SecretKey],
    creation: &Bytes,
) -> (u64, Option<Address>, Bytes, u64) {
    let contract = keys[0].address().create(0);
    let word = |address: Address| address.into_word();
    let Some(number) = index.checked_sub(1) else {
        return (0, None, creation.clone(), 0);
    };
    let Some(number) = number.checked_sub(SENDERS) else {
        let tokens = B256::from(U256::from(1) << 80);
        let input = [word(keys[number as usize].address()), tokens];
        return (0, Some(contract), call([0x40, 0xc1, 0x0f, 0x19], &input), 0);
    };
    let dice = keccak256(index.to_be_bytes());
    let draw = u16::from_be_bytes([dice[0], dice[1]]) % 1_000;
    let other = keys[usize::from(dice[2]) % keys.len()].address();
    let small = |below: u8| B256::with_last_byte(dice[3] % below);
    let (to, input, value) = match draw {
        0..150 => (Address::from_word(dice), Bytes::new(), 1),
        150..449 => (other, Bytes::new(), 1),
        449..903 => {
            let input = [word(other), small(200)];
            (contract, call([0xa9, 0x05, 0x9c, 0xbb], &input), 0)
        }
        903..971 => {
            let count = B256::with_last_byte(1 + dice[3] % 11);
            (contract, call([0x3f, 0xda, 0x53, 0x89], &[count]), 0)
        }
        _ => {
            let rounds = u16::from_be_bytes([dice[3] % 4, dice[4]]);
            let rounds = B256::from(U256::from(rounds));
            (contract, call([0xa5, 0xb6, 0xea, 0x8f], &[rounds]), 0)
        }
    };
    (number % SENDERS, Some(to), input, value)
}

/// Returns a payment to a new account, or a fill of a new slot, in turn.
fn as_new_state(
    index: u64,
    keys: &[SecretKey],
    creation: &Bytes,
) -> (u64, Option<Address>, Bytes, u64) {
    if index <= SENDERS {
        return as_clique_bench(index, keys, creation);
    }
    let sender = (index - 1) % SENDERS;
    if index.is_multiple_of(2) {
        let fresh = Address::from_word(keccak256(index.to_be_bytes()));
        return (sender, Some(fresh), Bytes::new(), 1);
    }
    let input = call([0x3f, 0xda, 0x53, 0x89], &[B256::with_last_byte(1)]);
    (sender, Some(keys[0].address().create(0)), input, 0)
}

fn open(store: Store, genesis_block: &Genesis) -> (Chain, Arc<Clique>) {
    genesis::init(&store, genesis_block).unwrap();
    let reader = ChainReader::open(store).unwrap();
    let clique = Arc::new(Clique::new(genesis_block.config.clique.unwrap(), None));
    let options = ChainOptions {
        engine: clique.clone(),
        interrupt: Arc::default(),
        now: Arc::new(|| u64::MAX / 2),
    };
    (Chain::open(reader, options).unwrap(), clique)
}

fn make(count: u64, genesis: &Genesis, keys: &[SecretKey], workload: Workload<'_>) -> Vec<Block> {
    let (mut chain, clique) = open(Store::memory(), genesis);
    let signer = keys[0].address();
    clique.set_signer(Some(signer));
    let mut nonces = vec![0_u64; keys.len()];
    let mut blocks = Vec::new();
    for number in 0..count {
        let planned: Vec<_> = (number * TRANSACTIONS..(number + 1) * TRANSACTIONS)
            .map(|index| {
                let (sender, to, input, value) = workload(index);
                let nonce = nonces[sender as usize];
                nonces[sender as usize] += 1;
                let payload = TxPayload::Legacy(LegacyTx {
                    nonce,
                    gas_price: U256::ONE,
                    gas_limit: GAS,
                    to,
                    value: U256::from(value),
                    input,
                    chain_id: Some(CHAIN_ID),
                });
                (sender as usize, payload)
            })
            .collect();
        let transactions: Vec<(usize, Transaction)> = planned
            .into_par_iter()
            .map(|(sender, payload)| (sender, payload.sign(&keys[sender])))
            .collect();
        let parent = chain.head().clone();
        let plan = BuildPlan {
            time: parent.timestamp + 1,
            parent,
            gas_limit: 30_000_000,
            extra_data: Bytes::new(),
            author: signer,
            edit: None,
            chosen: actoreum_chain::ChosenFields::default(),
        };
        let block = build(chain.reader(), clique.as_ref(), plan, |_, builder, body| {
            for (sender, transaction) in transactions {
                let sender = keys[sender].address();
                builder.try_transaction(&transaction, sender).unwrap();
                body.transactions.push(transaction);
            }
            Ok(())
        });
        let mut block = block.unwrap();
        let sign = |hash: B256| Ok::<_, CliqueError>(keys[0].sign(hash));
        clique.seal(&mut block.header, sign).unwrap();
        let report = chain.import(std::slice::from_ref(&block), Detail::HeadOnly);
        assert!(report.refused.is_none(), "{:?}", report.refused);
        blocks.push(block);
    }
    blocks
}

fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before the last bracket may hold any character.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<u32>().ok())
        .sum::<u32>()
        * TICK
}

/// Imports into a new database. Returns wall time, processor time and bytes on disk.
fn import(engine: Engine, genesis: &Genesis, blocks: &[Block]) -> (Duration, Duration, u64) {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        engine,
        cache_bytes: std::env::var("ACTOREUM_GROWTH_CACHE").map_or(CACHE_BYTES, |megabytes| {
            megabytes.parse::<u64>().unwrap() << 20
        }),
        ..StoreOptions::default()
    };
    let (mut chain, _) = open(Store::open(folder.path(), options).unwrap(), genesis);
    // Decoded anew: a transaction caches its hash.
    let blocks: Vec<Block> = blocks
        .iter()
        .map(|block| rlp::decode_exact(&rlp::encode(block)).unwrap())
        .collect();
    let (started, used) = (Instant::now(), processor_time());
    let report = chain.import(&blocks, Detail::HeadOnly);
    assert!(report.refused.is_none());
    chain.reader().store().flush().unwrap();
    let (wall, used) = (started.elapsed(), processor_time() - used);
    assert_eq!(chain.head().hash(), blocks.last().unwrap().hash());
    (wall, used, chain.reader().store().size().unwrap().0)
}

fn measure(name: &str, genesis: &Genesis, big: &[Block], blocks: u64) {
    let small = &big[..blocks as usize];
    for engine in [Engine::Sled, Engine::Redb] {
        let engine_name = engine.name();
        let measured = [import(engine, genesis, small), import(engine, genesis, big)];
        for ((wall, used, bytes), blocks) in measured.into_iter().zip([small, big]) {
            let transactions = blocks.len() as u64 * TRANSACTIONS;
            let gas: u64 = blocks.iter().map(|block| block.header.gas_used).sum();
            println!(
                "{name}, {engine_name}: {} blocks, {transactions} transactions, {} Mgas: {wall:.2?} \
                 wall, {used:.2?} processor, {} bytes a transaction",
                blocks.len(),
                gas / 1_000_000,
                bytes / transactions,
            );
        }
        let [small, big] = measured;
        println!(
            "{name}, {engine_name}: {TIMES} times the work took {:.2} times the wall time, {:.2} \
             times the processor time",
            big.0.as_secs_f64() / small.0.as_secs_f64(),
            big.1.as_secs_f64() / small.1.as_secs_f64(),
        );
    }
}

/// Reads blocks from a file, or makes them and writes the file.
fn load_or_make(path: &Path, make: impl FnOnce() -> Vec<Block>) -> Vec<Block> {
    if let Ok(bytes) = fs::read(path) {
        let mut rest = bytes.as_slice();
        let next = || (!rest.is_empty()).then(|| Block::decode(&mut rest).unwrap());
        return std::iter::from_fn(next).collect();
    }
    let blocks = make();
    fs::write(path, encoded(&blocks)).unwrap();
    blocks
}

fn encoded(blocks: &[Block]) -> Vec<u8> {
    blocks.iter().flat_map(rlp::encode).collect()
}

fn main() {
    let Some(folder) = fixtures() else {
        return println!("skipped: fixtures not found");
    };
    let small = std::env::var("ACTOREUM_GROWTH_BLOCKS");
    let small = small.map_or(BLOCKS, |blocks| blocks.parse().unwrap());
    let keys: Vec<SecretKey> = (0..SENDERS).map(key).collect();
    let json = genesis_json(&folder, &keys);
    let genesis = Genesis::from_json(&json.to_string()).unwrap();
    let work = fs::read_to_string(folder.join("Work.json")).unwrap();
    let work: Value = serde_json::from_str(&work).unwrap();
    let creation: Bytes = work["bytecode"].as_str().unwrap().parse().unwrap();

    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("ACTOREUM_GROWTH_FOLDER").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| temporary.path().to_owned());
    let of_bench = |index| as_clique_bench(index, &keys, &creation);
    let of_state = |index| as_new_state(index, &keys, &creation);
    let workloads: [(&str, Workload<'_>); 2] =
        [("clique-bench", &of_bench), ("new state", &of_state)];
    fs::write(folder.join("genesis.json"), json.to_string()).unwrap();
    for (name, workload) in workloads {
        let path = folder.join(format!("{name}, big.rlp"));
        let blocks = load_or_make(&path, || make(small * TIMES, &genesis, &keys, workload));
        let path = folder.join(format!("{name}, small.rlp"));
        fs::write(path, encoded(&blocks[..small as usize])).unwrap();
        measure(name, &genesis, &blocks, small);
    }
}
