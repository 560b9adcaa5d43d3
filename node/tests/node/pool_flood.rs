//! A flood of transactions from distinct senders over JSON-RPC: honest transactions stay in the
//! pool, and memory stays within the operator's limit.
//!
//! `ACTOREUM_FLOOD_SENDERS` sets the number of senders.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;

use actoreum_primitives::{Address, LegacyTx, SecretKey, Signature, Transaction, TxPayload, U256};
use serde_json::{Value, json};

use crate::chains::{self, CHAIN_ID};
use crate::http;
use crate::process::Running;

const SENDERS: u64 = 20_000;
/// Number of requests in a batch.
const BATCH: usize = 100;
/// Memory limit of the pool in megabytes, less than its slots would take.
const POOL: u64 = 4;
/// Limit of the growth of caches, buffers and the allocator, in megabytes.
const REST: u64 = 60;
const HONEST_ACCOUNTS: u32 = 8;
const HONEST_EACH: u64 = 16;

fn transfer(nonce: u64, gas_price: u64) -> TxPayload {
    TxPayload::Legacy(LegacyTx {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: U256::from(gas_price),
        gas_limit: 21_000,
        to: Some(Address::repeat_byte(0x77)),
        ..LegacyTx::default()
    })
}

fn encoded(transaction: &Transaction) -> Value {
    json!(format!("0x{}", hex::encode(transaction.encode_2718())))
}

/// Returns transactions of distinct senders, with their addresses: every `r` on the curve gives a
/// signature of some sender. Half pay a little less than the honest ones; half pay a lot and are
/// queued behind a missing nonce.
fn flood(count: u64) -> Vec<(Address, Value)> {
    let some = |from: u64| {
        let transactions = (from..2 * count).step_by(2).filter_map(|index| {
            let payload = if index % 4 < 2 {
                transfer(0, 99)
            } else {
                transfer(1, 1_000_000)
            };
            let signature = Signature {
                y_parity: false,
                r: U256::from(index + 1),
                s: U256::from(7),
            };
            let transaction = Transaction::new(payload, signature);
            let sender = transaction.recover_sender().ok()?;
            Some((sender, encoded(&transaction)))
        });
        transactions.collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| some(1));
        let mut all = some(0);
        all.extend(other.join().unwrap());
        all
    })
}

fn honest() -> Vec<(Address, Value)> {
    let all = (0..HONEST_ACCOUNTS).flat_map(|_| {
        let key = SecretKey::random();
        (0..HONEST_EACH).map(move |nonce| {
            let transaction = transfer(nonce, 100).sign(&key);
            (key.address(), encoded(&transaction))
        })
    });
    all.collect()
}

/// Submits transactions in batches; returns the answers.
fn submit(node: SocketAddr, transactions: &[(Address, Value)]) -> Vec<Value> {
    let mut answers = Vec::new();
    for batch in transactions.chunks(BATCH) {
        let requests = batch.iter().map(|(_, raw)| {
            json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]})
        });
        let body = Value::from_iter(requests).to_string();
        let (_, answer) = http::request(node, "POST", "/", &body).unwrap();
        answers.extend(serde_json::from_str::<Vec<Value>>(&answer).unwrap());
    }
    answers
}

fn status(node: SocketAddr) -> Value {
    http::call(node, "txpool_status", json!([])).unwrap()
}

#[test]
fn a_flood_evicts_no_honest_transaction_and_stays_within_memory() {
    let count = std::env::var("ACTOREUM_FLOOD_SENDERS").map(|it| it.parse().unwrap());
    let (flood, honest) = (flood(count.unwrap_or(SENDERS)), honest());
    let accounts = flood.iter().chain(&honest).map(|(address, _)| {
        let address = hex::encode(address);
        (address, json!({"balance": "0xde0b6b3a7640000"}))
    });
    let alloc: BTreeMap<String, Value> = accounts.collect();
    let folder = tempfile::tempdir().unwrap();
    let datadir = chains::init(folder.path(), &chains::foreign_genesis(json!(alloc)));
    let memory = POOL.to_string();
    let flags = [
        "--maxpeers",
        "0",
        "--http.api",
        "eth,txpool",
        // The cache is small, since the accounts of a million senders would fill any cache.
        "--cache",
        "16",
        // All transactions are treated like those of peers.
        "--txpool.nolocals",
        "--txpool.memory",
        &memory,
    ];
    let (process, node) = Running::start_http(&datadir, &flags);
    let accepted = submit(node, &honest);
    assert!(
        accepted.iter().all(|it| it["result"].is_string()),
        "{accepted:?}"
    );
    let before = process.resident_bytes();

    let answers = submit(node, &flood);
    let taken = answers.iter().filter(|it| it["result"].is_string()).count();
    let grown = process.resident_bytes().saturating_sub(before) >> 20;
    println!(
        "{} senders, {taken} transactions accepted for a while, {}, {grown} MB more",
        flood.len(),
        status(node)
    );
    assert!(taken > 0 && taken < flood.len());
    assert!(grown < POOL + REST, "{grown} MB");
    for (address, _) in honest.iter().step_by(HONEST_EACH as usize) {
        let of_it = http::call(node, "txpool_contentFrom", json!([address])).unwrap();
        let pending = of_it["pending"].as_object().unwrap();
        assert_eq!(pending.len() as u64, HONEST_EACH, "{of_it}");
        // Nothing is sealed, so the latest nonce stays 0.
        for (at, nonce) in [("latest", 0), ("pending", HONEST_EACH)] {
            let counted = http::call(node, "eth_getTransactionCount", json!([address, at]));
            assert_eq!(counted.unwrap(), json!(format!("{nonce:#x}")), "{at}");
        }
    }
}
