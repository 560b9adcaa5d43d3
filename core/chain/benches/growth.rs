//! Whether import grows linearly: the same workload, and ten times as much of it, on each engine.
//!
//! Each block pays 100 new accounts and writes 100 new slots. Prints wall time, processor time
//! (which other load on the machine disturbs less) and bytes on disk.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark fails by its panic"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actoreum_chain::{BuildPlan, Chain, ChainOptions, ChainReader, Detail, build, genesis};
use actoreum_consensus::{Ethash, EthashOptions, SealCheck};
use actoreum_primitives::{
    Address, B256, Block, Bytes, ChainConfig, Fork, Genesis, GenesisAccount, LegacyTx, SecretKey,
    Transaction, TxPayload, U256, keccak256,
};
use actoreum_storage::{Engine, Store, StoreOptions};
use rayon::prelude::*;

/// Blocks of the small workload; the big one has ten times as many.
const BLOCKS: u64 = 100;
const TIMES: u64 = 10;
/// Of each kind in a block.
const TRANSACTIONS: u64 = 100;
const GAS: u64 = 60_000;
/// Writes 1 to the slot that its input names.
const WRITER: Address = Address::repeat_byte(0xa1);
const WRITER_CODE: [u8; 7] = [0x60, 0x01, 0x60, 0x00, 0x35, 0x55, 0x00];
/// In a tick of `/proc/self/stat`.
const TICK: Duration = Duration::from_millis(10);

fn key() -> SecretKey {
    SecretKey::from_bytes(&[7; 32]).unwrap()
}

fn genesis() -> Genesis {
    let rich = GenesisAccount {
        balance: U256::from(10).pow(U256::from(24)),
        ..GenesisAccount::default()
    };
    let writer = GenesisAccount {
        code: WRITER_CODE.into(),
        ..GenesisAccount::default()
    };
    Genesis {
        config: ChainConfig::active_from_genesis(9, Fork::Berlin),
        difficulty: U256::from(131_072),
        gas_limit: 30_000_000,
        alloc: [(key().address(), rich), (WRITER, writer)].into(),
        ..Genesis::default()
    }
}

/// The transaction with this nonce: even ones pay a new account, odd ones write a new slot.
fn transaction(nonce: u64) -> Transaction {
    let fresh = keccak256(nonce.to_be_bytes());
    let (to, input) = if nonce.is_multiple_of(2) {
        (Address::from_word(fresh), Bytes::new())
    } else {
        (WRITER, Bytes::copy_from_slice(fresh.as_slice()))
    };
    let payload = TxPayload::Legacy(LegacyTx {
        nonce,
        gas_price: U256::ONE,
        gas_limit: GAS,
        to: Some(to),
        value: U256::from(u64::from(input.is_empty())),
        input,
        chain_id: Some(9),
    });
    payload.sign(&key())
}

fn open(store: Store) -> Chain {
    genesis::init(&store, &genesis()).unwrap();
    let reader = ChainReader::open(store).unwrap();
    let options = ChainOptions {
        engine: Arc::new(Ethash::new(EthashOptions::default(), SealCheck::None)),
        interrupt: Arc::default(),
        now: || u64::MAX / 2,
    };
    Chain::open(reader, options).unwrap()
}

fn make(count: u64) -> Vec<Block> {
    let mut chain = open(Store::memory());
    let mut blocks = Vec::new();
    for number in 0..count {
        let first = number * TRANSACTIONS * 2;
        let nonces = first..first + TRANSACTIONS * 2;
        let transactions: Vec<_> = nonces.into_par_iter().map(transaction).collect();
        let parent = chain.head().clone();
        let plan = BuildPlan {
            time: parent.timestamp + 13,
            parent,
            gas_limit: 30_000_000,
            extra_data: Bytes::new(),
            author: Address::repeat_byte(1),
            edit: None,
        };
        let engine = Arc::clone(chain.engine());
        let block = build(chain.reader(), engine.as_ref(), plan, |_, builder, body| {
            for transaction in transactions {
                builder
                    .try_transaction(&transaction, key().address())
                    .unwrap();
                body.transactions.push(transaction);
            }
            Ok(())
        });
        let block = block.unwrap();
        let report = chain.import(std::slice::from_ref(&block), Detail::HeadOnly);
        assert!(report.refused.is_none());
        blocks.push(block);
    }
    blocks
}

fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before the last bracket may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<u32>().ok())
        .sum::<u32>()
        * TICK
}

/// Imports into a new database: wall time, processor time, bytes on disk.
fn import(engine: Engine, blocks: &[Block]) -> (Duration, Duration, u64) {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        engine,
        ..StoreOptions::default()
    };
    let mut chain = open(Store::open(folder.path(), options).unwrap());
    // Made anew: a transaction remembers its hash.
    let blocks: Vec<_> = blocks
        .iter()
        .map(|block| {
            actoreum_primitives::rlp::decode_exact(&actoreum_primitives::rlp::encode(block))
        })
        .collect::<Result<_, _>>()
        .unwrap();
    let (begun, used) = (Instant::now(), processor_time());
    let report = chain.import(&blocks, Detail::HeadOnly);
    assert!(report.refused.is_none());
    chain.reader().store().flush().unwrap();
    let (wall, used) = (begun.elapsed(), processor_time() - used);
    assert_ne!(chain.head().hash(), B256::ZERO);
    (wall, used, chain.reader().store().size().unwrap().0)
}

fn main() {
    let big = make(BLOCKS * TIMES);
    let small = &big[..BLOCKS as usize];
    for engine in [Engine::Sled, Engine::Redb] {
        let measured = [import(engine, small), import(engine, &big)];
        for ((wall, used, bytes), blocks) in measured.into_iter().zip([small, &big]) {
            let transactions = blocks.len() as u64 * TRANSACTIONS * 2;
            println!(
                "{}: {} blocks, {transactions} transactions: {wall:.2?} wall, {used:.2?} processor, {} bytes a transaction",
                engine.name(),
                blocks.len(),
                bytes / transactions,
            );
        }
        let [small, big] = measured;
        println!(
            "{}: {TIMES} times the work took {:.2} times the wall time, {:.2} times the processor time",
            engine.name(),
            big.0.as_secs_f64() / small.0.as_secs_f64(),
            big.1.as_secs_f64() / small.1.as_secs_f64(),
        );
    }
}
