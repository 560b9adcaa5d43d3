//! The development chain: its edits, snapshots and interval mining, also after `kill -9`.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{http, process::Running};

const SOMEBODY: &str = "0x2222222222222222222222222222222222222222";
const HOUR: u64 = 3_600;
/// Bound on each wait, longer than any step takes on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(60);

fn start(datadir: &str) -> Running {
    Running::start(&[
        "--dev",
        "--dev.as",
        "geth",
        "--dev.accounts",
        "2",
        "--datadir",
        datadir,
        "--http",
        "--http.port",
        "0",
        "--http.api",
        "eth,net,web3,evm,anvil,hardhat,debug",
    ])
}

fn hex(value: &Value) -> u64 {
    let digits = value.as_str().unwrap().trim_start_matches("0x");
    u64::from_str_radix(digits, 16).unwrap()
}

#[test]
fn edits_impersonation_and_a_moved_clock_survive_kills() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let mut node = start(datadir);
    let address = node.wait_for_http();
    let call = |method: &str, params: Value| http::call(address, method, params).unwrap();
    let ether = "0xde0b6b3a7640000";
    assert_eq!(call("anvil_setBalance", json!([SOMEBODY, ether])), true);
    assert_eq!(
        call("eth_getBalance", json!([SOMEBODY, "latest"])),
        json!(ether)
    );

    let transaction = json!({"from": SOMEBODY, "to": SOMEBODY, "value": "0x1"});
    assert!(call("eth_sendTransaction", json!([transaction])).is_null());
    call("anvil_impersonateAccount", json!([SOMEBODY]));
    let accounts = call("eth_accounts", json!([]));
    assert!(accounts.as_array().unwrap().contains(&json!(SOMEBODY)));
    let hash = call("eth_sendTransaction", json!([transaction]));
    let receipt = loop {
        let receipt = call("eth_getTransactionReceipt", json!([hash]));
        if !receipt.is_null() {
            break receipt;
        }
    };
    assert_eq!(
        (&receipt["from"], &receipt["status"]),
        (&json!(SOMEBODY), &json!("0x1"))
    );

    // Submitted raw, the signature of an impersonated account is invalid.
    let raw = call("debug_getRawTransaction", json!([hash]));
    let body = json!({"id": 1, "method": "eth_sendRawTransaction", "params": [raw]});
    let (_, answer) = http::request(address, "POST", "/", &body.to_string()).unwrap();
    assert!(answer.contains("invalid sender"), "{answer}");

    call("evm_increaseTime", json!([HOUR]));
    let head = call("eth_getBlockByNumber", json!(["latest", false]));
    node.kill();

    let mut node = start(datadir);
    let address = node.wait_for_http();
    let call = |method: &str, params: Value| http::call(address, method, params).unwrap();
    assert_eq!(call("eth_getBlockByNumber", json!(["latest", false])), head);
    assert_eq!(
        call("eth_getTransactionByHash", json!([hash]))["from"],
        json!(SOMEBODY)
    );
    call("evm_mine", json!([]));
    let next = call("eth_getBlockByNumber", json!(["latest", false]));
    assert!(hex(&next["timestamp"]) >= hex(&head["timestamp"]) + HOUR);
    node.kill();
}

#[test]
fn a_list_of_namespaces_replaces_that_of_a_development_chain() {
    let modules = |more: &[&str]| {
        let flags = [&["--dev", "--http", "--http.port", "0"], more].concat();
        let mut node = Running::start(&flags);
        let address = node.wait_for_http();
        let modules = http::call(address, "rpc_modules", json!([])).unwrap();
        node.kill();
        let modules = modules.as_object().unwrap().keys().cloned();
        modules.collect::<Vec<_>>().join(",")
    };
    assert_eq!(
        modules(&[]),
        "anvil,debug,eth,evm,hardhat,net,personal,rpc,tenderly,txpool,web3"
    );
    let asked = modules(&["--http.api", "eth,debug,personal"]);
    assert_eq!(asked, "debug,eth,personal,rpc");
}

#[test]
fn evm_revert_restores_state_time_and_edits() {
    let mut node = Running::start(&["--dev", "--http", "--http.port", "0"]);
    let address = node.wait_for_http();
    let call = |method: &str, params: Value| http::call(address, method, params).unwrap();
    let timestamp = || hex(&call("eth_getBlockByNumber", json!(["latest", false]))["timestamp"]);
    call("evm_mine", json!([]));
    let (before, begun) = (timestamp(), call("eth_blockNumber", json!([])));
    let id = call("evm_snapshot", json!([]));
    call("hardhat_setBalance", json!([SOMEBODY, "0x5"]));
    call("evm_increaseTime", json!([HOUR]));
    call("hardhat_mine", json!(["0x3"]));
    assert!(timestamp() >= before + HOUR);
    assert_eq!(call("evm_revert", json!([id])), true);
    assert_eq!(call("eth_blockNumber", json!([])), begun);
    assert_eq!(
        call("eth_getBalance", json!([SOMEBODY, "latest"])),
        json!("0x0")
    );
    call("evm_mine", json!([]));
    assert!(timestamp() < before + HOUR, "the clock went back too");
    assert_eq!(call("evm_revert", json!([id])), false, "it is used up");
    node.kill();
}

#[test]
fn interval_mining_survives_a_crash_of_the_worker() {
    let mut node = Running::start(&[
        "--dev",
        "--dev.as",
        "geth",
        "--http",
        "--http.port",
        "0",
        "--admin.chaos",
        "--admin.port",
        "0",
    ]);
    let address = node.wait_for_http();
    let admin = node.wait_for_admin();
    let call = |method: &str, params: Value| http::call(address, method, params).unwrap();
    let wait_for = |number: u64| {
        let begun = Instant::now();
        while http::block_number(address).unwrap() < number {
            assert!(begun.elapsed() < TIMEOUT, "no block {number}");
            thread::sleep(Duration::from_millis(10));
        }
    };
    assert_eq!(call("evm_setIntervalMining", json!([50])), true);
    wait_for(3);
    assert!(http::crash(admin, "node/core/miner/worker").unwrap());
    wait_for(http::block_number(address).unwrap() + 3);
    assert_eq!(call("evm_setIntervalMining", json!([2_000])), true);
    assert_eq!(call("anvil_getIntervalMining", json!([])), 2);
    assert_eq!(call("evm_setIntervalMining", json!([0])), true);
    assert_eq!(call("anvil_getIntervalMining", json!([])), json!(null));
    assert!(
        call("evm_setIntervalMining", json!([1])).is_null(),
        "an error"
    );
}

#[test]
fn the_pending_block_is_the_block_that_is_sealed_next() {
    let http = [
        "--dev",
        "--dev.as",
        "geth",
        "--http",
        "--http.port",
        "0",
        "--ipcdisable",
    ];
    let mut node = Running::start(&http);
    let address = node.wait_for_http();
    let call = |method: &str, params: Value| http::call(address, method, params).unwrap();
    assert_eq!(call("evm_setAutomine", json!([false])), true);
    let before = http::block_number(address).unwrap();
    let from = call("eth_accounts", json!([]))[0].take();
    let transfer = json!({"from": from, "to": SOMEBODY, "value": "0x7", "gas": "0x5208"});
    let hash = call("eth_sendTransaction", json!([transfer]));
    let begun = Instant::now();
    let pending = loop {
        let block = call("eth_getBlockByNumber", json!(["pending", false]));
        if block["transactions"] == json!([hash]) {
            break block;
        }
        assert!(begun.elapsed() < TIMEOUT, "{block}");
        thread::sleep(Duration::from_millis(10));
    };
    assert!(pending["hash"].is_null() && pending["miner"].is_null());
    assert_eq!(hex(&pending["number"]), before + 1);
    let count = call("eth_getBlockTransactionCountByNumber", json!(["pending"]));
    assert_eq!(count, "0x1");
    let whole = call("eth_getBlockByNumber", json!(["pending", true]));
    assert_eq!(whole["transactions"][0]["from"], from);
    // This code returns the balance of SOMEBODY.
    let code = format!("0x73{}3160005260206000f3", &SOMEBODY[2..]);
    for (block, balance, nonce) in [("latest", 0, 0), ("pending", 7, 1)] {
        let have = call("eth_getBalance", json!([SOMEBODY, block]));
        assert_eq!(hex(&have), balance, "{block}");
        let called = call("eth_call", json!([{"data": code}, block]));
        assert_eq!(hex(&called), balance, "{block}");
        let count = call("eth_getTransactionCount", json!([from, block]));
        assert_eq!(hex(&count), nonce, "{block}");
    }
    call("evm_mine", json!([]));
    let sealed = call("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(sealed["transactions"], json!([hash]));
    assert_eq!(sealed["number"], pending["number"]);
    let next = call("eth_getBlockByNumber", json!(["pending", false]));
    assert_eq!(next["parentHash"], sealed["hash"]);
    assert_eq!(next["transactions"], json!([]));
}
