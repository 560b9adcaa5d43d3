//! Contracts by their ABI: calls, transactions, events, deployment.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::node::{Node, error, result};
use actoreum_console::Console;

/// A prelude for the tests: a contract with functions of many types.
const ABI: &str = r#"
var ABI = [
  {type: 'constructor', inputs: [{name: 'a', type: 'uint256'}, {name: 's', type: 'string'}]},
  {type: 'function', name: 'get', constant: true, inputs: [], outputs: [{name: '', type: 'uint256'}]},
  {type: 'function', name: 'pair', stateMutability: 'view', inputs: [{name: 'x', type: 'int8'}],
   outputs: [{name: '', type: 'int8'}, {name: '', type: 'string'}]},
  {type: 'function', name: 'set', constant: false, inputs: [{name: 'v', type: 'uint256'}], outputs: []},
  {type: 'function', name: 'set', constant: false,
   inputs: [{name: 'v', type: 'uint256'}, {name: 'd', type: 'bytes'}], outputs: []},
  {type: 'function', name: 'pay', stateMutability: 'payable', inputs: [], outputs: []},
  {type: 'event', name: 'Transfer', anonymous: false, inputs: [
    {name: 'from', type: 'address', indexed: true}, {name: 'to', type: 'address', indexed: true},
    {name: 'value', type: 'uint256', indexed: false}]}
];
var A = '0x00000000000000000000000000000000000000a1', C = '0x00000000000000000000000000000000000000c0';
var F = eth.contract(ABI), c = F.at(C);
"#;

const ADDRESS: &str = "0x00000000000000000000000000000000000000a1";
const CONTRACT: &str = "0x00000000000000000000000000000000000000c0";

fn word(number: u64) -> String {
    format!("{number:064x}")
}

fn answer(method: &str, params: &Value) -> Result<Value, String> {
    let get = "0x6d4ce63c";
    Ok(match method {
        "eth_call" if params[0]["data"] == get => json!(format!("0x{}", word(42))),
        "eth_call" => {
            // (-2, "é")
            let two = format!("{}fe", "f".repeat(62));
            json!(format!(
                "0x{two}{}{}c3a9{}",
                word(64),
                word(2),
                "0".repeat(60)
            ))
        }
        "eth_estimateGas" => json!("0x5208"),
        "eth_sendTransaction" => json!("0xdd"),
        "eth_newFilter" | "eth_newBlockFilter" => json!("0x7"),
        "eth_getFilterChanges" => json!(["0xb10c"]),
        "eth_getTransactionReceipt" => json!({"blockHash": "0xb1", "contractAddress": CONTRACT}),
        "eth_getCode" => json!("0x6000"),
        "eth_getFilterLogs" => {
            json!([{"address": CONTRACT, "blockNumber": "0x5", "logIndex": "0x0",
            "transactionIndex": "0x1", "data": format!("0x{}", word(7)),
            "topics": ["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
                format!("0x{}", word(0xa1)), format!("0x{}", word(0xa2))]}])
        }
        _ => Value::Null,
    })
}

fn started() -> (Node, Console) {
    // A filter has no changes as soon as it is created.
    let polls = AtomicU64::new(0);
    let node = Node::start(move |method, params| match method {
        "eth_getFilterChanges" if polls.fetch_add(1, Ordering::Relaxed) == 0 => Ok(json!([])),
        _ => answer(method, params),
    });
    let console = node.console();
    result(&console, ABI);
    (node, console)
}

#[test]
fn constant_functions_are_called() {
    let (node, console) = started();
    assert_eq!(result(&console, "c.get()"), "42");
    let call = json!([{"to": CONTRACT, "data": "0x6d4ce63c"}, "latest"]);
    assert_eq!(node.take(), [("eth_call".to_owned(), call)]);
    assert_eq!(result(&console, "c.pair(-2)"), "[-2, \"é\"]");
    assert_eq!(
        result(&console, "c.pair.call(-2, {from: A}, 9)"),
        "[-2, \"é\"]"
    );
    let asked = node.take();
    assert_eq!(asked[1].1[0]["from"], ADDRESS);
    assert_eq!(asked[1].1[1], "0x9");
    assert!(asked[1].1[0]["data"].as_str().unwrap().ends_with("fffffe"));
    assert_eq!(
        result(&console, "c.get(function (e, r) { seen = [e, r] }); seen"),
        "[null, 42]"
    );
    assert_eq!(
        error(&console, "c.pair()"),
        "Error: Invalid number of arguments to Solidity function"
    );
}

#[test]
fn other_functions_send_transactions() {
    let (node, console) = started();
    assert_eq!(
        result(&console, "c.set(5, {from: A, gas: 100000})"),
        "\"0xdd\""
    );
    let data = format!("0x60fe47b1{}", word(5));
    let sent = json!([{"from": ADDRESS, "to": CONTRACT, "gas": "0x186a0", "data": data}]);
    assert_eq!(node.take(), [("eth_sendTransaction".to_owned(), sent)]);
    assert_eq!(result(&console, "c.set.getData(5)"), format!("\"{data}\""));
    assert_eq!(result(&console, "c.set.estimateGas(5, {from: A})"), "21000");
    assert_eq!(
        result(&console, "c.set.request(5).method"),
        "\"eth_sendTransaction\""
    );
    assert_eq!(
        result(&console, "c.set.sendTransaction(5, {from: A})"),
        "\"0xdd\""
    );
    let overload = format!(
        "\"0x4f9a1a24{}{}{}ff{}\"",
        word(5),
        word(64),
        word(1),
        "0".repeat(62)
    );
    let data = result(&console, "c.set['uint256,bytes'].getData(5, '0xff')");
    // The selector is that of the other signature.
    assert_eq!(data[11..], overload[11..]);
    assert_ne!(data[..11], *"\"0x60fe47b1");
    let refused = error(&console, "c.set(5, {from: A, value: 1})");
    assert_eq!(refused, "Error: Cannot send value to non-payable function");
    assert_eq!(result(&console, "c.pay({from: A, value: 1})"), "\"0xdd\"");
}

#[test]
fn a_contract_shows_its_functions() {
    let (_node, console) = started();
    let text = result(&console, "c");
    assert!(
        text.contains("\n  address: \"0x00000000000000000000000000000000000000c0\",\n"),
        "{text}"
    );
    assert!(
        text.contains(
            "\n  transactionHash: null,\n  Transfer: function(),\n  allEvents: function(),\n"
        ),
        "{text}"
    );
}

#[test]
fn events_are_filters_with_decoded_arguments() {
    let (node, console) = started();
    let code = "var f = c.Transfer({from: A}, {fromBlock: 1, toBlock: 'latest'}); f.get()";
    let expected = "[{
    address: \"0x00000000000000000000000000000000000000c0\",
    args: {
      from: \"0x00000000000000000000000000000000000000a1\",
      to: \"0x00000000000000000000000000000000000000a2\",
      value: 7
    },
    blockNumber: 5,
    event: \"Transfer\",
    logIndex: 0,
    transactionIndex: 1
}]";
    assert_eq!(result(&console, code), expected);
    let (method, params) = node.take().remove(0);
    assert_eq!(method, "eth_newFilter");
    let topic = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
    let topics = json!([topic, format!("0x{}", word(0xa1)), null]);
    assert_eq!(
        params,
        json!([{"topics": topics, "address": CONTRACT, "fromBlock": "0x1", "toBlock": "latest"}])
    );
    assert_eq!(
        result(&console, "c.allEvents({fromBlock: 0}).get()"),
        expected
    );
}

#[test]
fn a_deployed_contract_gets_its_address() {
    let (node, console) = started();
    let code = "var calls = []; var d = F.new(5, 'hi', {from: A, data: '0x60', gas: 1000000},\
        function (e, k) { calls.push([e, k.address]) }); [d.transactionHash, d.address]";
    assert_eq!(result(&console, code), "[\"0xdd\", undefined]");
    let data = format!(
        "0x60{}{}{}6869{}",
        word(5),
        word(64),
        word(2),
        "0".repeat(60)
    );
    let (method, params) = node.take().remove(0);
    assert_eq!(
        (method.as_str(), &params[0]["data"]),
        ("eth_sendTransaction", &json!(data))
    );
    console.wait_for_timers();
    let expected = format!("[[null, undefined], [null, \"{CONTRACT}\"]]");
    assert_eq!(result(&console, "calls"), expected);
    assert_eq!(result(&console, "d.get()"), "42");
    let get_data = "F.getData(5, 'hi', {data: '0x60'})";
    assert_eq!(result(&console, get_data), format!("\"{data}\""));
    let refused = error(&console, "F.new(5, 'hi', {from: A, value: 1})");
    assert_eq!(
        refused,
        "Error: Cannot send value to non-payable constructor"
    );
}

/// Functions `f` of one parameter whose value is encoded, and decoded again.
#[test]
fn values_of_all_types_survive_a_round_trip() {
    let node = Node::start(|_, params| {
        // The node answers with the arguments.
        let data = params[0]["data"].as_str().unwrap();
        Ok(json!(format!("0x{}", &data[10..])))
    });
    let console = node.console();
    result(
        &console,
        "function trip(type, value, components) {\
        var p = {name: 'p', type: type, components: components};\
        return eth.contract([{type: 'function', name: 'f', constant: true, inputs: [p], outputs: [p]}])\
        .at('0x00000000000000000000000000000000000000c0').f(value) }",
    );
    for (call, expected) in [
        (
            "'uint256', '115792089237316195423570985008687907853269984665640564039457584007913129639935'",
            "1.15792089237316195423570985008687907853269984665640564039457584007913129639935e+77",
        ),
        ("'uint8', 255", "255"),
        ("'int256', -1", "-1"),
        ("'int16', '-0x10'", "-16"),
        ("'bool', true", "true"),
        (
            "'address', '0x00000000000000000000000000000000000000A1'",
            "\"0x00000000000000000000000000000000000000a1\"",
        ),
        ("'bytes4', '0x01020304'", "\"0x01020304\""),
        ("'bytes', '0x'", "\"0x\""),
        ("'bytes', '0x00ff'", "\"0x00ff\""),
        ("'string', ''", "\"\""),
        (
            "'string', 'grün 😀 and more than thirty-two bytes'",
            "\"grün 😀 and more than thirty-two bytes\"",
        ),
        ("'uint256[]', []", "[]"),
        ("'uint256[]', [1, 2, 3]", "[1, 2, 3]"),
        (
            "'uint8[2][3]', [[1, 2], [3, 4], [5, 6]]",
            "[[1, 2], [3, 4], [5, 6]]",
        ),
        ("'uint256[2][]', [[1, 2], [3, 4]]", "[[1, 2], [3, 4]]"),
        ("'string[][2]', [['a', 'b'], []]", "[[\"a\", \"b\"], []]"),
        ("'bytes[]', ['0x01', '0x']", "[\"0x01\", \"0x\"]"),
        (
            "'tuple', {a: 5, b: 'x'}, [{name: 'a', type: 'uint8'}, {name: 'b', type: 'string'}]",
            "[5, \"x\"]",
        ),
        (
            "'tuple[]', [[1, [2]]], [{name: 'a', type: 'uint8'}, {name: 'b', type: 'uint8[]'}]",
            "[[1, [2]]]",
        ),
    ] {
        assert_eq!(
            result(&console, &format!("trip({call})")),
            expected,
            "{call}"
        );
    }
    for (call, expected) in [
        (
            "'uint8[2]', [1]",
            "Error: invalid array for a Solidity parameter: [1]",
        ),
        ("'bytes', 'zz'", "Error: invalid hex data: zz"),
        ("'nope', 1", "Error: invalid solidity type!: nope"),
    ] {
        assert_eq!(
            error(&console, &format!("trip({call})")),
            expected,
            "{call}"
        );
    }
}

#[test]
fn lists_of_any_text_and_bytes_survive_a_round_trip() {
    let node = Node::start(|_, params| {
        let data = params[0]["data"].as_str().unwrap();
        Ok(json!(format!("0x{}", &data[10..])))
    });
    let console = node.console();
    result(
        &console,
        "var I = [{name: 'a', type: 'string[]'}, {name: 'b', type: 'bytes'}];\
        var echo = eth.contract([{type: 'function', name: 'f', constant: true, inputs: I, outputs: I}])\
        .at('0x00000000000000000000000000000000000000c0')",
    );
    let values = (
        prop::collection::vec("\\PC{0,40}", 0..5),
        prop::collection::vec(any::<u8>(), 0..100),
    );
    let compare = |(texts, bytes): (Vec<String>, Vec<u8>)| {
        let digits: String = bytes.iter().map(|it| format!("{it:02x}")).collect();
        let sent = json!([texts, format!("0x{digits}")]);
        let code = format!("JSON.stringify(echo.f.apply(null, {sent})) === JSON.stringify({sent})");
        prop_assert_eq!(result(&console, &code), "true", "{}", sent);
        Ok(())
    };
    TestRunner::default().run(&values, compare).unwrap();
}

#[test]
fn hostile_data_of_a_contract_is_an_error() {
    for data in [
        "0x".to_owned() + &word(32) + &"f".repeat(64),
        "0x".to_owned() + &"f".repeat(64),
        "0x".to_owned() + &word(32) + &word(100),
        "0x01".to_owned(),
    ] {
        let answer = data.clone();
        let node = Node::start(move |_, _| Ok(json!(answer)));
        let console = node.console();
        for kind in ["string", "bytes", "uint256[]", "string[]"] {
            let code = format!(
                "eth.contract([{{type: 'function', name: 'f', constant: true, inputs: [],\
                 outputs: [{{name: '', type: '{kind}'}}]}}]).at('{CONTRACT}').f()"
            );
            let text = error(&console, &code);
            assert_eq!(
                text, "Error: the data of the contract ends too early",
                "{kind} {data}"
            );
        }
    }
}
