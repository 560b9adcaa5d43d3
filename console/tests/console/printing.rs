//! Results of the node as they are printed.

use serde_json::{Value, json};

use crate::node::{Answer, Node, Printed, error, result};
use actoreum_console::Output;

fn answer(method: &str, _: &Value) -> Answer {
    Ok(match method {
        "eth_blockNumber" => json!("0x10"),
        "eth_getBalance" => json!("0x152d02c7e14af6800000"),
        "eth_gasPrice" => json!("0x430e23400"),
        "eth_getTransactionCount" | "eth_estimateGas" | "eth_hashrate" | "net_peerCount" => {
            json!("0x5208")
        }
        "eth_syncing" => {
            json!({"startingBlock": "0x1", "currentBlock": "0x2", "highestBlock": "0x3",
            "knownStates": "0x4", "pulledStates": "0x0"})
        }
        "txpool_status" => json!({"pending": "0x2", "queued": "0x0"}),
        "eth_getBlockByNumber" => json!({"number": "0x2", "hash": "0xab", "difficulty": "0x20000",
            "totalDifficulty": "0x40000", "size": "0x220", "gasLimit": "0x1000", "gasUsed": "0x0",
            "timestamp": "0x5f5e100", "transactions": [transaction()], "uncles": []}),
        "eth_getTransactionByHash" => transaction(),
        "eth_pendingTransactions" => json!([transaction()]),
        "eth_getTransactionReceipt" => json!({"blockNumber": "0x2", "transactionIndex": "0x0",
            "cumulativeGasUsed": "0x5208", "gasUsed": "0x5208", "contractAddress": null, "status": "0x1",
            "logs": [{"blockNumber": "0x2", "logIndex": "0x1", "transactionIndex": "0x0", "data": "0x"}]}),
        "web3_clientVersion" => json!("Geth/v1"),
        "eth_coinbase" => json!("0xc0"),
        "admin_datadir" => json!("/data"),
        _ => Value::Null,
    })
}

fn transaction() -> Value {
    json!({"hash": "0xcd", "nonce": "0x1", "blockHash": "0xab", "blockNumber": null,
        "transactionIndex": "0x0", "gas": "0x5208", "gasPrice": "0x3b9aca00",
        "value": "0xde0b6b3a7640000", "input": "0x"})
}

const TRANSACTION: &str = "{
  blockHash: \"0xab\",
  blockNumber: null,
  gas: 21000,
  gasPrice: 1000000000,
  hash: \"0xcd\",
  input: \"0x\",
  nonce: 1,
  transactionIndex: 0,
  value: 1000000000000000000
}";

#[test]
fn results_of_the_node_are_formatted_and_printed() {
    let node = Node::start(answer);
    let console = node.console();
    let address = "'0x00000000000000000000000000000000000000a1'";
    for (code, expected) in [
        ("eth.blockNumber", "16"),
        (&*format!("eth.getBalance({address})"), "1e+23"),
        (
            &*format!("web3.fromWei(eth.getBalance({address}))"),
            "100000",
        ),
        (&*format!("eth.getTransactionCount({address})"), "21000"),
        ("eth.gasPrice", "18000000000"),
        ("eth.hashrate", "21000"),
        ("net.peerCount", "21000"),
        ("eth.estimateGas({})", "21000"),
        (
            "eth.syncing",
            "{\n  currentBlock: 2,\n  highestBlock: 3,\n  knownStates: 4,\n  pulledStates: 0,\n  startingBlock: 1\n}",
        ),
        ("txpool.status", "{\n  pending: 2,\n  queued: 0\n}"),
        ("eth.getTransaction('0xcd')", TRANSACTION),
        ("eth.getCode(eth.coinbase + 'x')", ""),
        ("eth.getUncle(1, 0)", "null"),
        (
            "eth.getTransactionReceipt('0xcd')",
            "{
  blockNumber: 2,
  contractAddress: null,
  cumulativeGasUsed: 21000,
  gasUsed: 21000,
  logs: [{
      blockNumber: 2,
      data: \"0x\",
      logIndex: 1,
      transactionIndex: 0
  }],
  status: \"0x1\",
  transactionIndex: 0
}",
        ),
        (
            "eth.getBlock(2)",
            "{
  difficulty: 131072,
  gasLimit: 4096,
  gasUsed: 0,
  hash: \"0xab\",
  number: 2,
  size: 544,
  timestamp: 100000000,
  totalDifficulty: 262144,
  transactions: [{
      blockHash: \"0xab\",
      blockNumber: null,
      gas: 21000,
      gasPrice: 1000000000,
      hash: \"0xcd\",
      input: \"0x\",
      nonce: 1,
      transactionIndex: 0,
      value: 1000000000000000000
  }],
  uncles: []
}",
        ),
    ] {
        if expected.is_empty() {
            assert_eq!(error(&console, code), "Error: invalid address");
        } else {
            assert_eq!(result(&console, code), expected, "{code}");
        }
    }
    let pending = result(&console, "eth.pendingTransactions[0].blockHash");
    assert_eq!(pending, "null");
}

#[test]
fn printing_an_object_reads_its_getters() {
    let node = Node::start(|method, _| match method {
        "eth_mining" => Ok(json!(true)),
        _ => Err("refused".into()),
    });
    let console = node.console();
    let text = result(&console, "eth");
    assert!(text.contains("\n  mining: true,\n"), "{text}");
    assert!(text.contains("\n  blockNumber: undefined,\n"), "{text}");
    assert!(text.contains("\n  getBlock: function(),\n"), "{text}");
    assert!(
        text.contains("filter: function(options, callback, filterCreationErrorCallback)"),
        "{text}"
    );
    assert_eq!(
        node.take()
            .iter()
            .filter(|(method, _)| method == "eth_mining")
            .count(),
        1
    );
}

#[test]
fn console_log_joins_its_arguments() {
    let node = Node::start(answer);
    let printed = Printed::default();
    let mut settings = node.settings();
    settings.output = Output::new(printed.clone());
    let console = node.start_console(&settings).unwrap();
    result(
        &console,
        "console.log('a', 1, [1, 2], {a: 1}, null); console.error('e'); inspect({a: 1}, 'x')",
    );
    assert_eq!(
        printed.text(),
        "a 1 1,2 [object Object] null\ne\n{\n  a: 1\n}\n\"x\"\n"
    );
    assert!(!console.execute("throw 'no'"));
    assert!(console.execute("1"));
    assert!(printed.text().ends_with("no\n1\n"));
}

#[test]
fn the_welcome_shows_the_node() {
    let node = Node::start(answer);
    let printed = Printed::default();
    let mut settings = node.settings();
    settings.output = Output::new(printed.clone());
    node.start_console(&settings).unwrap().welcome();
    let text = printed.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Welcome to the Actoreum JavaScript console!");
    assert_eq!(lines[2..4], ["instance: Geth/v1", "coinbase: 0xc0"]);
    assert!(
        lines[4].starts_with("at block: 2 (Sat Mar 03 1973"),
        "{}",
        lines[4]
    );
    assert_eq!(lines[5], " datadir: /data");
    assert!(
        lines[6].starts_with(" modules: admin:1.0 clique:1.0 debug:1.0"),
        "{}",
        lines[6]
    );
}
