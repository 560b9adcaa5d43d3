//! Measures a log query over 100,000 blocks: with the bloom index, by reading every header, and by
//! reading every receipt.
//!
//! Every block holds a log, and one in a thousand holds the log that the query wants. Fails if the
//! index is not at least 20 times faster than reading every receipt.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use actoreum_chain::bloom_index::{due_sections, index_section};
use actoreum_chain::{ChainReader, LogCriteria, genesis};
use actoreum_consensus::{EngineOptions, engine_for};
use actoreum_primitives::{
    Address, B256, Body, Genesis, Header, LegacyTx, Log, Receipt, ReceiptOutcome, SecretKey,
    TxPayload, TxType, U256, keccak256, logs_bloom,
};
use actoreum_rpc::namespaces;
use actoreum_rpc::node::{Node, NodeHandles, NodeSettings};
use actoreum_rpc::server::dispatch::{DispatchLimits, Dispatcher};
use actoreum_rpc::server::pool::HeavyPool;
use actoreum_storage::{Commit, HeadRecord, Store, StoreOptions};

const BLOCKS: u64 = 100_000;
const WANTED_EVERY: u64 = 1_000;
const BLOCKS_A_COMMIT: u64 = 2_000;

fn wanted() -> Address {
    Address::repeat_byte(0xaa)
}

fn receipt(number: u64) -> Receipt {
    let random = keccak256(number.to_be_bytes());
    let address = if number.is_multiple_of(WANTED_EVERY) {
        wanted()
    } else {
        Address::from_slice(&random[..20])
    };
    let log = Log {
        address,
        topics: vec![random],
        data: vec![1; 32].into(),
    };
    Receipt::new(
        TxType::Legacy,
        ReceiptOutcome::Status(true),
        30_000,
        vec![log],
    )
}

/// Writes blocks that were not executed: a query reads no state.
fn fill(store: &Store, genesis: &Header) {
    let payload = TxPayload::Legacy(LegacyTx {
        chain_id: Some(1),
        nonce: 0,
        gas_price: U256::from(1),
        gas_limit: 30_000,
        to: Some(wanted()),
        value: U256::ZERO,
        input: Default::default(),
    });
    let body = Body {
        transactions: vec![payload.sign(&SecretKey::from_bytes(&[1; 32]).unwrap())],
        ..Body::default()
    };
    let mut parent = genesis.hash();
    let mut commit = Commit::new();
    for number in 1..=BLOCKS {
        let receipts = [receipt(number)];
        let header = Header {
            parent_hash: parent,
            number,
            logs_bloom: logs_bloom(&receipts[0].logs),
            ..Header::default()
        };
        let hash = header.hash();
        commit.put_header(&hash, &header, &U256::from(number));
        commit.put_body(number, &hash, &body);
        commit.put_receipts(number, &hash, &receipts);
        commit.set_canonical(number, &hash);
        parent = hash;
        if number % BLOCKS_A_COMMIT == 0 || number == BLOCKS {
            commit.set_head(HeadRecord {
                number,
                hash,
                state_root: B256::ZERO,
            });
            store.commit(std::mem::take(&mut commit)).unwrap();
        }
    }
}

/// Returns the shortest of three runs.
fn best(mut run: impl FnMut() -> usize) -> (Duration, usize) {
    let timed = || {
        let started = Instant::now();
        let found = run();
        (started.elapsed(), found)
    };
    std::iter::repeat_with(timed).take(3).min().unwrap()
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    let first = genesis::init(&store, &Genesis::mainnet()).unwrap();
    fill(&store, &first);
    let reader = ChainReader::open(store).unwrap();
    let engine = engine_for(reader.config(), EngineOptions::default()).engine;
    let handles = NodeHandles::new(reader.clone(), engine);
    let node = Node::new(handles, NodeSettings::new("bench", 1));
    let methods = namespaces::methods(&node);
    let namespaces = ["eth".to_owned()];
    let (pool, limits) = (HeavyPool::alone(1, 1).unwrap(), DispatchLimits::default());
    let dispatcher = Dispatcher::new(Arc::new(node), &methods, &namespaces, pool, limits);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let address = wanted();
    let body = format!(
        "{{\"id\":1,\"method\":\"eth_getLogs\",\"params\":[{{\"fromBlock\":\"0x0\",\"address\":\"{address}\"}}]}}"
    );
    let query = || {
        let answer = runtime.block_on(dispatcher.answer(body.as_bytes())).body;
        let answer = String::from_utf8(answer).unwrap();
        answer.matches("\"logIndex\"").count()
    };

    let criteria = LogCriteria {
        addresses: vec![address],
        topics: Vec::new(),
    };
    let read_all = || {
        let mut found = 0;
        for number in 0..=BLOCKS {
            let header = reader.header_by_number(number).unwrap().unwrap();
            let receipts = reader.receipts(&header.hash()).unwrap();
            for receipt in receipts.iter().flat_map(|receipts| receipts.iter()) {
                found += receipt
                    .logs
                    .iter()
                    .filter(|log| criteria.matches(log))
                    .count();
            }
        }
        found
    };
    let (by_receipts, in_receipts) = best(read_all);
    let (by_headers, in_headers) = best(query);
    let started = Instant::now();
    for section in 0..due_sections(BLOCKS) {
        index_section(&reader, section).unwrap();
    }
    let indexing = started.elapsed();
    let (by_index, in_index) = best(query);
    let expected = usize::try_from(BLOCKS / WANTED_EVERY).unwrap();
    assert_eq!(
        (in_receipts, in_headers, in_index),
        (expected, expected, expected)
    );
    let ratio = by_receipts.as_secs_f64() / by_index.as_secs_f64();
    println!("every receipt {by_receipts:?}, every header {by_headers:?}, index {by_index:?}");
    println!("index made in {indexing:?}; {ratio:.0} times faster than every receipt");
    assert!(ratio >= 20.0, "{ratio}");
}
