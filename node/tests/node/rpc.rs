//! Calls and gas estimates as wallets make them, on the development chain.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{http, process::Running};

const SOMEBODY: &str = "0x2222222222222222222222222222222222222222";
const TARGET: &str = "0x7777777777777777777777777777777777777777";
const IDENTITY: &str = "0x0000000000000000000000000000000000000004";

/// Calls a method; returns the result, or the code and the text of the error.
fn answer(address: SocketAddr, method: &str, params: Value) -> Result<Value, (i64, String)> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let (_, answer) = http::request(address, "POST", "/", &body.to_string()).unwrap();
    let mut answer: Value = serde_json::from_str(&answer).unwrap();
    match answer.get("error") {
        Some(error) => Err((
            error["code"].as_i64().unwrap(),
            error["message"].as_str().unwrap().to_owned(),
        )),
        None => Ok(answer["result"].take()),
    }
}

fn start() -> (Running, SocketAddr) {
    let mut node = Running::start(&[
        "--dev",
        "--http",
        "--http.port",
        "0",
        "--http.api",
        "eth,net,web3,debug,anvil,evm",
    ]);
    let address = node.wait_for_http();
    (node, address)
}

#[test]
fn gas_is_estimated_for_senders_with_little_ether() {
    let (_node, address) = start();
    let call = |method: &str, params: Value| answer(address, method, params);
    // 0.01 ether.
    call("anvil_setBalance", json!([SOMEBODY, "0x2386f26fc10000"])).unwrap();
    call("anvil_impersonateAccount", json!([SOMEBODY])).unwrap();
    let transfer = json!({"from": SOMEBODY, "to": TARGET, "value": "0x1"});
    let with = |more: Value| {
        let mut call = transfer.clone();
        let more = more.as_object().unwrap().clone();
        call.as_object_mut().unwrap().extend(more);
        call
    };
    let gwei_100 = "0x174876e800";
    for price in [
        json!({}),
        json!({"gasPrice": gwei_100}),
        json!({"maxFeePerGas": gwei_100, "maxPriorityFeePerGas": "0x1"}),
    ] {
        let estimated = call("eth_estimateGas", json!([with(price.clone())]));
        assert_eq!(estimated, Ok(json!("0x5208")), "{price}");
        let listed = call("eth_createAccessList", json!([with(price.clone())])).unwrap();
        assert_eq!(listed["gasUsed"], "0x5208", "{price}");
    }
    // The sender's balance buys 10,000 gas.
    let expensive = with(json!({"gasPrice": "0xe8d4a51000"}));
    let (code, text) = call("eth_estimateGas", json!([expensive])).unwrap_err();
    assert_eq!(code, -32000);
    assert!(
        text.starts_with("gas required exceeds allowance (9999)"),
        "{text}"
    );
    let all = with(json!({"gasPrice": "0x1", "value": "0x2386f26fc10000"}));
    let error = call("eth_estimateGas", json!([all]));
    assert_eq!(
        error,
        Err((-32000, "insufficient funds for transfer".to_owned()))
    );

    let hash = call("eth_sendTransaction", json!([transfer])).unwrap();
    let sent = call("eth_getTransactionByHash", json!([hash])).unwrap();
    assert_eq!(sent["gas"], "0x5208");
}

#[test]
fn calls_prefer_input_and_transactions_refuse_unequal_data() {
    let (_node, address) = start();
    let call = |method: &str, params: Value| answer(address, method, params);
    let both = json!({"to": IDENTITY, "data": "0x02", "input": "0x01"});
    assert_eq!(call("eth_call", json!([both, "latest"])), Ok(json!("0x01")));
    assert!(call("eth_estimateGas", json!([both])).is_ok());
    let from = call("eth_accounts", json!([])).unwrap()[0].clone();
    let both = json!({"from": from, "to": IDENTITY, "data": "0x02", "input": "0x01"});
    let refused = "both \"data\" and \"input\" are set and not equal. \
                   Please use \"input\" to pass transaction call data";
    let error = call("eth_sendTransaction", json!([both]));
    assert_eq!(error, Err((-32000, refused.to_owned())));
    let same = json!({"from": from, "to": IDENTITY, "data": "0x01", "input": "0x01"});
    assert!(call("eth_sendTransaction", json!([same])).is_ok());
}

#[test]
fn overrides_move_and_replace_precompiles() {
    let (_node, address) = start();
    let call = |method: &str, params: Value| answer(address, method, params);
    let ask = |to: &str, overrides: &Value| {
        let request = json!({"to": to, "input": "0x0102"});
        call("eth_call", json!([request, "latest", overrides]))
    };
    // PUSH1 7, PUSH0, MSTORE8, PUSH1 1, PUSH0, RETURN
    let code = "0x60075f5360015ff3";
    let moved = json!({IDENTITY: {"movePrecompileToAddress": TARGET, "code": code}});
    assert_eq!(ask(TARGET, &moved), Ok(json!("0x0102")));
    assert_eq!(ask(IDENTITY, &moved), Ok(json!("0x07")));
    let replaced = json!({IDENTITY: {"code": code}});
    assert_eq!(ask(IDENTITY, &replaced), Ok(json!("0x07")));

    let request = json!({"to": IDENTITY, "input": "0x0102"});
    let traced = call(
        "debug_traceCall",
        json!([request, "latest", {"stateOverrides": replaced}]),
    );
    assert_eq!(
        traced.unwrap()["returnValue"]
            .as_str()
            .unwrap()
            .trim_start_matches("0x"),
        "07"
    );
    let no_precompile = json!({TARGET: {"movePrecompileToAddress": SOMEBODY}});
    let text = "account 0x7777777777777777777777777777777777777777 is not a precompile";
    let expected = Err((-32000, text.to_owned()));
    assert_eq!(ask(TARGET, &no_precompile), expected);
    let estimated = call("eth_estimateGas", json!([request, "latest", no_precompile]));
    assert_eq!(estimated, expected);
    let taken = json!({IDENTITY: {"movePrecompileToAddress": TARGET}, TARGET: {"nonce": "0x1"}});
    let text = "account 0x7777777777777777777777777777777777777777 is already overridden";
    assert_eq!(ask(TARGET, &taken), Err((-32000, text.to_owned())));
}

#[test]
fn the_kzg_setup_is_loaded_before_the_first_blob() {
    // Mainnet has blobs. A development chain leaves the setup to the first blob transaction.
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let (mut node, _) = Running::start_http(datadir, &["--verbosity", "4"]);
    node.wait_for("KZG setup loaded");
    // The setup is loaded only after the node serves requests.
    let position = |text: &str| {
        let lines = node.lines("");
        lines.iter().position(|line| line.contains(text)).unwrap()
    };
    assert!(position("HTTP endpoint opened") < position("KZG setup loaded"));
}
