//! Wire names, numbers of parameters and formatters of every module.

use serde_json::{Value, json};

use crate::node::{Node, error, result};

/// Methods without formatters: `module.name` and the number of parameters, all of which are required.
const EXACT: &str = "
admin.addPeer 1|admin.removePeer 1|admin.addTrustedPeer 1|admin.removeTrustedPeer 1
admin.importChain 1|admin.stopRPC 0|admin.stopWS 0|admin.stopHTTP 0
clique.getSnapshotAtHash 1|clique.getSignersAtHash 1|clique.propose 2|clique.discard 1
debug.printBlock 1|debug.getBlockRlp 1|debug.setHead 1|debug.seedHash 1|debug.dumpBlock 1
debug.chaindbProperty 1|debug.chaindbCompact 0|debug.metrics 1|debug.verbosity 1|debug.vmodule 1
debug.backtraceAt 1|debug.stacks 0|debug.freeOSMemory 0|debug.setGCPercent 1|debug.memStats 0
debug.gcStats 0|debug.cpuProfile 2|debug.startCPUProfile 1|debug.stopCPUProfile 0|debug.goTrace 2
debug.startGoTrace 1|debug.stopGoTrace 0|debug.blockProfile 2|debug.setBlockProfileRate 1
debug.writeBlockProfile 1|debug.mutexProfile 2|debug.setMutexProfileFraction 1
debug.writeMutexProfile 1|debug.writeMemProfile 1|debug.getBadBlocks 0|debug.storageRangeAt 5
eth.chainId 0|eth.submitWork 3|eth.getWork 0|eth.getCompilers 0
ethash.getWork 0|ethash.getHashrate 0|ethash.submitWork 3|ethash.submitHashRate 2
les.getCheckpoint 1|les.clientInfo 1|les.priorityClientInfo 3|les.setClientParams 2
les.setDefaultParams 1|les.addBalance 2
miner.stop 0|miner.setExtra 1|miner.setRecommitInterval 1|miner.getHashrate 0
personal.importRawKey 2|personal.ecRecover 2|personal.deriveAccount 3
shh.setMaxMessageSize 1|shh.setMinPoW 1|shh.markTrustedPeer 1|shh.newKeyPair 0|shh.addPrivateKey 1
shh.deleteKeyPair 1|shh.hasKeyPair 1|shh.getPublicKey 1|shh.getPrivateKey 1|shh.newSymKey 0
shh.addSymKey 1|shh.generateSymKeyFromPassword 1|shh.hasSymKey 1|shh.getSymKey 1|shh.deleteSymKey 1
";

/// Methods whose missing parameters are null, and whose further ones are cut.
const PADDED: &str = "
admin.exportChain 1|admin.startRPC 4|admin.startWS 4|admin.startHTTP 5
clique.getSnapshot 1|clique.getSigners 1
debug.traceBlock 2|debug.traceBlockFromFile 2|debug.traceBadBlock 1
debug.standardTraceBadBlockToFile 2|debug.standardTraceBlockToFile 2|debug.traceBlockByNumber 2
debug.traceBlockByHash 2|debug.traceTransaction 2|debug.preimage 1
debug.getModifiedAccountsByNumber 2|debug.getModifiedAccountsByHash 2
miner.start 1|eth.sendRawTransaction 1|shh.post 1
";

/// Properties: the code, and the wire name.
const PROPERTIES: &[(&str, &str)] = &[
    ("admin.nodeInfo", "admin_nodeInfo"),
    ("admin.peers", "admin_peers"),
    ("admin.datadir", "admin_datadir"),
    ("clique.proposals", "clique_proposals"),
    ("eth.accounts", "eth_accounts"),
    ("eth.coinbase", "eth_coinbase"),
    ("eth.mining", "eth_mining"),
    ("eth.protocolVersion", "eth_protocolVersion"),
    ("les.latestCheckpoint", "les_latestCheckpoint"),
    ("les.serverInfo", "les_serverInfo"),
    (
        "les.checkpointContractAddress",
        "les_getCheckpointContractAddress",
    ),
    ("net.version", "net_version"),
    ("net.listening", "net_listening"),
    ("personal.listAccounts", "personal_listAccounts"),
    ("personal.listWallets", "personal_listWallets"),
    ("shh.info", "shh_info"),
    ("txpool.content", "txpool_content"),
    ("txpool.inspect", "txpool_inspect"),
    ("web3.version.node", "web3_clientVersion"),
    ("web3.version.network", "net_version"),
];

fn echo() -> Node {
    Node::start(|_, _| Ok(json!("ok")))
}

fn rows(table: &str) -> impl Iterator<Item = (&str, usize)> {
    table
        .split(['\n', '|'])
        .filter(|row| !row.is_empty())
        .map(|row| {
            let (name, count) = row.split_once(' ').unwrap();
            (name, count.parse().unwrap())
        })
}

fn arguments(count: usize) -> (String, Value) {
    let texts: Vec<String> = (1..=count).map(|it| format!("p{it}")).collect();
    (
        texts
            .iter()
            .map(|it| format!("'{it}'"))
            .collect::<Vec<_>>()
            .join(","),
        json!(texts),
    )
}

#[test]
fn methods_have_a_wire_name_and_exact_parameters() {
    let node = echo();
    let console = node.console();
    for (name, count) in rows(EXACT) {
        let (given, params) = arguments(count);
        result(&console, &format!("{name}({given})"));
        assert_eq!(node.take(), [(name.replace('.', "_"), params)], "{name}");
        let (given, _) = arguments(count + 1);
        let refused = error(&console, &format!("{name}({given})"));
        assert_eq!(
            refused, "Error: Invalid number of input parameters to RPC method",
            "{name}"
        );
        assert_eq!(node.take(), []);
    }
}

#[test]
fn optional_parameters_are_padded_and_cut() {
    let node = echo();
    let console = node.console();
    for (name, count) in rows(PADDED) {
        result(&console, &format!("{name}()"));
        let nulls = json!(vec![Value::Null; count]);
        assert_eq!(node.take(), [(name.replace('.', "_"), nulls)], "{name}");
        let (given, _) = arguments(count + 2);
        result(&console, &format!("{name}({given})"));
        let (_, params) = arguments(count);
        assert_eq!(node.take(), [(name.replace('.', "_"), params)], "{name}");
    }
}

#[test]
fn properties_ask_the_node_at_each_read() {
    let node = echo();
    let console = node.console();
    for (code, wire) in PROPERTIES {
        assert_eq!(result(&console, code), "\"ok\"");
        assert_eq!(node.take(), [((*wire).to_owned(), json!([]))], "{code}");
        let (object, name) = code.rsplit_once('.').unwrap();
        let getter = format!("{object}.get{}{}", name[..1].to_uppercase(), &name[1..]);
        result(
            &console,
            &format!("{getter}(function (e, r) {{ seen = [e, r] }})"),
        );
        assert_eq!(result(&console, "seen"), "[null, \"ok\"]", "{getter}");
        node.take();
    }
}

#[test]
fn new_accounts_ask_twice_for_a_password() {
    let node = echo();
    let console = node.console();
    // The answers differ, because the questions do.
    assert_eq!(
        error(&console, "personal.newAccount()"),
        "passphrases don't match!"
    );
    assert_eq!(result(&console, "personal.newAccount('p')"), "\"ok\"");
    assert_eq!(
        node.take(),
        [("personal_newAccount".to_owned(), json!(["p"]))]
    );
}

#[test]
fn wrong_arguments_are_refused_with_plain_strings() {
    let node = echo();
    let console = node.console();
    for (code, expected) in [
        ("personal.newAccount(1)", "expected 0 or 1 string argument"),
        (
            "personal.unlockAccount(1)",
            "first argument must be the account to unlock",
        ),
        (
            "personal.unlockAccount('a', 1)",
            "password must be a string",
        ),
        (
            "personal.unlockAccount('a', 'p', 'x')",
            "unlock duration must be a number",
        ),
        (
            "personal.sign(1)",
            "first argument must be the message to sign",
        ),
        (
            "personal.sign('0x')",
            "second argument must be the account to sign with",
        ),
        (
            "personal.openWallet()",
            "first argument must be the wallet URL to open",
        ),
        ("admin.sleep('x')", "usage: sleep(<number of seconds>)"),
        (
            "admin.sleepBlocks()",
            "usage: sleepBlocks(<n blocks>[, max sleep in seconds])",
        ),
        (
            "admin.sleepBlocks('x')",
            "expected number as first argument",
        ),
        (
            "admin.sleepBlocks(1, 'x')",
            "expected number as second argument",
        ),
        (
            "personal.unlockAccount('0xzz', 'p')",
            "Error: invalid address",
        ),
        ("eth.getBalance('0xzz')", "Error: invalid address"),
        ("eth.sendTransaction({})", "Error: invalid address"),
        (
            "web3.toWei(1, 'nope')",
            "Error: This unit doesn't exists, please use the one of the following units{",
        ),
        (
            "setTimeout()",
            "TypeError: Failed to execute 'setTimeout': 1 argument required, but only 0 present.",
        ),
        ("require('fs')", "Error: Cannot find module 'fs'"),
    ] {
        assert_eq!(error(&console, code), expected, "{code}");
        assert_eq!(node.take(), [], "{code}");
    }
    let caught = "try { personal.unlockAccount('0xzz', 'p') } catch (e) { typeof e + ' ' + e }";
    assert_eq!(
        result(&console, caught),
        "\"string Error: invalid address\""
    );
}

#[test]
fn errors_of_the_node_keep_their_text() {
    let node = Node::start(|_, _| Err("etherbase must be explicitly specified".into()));
    let console = node.console();
    assert_eq!(
        error(&console, "eth.coinbase"),
        "Error: etherbase must be explicitly specified"
    );
    let code = "jeth.send({jsonrpc: '2.0', id: 9, method: 'x', params: []})";
    let expected = "{\n  error: {\n    code: -32000,\n    message: \"etherbase must be explicitly \
                    specified\"\n  },\n  id: 9,\n  jsonrpc: \"2.0\"\n}";
    assert_eq!(result(&console, code), expected);
}

#[test]
fn users_extend_the_web3_object() {
    let node = echo();
    let console = node.console();
    result(
        &console,
        "web3._extend({property: 'mine', methods: [new web3._extend.Method({\
        name: 'do', call: 'mine_do', params: 1, inputFormatter: [web3._extend.utils.toHex]})],\
        properties: [new web3._extend.Property({name: 'state', getter: 'mine_state'})]})",
    );
    assert_eq!(
        result(&console, "web3.mine.do(255) + web3.mine.state"),
        "\"okok\""
    );
    let asked = node.take();
    assert_eq!(asked[0], ("mine_do".to_owned(), json!(["0xff"])));
    assert_eq!(asked[1], ("mine_state".to_owned(), json!([])));
    let node = Node::start(|_, _| Ok(json!("0x1")));
    let console = node.console();
    let batch = "var b = web3.createBatch(), seen = [];\
        b.add(eth.getBalance.request('0x00000000000000000000000000000000000000a1', 'latest',\
        function (e, r) { seen.push(r) })); b.add(eth.getWork.request(function (e, r) { seen.push(r) }));\
        b.execute(); seen";
    assert_eq!(result(&console, batch), "[1, \"0x1\"]");
}

#[test]
fn only_served_modules_are_globals() {
    let node = echo();
    let console = node.console();
    assert_eq!(
        result(&console, "typeof clique + typeof unknown + typeof swarmfs"),
        "\"objectundefinedundefined\""
    );
    assert_eq!(result(&console, "rpc.modules.eth"), "\"1.0\"");
}
