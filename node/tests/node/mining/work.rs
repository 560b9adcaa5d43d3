//! Remote miners over JSON-RPC, and malformed requests of remote miners and operators.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use super::{REMOTE, end, start};
use crate::{
    chains::{init, pow_genesis},
    http,
};

const MAX_U64: &str = "0xffffffffffffffff";

#[test]
fn malformed_requests_of_miners_and_operators_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = init(folder.path(), &pow_genesis());
    let (mut node, address) = start(&datadir, &REMOTE);
    let admin = node.wait_for_admin();
    let answer = |method: &str, params: Value| -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (_, answer) = http::request(address, "POST", "/", &body.to_string()).unwrap();
        serde_json::from_str(&answer).unwrap()
    };
    let work = loop {
        match answer("eth_getWork", json!([]))["result"].take() {
            Value::Null => thread::sleep(Duration::from_millis(10)),
            work => break work,
        }
    };
    let [zero, ones] = ["00", "ff"].map(|byte| format!("0x{}", byte.repeat(32)));

    // The sum of the rates overflows and is capped. The sleep is twice the interval between two
    // samples of the rates.
    for miner in [&zero, &ones] {
        assert_eq!(
            answer("eth_submitHashrate", json!([MAX_U64, miner]))["result"],
            true
        );
    }
    thread::sleep(Duration::from_secs(2));
    assert_eq!(answer("eth_hashrate", json!([]))["result"], MAX_U64);
    assert_eq!(answer("miner_getHashrate", json!([]))["result"], u64::MAX);

    for (nonce, seal_hash) in [
        ("0x0000000000000000", &work[0]),
        (MAX_U64, &work[0]),
        (MAX_U64, &json!(ones)),
    ] {
        for digest in [&zero, &ones] {
            let taken = answer("eth_submitWork", json!([nonce, seal_hash, digest]));
            assert_eq!(taken["result"], false, "{taken}");
        }
    }
    // Seals are not verified where blocks are built, so a flood of them delays no block.
    let verifying = http::actor(admin, "node/core/miner/seals").unwrap();
    assert_eq!(
        verifying["messages"].as_array().unwrap().len(),
        1,
        "{verifying}"
    );
    for (method, params) in [
        ("eth_submitWork", json!([])),
        ("eth_submitWork", json!(["0x1", work[0], zero])),
        ("eth_submitWork", json!([MAX_U64, "0x", zero])),
        ("eth_submitHashrate", json!(["0x10000000000000000", zero])),
        ("eth_submitHashrate", json!([-1, zero])),
        ("eth_submitHashrate", json!([MAX_U64, "0x1"])),
        ("miner_start", json!([-1])),
        ("miner_start", json!([1_025])),
        ("miner_start", json!([1e30])),
        ("miner_setExtra", json!(["x".repeat(33)])),
        ("miner_setExtra", json!([7])),
        ("miner_setGasPrice", json!(["0x"])),
        ("miner_setGasPrice", json!(["-0x1"])),
        (
            "miner_setGasPrice",
            json!([format!("0x1{}", "0".repeat(64))]),
        ),
        ("miner_setRecommitInterval", json!([-1])),
        ("miner_setRecommitInterval", json!(["1s"])),
        ("miner_setEtherbase", json!(["0x12"])),
    ] {
        let refused = answer(method, params.clone());
        assert!(
            refused["error"]["message"].is_string(),
            "{method} {params}: {refused}"
        );
    }
    // The bounds of the allowed values.
    for (method, params) in [
        ("miner_setGasPrice", json!([ones])),
        ("miner_setGasPrice", json!(["0x0"])),
        ("miner_setRecommitInterval", json!([u64::MAX])),
        ("miner_setRecommitInterval", json!([0])),
        ("miner_setExtra", json!([""])),
        ("miner_stop", json!([])),
        ("miner_start", json!([0])),
    ] {
        let taken = answer(method, params.clone());
        assert!(taken.get("error").is_none(), "{method} {params}: {taken}");
    }
    for actor in ["worker", "sealer", "control"] {
        let actor = http::actor(admin, &format!("node/core/miner/{actor}")).unwrap();
        assert_eq!(actor["restarts"], 0, "{actor}");
    }
    assert!(answer("eth_getWork", json!([]))["result"].is_array());
    end(node);
}
