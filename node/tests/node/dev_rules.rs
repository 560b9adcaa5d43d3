//! Rules that the user of a development chain changes (the chain id, the signers of signatures), and
//! data beside the blocks: blobs, and the output of contracts.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use actoreum_primitives::{
    B256, BlobSidecar, BlobTx, GWEI, PooledTransaction, SecretKey, SidecarProofs, TxPayload, U256,
    alloy_primitives::{FixedBytes, hex},
    b256,
};
use serde_json::{Value, json};

use crate::{
    dev::TIMEOUT,
    dev_methods::{ask, start},
};

const OWNER: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const OWNER_KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const SOMEBODY: &str = "0x2222222222222222222222222222222222222222";
/// Init code that returns the chain id.
const CHAIN_ID_CODE: &str = "0x4660005260206000f3";
/// Versioned hash of a blob of zeros.
const ZERO_BLOB: B256 = b256!("010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014");

fn send(address: SocketAddr, transaction: Value) -> Value {
    let hash = ask(address, "eth_sendTransaction", json!([transaction]));
    let receipt = ask(address, "eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipt["status"], "0x1", "{hash} {receipt}");
    receipt
}

/// Sets the code of a contract that calls `target` with its calldata and stores the word that it
/// returns in slot 0; returns its address.
fn caller_of(address: SocketAddr, target: &str) -> &'static str {
    const CALLER: &str = "0x7777777777777777777777777777777777777777";
    let code = format!("0x3660006000376020600036600073{target}5afa5060005160005500");
    ask(address, "anvil_setCode", json!([CALLER, code]));
    CALLER
}

fn chain_id(address: SocketAddr, block: Value) -> u64 {
    let answer = ask(address, "eth_call", json!([{"data": CHAIN_ID_CODE}, block]));
    u64::from_str_radix(answer.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[test]
fn a_changed_chain_id_holds_from_its_block_on() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = ["--datadir", folder.path().to_str().unwrap()];
    let (node, address) = start(&datadir);
    let transfer = json!({"from": OWNER, "to": SOMEBODY, "value": "0x1"});
    let before = send(address, transfer.clone());
    let snapshot = ask(address, "evm_snapshot", json!([]));
    assert!(ask(address, "anvil_setChainId", json!([31_999])).is_null());
    assert_eq!(ask(address, "eth_chainId", json!([])), "0x7cff");
    assert_eq!(ask(address, "net_version", json!([])), "31999");
    assert_eq!(chain_id(address, json!("latest")), 31_999);
    assert_eq!(chain_id(address, before["blockNumber"].clone()), 1_337);
    let after = send(address, transfer.clone());
    let sent = ask(
        address,
        "eth_getTransactionByHash",
        json!([after["transactionHash"]]),
    );
    assert_eq!(sent["chainId"], "0x7cff");
    // Both are executed again, each with the chain id of its block.
    for receipt in [&before, &after] {
        let trace = ask(
            address,
            "debug_traceTransaction",
            json!([receipt["transactionHash"]]),
        );
        assert_eq!(trace["failed"], json!(false), "{trace}");
    }
    node.kill();

    let (node, address) = start(&datadir);
    assert_eq!(ask(address, "eth_chainId", json!([])), "0x7cff");
    ask(address, "anvil_rollback", json!([2]));
    assert_eq!(
        ask(address, "eth_chainId", json!([])),
        "0x539",
        "{snapshot}"
    );
    send(address, transfer.clone());
    send(address, transfer);
    assert_eq!(chain_id(address, json!("latest")), 1_337);
    node.kill();
}

#[test]
fn an_impersonated_signature_recovers_its_signer() {
    let (node, address) = start(&[]);
    let recovery = "0x0000000000000000000000000000000000000001";
    let (r, s) = ("33".repeat(32), "44".repeat(32));
    let signature = format!("0x{r}{s}1b");
    let input = format!("0x{}{:064x}{r}{s}", "55".repeat(32), 27);
    let call = json!([{"to": recovery, "data": input}, "latest"]);
    let before = ask(address, "eth_call", call.clone());
    let params = json!([signature, SOMEBODY]);
    assert!(ask(address, "anvil_impersonateSignature", params).is_null());
    let word = json!(format!("0x{:0>64}", &SOMEBODY[2..]));
    assert_eq!(ask(address, "eth_call", call.clone()), word);
    assert_ne!(before, word);
    // Another signature recovers what it says, and so does the same one in an earlier block.
    let other = input.replace(&s, &"45".repeat(32));
    let other = json!([{"to": recovery, "data": other}, "latest"]);
    assert_ne!(ask(address, "eth_call", other), word);
    assert_eq!(ask(address, "eth_call", json!([call[0], "0x0"])), before);

    let contract = caller_of(address, &recovery[2..]);
    send(
        address,
        json!({"from": OWNER, "to": contract, "data": input}),
    );
    let stored = ask(
        address,
        "eth_getStorageAt",
        json!([contract, "0x0", "latest"]),
    );
    assert_eq!(stored, word);
    let refused = ask(
        address,
        "anvil_impersonateSignature",
        json!(["0x1234", SOMEBODY]),
    );
    assert!(refused.as_str().unwrap().contains("65 bytes"), "{refused}");
    node.kill();
}

/// The call of `log(string,uint256)` with "value is %d" and a number.
fn console_input(number: u64) -> String {
    let text = hex::encode("value is %d");
    format!("0xb60e72cc{:064x}{number:064x}{:064x}{text:0<64}", 64, 11)
}

#[test]
fn what_contracts_print_is_in_the_log() {
    let (mut node, address) = start(&[]);
    let contract = caller_of(address, "000000000000000000636f6e736f6c652e6c6f67");
    let call = |number| json!({"from": OWNER, "to": contract, "data": console_input(number)});
    ask(address, "eth_call", json!([call(41), "latest"]));
    node.wait_for("console.log: value is 41");
    ask(address, "eth_estimateGas", json!([call(42)]));
    node.wait_for("console.log: value is 42");
    send(address, call(43));
    node.wait_for("console.log: value is 43");
    assert!(ask(address, "hardhat_setLoggingEnabled", json!([false])).is_null());
    send(address, call(44));
    ask(address, "hardhat_setLoggingEnabled", json!([true]));
    send(address, call(45));
    node.wait_for("console.log: value is 45");
    assert!(node.line("value is 44").is_none());
    // A transaction prints once, though its gas was estimated and its block built before.
    for number in [41, 42, 43, 45] {
        let lines = node.lines(&format!("value is {number}"));
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
    node.kill();
}

/// Returns the network form of a transaction with a blob of zeros, whose commitment and proofs are
/// the point at infinity.
fn blob_transaction(nonce: u64) -> (String, B256) {
    let infinity = |count| {
        let mut point = FixedBytes::<48>::ZERO;
        point[0] = 0xc0;
        vec![point; count]
    };
    let payload = TxPayload::Blob(BlobTx {
        chain_id: 1_337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: U256::from(10 * GWEI),
        max_priority_fee_per_gas: U256::from(GWEI),
        max_fee_per_blob_gas: U256::from(GWEI),
        blob_versioned_hashes: vec![ZERO_BLOB],
        ..BlobTx::default()
    });
    let key = hex::decode_to_array(OWNER_KEY).unwrap();
    let pooled = PooledTransaction {
        transaction: payload.sign(&SecretKey::from_bytes(&key).unwrap()),
        sidecar: Some(BlobSidecar {
            blobs: vec![vec![0; 131_072].into()],
            commitments: infinity(1),
            proofs: SidecarProofs::Cell(infinity(128)),
        }),
    };
    let hash = pooled.transaction.hash();
    (hex::encode_prefixed(pooled.encode_2718()), hash)
}

#[test]
fn the_blobs_of_a_mined_transaction_are_returned() {
    let (node, address) = start(&[]);
    let (encoded, hash) = blob_transaction(0);
    let sent = ask(address, "eth_sendRawTransaction", json!([encoded]));
    assert_eq!(sent, json!(hash));
    let receipt = ask(address, "eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipt["blobGasUsed"], "0x20000", "{receipt}");
    let blob = format!("0x{}", "00".repeat(131_072));
    // TxPoolActor follows the head on its own.
    let since = Instant::now();
    while ask(address, "anvil_getBlobByHash", json!([ZERO_BLOB])).is_null() {
        assert!(since.elapsed() < TIMEOUT, "the blob is not returned");
        thread::sleep(Duration::from_millis(50));
    }
    let check = |method: &str, params: Value, expected: Value| {
        let answer = ask(address, method, params);
        assert!(answer == expected, "{method}: {:.200}", answer.to_string());
    };
    let (one, none) = (json!([blob]), json!(null));
    let number = &receipt["blockNumber"];
    check("anvil_getBlobByHash", json!([ZERO_BLOB]), json!(blob));
    check("anvil_getBlobByHash", json!([hash]), none.clone());
    let by_transaction = "anvil_getBlobsByTransactionHash";
    check(by_transaction, json!([hash]), one.clone());
    check(by_transaction, json!([ZERO_BLOB]), none.clone());
    let by_block = "anvil_getBlobsByBlockId";
    check(by_block, json!([number]), one.clone());
    check(by_block, json!(["latest", [ZERO_BLOB]]), one);
    check(by_block, json!(["latest", [hash]]), json!([]));
    check(by_block, json!(["0xff"]), none.clone());
    let sidecar = ask(address, "anvil_getBlobSidecarsByBlockId", json!([number]));
    assert_eq!(sidecar["commitments"].as_array().unwrap().len(), 1);
    assert_eq!(sidecar["cellProofs"].as_array().unwrap().len(), 128);
    check("anvil_getBlobSidecarsByBlockId", json!(["0x0"]), none);
    node.kill();
}

#[test]
fn a_dump_has_the_header_of_the_best_block() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let (node, address) = start(&["--dump-state", file.to_str().unwrap()]);
    ask(address, "anvil_mine", json!([3]));
    let head = ask(address, "eth_getBlockByNumber", json!(["latest", false]));
    node.signal("TERM");
    node.wait().ok();
    let dump: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(dump["best_block_number"], json!(3));
    let blocks = dump["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 4);
    let header = blocks[3]["header"].as_object().unwrap();
    for (name, value) in header {
        assert_eq!(head[name], *value, "{name}");
    }
    assert_eq!(header["number"], "0x3");
}
