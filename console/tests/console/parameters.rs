//! Parameters as the formatters write them.

use serde_json::json;

use crate::node::{Node, result};

const HASH: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";
const ADDRESS: &str = "0x00000000000000000000000000000000000000a1";

#[test]
fn parameters_are_formatted() {
    let node = Node::start(|_, _| Ok(json!("0x1")));
    let console = node.console();
    let tx = "{to: '00000000000000000000000000000000000000a1', value: '1000', gas: 21000, \
              gasPrice: web3.toBigNumber('1e9'), data: '0x01'}";
    let coded = json!({"to": ADDRESS, "value": "0x3e8", "gas": "0x5208", "gasPrice": "0x3b9aca00",
        "data": "0x01"});
    let with_from = {
        let mut object = coded.clone();
        object["from"] = json!(ADDRESS);
        object
    };
    for (code, wire, params) in [
        (
            "eth.getBalance(A)",
            "eth_getBalance",
            json!([ADDRESS, "latest"]),
        ),
        (
            "eth.getBalance(A, 16)",
            "eth_getBalance",
            json!([ADDRESS, "0x10"]),
        ),
        (
            "eth.getCode(A.slice(2), 'pending')",
            "eth_getCode",
            json!([ADDRESS, "pending"]),
        ),
        (
            "eth.getStorageAt(A, 10)",
            "eth_getStorageAt",
            json!([ADDRESS, "0xa", "latest"]),
        ),
        (
            "eth.getTransactionCount(A, 'earliest')",
            "eth_getTransactionCount",
            json!([ADDRESS, "earliest"]),
        ),
        (
            "eth.getBlock(10)",
            "eth_getBlockByNumber",
            json!(["0xa", false]),
        ),
        (
            "eth.getBlock('latest', true)",
            "eth_getBlockByNumber",
            json!(["latest", true]),
        ),
        (
            "eth.getBlock(H, 1)",
            "eth_getBlockByHash",
            json!([HASH, true]),
        ),
        (
            "eth.getUncle(5, 1)",
            "eth_getUncleByBlockNumberAndIndex",
            json!(["0x5", "0x1"]),
        ),
        (
            "eth.getUncle(H, 0)",
            "eth_getUncleByBlockHashAndIndex",
            json!([HASH, "0x0"]),
        ),
        (
            "eth.getBlockTransactionCount('pending')",
            "eth_getBlockTransactionCountByNumber",
            json!(["pending"]),
        ),
        (
            "eth.getBlockTransactionCount(H)",
            "eth_getBlockTransactionCountByHash",
            json!([HASH]),
        ),
        (
            "eth.getBlockUncleCount(3)",
            "eth_getUncleCountByBlockNumber",
            json!(["0x3"]),
        ),
        (
            "eth.getBlockUncleCount(H)",
            "eth_getUncleCountByBlockHash",
            json!([HASH]),
        ),
        (
            "eth.getTransaction(H)",
            "eth_getTransactionByHash",
            json!([HASH]),
        ),
        (
            "eth.getTransactionFromBlock(2, 3)",
            "eth_getTransactionByBlockNumberAndIndex",
            json!(["0x2", "0x3"]),
        ),
        (
            "eth.getTransactionFromBlock(H, 3)",
            "eth_getTransactionByBlockHashAndIndex",
            json!([HASH, "0x3"]),
        ),
        (
            "eth.getTransactionReceipt(H)",
            "eth_getTransactionReceipt",
            json!([HASH]),
        ),
        (
            "eth.getRawTransaction(H)",
            "eth_getRawTransactionByHash",
            json!([HASH]),
        ),
        (
            "eth.getRawTransactionFromBlock(2, 3)",
            "eth_getRawTransactionByBlockNumberAndIndex",
            json!(["0x2", "0x3"]),
        ),
        (
            "eth.getRawTransactionFromBlock(H, 3)",
            "eth_getRawTransactionByBlockHashAndIndex",
            json!([HASH, "0x3"]),
        ),
        (
            "eth.getProof(A, ['0x1'], 7)",
            "eth_getProof",
            json!([ADDRESS, ["0x1"], "0x7"]),
        ),
        ("eth.call(tx, 5)", "eth_call", json!([coded, "0x5"])),
        ("eth.estimateGas(tx)", "eth_estimateGas", json!([coded])),
        (
            "eth.sendTransaction(from(tx))",
            "eth_sendTransaction",
            json!([with_from]),
        ),
        (
            "eth.signTransaction(from(tx))",
            "eth_signTransaction",
            json!([with_from]),
        ),
        (
            "eth.submitTransaction(from(tx))",
            "eth_submitTransaction",
            json!([with_from]),
        ),
        (
            "eth.resend(from(tx), 16, '255')",
            "eth_resend",
            json!([with_from, "0x10", "0xff"]),
        ),
        ("eth.sign(A, '0x01')", "eth_sign", json!([ADDRESS, "0x01"])),
        (
            "eth.compile.solidity('x')",
            "eth_compileSolidity",
            json!(["x"]),
        ),
        (
            "miner.setEtherbase(A)",
            "miner_setEtherbase",
            json!([ADDRESS]),
        ),
        (
            "miner.setGasPrice(1000)",
            "miner_setGasPrice",
            json!(["0x3e8"]),
        ),
        (
            "miner.setGasLimit('30000000')",
            "miner_setGasLimit",
            json!(["0x1c9c380"]),
        ),
        (
            "personal.sendTransaction(from(tx), 'p')",
            "personal_sendTransaction",
            json!([with_from, "p"]),
        ),
        (
            "personal.signTransaction(from(tx), 'p')",
            "personal_signTransaction",
            json!([with_from, "p"]),
        ),
        (
            "personal.lockAccount(A)",
            "personal_lockAccount",
            json!([ADDRESS]),
        ),
        (
            "personal.sign('0x01', A, 'p')",
            "personal_sign",
            json!(["0x01", ADDRESS, "p"]),
        ),
        (
            "personal.sign('0x01', A)",
            "personal_sign",
            json!(["0x01", ADDRESS, "answer to Passphrase: "]),
        ),
        (
            "personal.unlockAccount(A, 'p', 5)",
            "personal_unlockAccount",
            json!([ADDRESS, "p", 5]),
        ),
        (
            "personal.unlockAccount(A)",
            "personal_unlockAccount",
            json!([ADDRESS, "answer to Passphrase: ", null]),
        ),
        (
            "personal.openWallet('u')",
            "personal_openWallet",
            json!(["u", ""]),
        ),
    ] {
        result(
            &console,
            &format!(
                "var A = '{ADDRESS}', H = '{HASH}', tx = {tx}; function from(t) {{ t.from = A; return t }}; {code}"
            ),
        );
        assert_eq!(node.take(), [(wire.to_owned(), params)], "{code}");
    }
}
