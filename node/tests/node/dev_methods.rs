//! The methods of a development chain, with the results of the node that it answers as.

use std::{net::SocketAddr, thread, time::Instant};

use serde_json::{Value, json};

use crate::{dev::TIMEOUT, http, process::Running};

const SOMEBODY: &str = "0x2222222222222222222222222222222222222222";
const OTHER: &str = "0x3333333333333333333333333333333333333333";
const ZERO: &str = "0x0000000000000000000000000000000000000000";
const NO_HASH: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";
const ETHER: &str = "0xde0b6b3a7640000";
/// Code that returns its caller's argument slot: `mapping(address => uint256) balanceOf` at slot 3.
const TOKEN_CODE: &str = "0x600435600052600360205260406000205460005260206000f3";

pub fn start(flags: &[&str]) -> (Running, SocketAddr) {
    let api = "eth,net,web3,evm,anvil,hardhat,tenderly,txpool,debug";
    let common = ["--dev", "--http", "--http.port", "0", "--http.api", api];
    let mut node = Running::start(&[&common, flags].concat());
    let address = node.wait_for_http();
    (node, address)
}

/// Calls a method; an error comes as its text.
pub fn ask(address: SocketAddr, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let (_, answer) = http::request(address, "POST", "/", &body.to_string()).unwrap();
    let mut answer: Value = serde_json::from_str(&answer).unwrap();
    match answer.get("error") {
        Some(error) => error["message"].clone(),
        None => answer["result"].take(),
    }
}

fn head(address: SocketAddr) -> Value {
    ask(address, "eth_getBlockByNumber", json!(["latest", false]))
}

fn hex(value: &Value) -> u64 {
    let digits = value.as_str().unwrap().trim_start_matches("0x");
    u64::from_str_radix(digits, 16).unwrap()
}

/// Checks the methods that answer the same in every case.
fn check(address: SocketAddr, expected: &[(&str, Value, Value)]) {
    for (method, params, result) in expected {
        let answer = ask(address, method, params.clone());
        assert_eq!(answer, *result, "{method} {params}");
    }
}

/// Moves the clock by a minute, after which the next block is later than the head by as much at
/// least. Returns the result: the time by which the clock is ahead.
fn move_a_minute(address: SocketAddr, method: &str, params: Value) -> Value {
    let before = hex(&head(address)["timestamp"]);
    let result = ask(address, method, params);
    ask(address, "evm_mine", json!([]));
    let after = hex(&head(address)["timestamp"]);
    assert!(after >= before + 60, "{method}: {before} {after}");
    result
}

/// Returns the methods that only have an effect.
fn effects() -> Vec<(&'static str, Value)> {
    vec![
        ("anvil_impersonateAccount", json!([SOMEBODY])),
        ("hardhat_impersonateAccount", json!([OTHER])),
        ("anvil_mine", json!([])),
        ("anvil_mine", json!([null, null])),
        ("hardhat_mine", json!(["0x2", 3])),
        ("anvil_setBalance", json!([SOMEBODY, ETHER])),
        ("hardhat_setBalance", json!([OTHER, "1000"])),
        ("tenderly_setBalance", json!([OTHER, 1_000])),
        ("anvil_addBalance", json!([SOMEBODY, "0x01"])),
        ("hardhat_addBalance", json!([OTHER, "0x1"])),
        ("tenderly_addBalance", json!([OTHER, "0x1"])),
        ("anvil_setNonce", json!([SOMEBODY, "0x05"])),
        ("hardhat_setNonce", json!([SOMEBODY, 4])),
        ("evm_setAccountNonce", json!([SOMEBODY, "0x3"])),
        ("anvil_setCode", json!([OTHER, "0x6001"])),
        ("hardhat_setCode", json!([OTHER, TOKEN_CODE])),
        ("anvil_dealERC20", json!([SOMEBODY, OTHER, "0x64"])),
        ("anvil_setERC20Balance", json!([SOMEBODY, OTHER, 7])),
        ("hardhat_dealERC20", json!([SOMEBODY, OTHER, "0x65"])),
        ("evm_setAutomine", json!([false])),
        ("anvil_setAutomine", json!([false])),
        ("anvil_removePoolTransactions", json!([SOMEBODY])),
        ("anvil_dropAllTransactions", json!([])),
        ("hardhat_dropAllTransactions", json!([])),
        ("evm_setIntervalMining", json!([[3_600_000, 7_200_000]])),
        ("evm_setIntervalMining", json!([0])),
        ("anvil_setNextBlockBaseFeePerGas", json!(["0x77359400"])),
        ("hardhat_setNextBlockBaseFeePerGas", json!([1_000])),
        ("anvil_setLoggingEnabled", json!([false])),
        ("hardhat_setLoggingEnabled", json!([true])),
        ("anvil_rollback", json!([])),
        ("anvil_rollback", json!([2])),
        ("anvil_reorg", json!([2, []])),
        ("anvil_reset", json!([])),
        ("hardhat_reset", json!([{}])),
        ("hardhat_reset", json!([null])),
    ]
}

/// Checks the methods whose results are the same whatever node is answered as.
fn check_common(address: SocketAddr) {
    let word = format!("0x{:064x}", 42);
    check(
        address,
        &[
            ("anvil_autoImpersonateAccount", json!([true]), json!(null)),
            (
                "hardhat_autoImpersonateAccount",
                json!([false]),
                json!(null),
            ),
            (
                "anvil_setStorageAt",
                json!([OTHER, "0x00", "0x2a"]),
                json!(true),
            ),
            ("hardhat_setStorageAt", json!([OTHER, 0, word]), json!(true)),
            (
                "evm_setAccountStorageAt",
                json!([OTHER, "0x0", word]),
                json!(true),
            ),
            (
                "eth_getStorageAt",
                json!([OTHER, "0x0", "latest"]),
                json!(word),
            ),
            ("evm_setAccountBalance", json!([OTHER, "0x10"]), json!(true)),
            ("eth_getBalance", json!([OTHER, "latest"]), json!("0x10")),
            ("evm_setAccountCode", json!([OTHER, "0x6002"]), json!(true)),
            ("eth_getCode", json!([OTHER, "latest"]), json!("0x6002")),
            ("evm_addAccount", json!([OTHER, "secret"]), json!(true)),
            ("evm_addAccount", json!([OTHER, "secret"]), json!(false)),
            ("evm_removeAccount", json!([OTHER, "secret"]), json!(true)),
            ("evm_unlockUnknownAccount", json!([OTHER, 0]), json!(true)),
            ("evm_lockUnknownAccount", json!([OTHER]), json!(true)),
            ("evm_lockUnknownAccount", json!([OTHER]), json!(false)),
            ("anvil_setBlockGasLimit", json!(["0x1312d00"]), json!(true)),
            ("evm_setBlockGasLimit", json!([30_000_000]), json!(true)),
            (
                "anvil_removeBlockTimestampInterval",
                json!([]),
                json!(false),
            ),
            ("anvil_setBlockTimestampInterval", json!([7]), json!(null)),
            ("anvil_removeBlockTimestampInterval", json!([]), json!(true)),
            ("anvil_setIntervalMining", json!([3_600]), json!(null)),
            ("anvil_getIntervalMining", json!([]), json!(3_600)),
            ("anvil_setIntervalMining", json!([0]), json!(null)),
            ("anvil_getIntervalMining", json!([]), json!(null)),
            ("hardhat_intervalMine", json!([]), json!(true)),
            ("hardhat_getStackTraceFailuresCount", json!([]), json!(0)),
            (
                "hardhat_addCompilationResult",
                json!(["0.8.28", {}, {}]),
                json!(true),
            ),
            ("evm_revert", json!(["0xff"]), json!(false)),
            ("anvil_revert", json!([77]), json!(false)),
            (
                "eth_networkId",
                json!([]),
                ask(address, "net_version", json!([])),
            ),
            (
                "eth_requestAccounts",
                json!([]),
                ask(address, "eth_accounts", json!([])),
            ),
        ],
    );
    let snapshot = ask(address, "anvil_snapshot", json!([]));
    check(address, &[("evm_revert", json!([snapshot]), json!(true))]);
    let genesis = ask(address, "eth_getBlockByNumber", json!(["0x0", false]));
    let time = ask(address, "anvil_getGenesisTime", json!([]));
    assert_eq!(time, hex(&genesis["timestamp"]));
    for name in ["evm_mine_detailed", "anvil_mine_detailed"] {
        let mined = ask(address, name, json!([{"blocks": 2}]));
        assert_eq!(mined.as_array().unwrap().len(), 2, "{name}");
        assert_eq!(mined[1]["hash"], head(address)["hash"], "{name}");
    }
    for name in ["anvil_metadata", "hardhat_metadata"] {
        let metadata = ask(address, name, json!([]));
        let version = ask(address, "web3_clientVersion", json!([]));
        assert_eq!(metadata["clientVersion"], version);
        assert_eq!(metadata["latestBlockHash"], head(address)["hash"]);
    }
    let info = ask(address, "anvil_nodeInfo", json!([]));
    assert_eq!(info["currentBlockNumber"], head(address)["number"]);
    let refused = ask(
        address,
        "hardhat_reset",
        json!([{"forking": {"jsonRpcUrl": "x"}}]),
    );
    assert!(
        refused.as_str().unwrap().contains("forks no other"),
        "{refused}"
    );
}

#[test]
fn as_anvil_results_units_and_times_are_those_of_anvil() {
    let (node, address) = start(&[]);
    let version = ask(address, "web3_clientVersion", json!([]));
    assert!(
        version.as_str().unwrap().starts_with("anvil/v"),
        "{version}"
    );
    assert_eq!(ask(address, "evm_snapshot", json!([])), "0x0");
    for (method, params) in effects() {
        assert!(
            ask(address, method, params.clone()).is_null(),
            "{method} {params}"
        );
    }
    check_common(address);
    check(
        address,
        &[
            ("anvil_stopImpersonatingAccount", json!([ZERO]), json!(null)),
            ("anvil_dropTransaction", json!([NO_HASH]), json!(null)),
            ("evm_mine", json!([]), json!("0x0")),
            ("evm_setIntervalMining", json!([3_600]), json!(null)),
            ("anvil_getIntervalMining", json!([]), json!(3_600)),
            ("anvil_getAutomine", json!([]), json!(false)),
            ("evm_setAutomine", json!([true]), json!(null)),
            ("hardhat_getAutomine", json!([]), json!(true)),
            ("anvil_getIntervalMining", json!([]), json!(null)),
            (
                "anvil_setMinGasPrice",
                json!(["0x1"]),
                json!("anvil_setMinGasPrice is not supported when EIP-1559 is active"),
            ),
        ],
    );
    let first = move_a_minute(address, "evm_increaseTime", json!(["60"]));
    let second = move_a_minute(address, "anvil_increaseTime", json!(["0x3c"]));
    let (first, second) = (first.as_u64().unwrap(), second.as_u64().unwrap());
    assert!(first >= 60 && second >= first + 60, "{first} {second}");
    let randao = format!("0x{:064x}", 7);
    check(
        address,
        &[
            ("anvil_setCoinbase", json!([OTHER]), json!(null)),
            ("hardhat_setPrevRandao", json!([randao]), json!(null)),
            ("anvil_setNextBlockBaseFeePerGas", json!([77]), json!(null)),
            ("anvil_setBlockGasLimit", json!([20_000_000]), json!(true)),
            ("evm_mine", json!([]), json!("0x0")),
        ],
    );
    let block = head(address);
    assert_eq!(block["miner"], OTHER);
    assert_eq!(block["mixHash"], json!(randao));
    assert_eq!(block["baseFeePerGas"], "0x4d");
    assert_eq!(hex(&block["gasLimit"]), 20_000_000);
    let begun = hex(&block["timestamp"]);
    ask(address, "anvil_mine", json!([3, 10]));
    assert_eq!(hex(&head(address)["timestamp"]), begun + 30);
    let next = begun + 1_000;
    let set = ask(address, "evm_setNextBlockTimestamp", json!([next]));
    assert!(set.is_null());
    ask(address, "evm_mine", json!([{"blocks": 1}]));
    assert_eq!(hex(&head(address)["timestamp"]), next);
    let late = ask(address, "evm_setNextBlockTimestamp", json!([next]));
    assert!(late.as_str().unwrap().contains("is lower"), "{late}");
    let advanced = ask(address, "anvil_setTime", json!([next + 5_000]));
    assert!(
        (4_000..=5_000).contains(&advanced.as_u64().unwrap()),
        "{advanced}"
    );
    node.kill();
}

#[test]
fn as_hardhat_results_units_and_times_are_those_of_hardhat() {
    let (node, address) = start(&["--dev.as", "hardhat"]);
    let version = ask(address, "web3_clientVersion", json!([]));
    let version = version.as_str().unwrap();
    assert!(version.starts_with("HardhatNetwork/"), "{version}");
    assert_eq!(ask(address, "evm_snapshot", json!([])), "0x1");
    for (method, params) in effects() {
        assert_eq!(
            ask(address, method, params.clone()),
            true,
            "{method} {params}"
        );
    }
    check_common(address);
    check(
        address,
        &[
            (
                "hardhat_stopImpersonatingAccount",
                json!([ZERO]),
                json!(false),
            ),
            ("hardhat_dropTransaction", json!([NO_HASH]), json!(false)),
            ("evm_mine", json!([]), json!("0")),
            (
                "evm_setIntervalMining",
                json!([[60_000, 120_000]]),
                json!(true),
            ),
            ("anvil_getIntervalMining", json!([]), json!(60)),
            ("evm_setIntervalMining", json!([0]), json!(true)),
        ],
    );
    let ahead = move_a_minute(address, "evm_increaseTime", json!([60]));
    assert!(ahead.as_str().unwrap().parse::<u64>().unwrap() >= 60);
    let next = hex(&head(address)["timestamp"]) + 1_000;
    let set = ask(address, "evm_setNextBlockTimestamp", json!([next]));
    assert_eq!(set, json!(next.to_string()));
    ask(address, "hardhat_mine", json!(["0x3", "0xa"]));
    assert_eq!(hex(&head(address)["timestamp"]), next + 20);
    ask(address, "hardhat_mine", json!(["0x3"]));
    assert!(hex(&head(address)["timestamp"]) >= next + 22);
    node.kill();
}

/// A contract that reverts with one zero byte if it is called before the given time, and else writes
/// a slot: PUSH0, CALLDATALOAD, TIMESTAMP, LT, PUSH1 13, JUMPI, PUSH1 1, PUSH1 1, SSTORE, STOP,
/// JUMPDEST, PUSH1 1, PUSH0, REVERT
const LATER: &str = "0x5f354210600d576001600155005b60015ffd";

/// Calls [`LATER`] with a time.
fn later(time: u64) -> Value {
    json!({"from": "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "to": OTHER,
        "data": format!("0x{time:064x}")})
}

#[test]
fn gas_is_estimated_at_the_time_of_the_next_block() {
    for identity in ["anvil", "hardhat"] {
        let (node, address) = start(&["--dev.as", identity]);
        ask(address, "hardhat_setCode", json!([OTHER, LATER]));
        let next = hex(&head(address)["timestamp"]) + 10_000;
        let too_early = ask(address, "eth_estimateGas", json!([later(next)]));
        assert!(
            too_early.as_str().unwrap().contains("revert"),
            "{too_early}"
        );
        ask(address, "evm_setNextBlockTimestamp", json!([next]));
        let gas = ask(address, "eth_estimateGas", json!([later(next)]));
        assert!(hex(&gas) > 40_000, "{gas}");
        let hash = ask(address, "eth_sendTransaction", json!([later(next)]));
        let receipt = ask(address, "eth_getTransactionReceipt", json!([hash]));
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        assert_eq!(hex(&head(address)["timestamp"]), next);
        node.kill();
    }
}

#[test]
fn a_set_timestamp_is_that_of_the_first_block_of_many() {
    let (node, address) = start(&["--dev.as", "anvil"]);
    let next = hex(&head(address)["timestamp"]) + 5_000;
    ask(address, "evm_setNextBlockTimestamp", json!([next]));
    // As Hardhat's network helpers call it.
    ask(address, "hardhat_mine", json!(["0x1", "0x1"]));
    assert_eq!(hex(&head(address)["timestamp"]), next);
    ask(address, "evm_setNextBlockTimestamp", json!([next + 100]));
    ask(address, "hardhat_mine", json!(["0x3", "0xa"]));
    assert_eq!(hex(&head(address)["timestamp"]), next + 120);
    node.kill();
}

#[test]
fn as_hardhat_a_failed_transaction_is_an_error() {
    let (node, address) = start(&["--dev.as", "hardhat"]);
    ask(address, "hardhat_setCode", json!([OTHER, LATER]));
    let mut call = later(u64::MAX);
    call["gas"] = json!("0x186a0");
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [call]});
    let (_, answer) = http::request(address, "POST", "/", &body.to_string()).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let error = &answer["error"];
    assert_eq!(error["code"], -32603, "{answer}");
    assert_eq!(error["data"]["data"], "0x00", "{answer}");
    assert_eq!(error["data"]["message"], error["message"], "{answer}");
    let receipt = ask(
        address,
        "eth_getTransactionReceipt",
        json!([error["data"]["txHash"]]),
    );
    assert_eq!(receipt["status"], "0x0", "{receipt}");
    // Without automine it is in no block on return.
    ask(address, "evm_setAutomine", json!([false]));
    let hash = ask(address, "eth_sendTransaction", json!([call]));
    assert_eq!(hash.as_str().unwrap().len(), 66, "{hash}");
    node.kill();
}

#[test]
fn a_transaction_may_have_the_gas_of_a_whole_block() {
    let (node, address) = start(&[]);
    let mut call = later(0);
    call["gas"] = json!("0x1c9c380");
    let hash = ask(address, "eth_sendTransaction", json!([call]));
    let receipt = ask(address, "eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipt["status"], "0x1", "{hash}");
    node.kill();
}

#[test]
fn the_block_of_a_state_may_be_absent() {
    let last = |flags: &[&str], params: Value| {
        let (node, address) = start(flags);
        let answer = ask(address, "eth_getBalance", params);
        node.kill();
        answer
    };
    for identity in ["anvil", "hardhat", "geth"] {
        let flags = ["--dev.as", identity];
        // As ape calls it.
        assert_eq!(last(&flags, json!([SOMEBODY, null])), "0x0");
        assert_eq!(last(&flags, json!([SOMEBODY])), "0x0");
    }
    // As geth 1.8 answers where it knows the rules.
    let refused = "missing value for required argument 1";
    let flags = ["--dev.as", "geth", "--dev.fork", "petersburg"];
    assert_eq!(last(&flags, json!([SOMEBODY, null])), refused);
}

#[test]
fn tools_find_the_methods_that_they_call_by_default() {
    let mut node = Running::start(&["--dev", "--ipcdisable", "--http", "--http.port", "0"]);
    let address = node.wait_for_http();
    let signer = json!("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    let signature = ask(address, "personal_sign", json!(["0x11", signer]));
    assert_eq!(signature.as_str().unwrap().len(), 132, "{signature}");
    let call = json!({"to": OTHER});
    let traced = ask(address, "debug_traceCall", json!([call, "latest"]));
    assert_eq!(traced["failed"], false, "{traced}");
    let status = ask(address, "txpool_status", json!([]));
    assert_eq!(status["pending"], "0x0", "{status}");
    node.kill();
}

#[test]
fn as_geth_results_are_those_of_this_node() {
    let (node, address) = start(&["--dev.as", "geth"]);
    let version = ask(address, "web3_clientVersion", json!([]));
    assert!(
        version.as_str().unwrap().starts_with("Actoreum/"),
        "{version}"
    );
    assert_eq!(ask(address, "evm_snapshot", json!([])), "0x1");
    for (method, params) in effects() {
        assert_eq!(
            ask(address, method, params.clone()),
            true,
            "{method} {params}"
        );
    }
    check_common(address);
    check(
        address,
        &[
            (
                "anvil_stopImpersonatingAccount",
                json!([ZERO]),
                json!(false),
            ),
            ("hardhat_dropTransaction", json!([NO_HASH]), json!(false)),
            ("evm_mine", json!([]), json!("0x0")),
        ],
    );
    let ahead = move_a_minute(address, "evm_increaseTime", json!([60]));
    assert!(hex(&ahead) >= 60, "{ahead}");
    node.kill();
}

#[test]
fn a_dealt_token_balance_is_in_the_slot_of_the_token() {
    let (node, address) = start(&[]);
    ask(address, "anvil_setCode", json!([OTHER, TOKEN_CODE]));
    let dealt = ask(address, "anvil_dealERC20", json!([SOMEBODY, OTHER, "0x64"]));
    assert!(dealt.is_null(), "{dealt}");
    let data = format!("0x70a08231{:0>64}", &SOMEBODY[2..]);
    let balance = ask(
        address,
        "eth_call",
        json!([{"to": OTHER, "data": data}, "latest"]),
    );
    assert_eq!(hex(&balance), 100);
    let refused = ask(
        address,
        "anvil_dealERC20",
        json!([SOMEBODY, SOMEBODY, "0x64"]),
    );
    assert!(refused.as_str().unwrap().contains("not found"), "{refused}");
    node.kill();
}

#[test]
fn a_dumped_state_is_loaded_by_another_chain() {
    let (node, address) = start(&[]);
    let word = format!("0x{:064x}", 42);
    ask(address, "anvil_setBalance", json!([SOMEBODY, ETHER]));
    ask(address, "anvil_setCode", json!([OTHER, "0x6001"]));
    ask(address, "anvil_setNonce", json!([OTHER, 7]));
    ask(address, "anvil_setStorageAt", json!([OTHER, "0x5", word]));
    let dump = ask(address, "anvil_dumpState", json!([]));
    node.kill();
    let (node, address) = start(&[]);
    check(
        address,
        &[
            ("anvil_loadState", json!([dump]), json!(true)),
            ("eth_getBalance", json!([SOMEBODY, "latest"]), json!(ETHER)),
            ("eth_getCode", json!([OTHER, "latest"]), json!("0x6001")),
            (
                "eth_getTransactionCount",
                json!([OTHER, "latest"]),
                json!("0x7"),
            ),
            (
                "eth_getStorageAt",
                json!([OTHER, "0x5", "latest"]),
                json!(word),
            ),
            ("eth_blockNumber", json!([]), json!("0x1")),
        ],
    );
    let refused = ask(address, "hardhat_loadState", json!(["0x1f8b"]));
    assert!(
        refused.as_str().unwrap().contains("malformed state"),
        "{refused}"
    );
    node.kill();
}

#[test]
fn a_reorg_puts_transactions_into_their_blocks() {
    let (node, address) = start(&[]);
    ask(address, "anvil_setBalance", json!([SOMEBODY, ETHER]));
    ask(address, "anvil_mine", json!([3]));
    let number = hex(&head(address)["number"]);
    let transfer = json!({"from": SOMEBODY, "to": OTHER, "value": "0x1", "gas": "0x5208"});
    let done = ask(address, "anvil_reorg", json!([3, [[transfer, 1]]]));
    assert!(done.is_null(), "{done}");
    let counts: Vec<usize> = (number - 2..=number)
        .map(|number| {
            let number = format!("{number:#x}");
            let block = ask(address, "eth_getBlockByNumber", json!([number, false]));
            block["transactions"].as_array().unwrap().len()
        })
        .collect();
    assert_eq!(counts, [0, 1, 0]);
    assert_eq!(hex(&head(address)["number"]), number);
    let refused = ask(address, "anvil_reorg", json!([3, [[transfer, 3]]]));
    assert!(refused.as_str().unwrap().contains("less than the depth"));
    let refused = ask(address, "anvil_rollback", json!([number + 1]));
    assert!(
        refused.as_str().unwrap().contains("Rollback depth"),
        "{refused}"
    );
    node.kill();
}

#[test]
fn a_dropped_transaction_is_gone_and_others_stay() {
    let (node, address) = start(&[]);
    ask(address, "anvil_setBalance", json!([SOMEBODY, ETHER]));
    ask(address, "evm_setAutomine", json!([false]));
    let send = |nonce: u64| {
        let transfer = json!({
            "from": SOMEBODY, "to": OTHER, "value": "0x1", "gas": "0x5208",
            "nonce": format!("{nonce:#x}"),
        });
        ask(address, "eth_sendUnsignedTransaction", json!([transfer]))
    };
    let (first, second) = (send(0), send(1));
    let dropped = ask(address, "anvil_dropTransaction", json!([second]));
    assert_eq!(dropped, second);
    let begun = Instant::now();
    while hex(&ask(address, "txpool_status", json!([]))["pending"]) != 1 {
        assert!(begun.elapsed() < TIMEOUT);
        thread::yield_now();
    }
    let gone = ask(address, "eth_getTransactionByHash", json!([second]));
    assert!(gone.is_null(), "{gone}");
    ask(address, "evm_mine", json!([]));
    assert_eq!(head(address)["transactions"], json!([first]));
    node.kill();
}

#[test]
fn a_state_in_a_file_is_there_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let file = file.to_str().unwrap();
    let word = format!("0x{:064x}", 42);
    let (node, address) = start(&["--state", file]);
    ask(address, "anvil_setBalance", json!([SOMEBODY, ETHER]));
    ask(address, "anvil_setStorageAt", json!([OTHER, "0x5", word]));
    node.signal("TERM");
    node.wait().ok();
    let (node, address) = start(&["--load-state", file]);
    check(
        address,
        &[
            ("eth_getBalance", json!([SOMEBODY, "latest"]), json!(ETHER)),
            (
                "eth_getStorageAt",
                json!([OTHER, "0x5", "latest"]),
                json!(word),
            ),
            ("eth_blockNumber", json!([]), json!("0x0")),
        ],
    );
    node.kill();
}
