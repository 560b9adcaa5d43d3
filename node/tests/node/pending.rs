//! The pending block and pending logs of a node without mining.

use std::time::{Duration, Instant};

use actoreum_primitives::{Address, LegacyTx, SecretKey, TxPayload, U256, keccak256};
use serde_json::{Value, json};

use crate::chains::{self, CHAIN_ID};
use crate::http;
use crate::process::Running;

/// Bound on each wait, longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(90);
const RECEIVER: Address = Address::repeat_byte(0x77);

fn transfer(key: &SecretKey, nonce: u64) -> Value {
    let payload = TxPayload::Legacy(LegacyTx {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: U256::from(100),
        gas_limit: 21_000,
        to: Some(RECEIVER),
        value: U256::from(5),
        ..LegacyTx::default()
    });
    json!(format!(
        "0x{}",
        hex::encode(payload.sign(key).encode_2718())
    ))
}

#[test]
fn a_node_without_mining_serves_the_pending_state() {
    let key = SecretKey::random();
    let sender = key.address();
    let alloc = json!({hex::encode(sender): {"balance": "0xde0b6b3a7640000"}});
    let folder = tempfile::tempdir().unwrap();
    let datadir = chains::init(folder.path(), &chains::foreign_genesis(alloc));
    let (_process, node) = Running::start_http(&datadir, &[]);
    let call = |method: &str, params: Value| http::call(node, method, params).unwrap();
    let sent: Vec<Value> = (0..2)
        .map(|nonce| call("eth_sendRawTransaction", json!([transfer(&key, nonce)])))
        .collect();

    for (at, nonce, received) in [("latest", "0x0", "0x0"), ("pending", "0x2", "0xa")] {
        let asked = |method: &str, of: Address| call(method, json!([of, at]));
        assert_eq!(asked("eth_getTransactionCount", sender), nonce, "{at}");
        assert_eq!(asked("eth_getBalance", RECEIVER), received, "{at}");
    }
    let pending = call("eth_getBlockByNumber", json!(["pending", false]));
    assert_eq!(pending["number"], "0x1");
    assert_eq!(pending["transactions"], json!(sent));
    // Init code, run by the call alone, that returns BALANCE of the receiver.
    let code = format!("0x73{}3160005260206000f3", hex::encode(RECEIVER));
    let balance = call(
        "eth_call",
        json!([{"from": sender, "data": code}, "pending"]),
    );
    assert_eq!(balance, json!(format!("0x{:064x}", 10)));
    assert_eq!(call("eth_blockNumber", json!([])), "0x0");
}

#[test]
fn pending_logs_are_delivered_to_pending_filters_only() {
    let key = SecretKey::random();
    let alloc = json!({hex::encode(key.address()): {"balance": "0xde0b6b3a7640000"}});
    let folder = tempfile::tempdir().unwrap();
    let datadir = chains::init(folder.path(), &chains::foreign_genesis(alloc));
    let (process, node) = Running::start_http(&datadir, &[]);
    let call = |method: &str, params: Value| http::call(node, method, params).unwrap();
    let [pending, also, mined] = [
        json!({"fromBlock": "pending", "toBlock": "pending"}),
        json!({"toBlock": "pending"}),
        json!({}),
    ];
    let filters = [&pending, &also, &mined].map(|range| call("eth_newFilter", json!([range])));
    let changes = |filter: &Value| call("eth_getFilterChanges", json!([filter]));
    // Init code that emits a log: PUSH1 7, PUSH1 0, PUSH1 0, LOG1.
    let mut sent = Vec::new();
    for nonce in 0..2 {
        let payload = TxPayload::Legacy(LegacyTx {
            chain_id: Some(CHAIN_ID),
            nonce,
            gas_price: U256::from(100),
            gas_limit: 100_000,
            input: vec![0x60, 7, 0x60, 0, 0x60, 0, 0xa1].into(),
            ..LegacyTx::default()
        });
        let raw = format!("0x{}", hex::encode(payload.sign(&key).encode_2718()));
        sent.push(call("eth_sendRawTransaction", json!([raw])));
        for filter in &filters[..2] {
            let begun = Instant::now();
            let logs = loop {
                let logs = changes(filter);
                if logs != json!([]) {
                    break logs;
                }
                assert!(begun.elapsed() < TIMEOUT, "no pending log is delivered");
            };
            assert_eq!(
                logs.as_array().unwrap().len(),
                1,
                "a log is delivered only once"
            );
            assert_eq!(logs[0]["transactionHash"], sent[nonce as usize]);
            assert_eq!(logs[0]["blockNumber"], "0x1");
            assert_eq!(logs[0]["blockHash"], format!("0x{}", "00".repeat(32)));
            assert_eq!(logs[0]["topics"], json!([format!("0x{:064x}", 7)]));
        }
    }
    assert_eq!(changes(&filters[2]), json!([]));
    for range in [&pending, &also] {
        let logs = call("eth_getLogs", json!([range]));
        let of: Vec<&Value> = logs
            .as_array()
            .unwrap()
            .iter()
            .map(|log| &log["transactionHash"])
            .collect();
        assert_eq!(of, sent.iter().collect::<Vec<_>>());
    }
    assert_eq!(call("eth_getLogs", json!([mined])), json!([]));
    assert_eq!(
        call("eth_getFilterLogs", json!([filters[0]]))
            .as_array()
            .unwrap()
            .len(),
        2
    );
    process.kill();
}

#[test]
fn pending_transactions_are_served_by_index_raw_and_traced() {
    let key = SecretKey::random();
    let alloc = json!({hex::encode(key.address()): {"balance": "0xde0b6b3a7640000"}});
    let folder = tempfile::tempdir().unwrap();
    let datadir = chains::init(folder.path(), &chains::foreign_genesis(alloc));
    let (_process, node) = Running::start_http(&datadir, &["--http.api", "eth,debug"]);
    let call = |method: &str, params: Value| http::call(node, method, params).unwrap();
    let raw: Vec<Value> = (0..2).map(|nonce| transfer(&key, nonce)).collect();
    let sent: Vec<Value> = raw
        .iter()
        .map(|raw| call("eth_sendRawTransaction", json!([raw])))
        .collect();
    // Init code that uses memory and storage and emits a log: PUSH1 9, PUSH2 0x1000, MSTORE, SSTORE
    // of the same, LOG0.
    let payload = TxPayload::Legacy(LegacyTx {
        chain_id: Some(CHAIN_ID),
        nonce: 2,
        gas_price: U256::from(100),
        gas_limit: 200_000,
        input: vec![0x60, 9, 0x61, 0x10, 0, 0x52, 0x60, 0, 0x60, 0, 0xa0].into(),
        ..LegacyTx::default()
    });
    let raw_code = format!("0x{}", hex::encode(payload.sign(&key).encode_2718()));
    let created = call("eth_sendRawTransaction", json!([raw_code]));

    let at = |index: &str| {
        call(
            "eth_getTransactionByBlockNumberAndIndex",
            json!(["pending", index]),
        )
    };
    for (index, hash) in [("0x0", &sent[0]), ("0x1", &sent[1]), ("0x2", &created)] {
        let shown = at(index);
        assert_eq!(
            (&shown["hash"], &shown["blockNumber"]),
            (hash, &json!("0x1"))
        );
        assert_eq!(shown["transactionIndex"], index);
    }
    assert!(at("0x3").is_null());
    let raw_at = |index: &str| {
        call(
            "eth_getRawTransactionByBlockNumberAndIndex",
            json!(["pending", index]),
        )
    };
    assert_eq!(raw_at("0x0"), raw[0]);
    assert_eq!(raw_at("0x3"), "0x");
    let count = call("eth_getBlockTransactionCountByNumber", json!(["pending"]));
    assert_eq!(count, "0x3");
    assert_eq!(
        call("eth_getUncleCountByBlockNumber", json!(["pending"])),
        "0x0"
    );
    let uncle = json!(["pending", "0x0"]);
    assert!(call("eth_getUncleByBlockNumberAndIndex", uncle).is_null());
    let header = call("eth_getHeaderByNumber", json!(["pending"]));
    assert_eq!(
        (&header["number"], &header["hash"]),
        (&json!("0x1"), &Value::Null)
    );

    let receipts = call("eth_getBlockReceipts", json!(["pending"]));
    let receipts = receipts.as_array().unwrap();
    assert_eq!(receipts.len(), 3);
    assert_eq!(receipts[0]["transactionHash"], sent[0]);
    assert_eq!(receipts[1]["cumulativeGasUsed"], "0xa410");
    assert_eq!(receipts[2]["logs"].as_array().unwrap().len(), 1);
    let raw_receipts = call("debug_getRawReceipts", json!(["pending"]));
    assert_eq!(raw_receipts.as_array().unwrap().len(), 3);
    assert!(
        call("debug_getRawBlock", json!(["pending"]))
            .as_str()
            .unwrap()
            .len()
            > 1_000
    );

    let trace = |options: Value| call("debug_traceBlockByNumber", json!(["pending", options]));
    let traced = trace(json!({}));
    let traced = traced.as_array().unwrap();
    assert_eq!((traced.len(), &traced[2]["txHash"]), (3, &created));
    let steps = &traced[2]["result"]["structLogs"];
    assert_eq!(steps.as_array().unwrap().len(), 7);
    // Under these rules geth traced memory unless the options disabled it. The option names of all
    // versions of geth are accepted.
    let words = |traced: &Value| {
        let memory = &traced[2]["result"]["structLogs"][4]["memory"];
        memory.as_array().map(Vec::len)
    };
    assert_eq!(words(&json!(traced)), Some(129));
    for without in [
        json!({"enableMemory": false}),
        json!({"disableMemory": true}),
    ] {
        assert_eq!(words(&trace(without.clone())), None, "{without}");
    }
    for with in [
        json!({"enableMemory": true}),
        json!({"disableMemory": false}),
    ] {
        assert_eq!(words(&trace(with.clone())), Some(129), "{with}");
    }
    let body = json!({"id": 1, "method": "debug_traceCall", "params": [{}, "pending"]});
    let (_, answer) = http::request(node, "POST", "/", &body.to_string()).unwrap();
    assert!(
        answer.contains("tracing on top of pending is not supported"),
        "{answer}"
    );
    assert_eq!(call("eth_blockNumber", json!([])), "0x0");
}

/// Code that adds one to its slot 0 on each call.
const COUNTER_CODE: &str = "0x60005460010160005500";
const COUNTER: Address = Address::repeat_byte(0xcc);

/// A node with four transactions in its pool: two transfers, a call of the counter, and the
/// creation of a contract with the code `01`.
struct PendingNode {
    _process: Running,
    _folder: tempfile::TempDir,
    address: std::net::SocketAddr,
    sender: Address,
}

impl PendingNode {
    fn start() -> Self {
        let key = SecretKey::random();
        let sender = key.address();
        let alloc = json!({
            hex::encode(sender): {"balance": "0xde0b6b3a7640000"},
            hex::encode(COUNTER): {"balance": "0x0", "code": COUNTER_CODE},
        });
        let folder = tempfile::tempdir().unwrap();
        let mut genesis = chains::foreign_genesis(alloc);
        for fork in ["constantinople", "petersburg", "istanbul", "berlin"] {
            genesis["config"][format!("{fork}Block")] = json!(0);
        }
        let datadir = chains::init(folder.path(), &genesis);
        let (process, address) = Running::start_http(&datadir, &["--http.api", "eth,debug"]);
        let deploy = [0x60, 1, 0x60, 0, 0x53, 0x60, 1, 0x60, 0, 0xf3].to_vec();
        for (nonce, to, input) in [
            (0, Some(RECEIVER), Vec::new()),
            (1, Some(RECEIVER), Vec::new()),
            (2, Some(COUNTER), Vec::new()),
            (3, None, deploy),
        ] {
            let payload = TxPayload::Legacy(LegacyTx {
                chain_id: Some(CHAIN_ID),
                nonce,
                gas_price: U256::from(100),
                gas_limit: 100_000,
                value: U256::from(if to == Some(RECEIVER) { 5 } else { 0 }),
                to,
                input: input.into(),
            });
            let raw = format!("0x{}", hex::encode(payload.sign(&key).encode_2718()));
            let sent = http::call(address, "eth_sendRawTransaction", json!([raw])).unwrap();
            assert!(sent.is_string());
        }
        Self {
            _process: process,
            _folder: folder,
            address,
            sender,
        }
    }

    fn call(&self, method: &str, params: Value) -> Value {
        http::call(self.address, method, params).unwrap()
    }
}

#[test]
fn every_method_with_a_block_serves_the_pending_block() {
    let node = PendingNode::start();
    let sender = node.sender;
    let created = sender.create(3);
    let balance_code = format!("0x73{}3160005260206000f3", hex::encode(RECEIVER));
    let balance = json!({"from": sender, "data": balance_code});
    let increment = json!({"from": sender, "to": COUNTER});
    let word = |value: u64| json!(format!("0x{value:064x}"));
    let item = |pointer: &'static str| move |result: Value| result.pointer(pointer).cloned();
    let itself = item("");
    let length = |result: Value| Some(json!(result.as_array().map_or(0, Vec::len)));
    type Part<'a> = &'a dyn Fn(Value) -> Option<Value>;
    // Method, parameters before and after the block, the compared part of the result, and its
    // values at the head and at the pending block.
    type Row<'a> = (&'a str, Vec<Value>, Vec<Value>, Part<'a>, [Value; 2]);
    let number = item("/number");
    let slot = item("/storageProof/0/value");
    // A write to a slot costs 20,000 gas if it was zero, and 5,000 otherwise.
    let is_cheap = |gas: Value| {
        let digits = gas.as_str()?.strip_prefix("0x")?;
        let gas = u64::from_str_radix(digits, 16).ok()?;
        Some(json!(gas < 35_000))
    };
    let uses_little = |result: Value| is_cheap(result["gasUsed"].clone());
    let reward = item("/reward/0/0");
    let rows: [Row<'_>; 14] = [
        (
            "eth_getBalance",
            vec![json!(RECEIVER)],
            vec![],
            &itself,
            [json!("0x0"), json!("0xa")],
        ),
        (
            "eth_getTransactionCount",
            vec![json!(sender)],
            vec![],
            &itself,
            [json!("0x0"), json!("0x4")],
        ),
        (
            "eth_getCode",
            vec![json!(created)],
            vec![],
            &itself,
            [json!("0x"), json!("0x01")],
        ),
        (
            "eth_getStorageAt",
            vec![json!(COUNTER), json!("0x0")],
            vec![],
            &itself,
            [word(0), word(1)],
        ),
        (
            "eth_getProof",
            vec![json!(COUNTER), json!(["0x0"])],
            vec![],
            &slot,
            [json!("0x0"), json!("0x1")],
        ),
        (
            "eth_call",
            vec![balance],
            vec![],
            &itself,
            [word(0), word(10)],
        ),
        (
            "eth_estimateGas",
            vec![increment.clone()],
            vec![],
            &is_cheap,
            [json!(false), json!(true)],
        ),
        (
            "eth_createAccessList",
            vec![increment],
            vec![],
            &uses_little,
            [json!(false), json!(true)],
        ),
        (
            "eth_feeHistory",
            vec![json!("0x1")],
            vec![json!([50])],
            &reward,
            [json!("0x0"), json!("0x64")],
        ),
        (
            "eth_getBlockByNumber",
            vec![],
            vec![json!(false)],
            &number,
            [json!("0x0"), json!("0x1")],
        ),
        (
            "eth_getHeaderByNumber",
            vec![],
            vec![],
            &number,
            [json!("0x0"), json!("0x1")],
        ),
        (
            "eth_getBlockReceipts",
            vec![],
            vec![],
            &length,
            [json!(0), json!(4)],
        ),
        (
            "eth_getBlockTransactionCountByNumber",
            vec![],
            vec![],
            &itself,
            [json!("0x0"), json!("0x4")],
        ),
        (
            "debug_getRawReceipts",
            vec![],
            vec![],
            &length,
            [json!(0), json!(4)],
        ),
    ];
    for (method, before, after, part, expected) in &rows {
        for (at, expected) in ["latest", "pending"].iter().zip(expected) {
            let params = [before.clone(), vec![json!(at)], after.clone()].concat();
            let result = node.call(method, json!(params));
            assert_eq!(
                part(result.clone()).as_ref(),
                Some(expected),
                "{method} {at}: {result}"
            );
        }
    }
}

#[test]
fn a_proof_at_pending_leads_to_the_pending_state_root() {
    let node = PendingNode::start();
    let block = node.call("eth_getBlockByNumber", json!(["pending", false]));
    let created = node.sender.create(3);
    for account in [RECEIVER, COUNTER, created] {
        let proof = node.call("eth_getProof", json!([account, [], "pending"]));
        let root = proof["accountProof"][0].as_str().unwrap();
        let root = keccak256(hex::decode(&root[2..]).unwrap());
        assert_eq!(json!(root), block["stateRoot"], "{account}");
    }
    let code = node.call("eth_getProof", json!([created, [], "pending"]));
    assert_eq!(code["codeHash"], json!(keccak256([1])));
    let slots = node.call("eth_getProof", json!([COUNTER, ["0x0"], "pending"]));
    assert_ne!(
        slots["storageHash"],
        json!(actoreum_primitives::EMPTY_ROOT_HASH)
    );
}
