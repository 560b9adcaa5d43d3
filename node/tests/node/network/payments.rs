//! Payments to a node that syncs from a sealing peer, while its pool and the actors of the eth
//! protocol crash: each payment is accepted, none is lost, and the sync completes.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Node, TIMEOUT, until};
use crate::chains::{self, Chain, verified_head};
use crate::http;

const PAYMENTS: usize = 120;
const CRASHES: usize = 40;
const CRASHED: [&str; 4] = [
    "node/core/txpool/pool",
    "node/eth/protocol manager",
    "node/eth/fetcher",
    "node/eth/downloader",
];

/// Starts a node that seals on top of the whole chain; returns it with its account.
fn sealer(chain: &Chain, fixtures: &Path) -> (Node, String) {
    let folder = chain.new_datadir("redb");
    chain.import(folder.path().to_str().unwrap());
    let keys = folder.path().join("keystore");
    fs::create_dir_all(&keys).unwrap();
    let (key, password) = (
        fixtures.join("keystore.json"),
        fixtures.join("password.txt"),
    );
    fs::copy(&key, keys.join("signer")).unwrap();
    let key: Value = serde_json::from_slice(&fs::read(&key).unwrap()).unwrap();
    let account = format!("0x{}", key["address"].as_str().unwrap());
    let node = Node::start_in(
        folder,
        &[
            "--nodiscover",
            "--unlock",
            &account,
            "--password",
            password.to_str().unwrap(),
            "--miner.etherbase",
            &account,
        ],
    );
    (node, account)
}

fn number(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|it| it.strip_prefix("0x"));
    u64::from_str_radix(digits.unwrap(), 16).unwrap()
}

/// Returns signed transfers of an account whose key is in a node, from its next nonce on.
fn transfers(node: &Node, account: &str) -> Vec<Value> {
    let next = number(&node.call("eth_getTransactionCount", json!([account, "latest"])));
    let sign = |nonce: u64| {
        let transfer = json!({
            "from": account, "to": "0x7777777777777777777777777777777777777777", "value": "0x1",
            "gas": "0x5208", "gasPrice": "0x3b9aca00", "nonce": format!("{nonce:#x}"),
        });
        node.call("eth_signTransaction", json!([transfer]))["raw"].take()
    };
    (next..next + PAYMENTS as u64).map(sign).collect()
}

fn height(node: &Node) -> u64 {
    number(&node.call("eth_blockNumber", json!([])))
}

fn is_sealed(node: &Node, hash: &Value) -> bool {
    node.call("eth_getTransactionReceipt", json!([hash]))["status"] == "0x1"
}

#[test]
fn payments_survive_crashes_during_a_sync() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let (sealer, account) = sealer(&chain, chain.genesis.parent().unwrap());
    let payments = transfers(&sealer, &account);
    let chaos = ["--nodiscover", "--admin.chaos", "--admin.port", "0"];
    let mut syncing = Node::start_in(chain.new_datadir("redb"), &chaos);
    let admin = syncing.process.wait_for_admin();
    syncing.add(&sealer.enode());
    assert_eq!(sealer.call("miner_start", json!([1])), Value::Null);

    let (mut accepted, mut crashes, mut during_sync) = (Vec::new(), 0, 0);
    for step in 0.. {
        let is_there = height(&syncing) >= chain.head_number;
        if is_there && crashes >= CRASHES && accepted.len() == PAYMENTS {
            break;
        }
        if crashes < CRASHES && http::crash(admin, CRASHED[step % CRASHED.len()]).unwrap() {
            crashes += 1;
            during_sync += usize::from(!is_there);
        }
        for payment in payments.iter().skip(accepted.len()).take(3) {
            // An error answer would fail the test.
            accepted.push(syncing.call("eth_sendRawTransaction", json!([payment])));
        }
        thread::sleep(Duration::from_millis(100));
    }
    println!("{PAYMENTS} payments accepted, {crashes} crashes, {during_sync} during the sync");
    until("all payments are sealed, here and there", || {
        let last = accepted.last().unwrap();
        is_sealed(&syncing, last) && is_sealed(&sealer, last)
    });
    assert!(accepted.iter().all(|hash| is_sealed(&syncing, hash)));
    sealer.call("miner_stop", json!([]));
    let head = |node: &Node| {
        let mut block = node.call("eth_getBlockByNumber", json!(["latest", false]));
        (block["number"].take(), block["hash"].take())
    };
    let begun = Instant::now();
    while head(&syncing) != head(&sealer) {
        let (one, other) = (head(&syncing), head(&sealer));
        assert!(begun.elapsed() < TIMEOUT, "{one:?} is not {other:?}");
        thread::sleep(Duration::from_millis(50));
    }
    let heads = [syncing.stop(), sealer.stop()].map(|folder| verified_head(folder.path()));
    assert_eq!(heads[0], heads[1]);
}
