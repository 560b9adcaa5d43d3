//! `eth_simulateV1` on development chains: merged, sealed by clique, forked.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{http, process::Running};

const FIRST: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const SECOND: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";
const POOR: &str = "0x2222222222222222222222222222222222222222";
const CONTRACT: &str = "0x7777777777777777777777777777777777777777";
/// Adds one to slot 0, and returns it with the hash of the previous block: PUSH0, SLOAD, PUSH1 1, ADD,
/// DUP1, PUSH0, SSTORE, PUSH0, MSTORE, PUSH1 1, NUMBER, SUB, BLOCKHASH, PUSH1 32, MSTORE, PUSH1 64,
/// PUSH0, RETURN
const COUNTER: &str = "0x5f54600101805f555f52600143034060205260405ff3";

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

    fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (_, answer) = http::request(self.address, "POST", "/", &body.to_string()).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    #[track_caller]
    fn call(&self, method: &str, params: Value) -> Value {
        let mut answer = self.ask(method, params);
        assert!(answer["error"].is_null(), "{answer}");
        answer["result"].take()
    }

    #[track_caller]
    fn simulate(&self, simulation: Value) -> Value {
        self.call("eth_simulateV1", json!([simulation, "latest"]))
    }

    fn code_of(&self, simulation: Value) -> i64 {
        let answer = self.ask("eth_simulateV1", json!([simulation]));
        answer["error"]["code"].as_i64().unwrap_or_default()
    }
}

#[test]
fn a_simulated_transfer_is_like_the_real_one() {
    let chain = Chain::start(&[]);
    let transfer = json!({"from": FIRST, "to": SECOND, "value": "0x5", "gas": "0x5208",
        "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"});
    let balance = || chain.call("eth_getBalance", json!([SECOND, "latest"]));
    let before = balance();
    let head = chain.call("eth_getBlockByNumber", json!(["latest", false]));
    let simulated = chain.simulate(json!({
        "blockStateCalls": [{"calls": [transfer]}],
        "traceTransfers": true, "validation": true, "returnFullTransactions": true,
    }));
    assert_eq!(balance(), before, "the state is the same");
    let block = &simulated[0];
    assert_eq!(block["parentHash"], head["hash"]);
    let result = &block["calls"][0];
    assert_eq!(result["logs"][0]["blockHash"], block["hash"]);
    assert_eq!(
        result["logs"][0]["address"],
        "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
    );

    let hash = chain.call("eth_sendTransaction", json!([transfer]));
    let sent = chain.call("eth_getTransactionByHash", json!([hash]));
    let receipt = chain.call("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(result["gasUsed"], receipt["gasUsed"]);
    let shown = &block["transactions"][0];
    for member in ["from", "to", "value", "gas", "nonce", "type", "gasPrice"] {
        assert_eq!(shown[member], sent[member], "{member}");
    }
}

#[test]
fn simulated_blocks_build_on_each_other() {
    for more in [&[][..], &["--dev.consensus", "clique"]] {
        let chain = Chain::start(more);
        let call = json!({"from": POOR, "to": CONTRACT});
        let blocks = chain.simulate(json!({"blockStateCalls": [
            {"stateOverrides": {CONTRACT: {"code": COUNTER}}, "calls": [call, call]},
            {"blockOverrides": {"number": "0x5"}, "calls": [call]},
        ]}));
        let blocks = blocks.as_array().unwrap();
        let numbers: Vec<_> = blocks.iter().map(|block| &block["number"]).collect();
        assert_eq!(numbers, ["0x1", "0x2", "0x3", "0x4", "0x5"], "{more:?}");
        let returned = |block: usize, call: usize| {
            let data = &blocks[block]["calls"][call]["returnData"];
            let data = data
                .as_str()
                .unwrap_or_else(|| panic!("{:?}", blocks[block]));
            (data[65..66].to_owned(), format!("0x{}", &data[66..]))
        };
        let hash = |block: &Value| block["hash"].as_str().unwrap().to_owned();
        let genesis = chain.call("eth_getBlockByNumber", json!(["0x0", false]));
        assert_eq!(returned(0, 0), ("1".into(), hash(&genesis)));
        assert_eq!(returned(0, 1).0, "2");
        assert_eq!(returned(4, 0), ("3".into(), hash(&blocks[3])));
        assert_eq!(blocks[4]["parentHash"], blocks[3]["hash"]);
    }
}

#[test]
fn simulations_that_cannot_be_have_codes_of_their_own() {
    let chain = Chain::start(&[]);
    let one = |call: Value| json!({"blockStateCalls": [{"calls": [call]}]});
    let checked = |call: Value| json!({"blockStateCalls": [{"calls": [call]}], "validation": true});
    let price = "0x77359400";
    let rich = json!({"from": FIRST, "to": SECOND, "maxFeePerGas": price});
    let with = |member: &str, value: &str| {
        let mut call = rich.clone();
        call[member] = json!(value);
        call
    };
    for (simulation, code) in [
        (json!({"blockStateCalls": []}), -32602),
        (
            json!({"blockStateCalls": [{"blockOverrides": {"number": "0x102"}}]}),
            -38026,
        ),
        (
            json!({"blockStateCalls": [{"blockOverrides": {"number": "0x0"}}]}),
            -38020,
        ),
        (
            json!({"blockStateCalls": [{"blockOverrides": {"time": "0x1"}}]}),
            -38021,
        ),
        (
            one(json!({"from": POOR, "to": SECOND, "value": "0x1"})),
            -38014,
        ),
        (one(with("gas", "0x1")), -38013),
        (one(with("gas", "0xffffffffff")), -38015),
        (one(with("maxPriorityFeePerGas", "0xffffffffff")), -32602),
        (one(with("chainId", "0x5")), -32602),
        (checked(with("nonce", "0x9")), -38011),
        (checked(json!({"from": FIRST, "to": SECOND})), -38012),
        (
            json!({"blockStateCalls": [{"stateOverrides": {POOR: {"movePrecompileToAddress": SECOND}}}]}),
            -32000,
        ),
    ] {
        let shown = simulation.to_string();
        assert_eq!(chain.code_of(simulation), code, "{shown}");
    }
    let nonce = json!({"blockStateCalls": [
        {"stateOverrides": {FIRST: {"nonce": "0x5"}}, "calls": [with("nonce", "0x4")]},
    ], "validation": true});
    assert_eq!(chain.code_of(nonce), -38010);
}

#[test]
fn a_forked_chain_simulates_too() {
    let remote = Chain::start(&[]);
    let url = format!("http://{}", remote.address);
    let fork = Chain::start(&["--fork-url", &url, "--no-storage-caching"]);
    let simulated = fork.simulate(json!({"blockStateCalls": [
        {"stateOverrides": {CONTRACT: {"code": COUNTER}}, "calls": [{"to": CONTRACT}]},
        {"calls": [{"to": CONTRACT}]},
    ]}));
    assert_eq!(simulated[1]["calls"][0]["status"], "0x1", "{simulated}");
    assert_eq!(simulated[1]["parentHash"], simulated[0]["hash"]);
}

#[test]
fn a_transaction_is_filled_for_another_signer() {
    let chain = Chain::start(&["--dev.as", "geth"]);
    let call = json!({"from": FIRST, "to": SECOND, "value": "0x1"});
    let fill = || chain.call("eth_fillTransaction", json!([call]));
    let filled = fill();
    let raw = filled["raw"].as_str().unwrap();
    assert!(
        raw.starts_with("0x02") && raw.ends_with("c0808080"),
        "{raw}"
    );
    let tx = &filled["tx"];
    assert_eq!(
        (&tx["nonce"], &tx["gas"]),
        (&json!("0x0"), &json!("0x5208"))
    );
    assert_eq!((&tx["r"], &tx["s"]), (&json!("0x0"), &json!("0x0")));
    chain.call("eth_sendTransaction", json!([call]));
    assert_eq!(fill()["tx"]["nonce"], "0x1");
}
