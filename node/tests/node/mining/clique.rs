//! Clique chains with one signer and with several.

use std::{net::SocketAddr, path::Path, thread, time::Duration};

use serde_json::{Value, json};

use super::{MINER as NOBODY, end, new_account, password_file, start, wait_for};
use crate::{
    chains::{self, clique_genesis},
    http,
    process::{Running, run},
};

/// Time in which a block would arrive if one was sealed.
const NO_BLOCK: Duration = Duration::from_secs(3);
/// Seconds between blocks.
const PERIOD: u64 = 1;

/// Initializes a clique chain with `signers` signers, in a data directory with the key of each.
fn init(folder: &Path, signers: usize) -> (String, Vec<String>) {
    let mut made: Vec<String> = (0..signers).map(|_| new_account(folder)).collect();
    made.sort_unstable();
    let genesis = clique_genesis(PERIOD, &made, json!({}));
    (chains::init(folder, &genesis), made)
}

fn assert_no_new_block(node: SocketAddr) {
    // A block may be under way.
    thread::sleep(Duration::from_millis(500));
    let head = http::block_number(node).unwrap();
    thread::sleep(NO_BLOCK);
    assert_eq!(http::block_number(node).unwrap(), head);
}

#[test]
fn a_node_with_exitwhensynced_ends_after_the_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (datadir, signers) = init(folder.path(), 1);
    let password = password_file(folder.path());
    let sealing = ["--mine", "--unlock", &signers[0], "--password", &password];
    let (mut sealer, address) = start(&datadir, &sealing);
    wait_for(address, 3);
    let line = sealer.wait_for("enode=");
    let url = line.split("enode=").nth(1).unwrap();
    let url = url
        .split_whitespace()
        .next()
        .unwrap()
        .replace("[::]", "127.0.0.1");

    let other = folder.path().join("other");
    let genesis = folder.path().join("genesis.json");
    let (other_dir, genesis) = (other.to_str().unwrap(), genesis.to_str().unwrap());
    run(&["--datadir", other_dir, "init", genesis]).ok();
    let list = json!([url]).to_string();
    std::fs::write(other.join("actoreum/static-nodes.json"), list).unwrap();
    let node = Running::start(&["--datadir", other_dir, "--exitwhensynced"]);
    let ended = node.wait();
    assert!(
        ended.stderr.contains("synchronisation completed"),
        "{ended:#?}"
    );
    ended.ok();
    end(sealer);
    let file = folder.path().join("blocks.rlp");
    run(&[
        "--datadir",
        other_dir,
        "export",
        file.to_str().unwrap(),
        "1",
        "3",
    ])
    .ok();
}

#[test]
fn one_signer_seals_stops_and_resumes_on_command() {
    let folder = tempfile::tempdir().unwrap();
    let (datadir, signers) = init(folder.path(), 1);
    let password = password_file(folder.path());
    let unlocked = ["--unlock", &signers[0], "--password", &password];
    let (mut node, address) = start(
        &datadir,
        &[
            &unlocked[..],
            // The deprecated spellings of the flags.
            &["--mine", "--etherbase", "0", "--extradata", "hello"],
            &[
                "--gasprice",
                "7",
                "--targetgaslimit",
                "8000000",
                "--minerthreads",
                "1",
            ],
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
    // The gas limit rises from 4.7 million towards 8 million.
    assert!(block["gasLimit"].as_str().unwrap() > "0x47b760");

    assert!(call("miner_stop", json!([])).is_null());
    assert_eq!(call("eth_mining", json!([])), false);
    assert_no_new_block(address);
    assert_eq!(call("miner_setExtra", json!(["there"])), true);
    assert!(
        call("miner_setExtra", json!(["x".repeat(33)])).is_null(),
        "an error"
    );
    assert_eq!(call("miner_setGasPrice", json!(["0x5"])), true);
    assert!(call("miner_setRecommitInterval", json!([2_000])).is_null());
    assert!(
        call("miner_setEtherbase", json!([NOBODY])).is_null(),
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

    // The operator's settings outlive the actors.
    let admin = node.wait_for_admin();
    for actor in ["worker", "sealer", "control"] {
        let head = http::block_number(address).unwrap();
        assert!(http::crash(admin, &format!("node/core/miner/{actor}")).unwrap());
        wait_for(address, head + 2);
    }
    // The operator rewinds the chain: no other node has the signed blocks.
    let before = http::block_number(address).unwrap();
    call("debug_setHead", json!(["0x1"]));
    wait_for(address, before + 1);
    let before = http::block_number(address).unwrap();
    node.kill();

    let (mut node, address) = start(&datadir, &[&unlocked[..], &["--mine"]].concat());
    wait_for(address, before + 8);
    node.wait_for("block reached canonical chain");
    end(node);
}

#[test]
fn a_signer_of_two_waits_and_names_the_missing_signer() {
    let folder = tempfile::tempdir().unwrap();
    let (datadir, signers) = init(folder.path(), 2);
    let password = password_file(folder.path());
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
    assert_no_new_block(address);
    assert_eq!(http::block_number(address).unwrap(), 1);
    let line = node.wait_for("is missing").to_lowercase();
    assert!(line.contains(&signers[1]), "{line}");
    assert!(!line.contains(&signers[0]), "{line}");
    let admin = node.wait_for_admin();
    let (_, status) = http::request(admin, "GET", "/api/status", "").unwrap();
    let status: Value = serde_json::from_str(&status).unwrap();
    assert!(status["stall"].as_str().unwrap().ends_with("is missing"));
    end(node);

    // The next block must be sealed by the other signer.
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
    end(node);
}

#[test]
fn a_missing_signer_and_a_locked_key_are_reported() {
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
    run(&[&args[..], &["--miner.etherbase", NOBODY]].concat())
        .fatal(&["Failed to start mining", "signer missing"]);
    run(&[
        &args[..],
        &["--keystore", folder.path().join("empty").to_str().unwrap()],
    ]
    .concat())
    .fatal(&["Failed to start mining", "account new"]);
    let (mut node, _) = start(&datadir, &["--mine"]);
    node.wait_for("authentication needed");
    end(node);
}

#[test]
fn an_unauthorized_signer_is_reported_and_can_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (datadir, signers) = init(folder.path(), 1);
    let (other, password) = (new_account(folder.path()), password_file(folder.path()));
    let both = format!("{},{other}", signers[0]);
    let args = ["--unlock", &both, "--password", &password, "--mine"];
    let (mut node, address) = start(
        &datadir,
        &[&args[..], &["--miner.etherbase", &other]].concat(),
    );
    let line = node.wait_for("unauthorized signer").to_lowercase();
    assert!(line.contains("warn") && line.contains(&other), "{line}");
    assert_no_new_block(address);
    let signer = format!("0x{}", signers[0]);
    let set = http::call(address, "miner_setEtherbase", json!([signer]));
    assert_eq!(set.unwrap(), true);
    wait_for(address, 2);
    end(node);
}
