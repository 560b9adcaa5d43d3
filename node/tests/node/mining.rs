//! A chain that is sealed because `--mine` says so: clique, of one signer and of several.

use std::{
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    http,
    process::{Running, run},
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Long enough for blocks to come that should not.
const NO_BLOCK: Duration = Duration::from_secs(3);
/// Seconds between blocks.
const PERIOD: u64 = 1;

/// A clique chain with these signers, in a data directory with a key of each.
fn init(folder: &Path, signers: usize) -> (String, Vec<String>) {
    let datadir = folder.join("node").to_str().unwrap().to_owned();
    let password = password(folder);
    let mut made: Vec<String> = (0..signers)
        .map(|_| {
            let line = run(&[
                "account",
                "new",
                "--lightkdf",
                "--datadir",
                &datadir,
                "--password",
                &password,
            ]);
            let text = line.ok();
            let at = text.find('{').expect("an address");
            text[at + 1..at + 41].to_lowercase()
        })
        .collect();
    made.sort_unstable();
    let extra = format!("0x{}{}{}", "00".repeat(32), made.concat(), "00".repeat(65));
    let genesis = json!({
        "config": {
            "chainId": 4321, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
            "clique": {"period": PERIOD, "epoch": 30_000},
        },
        "difficulty": "0x1", "gasLimit": "0x47b760", "extraData": extra, "alloc": {},
    });
    let file = folder.join("genesis.json");
    std::fs::write(&file, genesis.to_string()).unwrap();
    run(&["init", "--datadir", &datadir, file.to_str().unwrap()]).ok();
    (datadir, made)
}

fn password(folder: &Path) -> String {
    let file = folder.join("password");
    std::fs::write(&file, "secret\n").unwrap();
    file.to_str().unwrap().to_owned()
}

fn start(datadir: &str, more: &[&str]) -> (Running, SocketAddr) {
    let args = [
        "--datadir",
        datadir,
        "--port",
        "0",
        "--nodiscover",
        "--nat",
        "none",
        "--ipcdisable",
        "--http",
        "--http.port",
        "0",
        "--http.api",
        "eth,net,clique,miner,debug",
        "--allow-insecure-unlock",
        "--admin.chaos",
        "--admin.port",
        "0",
    ];
    let mut node = Running::start(&[&args[..], more].concat());
    let address = node.wait_for_http();
    (node, address)
}

fn wait_for(node: SocketAddr, number: u64) {
    let begun = Instant::now();
    while http::block_number(node).unwrap() < number {
        assert!(begun.elapsed() < PATIENCE, "no block {number}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn assert_stands(node: SocketAddr) {
    // A block may have been on its way.
    thread::sleep(Duration::from_millis(500));
    let head = http::block_number(node).unwrap();
    thread::sleep(NO_BLOCK);
    assert_eq!(http::block_number(node).unwrap(), head);
}

#[test]
fn one_signer_seals_stops_and_goes_on_as_the_operator_says() {
    let folder = tempfile::tempdir().unwrap();
    let (datadir, signers) = init(folder.path(), 1);
    let password = password(folder.path());
    let unlocked = ["--unlock", &signers[0], "--password", &password];
    let (mut node, address) = start(
        &datadir,
        &[
            &unlocked[..],
            &["--mine", "--etherbase", "0", "--extradata", "hello"],
        ]
        .concat(),
    );
    let call = |method: &str, params: Value| http::call(address, method, params).unwrap();
    wait_for(address, 2);
    assert_eq!(call("eth_mining", json!([])), true);
    assert_eq!(call("eth_coinbase", json!([])), format!("0x{}", signers[0]));
    let block = call("eth_getBlockByNumber", json!(["0x1", false]));
    assert!(
        block["extraData"]
            .as_str()
            .unwrap()
            .starts_with("0x68656c6c6f00")
    );
    // 4.7 million, on the way to 8.
    assert!(block["gasLimit"].as_str().unwrap() > "0x47b760");

    assert!(call("miner_stop", json!([])).is_null());
    assert_eq!(call("eth_mining", json!([])), false);
    assert_stands(address);
    assert_eq!(call("miner_setExtra", json!(["there"])), true);
    assert!(
        call("miner_setExtra", json!(["x".repeat(33)])).is_null(),
        "an error"
    );
    assert_eq!(call("miner_setGasPrice", json!(["0x5"])), true);
    assert!(call("miner_setRecommitInterval", json!([2_000])).is_null());
    let nobody = "0x00000000000000000000000000000000000000aa";
    assert!(
        call("miner_setEtherbase", json!([nobody])).is_null(),
        "an error"
    );
    let head = http::block_number(address).unwrap();
    assert!(call("miner_start", json!([])).is_null());
    wait_for(address, head + 2);
    let number = format!("{:#x}", head + 2);
    let block = call("eth_getBlockByNumber", json!([number, false]));
    assert!(
        block["extraData"]
            .as_str()
            .unwrap()
            .starts_with("0x746865726500")
    );

    // What was decided outlives the actors.
    let admin = node.wait_for_admin();
    for actor in ["worker", "sealer", "control"] {
        let head = http::block_number(address).unwrap();
        assert!(http::crash(admin, &format!("node/core/miner/{actor}")).unwrap());
        wait_for(address, head + 2);
    }
    // The operator takes the chain back: nobody else holds to what was signed.
    let before = http::block_number(address).unwrap();
    call("debug_setHead", json!(["0x1"]));
    wait_for(address, before + 1);
    let before = http::block_number(address).unwrap();
    node.kill();

    let (node, address) = start(&datadir, &[&unlocked[..], &["--mine"]].concat());
    wait_for(address, before + 2);
    node.signal("TERM");
    node.wait().ok();
}

#[test]
fn a_signer_of_two_waits_for_the_other_and_says_whom_it_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    let (datadir, signers) = init(folder.path(), 2);
    let password = password(folder.path());
    let (mut node, address) = start(
        &datadir,
        &[
            "--unlock",
            &signers[0],
            "--password",
            &password,
            "--mine",
            "--miner.etherbase",
            &signers[0],
        ],
    );
    wait_for(address, 1);
    node.wait_for("signed recently, must wait for others");
    assert_stands(address);
    assert_eq!(http::block_number(address).unwrap(), 1);
    let told = node.wait_for("is missing").to_lowercase();
    assert!(told.contains(&signers[1]), "{told}");
    assert!(!told.contains(&signers[0]), "{told}");
    let admin = node.wait_for_admin();
    let (_, status) = http::request(admin, "GET", "/api/status", "").unwrap();
    let status: Value = serde_json::from_str(&status).unwrap();
    assert!(status["stall"].as_str().unwrap().ends_with("is missing"));
    node.signal("TERM");
    node.wait().ok();

    // Whoever seals next must be another one.
    let (node, address) = start(
        &datadir,
        &[
            "--unlock",
            &signers[1],
            "--password",
            &password,
            "--mine",
            "--miner.etherbase",
            &signers[1],
        ],
    );
    wait_for(address, 2);
    node.signal("TERM");
    node.wait().ok();
}

#[test]
fn nobody_to_seal_with_and_a_locked_key_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let (datadir, _) = init(folder.path(), 1);
    let args = [
        "--datadir",
        &datadir,
        "--port",
        "0",
        "--nodiscover",
        "--ipcdisable",
        "--mine",
    ];
    let nobody = "0x00000000000000000000000000000000000000aa";
    run(&[&args[..], &["--miner.etherbase", nobody]].concat())
        .fatal(&["Failed to start mining", "signer missing"]);
    run(&[
        &args[..],
        &["--keystore", folder.path().join("empty").to_str().unwrap()],
    ]
    .concat())
    .fatal(&["Failed to start mining", "account new"]);
    let (mut node, _) = start(&datadir, &["--mine"]);
    node.wait_for("authentication needed");
    node.signal("TERM");
    node.wait().ok();
}
