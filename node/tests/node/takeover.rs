//! Genesis files, configurations and flags that an operator brings from geth or Besu.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    chains::{self, SMALL_GENESIS},
    http,
    process::{Running, actoreum, run},
};

const URL: &str = "enode://d860a01f9722d78051619d1e2351aba3f43f943f6f00718d1b9baa4101932a1f5011f16bb2b1bb35db20d6fe28fa0bf09636d26a87d31de9ec6203eeedb1f666@127.0.0.1:1";

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn besus_genesis_gives_period_epoch_and_bootnodes() {
    let folder = tempfile::tempdir().unwrap();
    let mut genesis: Value = serde_json::from_str(SMALL_GENESIS).unwrap();
    genesis["config"] = json!({
        "chainId": 7, "berlinBlock": 0,
        "clique": {"blockperiodseconds": 9, "epochlength": 77, "createemptyblocks": true},
        "discovery": {"bootnodes": [URL]},
    });
    let file = write(folder.path(), "genesis.json", &genesis.to_string());
    let datadir = folder.path().join("node");
    let path = datadir.to_str().unwrap();
    run(&["--datadir", path, "init", &file]).ok();
    let bootnodes = fs::read_to_string(datadir.join("actoreum/bootnodes.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<String>>(&bootnodes).unwrap(),
        [URL]
    );

    let mut node = Running::start(&[
        "--datadir",
        path,
        "--http",
        "--http.port",
        "0",
        "--http.api",
        "eth,admin",
    ]);
    let address = node.wait_for_http();
    let info = http::call(address, "admin_nodeInfo", json!([])).unwrap();
    let config = &info["protocols"]["eth"]["config"];
    assert_eq!(config["clique"], json!({"period": 9, "epoch": 77}));
    assert_eq!(config["istanbulBlock"], 0);
    node.kill();

    genesis["config"]["qbft"] = json!({"epochlength": 5});
    let file = write(folder.path(), "qbft.json", &genesis.to_string());
    run(&["--datadir", path, "init", &file]).fatal(&["config.qbft", "clique and ethash"]);
}

#[test]
fn unusual_genesis_files_are_accepted_with_warnings() {
    let folder = tempfile::tempdir().unwrap();
    let text = SMALL_GENESIS
        .replace("\"chainId\": 7,", "\"eip155Block\": 0, \"eip158Block\": 0,")
        .replace("0x47b760", "0x0");
    let file = write(folder.path(), "genesis.json", &format!("{text}\n}}"));
    let datadir = folder.path().join("node");
    let path = datadir.to_str().unwrap();
    let ended = run(&["--datadir", path, "init", &file]);
    for part in [
        "chainId is missing",
        "eip150Block is missing",
        "gasLimit is 0",
        "closing brace",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {ended:#?}");
    }
    ended.ok();
    let mut node = Running::start(&["--datadir", path, "--http", "--http.port", "0"]);
    let address = node.wait_for_http();
    let block = http::call(address, "eth_getBlockByNumber", json!(["0x0", false])).unwrap();
    assert_eq!(block["gasLimit"], "0x47e7c4");
    let id = http::call(address, "net_version", json!([])).unwrap();
    assert_eq!(id, "1", "geth's default");
    node.kill();
}

#[test]
fn endless_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let data = ["--datadir", datadir];
    run(&[&data[..], &["init", "/dev/zero"]].concat()).fatal(&["/dev/zero", "longer than"]);
    run(&[&data[..], &["--config", "/dev/zero"]].concat()).fatal(&["/dev/zero", "longer than"]);
    run(&[&data[..], &["--nodekey", "/dev/zero"]].concat()).fatal(&["/dev/zero", "too large"]);
}

#[test]
fn datadir_ancient_sets_the_place_of_the_ancient_files() {
    let folder = tempfile::tempdir().unwrap();
    let (ancient, node) = (folder.path().join("ancient"), folder.path().join("node"));
    let (wanted, datadir) = (ancient.to_str().unwrap(), node.to_str().unwrap());
    // geth's files there are left unchanged.
    fs::create_dir_all(&ancient).unwrap();
    fs::write(ancient.join("headers.0000.cdat"), "geth's").unwrap();
    let genesis = write(folder.path(), "genesis.json", SMALL_GENESIS);
    let with = ["--datadir", datadir, "--datadir.ancient", wanted];
    // The flag may be given only at a later `init`, while the ancient files hold no blocks.
    run(&["--datadir", datadir, "init", &genesis]).ok();
    run(&[&with[..], &["init", &genesis]].concat()).ok();
    let files = || fs::read_dir(ancient.join("actoreum")).map(Iterator::count);
    assert!(files().unwrap() > 4, "an index beside each data file");

    // The files are found again without the flag, and with a flag that names another place.
    run(&["--datadir", datadir, "db", "check"]).ok();
    let other = folder.path().join("other");
    let elsewhere = [
        "--datadir",
        datadir,
        "--datadir.ancient",
        other.to_str().unwrap(),
    ];
    run(&[&elsewhere[..], &["db", "check"]].concat()).ok();
    run(&[&elsewhere[..], &["init", &genesis]].concat())
        .fatal(&["ancient files are in", "--datadir.ancient"]);
    run(&["--datadir", datadir, "removedb", "--force"]).ok();
    assert!(files().is_err());
    assert!(ancient.join("headers.0000.cdat").exists());
}

#[test]
fn another_chain_is_refused_with_the_mainnet_flag() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = chains::init(folder.path(), &serde_json::from_str(SMALL_GENESIS).unwrap());
    run(&[
        "--datadir",
        &datadir,
        "--mainnet",
        "--port",
        "0",
        "--nodiscover",
    ])
    .fatal(&["database contains incompatible genesis", "--mainnet"]);
}

#[test]
fn limits_of_batches_prefixes_and_unprotected_transactions_hold() {
    let mut node = Running::start(&[
        "--dev",
        "--http=true",
        "--ws=false",
        "--http.port=0",
        "--http.rpcprefix",
        "/rpc",
        "--rpc.batch-request-limit",
        "2",
        "--rpc.batch-response-max-size=200",
        "--rpc.allow-unprotected-txs=false",
    ]);
    let address = node.wait_for_http();
    let ask = |path: &str, body: &str| http::request(address, "POST", path, body).unwrap();
    let call = r#"{"id":1,"method":"eth_chainId"}"#;
    assert_eq!(ask("/", call).0, 404);
    assert_eq!(ask("/rpc/x", call).0, 200);
    let batch = |count: usize| format!("[{}]", vec![call; count].join(","));
    let (_, answer) = ask("/rpc", &batch(2));
    assert!(!answer.contains("error"), "{answer}");
    let (_, answer) = ask("/rpc", &batch(3));
    assert!(answer.contains("batch too large"), "{answer}");
    let block = r#"{"id":1,"method":"eth_getBlockByNumber","params":["0x0",false]}"#;
    let (_, answer) = ask("/rpc", block);
    assert!(answer.contains("response too large"), "{answer}");
    // The unprotected transaction that deploys a well-known factory.
    let raw = "0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222";
    let send = json!({"id": 1, "method": "eth_sendRawTransaction", "params": [raw]});
    let (_, answer) = ask("/rpc", &send.to_string());
    assert!(
        answer.contains("only replay-protected (EIP-155) transactions allowed over RPC"),
        "{answer}"
    );
    node.kill();
}

#[test]
fn nodes_are_found_by_host_name_and_by_record() {
    let folder = tempfile::tempdir().unwrap();
    let genesis = serde_json::from_str(SMALL_GENESIS).unwrap();
    let start = |name: &str, more: &[&str]| {
        let folder = folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let datadir = chains::init(&folder, &genesis);
        let args = [
            "--datadir",
            &datadir,
            "--port",
            "0",
            "--nat",
            "none",
            "--ipcdisable",
        ];
        let mut command = actoreum(&[&args[..], more].concat());
        command.args(["--http", "--http.port", "0", "--http.api", "admin"]);
        let mut node = Running::start_command(command);
        let address = node.wait_for_http();
        (node, address)
    };
    let info = |address, field: &str| {
        let info = http::call(address, "admin_nodeInfo", json!([])).unwrap();
        info[field].as_str().unwrap().to_owned()
    };
    let wait_for_a_peer = |address| {
        let deadline = Instant::now() + Duration::from_secs(120);
        while http::call(address, "admin_peers", json!([])).unwrap() == json!([]) {
            assert!(Instant::now() < deadline, "no peer");
            thread::sleep(Duration::from_millis(100));
        }
    };
    let (_first, first_address) = start("first", &[]);
    let by_name = info(first_address, "enode").replace("127.0.0.1", "localhost");
    assert!(by_name.contains("localhost"), "{by_name}");
    let (_second, second_address) = start("second", &["--bootnodes", &by_name]);
    wait_for_a_peer(second_address);

    let record = info(first_address, "enr");
    let (_third, third_address) = start("third", &["--nodiscover"]);
    assert_eq!(
        http::call(third_address, "admin_addPeer", json!([record])).unwrap(),
        true
    );
    wait_for_a_peer(third_address);
    let (_fourth, fourth_address) = start("fourth", &["--nodiscover"]);
    http::call(fourth_address, "admin_addPeer", json!([by_name])).unwrap();
    wait_for_a_peer(fourth_address);
}

#[test]
fn the_logged_enode_url_has_the_discovery_port() {
    let start = |ports: &[&str]| {
        let mut command = actoreum(&["--dev=false", "--nat", "none", "--bootnodes", ""]);
        let folder = tempfile::tempdir().unwrap();
        let datadir = chains::init(folder.path(), &serde_json::from_str(SMALL_GENESIS).unwrap());
        command.args(["--datadir", &datadir]).args(ports);
        let mut node = Running::start_command(command);
        let line = node.wait_for("enode=");
        node.kill();
        line
    };
    let port = crate::process::free_port().to_string();
    let line = start(&["--port", &port]);
    assert!(!line.contains("discport"), "{line}");
    let other = crate::process::free_port().to_string();
    let line = start(&["--port", &port, "--discovery.port", &other]);
    assert!(line.contains(&format!("?discport={other}")), "{line}");
    let line = start(&["--port", "0"]);
    assert!(!line.contains("discport=0"), "{line}");
    let line = start(&["--port", &port, "--discovery.v4=false"]);
    assert!(line.contains("discport=0"), "discovery is off: {line}");
}
