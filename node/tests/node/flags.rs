//! geth's flags: those that take effect, and those without an effect here.

use serde_json::{Value, json};

use crate::{http, process::Running};

/// The command line is one for geth 1.8, with most flags that an operator adds.
#[test]
fn a_geth_command_line_starts_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("geth.log");
    let mut node = Running::start(&[
        "-datadir",
        folder.path().to_str().unwrap(),
        "--nodiscover",
        "--port",
        "0",
        "--identity",
        "lab",
        "--rpc",
        "--rpcport",
        "0",
        "--rpcapi",
        "eth,net,web3,personal",
        "--rpcvhosts=*",
        "--cache",
        "64",
        "--cache.gc=25",
        "--cache.trie",
        "25",
        "--nocompaction",
        "--blobpool.datacap",
        "1073741824",
        "--gpoblocks",
        "10",
        "--gpopercentile=70",
        "--metrics",
        "--pprof",
        "--pprofaddr",
        "127.0.0.1",
        "--ethstats",
        "lab:secret@stats.example:3000",
        "--vmodule",
        "eth/*=5",
        "--log.file",
        log.to_str().unwrap(),
    ]);
    let address = node.wait_for_http();
    let version = http::call(address, "web3_clientVersion", json!([])).unwrap();
    let version = version.as_str().unwrap();
    assert!(version.starts_with("Actoreum/lab/v"), "{version}");
    node.kill();
    let log = std::fs::read_to_string(log).unwrap();
    for ignored in [
        "cache.gc",
        "cache.trie",
        "nocompaction",
        "blobpool.datacap",
        "metrics",
        "pprof",
    ] {
        let line = format!("--{ignored} has no effect: ");
        assert!(log.contains(&line), "{ignored}: {log}");
    }
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn a_fee_above_the_cap_is_refused_and_nothing_is_sent() {
    let arguments = ["--dev", "--http", "--http.port", "0", "--rpc.txfeecap"];
    let mut node = Running::start(&[&arguments[..], &["0.05"]].concat());
    let address = node.wait_for_http();
    let accounts = http::call(address, "eth_accounts", json!([])).unwrap();
    let sender = &accounts[0];
    let send = |gas_price: &str| -> Value {
        let transaction =
            json!({"from": sender, "to": sender, "gas": "0x5208", "gasPrice": gas_price});
        let request = json!({"id": 1, "method": "eth_sendTransaction", "params": [transaction]});
        let (_, answer) = http::request(address, "POST", "/", &request.to_string()).unwrap();
        serde_json::from_str(&answer).unwrap()
    };
    // 21,000 gas at 3,000 gwei, and at 2,000.
    assert_eq!(
        send("0x2ba7def3000")["error"]["message"],
        "tx fee (0.06 ether) exceeds the configured cap (0.05 ether)"
    );
    assert!(send("0x1d1a94a2000")["result"].is_string());
    let nonce = http::call(
        address,
        "eth_getTransactionCount",
        json!([sender, "pending"]),
    );
    assert_eq!(nonce.unwrap(), "0x1");
    node.kill();
}
