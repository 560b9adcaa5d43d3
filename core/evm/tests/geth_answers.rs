//! Traces that geth 1.8.27 gave for the clique-bench chain, given again: the chain is executed
//! from its genesis, and each traced transaction is traced where it stands.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

use actoreum_evm::execute_block;
use actoreum_evm::trace::{
    Trace, TraceOptions, TraceStyle, TracedBlock, trace_block, trace_transaction,
};
use actoreum_primitives::config::CliqueConfig;
use actoreum_primitives::rlp::{Decode, encode};
use actoreum_primitives::{
    Address, B256, Block, ChainConfig, Header, SenderRules, Signature, keccak256,
};
use common::archive::fixtures;
use common::json::JsonState;
use common::state::{KnownHashes, MemoryState};
use serde::Deserialize;
use serde_json::{Value, json};

const ANSWERS: &str = "geth-answers/clique-bench-1.8.27.jsonl.zst";
/// A seal's signature at the end of clique's extra data (EIP-225).
const SEAL_LENGTH: usize = 65;

#[derive(Deserialize)]
struct Genesis {
    alloc: BTreeMap<String, Value>,
}

#[test]
fn recorded_traces_of_geth_replay() {
    let Some(folder) = fixtures() else { return };
    let mut wanted = recorded(File::open(folder.join(ANSWERS)).unwrap());
    let total: usize = wanted.values().map(Vec::len).sum();
    assert!(total > 30, "{total} recorded traces");

    let config = ChainConfig {
        chain_id: 1337,
        homestead_block: Some(0),
        eip150_block: Some(0),
        eip155_block: Some(0),
        eip158_block: Some(0),
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        petersburg_block: Some(0),
        clique: Some(CliqueConfig {
            period: 0,
            epoch: 30_000,
        }),
        ..ChainConfig::default()
    };
    let genesis = std::fs::read(folder.join("clique-bench/genesis.json")).unwrap();
    let mut state = genesis_state(&genesis);
    let chain = std::fs::read(folder.join("clique-bench/chain.rlp")).unwrap();
    let mut chain = chain.as_slice();
    let mut hashes = KnownHashes::default();
    let mut gas = 0;
    let mut elapsed = std::time::Duration::ZERO;
    let mut failures = Vec::new();
    while !chain.is_empty() {
        let block = Block::decode(&mut chain).unwrap();
        let Block { header, body } = &block;
        if header.number == 0 {
            assert_eq!(state.root(), header.state_root);
            continue;
        }
        hashes.0.insert(header.number - 1, header.parent_hash);
        let rules = SenderRules::at(&config, header.number, header.timestamp);
        let senders: Vec<Address> = body
            .transactions
            .iter()
            .map(|transaction| rules.sender(transaction).unwrap())
            .collect();
        let beneficiary = signer(header);
        let traced = TracedBlock {
            config: &config,
            header,
            body,
            senders: &senders,
            beneficiary,
            state: &state,
            hashes: &hashes,
            interrupt: None,
        };
        for (index, transaction) in body.transactions.iter().enumerate() {
            for (options, expected) in wanted
                .remove(&Key::Tx(transaction.hash()))
                .into_iter()
                .flatten()
            {
                let trace = trace_transaction(&traced, index, &options).unwrap();
                compare(
                    &format!("{} {options:?}", transaction.hash()),
                    &trace,
                    expected,
                    &mut failures,
                );
            }
        }
        for (options, expected) in wanted
            .remove(&Key::Block(header.number))
            .into_iter()
            .flatten()
        {
            let traces: Vec<Value> = trace_block(&traced, &options)
                .unwrap()
                .iter()
                .map(|trace| json!({ "result": trace }))
                .collect();
            if json!(traces) != expected {
                failures.push(format!("block {}", header.number));
            }
        }
        let started = std::time::Instant::now();
        let outcome = execute_block(
            &config,
            header,
            body,
            &senders,
            beneficiary,
            &[],
            &state,
            &hashes,
            None,
        )
        .unwrap();
        elapsed += started.elapsed();
        gas += outcome.gas_used;
        assert_eq!(outcome.gas_used, header.gas_used, "block {}", header.number);
        assert_eq!(
            outcome.logs_bloom(),
            header.logs_bloom,
            "block {}",
            header.number
        );
        state.apply(&outcome.diff);
        if header.number.is_multiple_of(50) || chain.is_empty() {
            assert_eq!(state.root(), header.state_root, "block {}", header.number);
        }
    }
    println!(
        "executed {gas} gas in {elapsed:?}: {} Mgas/s",
        gas as f64 / elapsed.as_secs_f64() / 1e6
    );
    println!(
        "{total} traces, {} not found, {} differ",
        wanted.len(),
        failures.len()
    );
    for failure in &failures {
        println!("  {failure}");
    }
    assert!(failures.is_empty() && wanted.is_empty());
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Tx(B256),
    Block(u64),
}

fn recorded(file: File) -> BTreeMap<Key, Vec<(TraceOptions, Value)>> {
    let mut wanted: BTreeMap<Key, Vec<(TraceOptions, Value)>> = BTreeMap::new();
    for line in BufReader::new(zstd::Decoder::new(file).unwrap()).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let request = &line["request"];
        let Some(method) = request["method"].as_str() else {
            continue;
        };
        let Some(result) = line["response"].get("result") else {
            continue;
        };
        let subject = request["params"][0].as_str().unwrap_or_default();
        let key = match method {
            "debug_traceTransaction" => Key::Tx(subject.parse().unwrap()),
            "debug_traceBlockByNumber" => {
                let digits = subject.trim_start_matches("0x");
                Key::Block(u64::from_str_radix(digits, 16).unwrap())
            }
            _ => continue,
        };
        let mut options: TraceOptions =
            serde_json::from_value(request["params"][1].clone()).unwrap_or_default();
        options.style = TraceStyle::Geth18;
        wanted
            .entry(key)
            .or_default()
            .push((options, result.clone()));
    }
    wanted
}

fn compare(name: &str, trace: &Trace, expected: Value, failures: &mut Vec<String>) {
    let trace = serde_json::to_value(trace).unwrap();
    if trace != expected {
        failures.push(format!(
            "{name}: {}",
            first_difference("", &trace, &expected)
        ));
    }
}

fn first_difference(path: &str, ours: &Value, theirs: &Value) -> String {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            let differs = keys.into_iter().find(|key| a.get(*key) != b.get(*key));
            let Some(key) = differs else {
                return "same".into();
            };
            let null = Value::Null;
            let (a, b) = (a.get(key).unwrap_or(&null), b.get(key).unwrap_or(&null));
            first_difference(&format!("{path}/{key}"), a, b)
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let differs = (0..a.len()).find(|index| a[*index] != b[*index]);
            let Some(index) = differs else {
                return "same".into();
            };
            first_difference(&format!("{path}/{index}"), &a[index], &b[index])
        }
        _ => {
            let cut = |value: &Value| value.to_string().chars().take(200).collect::<String>();
            format!("{path}: {} instead of {}", cut(ours), cut(theirs))
        }
    }
}

fn genesis_state(json: &[u8]) -> MemoryState {
    let genesis: Genesis = serde_json::from_slice(json).unwrap();
    let alloc: BTreeMap<String, Value> = genesis
        .alloc
        .into_iter()
        .map(|(address, account)| {
            let text =
                |key: &str, default: &str| account[key].as_str().unwrap_or(default).to_owned();
            let account = json!({
                "balance": text("balance", "0x0"),
                "code": text("code", "0x"),
                "nonce": text("nonce", "0x0"),
                "storage": {},
            });
            (format!("0x{}", address.trim_start_matches("0x")), account)
        })
        .collect();
    let alloc: JsonState = serde_json::from_value(json!(alloc)).unwrap();
    MemoryState::from_json(&alloc)
}

fn signer(header: &Header) -> Address {
    let at = header.extra_data.len() - SEAL_LENGTH;
    let seal: &[u8; SEAL_LENGTH] = header.extra_data[at..].try_into().unwrap();
    let unsealed = Header {
        extra_data: header.extra_data.slice(..at),
        ..header.clone()
    };
    let signature = Signature::from_bytes(seal).unwrap();
    signature
        .recover_address(keccak256(encode(&unsealed)))
        .unwrap()
}
