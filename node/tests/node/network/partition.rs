//! A partition of a clique network that heals: transactions of the losing half are mined again, and
//! its subscribers and filters receive all changes in order.

use std::thread;
use std::time::{Duration, Instant};

use actoreum_primitives::{Address, LegacyTx, SecretKey, TxPayload, U256};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Ipc, Node, until};
use crate::chains::{self, CHAIN_ID, init_datadir, new_account, password_file};

const PAYMENTS: u64 = 40;
/// Number of blocks by which the winning half is ahead: more than are fetched one by one.
const AHEAD: u64 = 12;
/// Maximum time for which a transaction may be unknown while the pool follows a reorg.
const POOL_LAG: Duration = Duration::from_secs(5);
/// The contract that logs who pays it: CALLER, PUSH1 0, PUSH1 0, LOG1, STOP.
const PAID: &str = "7777777777777777777777777777777777777777";
const PAID_CODE: &str = "0x3360006000a100";

/// A data directory with a signer's key.
struct Home {
    folder: TempDir,
    signer: String,
    password: String,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let password = password_file(folder.path());
        Self {
            signer: new_account(folder.path(), &password),
            password,
            folder,
        }
    }

    fn start(self, genesis: &Value) -> Node {
        init_datadir(self.folder.path(), genesis);
        let args = [
            "--nodiscover",
            "--unlock",
            &self.signer,
            "--password",
            &self.password,
            "--miner.etherbase",
            &self.signer,
        ];
        Node::start_in(self.folder, &args)
    }
}

fn payment(key: &SecretKey, nonce: u64) -> Value {
    let payload = TxPayload::Legacy(LegacyTx {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: U256::from(1_000_000_000),
        gas_limit: 30_000,
        to: Some(Address::repeat_byte(0x77)),
        value: U256::from(1),
        ..LegacyTx::default()
    });
    json!(format!(
        "0x{}",
        hex::encode(payload.sign(key).encode_2718())
    ))
}

fn number(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|it| it.strip_prefix("0x"));
    u64::from_str_radix(digits.unwrap(), 16).unwrap()
}

fn height(node: &Node) -> u64 {
    number(&node.call("eth_blockNumber", json!([])))
}

/// The chain and the logs as reported by subscriptions, on a separate connection.
struct Subscriber {
    ipc: Ipc,
    heads: Value,
    /// Hashes by number, from block 1 on.
    chain: Vec<Value>,
    /// Logs that were added and not removed.
    logs: Vec<Value>,
    removed: usize,
}

impl Subscriber {
    fn new(node: &Node) -> Self {
        let mut ipc = node.ipc();
        let mut subscribe = |params| ipc.ask("eth_subscribe", &params)["result"].take();
        let heads = subscribe(json!(["newHeads"]));
        assert!(subscribe(json!(["logs", {}])).is_string());
        Self {
            ipc,
            heads,
            chain: Vec::new(),
            logs: Vec::new(),
            removed: 0,
        }
    }

    /// Reads notifications up to the block with this hash.
    fn read_until(&mut self, hash: &Value) {
        while self.chain.last() != Some(hash) {
            let mut notification = self.ipc.read();
            assert_eq!(notification["method"], "eth_subscription", "{notification}");
            let mut change = notification["params"]["result"].take();
            if notification["params"]["subscription"] == self.heads {
                let at = number(&change["number"]) as usize - 1;
                assert!(at <= self.chain.len(), "a head is left out before {at}");
                self.chain.truncate(at);
                if let Some(parent) = self.chain.last() {
                    assert_eq!(change["parentHash"], *parent);
                }
                self.chain.push(change["hash"].take());
            } else if change["removed"] == true {
                change["removed"] = json!(false);
                let at = self.logs.iter().position(|log| *log == change);
                self.logs.remove(at.expect("a log that was added"));
                self.removed += 1;
            } else {
                self.logs.push(change);
            }
        }
    }
}

#[test]
fn a_healed_partition_mines_again_what_the_losing_half_mined() {
    let key = SecretKey::random();
    let homes = [(); 3].map(|()| Home::new());
    let signers = [0, 1, 2].map(|at: usize| homes[at].signer.clone());
    let alloc = json!({
        hex::encode(key.address()): {"balance": "0xd3c21bcecceda1000000"},
        PAID: {"balance": "0x0", "code": PAID_CODE},
    });
    let genesis = chains::clique_genesis(1, &signers, alloc);
    let [first, second, alone] = homes.map(|home| home.start(&genesis));

    // Of three signers one alone seals a block, and waits for the others then.
    let seal = |node: &Node| assert!(node.call("miner_start", json!([])).is_null());
    let mut subscriber = Subscriber::new(&alone);
    let filter = alone.call("eth_newFilter", json!([{}]));
    let heads = alone.call("eth_newBlockFilter", json!([]));
    let paid: Vec<Value> = (0..PAYMENTS)
        .map(|nonce| alone.call("eth_sendRawTransaction", json!([payment(&key, nonce)])))
        .collect();
    let receipt = |node: &Node, hash: &Value| node.call("eth_getTransactionReceipt", json!([hash]));
    seal(&alone);
    until("the losing half mines", || height(&alone) == 1);
    let mined: Vec<&Value> = paid
        .iter()
        .filter(|hash| !receipt(&alone, hash).is_null())
        .collect();
    assert!(!mined.is_empty());
    println!(
        "{} of {PAYMENTS} payments mined on the half that loses",
        mined.len()
    );
    let orphaned = alone.call("eth_getBlockByNumber", json!(["0x1", false]))["hash"].take();
    first.add(&second.enode());
    seal(&first);
    seal(&second);
    until("the winning half is ahead", || height(&first) >= AHEAD);
    assert_eq!(height(&alone), 1);

    alone.add(&first.enode());
    until("all payments are mined", || {
        for hash in &paid {
            let asked = Instant::now();
            while alone
                .call("eth_getTransactionByHash", json!([hash]))
                .is_null()
            {
                let waited = asked.elapsed();
                assert!(waited < POOL_LAG, "{hash} is neither mined nor in the pool");
            }
        }
        let is_mined = |node| {
            paid.iter()
                .all(|hash| receipt(node, hash)["status"] == "0x1")
        };
        is_mined(&alone) && is_mined(&first)
    });
    let replaced = alone.call("eth_getBlockByNumber", json!(["0x1", false]))["hash"].take();
    assert_ne!(orphaned, replaced, "it was the losing half");

    // No node seals while the reports are compared.
    for node in [&first, &second, &alone] {
        node.call("miner_stop", json!([]));
    }
    let head = || alone.call("eth_getBlockByNumber", json!(["latest", false]));
    let mut last = head();
    loop {
        thread::sleep(Duration::from_secs(2));
        let now = head();
        if now["hash"] == last["hash"] {
            break;
        }
        last = now;
    }
    subscriber.read_until(&last["hash"]);
    let logs = alone.call("eth_getLogs", json!([{"fromBlock": "0x0"}]));
    assert_eq!(json!(subscriber.logs), logs);
    assert_eq!(subscriber.removed, mined.len());
    for (at, hash) in subscriber.chain.iter().enumerate() {
        let block = alone.call(
            "eth_getBlockByNumber",
            json!([format!("{:#x}", at + 1), false]),
        );
        assert_eq!(block["hash"], *hash);
    }
    let changes = |filter: &Value| alone.call("eth_getFilterChanges", json!([filter]));
    let Value::Array(polled) = changes(&filter) else {
        panic!("a filter of logs");
    };
    let removed = polled.iter().filter(|log| log["removed"] == true).count();
    assert_eq!(removed, mined.len());
    assert_eq!(polled.len(), PAYMENTS as usize + 2 * removed);
    let mut every = vec![orphaned];
    every.extend(subscriber.chain);
    assert_eq!(changes(&heads), json!(every));
    for node in [first, second, alone] {
        node.stop();
    }
}
