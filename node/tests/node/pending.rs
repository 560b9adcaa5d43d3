//! What is pending at a node that seals nothing.

use actoreum_primitives::{Address, LegacyTx, SecretKey, TxPayload, U256};
use serde_json::{Value, json};

use crate::http;
use crate::process::{Running, run};

const CHAIN_ID: u64 = 4321;
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
fn a_node_that_seals_nothing_knows_the_state_after_what_is_pending() {
    let key = SecretKey::random();
    let sender = key.address();
    // Sealed by somebody else.
    let genesis = json!({
        "config": {"chainId": CHAIN_ID, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "clique": {"period": 15, "epoch": 30_000}},
        "difficulty": "0x1", "gasLimit": "0x47b760",
        "alloc": {hex::encode(sender): {"balance": "0xde0b6b3a7640000"}},
        "extraData": format!("0x{}{}{}", "00".repeat(32), "11".repeat(20), "00".repeat(65)),
    });
    let folder = tempfile::tempdir().unwrap();
    let (datadir, file) = (
        folder.path().join("node"),
        folder.path().join("genesis.json"),
    );
    let datadir = datadir.to_str().unwrap();
    std::fs::write(&file, genesis.to_string()).unwrap();
    run(&["init", "--datadir", datadir, file.to_str().unwrap()]).ok();
    let mut process = Running::start(&[
        "--datadir",
        datadir,
        "--port",
        "0",
        "--nodiscover",
        "--ipcdisable",
        "--http",
        "--http.port",
        "0",
    ]);
    let node = process.wait_for_http();
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
    // BALANCE of the receiver, returned: code that is deployed for the call alone.
    let code = format!("0x73{}3160005260206000f3", hex::encode(RECEIVER));
    let balance = call(
        "eth_call",
        json!([{"from": sender, "data": code}, "pending"]),
    );
    assert_eq!(balance, json!(format!("0x{:064x}", 10)));
    assert_eq!(call("eth_blockNumber", json!([])), "0x0");
}
