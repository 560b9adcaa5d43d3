//! The default development chain: merged, sealed on arrival, with the accounts that the tools of
//! other development nodes expect.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    http,
    process::{Running, run},
};

const FIRST: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const SECOND: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";
const CREATE2_DEPLOYER: &str = "0x4e59b44847b379578588920ca78fbf26c0b4956c";
const BEACON_ROOTS: &str = "0x000f3df6d732807ef1319fb7b8bb8522d0beac02";

fn start(more: &[&str]) -> (Running, SocketAddr) {
    let args = ["--dev", "--ipcdisable", "--http", "--http.port", "0"];
    let mut node = Running::start(&[&args[..], more].concat());
    let address = node.wait_for_http();
    (node, address)
}

fn hex(value: &Value) -> u64 {
    let digits = value.as_str().unwrap().trim_start_matches("0x");
    u64::from_str_radix(digits, 16).unwrap()
}

fn block(address: SocketAddr, id: &str) -> Value {
    http::call(address, "eth_getBlockByNumber", json!([id, false])).unwrap()
}

fn transfer(nonce: Option<u64>) -> Value {
    let mut transfer = json!({"from": FIRST, "to": SECOND, "value": "0x1"});
    if let Some(nonce) = nonce {
        transfer["nonce"] = json!(format!("{nonce:#x}"));
    }
    transfer
}

/// Returns the error of a request.
#[track_caller]
fn error(address: SocketAddr, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let (_, answer) = http::request(address, "POST", "/", &body.to_string()).unwrap();
    let mut answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(answer["error"].is_object(), "{answer}");
    answer["error"].take()
}

#[test]
fn a_receipt_is_there_when_the_hash_is_returned() {
    let (_node, address) = start(&[]);
    for number in 1..=30 {
        let sent = http::call(address, "eth_sendTransaction", json!([transfer(None)])).unwrap();
        let receipt = http::call(address, "eth_getTransactionReceipt", json!([sent])).unwrap();
        assert_eq!(hex(&receipt["blockNumber"]), number, "{receipt}");
        assert_eq!(receipt["status"], "0x1");
    }
}

#[test]
fn the_transactions_of_a_batch_share_blocks_and_are_sealed() {
    let (_node, address) = start(&[]);
    let request = |nonce: u64| {
        let params = json!([transfer(Some(nonce))]);
        json!({"jsonrpc": "2.0", "id": nonce, "method": "eth_sendTransaction", "params": params})
    };
    let mut batch: Vec<Value> = (0..100).map(request).collect();
    batch.insert(
        50,
        json!({"jsonrpc": "2.0", "id": "number", "method": "eth_blockNumber"}),
    );
    let body = json!(batch).to_string();
    let (_, answers) = http::request(address, "POST", "/", &body).unwrap();
    let answers: Vec<Value> = serde_json::from_str(&answers).unwrap();
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    let expected: Vec<&Value> = batch.iter().map(|request| &request["id"]).collect();
    assert_eq!(ids, expected, "answers are in the order of the requests");
    assert!(hex(&answers[50]["result"]) > 0, "the first half was sealed");
    for answer in answers.iter().filter(|answer| answer["id"].is_u64()) {
        let hash = &answer["result"];
        let receipt = http::call(address, "eth_getTransactionReceipt", json!([hash])).unwrap();
        assert_eq!(receipt["status"], "0x1", "{answer}");
    }
    assert!(http::block_number(address).unwrap() < 100);
}

#[test]
fn a_transaction_that_can_not_be_sealed_is_not_waited_for() {
    let (_node, address) = start(&[]);
    let call = |method: &str, params: Value| http::call(address, method, params).unwrap();
    let queued = call("eth_sendTransaction", json!([transfer(Some(1))]));
    assert!(call("eth_getTransactionReceipt", json!([queued])).is_null());
    let gap = error(
        address,
        "eth_sendTransactionSync",
        json!([transfer(Some(2))]),
    );
    assert_eq!(gap["code"], 6, "{gap}");
    call("eth_sendTransaction", json!([transfer(Some(0))]));
    let mut cheap = transfer(None);
    cheap["gas"] = json!("0x5208");
    cheap["gasPrice"] = json!("0x1");
    let refused = error(address, "eth_sendTransaction", json!([cheap]));
    assert_eq!(refused["code"], -32003, "{refused}");
    assert!(call("evm_setAutomine", json!([false])).is_null());
    let sync = json!([transfer(Some(3)), 20]);
    let late = error(address, "eth_sendTransactionSync", sync);
    assert_eq!(late["code"], 4, "{late}");
    assert!(late["data"].as_str().unwrap().starts_with("0x"));
    let waiting = call("eth_sendTransaction", json!([transfer(Some(4))]));
    assert!(call("eth_getTransactionReceipt", json!([waiting])).is_null());
}

#[test]
fn the_sync_methods_return_the_receipt() {
    let (_node, address) = start(&["--http.api", "eth,debug"]);
    let call = |method: &str, params: Value| http::call(address, method, params).unwrap();
    let receipt = call("eth_sendTransactionSync", json!([transfer(None)]));
    assert_eq!(receipt["blockNumber"], "0x1", "{receipt}");
    let signed = json!({
        "from": FIRST, "to": SECOND, "value": "0x1", "gas": "0x5208", "nonce": "0x1",
        "maxFeePerGas": "0x3b9aca00", "maxPriorityFeePerGas": "0x1"
    });
    let raw = call("eth_signTransaction", json!([signed]))["raw"].take();
    let receipt = call("eth_sendRawTransactionSync", json!([raw, 60_000]));
    assert_eq!(receipt["blockNumber"], "0x2", "{receipt}");
    assert_eq!(receipt["from"], FIRST);
}

#[test]
fn blocks_are_like_those_after_the_merge() {
    let (_node, address) = start(&[]);
    let call = |method: &str, params: Value| http::call(address, method, params).unwrap();
    let beneficiary = call("eth_coinbase", json!([]));
    let accounts = call("eth_accounts", json!([]));
    assert!(!accounts.as_array().unwrap().contains(&beneficiary));
    let mut randoms = Vec::new();
    for number in 1..=3 {
        call("eth_sendTransaction", json!([transfer(None)]));
        let latest = block(address, "latest");
        assert_eq!(hex(&latest["number"]), number);
        for tag in ["safe", "finalized"] {
            assert_eq!(block(address, tag), latest, "{tag}");
        }
        assert_eq!(latest["difficulty"], "0x0");
        assert_eq!(latest["nonce"], "0x0000000000000000");
        assert!(latest["extraData"].as_str().unwrap().len() <= 66);
        assert_eq!(latest["withdrawals"], json!([]));
        assert_eq!(latest["blobGasUsed"], "0x0");
        assert!(latest["requestsHash"].is_string(), "{latest}");
        assert_eq!(latest["miner"], beneficiary);
        // The code returns PREVRANDAO.
        let random = call("eth_call", json!([{"data": "0x445f5260205ff3"}, "latest"]));
        assert_eq!(random, latest["mixHash"]);
        randoms.push(random);
        let time = format!("0x{:064x}", hex(&latest["timestamp"]));
        let root = call(
            "eth_call",
            json!([{"to": BEACON_ROOTS, "data": time}, "latest"]),
        );
        assert_eq!(root, latest["parentBeaconBlockRoot"]);
    }
    randoms.sort_by_key(Value::to_string);
    randoms.dedup();
    assert_eq!(randoms.len(), 3, "PREVRANDAO differs by block");
    let earliest = block(address, "earliest");
    assert!(hex(&earliest["timestamp"]) > 1_700_000_000, "{earliest}");
}

#[test]
fn accounts_and_predeploys_are_those_of_other_dev_nodes() {
    let (_node, address) = start(&["--dev.chainid", "31337"]);
    let call = |method: &str, params: Value| http::call(address, method, params).unwrap();
    assert_eq!(call("eth_chainId", json!([])), "0x7a69");
    assert_eq!(call("net_version", json!([])), "31337");
    let accounts = call("eth_accounts", json!([]));
    let accounts = accounts.as_array().unwrap();
    assert_eq!(accounts.len(), 10);
    assert_eq!(
        (&accounts[0], &accounts[1]),
        (&json!(FIRST), &json!(SECOND))
    );
    for account in accounts {
        let balance = call("eth_getBalance", json!([account, "latest"]));
        assert_eq!(balance, "0x21e19e0c9bab2400000");
    }
    let code = call("eth_getCode", json!([CREATE2_DEPLOYER, "latest"]));
    assert!(code.as_str().unwrap().len() > 100, "{code}");
    let salt_and_code = format!("0x{:064x}600160005360016000f3", 7);
    let deploy = json!({"from": FIRST, "to": CREATE2_DEPLOYER, "data": salt_and_code});
    let receipt = call("eth_sendTransactionSync", json!([deploy]));
    assert_eq!(receipt["status"], "0x1", "{receipt}");
}

#[test]
fn a_kept_chain_is_continued_and_another_consensus_refused() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().join("merged");
    let merged = ["--datadir", datadir.to_str().unwrap()];
    let (node, address) = start(&merged);
    http::call(address, "eth_sendTransaction", json!([transfer(None)])).unwrap();
    let head = block(address, "latest");
    node.kill();
    let (node, address) = start(&merged);
    assert_eq!(block(address, "latest"), head);
    http::call(address, "eth_sendTransaction", json!([transfer(None)])).unwrap();
    assert_eq!(block(address, "latest")["parentHash"], head["hash"]);
    node.kill();
    let refused = |datadir: &[&str], more: &[&str], parts: &[&str]| {
        let common = ["--dev", "--ipcdisable", "--port", "0"];
        run(&[&common[..], datadir, more].concat()).fatal(parts);
    };
    let other = ["--dev.consensus", "clique"];
    refused(&merged, &other, &["--dev.consensus merged", "--datadir"]);
    refused(&merged, &["--dev.chainid", "5"], &["chain id 1337"]);

    let datadir = folder.path().join("clique");
    let clique = ["--datadir", datadir.to_str().unwrap()];
    let (node, address) = start(&[&clique[..], &other].concat());
    let extra_bytes = |address| block(address, "earliest")["extraData"].to_string().len();
    assert!(extra_bytes(address) > 2 * 97);
    node.kill();
    let (node, address) = start(&clique);
    assert!(extra_bytes(address) > 2 * 97, "it is opened as it is");
    let from = http::call(address, "eth_accounts", json!([])).unwrap()[0].take();
    let sent = json!([{"from": from, "to": SECOND, "value": "0x1"}]);
    assert!(
        http::call(address, "eth_sendTransaction", sent)
            .unwrap()
            .is_string()
    );
    assert_eq!(http::block_number(address).unwrap(), 1);
    node.kill();
    refused(
        &clique,
        &["--dev.consensus", "merged"],
        &["--dev.consensus clique"],
    );
}

#[test]
fn forks_before_the_merge_and_ethash_have_blocks_of_their_kind() {
    for (flags, difficulty) in [
        (&["--dev.fork", "berlin"][..], 2),
        (&["--dev.consensus", "ethash"], 131_072),
    ] {
        let (node, address) = start(flags);
        for _ in 0..3 {
            http::call(address, "evm_mine", json!([])).unwrap();
        }
        let latest = block(address, "latest");
        assert_eq!(hex(&latest["number"]), 3);
        assert!(hex(&latest["difficulty"]) >= difficulty, "{latest}");
        node.kill();
    }
    let args = ["--dev", "--dev.fork", "berlin", "--dev.consensus", "merged"];
    run(&args).fatal(&["--dev.consensus merged", "berlin"]);
}

#[test]
fn blocks_with_a_period_come_without_transactions() {
    let (_node, address) = start(&["--dev.period", "1"]);
    let begun = std::time::Instant::now();
    while http::block_number(address).unwrap() < 3 {
        assert!(begun.elapsed().as_secs() < 60, "no blocks");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (second, third) = (block(address, "0x2"), block(address, "0x3"));
    assert!(hex(&third["timestamp"]) > hex(&second["timestamp"]));
    assert_ne!(third["mixHash"], second["mixHash"]);
}
