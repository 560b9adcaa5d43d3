//! A development chain that is forked off another one.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    http,
    process::{Running, run},
};

const FIRST: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const SOMEBODY: &str = "0x2222222222222222222222222222222222222222";
/// A contract that returns slot 0, and writes slot 0 plus one to slot 1 if it is given data:
/// CALLDATASIZE, PUSH1 12, JUMPI, PUSH0, SLOAD, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN, JUMPDEST,
/// PUSH0, SLOAD, PUSH1 1, ADD, PUSH1 1, SSTORE, STOP
const CODE: &str = "0x36600c575f545f5260205ff35b5f5460010160015500";
const CONTRACT: &str = "0x7777777777777777777777777777777777777777";

struct Chain {
    _node: Running,
    address: SocketAddr,
}

impl Chain {
    fn start(more: &[&str]) -> Self {
        let args = ["--dev", "--ipcdisable", "--http", "--http.port", "0"];
        let mut node = Running::start(&[&args[..], more].concat());
        let address = node.wait_for_http();
        Self {
            _node: node,
            address,
        }
    }

    /// Starts a fork of this chain.
    fn fork(&self, more: &[&str]) -> Self {
        let url = format!("http://{}", self.address);
        Self::start(&[&["--fork-url", &url, "--no-storage-caching"], more].concat())
    }

    #[track_caller]
    fn call(&self, method: &str, params: Value) -> Value {
        http::call(self.address, method, params).unwrap()
    }

    #[track_caller]
    fn refused(&self, method: &str, params: Value) -> String {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (_, answer) = http::request(self.address, "POST", "/", &body.to_string()).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let message = answer["error"]["message"].as_str();
        message.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    #[track_caller]
    fn send(&self, transaction: Value) -> Value {
        let hash = self.call("eth_sendTransaction", json!([transaction]));
        let receipt = self.call("eth_getTransactionReceipt", json!([hash]));
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        hash
    }

    fn slot(&self, slot: &str, block: &str) -> Value {
        self.call("eth_getStorageAt", json!([CONTRACT, slot, block]))
    }

    fn balance(&self, of: &str, block: &str) -> Value {
        self.call("eth_getBalance", json!([of, block]))
    }
}

fn word(value: u64) -> String {
    format!("0x{value:064x}")
}

/// Starts a chain with a contract whose slot 0 is 41, and some blocks.
fn remote() -> Chain {
    let chain = Chain::start(&["--dev.chainid", "4242"]);
    chain.call("anvil_setCode", json!([CONTRACT, CODE]));
    chain.call("anvil_setStorageAt", json!([CONTRACT, "0x0", word(41)]));
    chain.call("anvil_setBalance", json!([SOMEBODY, "0x64"]));
    chain.send(json!({"from": FIRST, "to": SOMEBODY, "value": "0x1"}));
    chain
}

#[test]
fn a_fork_goes_on_from_the_block_of_the_remote_chain() {
    let remote = remote();
    let head = remote.call("eth_getBlockByNumber", json!(["latest", false]));
    let fork = remote.fork(&[]);
    assert_eq!(fork.call("eth_chainId", json!([])), "0x1092");
    assert_eq!(fork.call("eth_blockNumber", json!([])), head["number"]);
    let latest = fork.call("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(latest, head, "the fork block is the remote chain's");
    assert_eq!(fork.balance(SOMEBODY, "latest"), "0x65");
    assert_eq!(fork.slot("0x0", "latest"), word(41));
    let called = json!([{"to": CONTRACT}, "latest"]);
    assert_eq!(fork.call("eth_call", called.clone()), word(41));

    // A transaction reads a slot of the remote chain and writes another one.
    fork.send(json!({"from": FIRST, "to": CONTRACT, "data": "0x01"}));
    assert_eq!(fork.slot("0x1", "latest"), word(42));
    let first = fork.call("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(first["parentHash"], head["hash"]);
    assert_eq!(first["gasLimit"], head["gasLimit"]);
    assert_eq!(
        remote.slot("0x1", "latest"),
        word(0),
        "the remote chain is as it was"
    );
    // The state before that transaction is still there.
    let number = head["number"].as_str().unwrap();
    assert_eq!(fork.slot("0x1", number), word(0));
    assert_eq!(fork.slot("0x0", number), word(41));
    let info = fork.call("anvil_nodeInfo", json!([]));
    assert_eq!(
        format!(
            "{:#x}",
            info["forkConfig"]["forkBlockNumber"].as_u64().unwrap()
        ),
        number
    );
    let metadata = fork.call("anvil_metadata", json!([]));
    assert_eq!(metadata["forkedNetwork"]["forkBlockHash"], head["hash"]);
}

#[test]
fn old_blocks_are_answered_by_the_remote_chain() {
    let remote = remote();
    let sent = remote.send(json!({"from": FIRST, "to": SOMEBODY, "value": "0x5"}));
    let fork = remote.fork(&[]);
    let both = |method: &str, params: Value| {
        let (ours, theirs) = (
            fork.call(method, params.clone()),
            remote.call(method, params.clone()),
        );
        assert_eq!(ours, theirs, "{method} {params}");
        assert!(!ours.is_null(), "{method} {params}");
        ours
    };
    for number in ["0x0", "earliest", "0x1", "0x3"] {
        let block = both("eth_getBlockByNumber", json!([number, true]));
        both("eth_getBlockByHash", json!([block["hash"], true]));
        both("eth_getBlockTransactionCountByHash", json!([block["hash"]]));
        both("eth_getBlockReceipts", json!([number]));
        both("eth_getBalance", json!([SOMEBODY, number]));
        both("eth_getTransactionCount", json!([FIRST, number]));
        both("eth_getCode", json!([CONTRACT, number]));
        both("eth_getStorageAt", json!([CONTRACT, "0x0", number]));
        both("eth_call", json!([{"to": CONTRACT}, number]));
    }
    both("eth_getTransactionByHash", json!([sent]));
    both("eth_getTransactionReceipt", json!([sent]));
    // What the remote chain does after the fork is not part of the fork.
    let later = remote.send(json!({"from": FIRST, "to": SOMEBODY, "value": "0x6"}));
    assert!(
        fork.call("eth_getTransactionByHash", json!([later]))
            .is_null()
    );
    assert!(
        fork.call("eth_getTransactionReceipt", json!([later]))
            .is_null()
    );
    let newest = remote.call("eth_getBlockByNumber", json!(["latest", false]));
    assert!(
        fork.call("eth_getBlockByHash", json!([newest["hash"], false]))
            .is_null()
    );
    let own = fork.send(json!({"from": FIRST, "to": SOMEBODY, "value": "0x7"}));
    assert_eq!(
        fork.call("eth_getTransactionByHash", json!([own]))["value"],
        "0x7"
    );
    assert_eq!(fork.balance(SOMEBODY, "latest"), "0x71");
}

#[test]
fn a_fork_is_reverted_reset_and_edited_like_any_chain() {
    let remote = remote();
    let fork = remote.fork(&[]);
    let number = fork.call("eth_blockNumber", json!([]));
    let id = fork.call("evm_snapshot", json!([]));
    fork.send(json!({"from": FIRST, "to": CONTRACT, "data": "0x01"}));
    fork.send(json!({"from": FIRST, "to": SOMEBODY, "value": "0x9"}));
    fork.call("anvil_setBalance", json!([CONTRACT, "0x7"]));
    assert_eq!(fork.call("evm_revert", json!([id])), true);
    assert_eq!(fork.call("eth_blockNumber", json!([])), number);
    assert_eq!(fork.slot("0x1", "latest"), word(0));
    assert_eq!(fork.balance(SOMEBODY, "latest"), "0x65");
    assert_eq!(fork.balance(CONTRACT, "latest"), "0x0");
    fork.call("anvil_setStorageAt", json!([CONTRACT, "0x0", word(0)]));
    assert_eq!(
        fork.slot("0x0", "latest"),
        word(0),
        "zero is not the remote's value"
    );
    fork.send(json!({"from": FIRST, "to": CONTRACT, "data": "0x01"}));
    assert_eq!(fork.slot("0x1", "latest"), word(1));
    fork.call("anvil_setBalance", json!([SOMEBODY, "0x0"]));
    assert_eq!(
        fork.balance(SOMEBODY, "latest"),
        "0x0",
        "deleted accounts stay deleted"
    );
    fork.call("anvil_reset", json!([]));
    assert_eq!(fork.call("eth_blockNumber", json!([])), number);
    assert_eq!(fork.slot("0x0", "latest"), word(41));
    assert_eq!(fork.balance(SOMEBODY, "latest"), "0x65");
    fork.send(json!({"from": FIRST, "to": CONTRACT, "data": "0x01"}));
    assert_eq!(fork.slot("0x1", "latest"), word(42));
    let url = format!("http://{}", remote.address);
    let same = json!([{"forking": {"jsonRpcUrl": url, "blockNumber": number}}]);
    fork.call("hardhat_reset", same);
    assert_eq!(fork.call("eth_blockNumber", json!([])), number);
}

#[test]
fn logs_of_both_chains_are_found() {
    let remote = Chain::start(&[]);
    // PUSH0, PUSH0, LOG0, STOP
    remote.call("anvil_setCode", json!([CONTRACT, "0x5f5fa000"]));
    remote.send(json!({"from": FIRST, "to": CONTRACT}));
    let fork = remote.fork(&[]);
    fork.send(json!({"from": FIRST, "to": CONTRACT}));
    let count = |from: &str, to: &str| {
        let filter = json!([{"address": CONTRACT, "fromBlock": from, "toBlock": to}]);
        fork.call("eth_getLogs", filter).as_array().unwrap().len()
    };
    assert_eq!(count("earliest", "latest"), 2);
    assert_eq!(count("0x0", "0x2"), 1);
    assert_eq!(count("0x3", "latest"), 1);
    assert_eq!(count("0x0", "0x1"), 0);
}

#[test]
fn a_fork_at_an_earlier_block_has_its_state() {
    let remote = remote();
    remote.call("anvil_setBalance", json!([SOMEBODY, "0x1000"]));
    let fork = remote.fork(&["--fork-block-number", "4"]);
    assert_eq!(fork.call("eth_blockNumber", json!([])), "0x4");
    assert_eq!(fork.balance(SOMEBODY, "latest"), "0x65");
    // BLOCKHASH of block 2: PUSH1 2, BLOCKHASH, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN
    fork.call("anvil_setCode", json!([CONTRACT, "0x6002405f5260205ff3"]));
    let second = remote.call("eth_getBlockByNumber", json!(["0x2", false]));
    assert_eq!(
        fork.call("eth_call", json!([{"to": CONTRACT}, "latest"])),
        second["hash"]
    );
}

#[test]
fn a_remote_that_is_gone_is_a_clear_error() {
    let remote = remote();
    let fork = remote.fork(&["--retries", "0", "--timeout", "2000"]);
    assert_eq!(fork.balance(SOMEBODY, "latest"), "0x65");
    drop(remote);
    assert_eq!(
        fork.balance(SOMEBODY, "latest"),
        "0x65",
        "what was read is remembered"
    );
    let text = fork.refused("eth_getBalance", json!([CONTRACT, "latest"]));
    assert!(text.starts_with("remote chain: "), "{text}");
    let text = fork.refused("eth_getBlockByNumber", json!(["0x1", false]));
    assert!(text.starts_with("remote chain: "), "{text}");
    // The node goes on.
    assert!(!fork.call("eth_blockNumber", json!([])).is_null());
}

#[test]
fn a_fork_of_nothing_does_not_start() {
    let output = run(&[
        "--dev",
        "--fork-url",
        "http://127.0.0.1:1",
        "--retries",
        "0",
    ]);
    let text = format!("{output:?}");
    assert!(text.contains("fork-url"), "{text}");
}
