//! `network new`: what it writes runs.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use actoreum_primitives::{Address, Genesis};
use serde_json::Value;

use crate::process::{free_port, run};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A script with its children, which end with it.
struct Script(Child);

impl Script {
    fn start(folder: &Path, nodes: &[&str]) -> Self {
        let mut command = Command::new(folder.join("start.sh"));
        command.args(nodes).stdout(Stdio::null()).process_group(0);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.0.wait();
    }
}

fn wait_for_line(log: &Path, text: &str) {
    let begun = Instant::now();
    while !fs::read_to_string(log).unwrap_or_default().contains(text) {
        let log = fs::read_to_string(log).unwrap_or_default();
        assert!(begun.elapsed() < PATIENCE, "no {text:?} in {log}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_new_network_of_one_signer_seals_as_its_script_starts_it() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("net");
    let dir = folder.to_str().unwrap();
    let port = free_port().min(64_000).to_string();
    let args = [
        "network",
        "new",
        "--yes",
        "--engine",
        "clique",
        "--signers",
        "1",
        "--accounts",
        "2",
        "--period",
        "1",
        "--first-port",
        &port,
        "--dir",
        dir,
    ];
    let told = run(&args).ok();
    assert!(
        told.contains("start.sh") && told.contains("compose.yaml"),
        "{told}"
    );
    run(&args).fatal(&["not empty", "--dir"]);

    let script = Script::start(&folder, &["node1"]);
    wait_for_line(&folder.join("node1.log"), "sealed a block");
    drop(script);
}

#[test]
fn a_new_network_has_its_genesis_keys_peers_and_scripts() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("net");
    let args = [
        "network",
        "new",
        "--yes",
        "--signers",
        "3",
        "--accounts",
        "10",
        "--forks",
        "osaka",
        "--chainid",
        "4242",
        "--dir",
        folder.to_str().unwrap(),
    ];
    run(&args).ok();
    for secret in ["password", "accounts.json", "node1/actoreum/nodekey"] {
        assert_eq!(mode(&folder.join(secret)), 0o600, "{secret}");
    }
    assert_eq!(mode(&folder.join("start.sh")), 0o755);
    let genesis = fs::read_to_string(folder.join("genesis.json")).unwrap();
    let genesis = Genesis::from_json(&genesis).unwrap();
    assert_eq!(genesis.config.chain_id, 4242);
    assert_eq!(genesis.config.osaka_time, Some(0));
    assert_eq!(genesis.extra_data.len(), 32 + 3 * 20 + 65);

    let accounts = fs::read_to_string(folder.join("accounts.json")).unwrap();
    let accounts: Value = serde_json::from_str(&accounts).unwrap();
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 10);
    let first = accounts["accounts"][0]["address"].as_str().unwrap();
    let first: Address = first.parse().unwrap();
    assert!(!genesis.alloc[&first].balance.is_zero());

    for node in ["node1", "node2", "node3", "rpc"] {
        let folder = folder.join(node);
        let keys = fs::read_dir(folder.join("keystore")).map_or(0, Iterator::count);
        assert_eq!(keys, usize::from(node != "rpc"), "{node}");
        let peers = fs::read_to_string(folder.join("actoreum/static-nodes.json")).unwrap();
        let peers: Vec<String> = serde_json::from_str(&peers).unwrap();
        assert_eq!(peers.len(), 3, "{node}");
        run(&["db", "check", "--datadir", folder.to_str().unwrap()]).ok();
    }
    let compose = fs::read_to_string(folder.join("compose.yaml")).unwrap();
    assert_eq!(compose.matches("<<: *node").count(), 4, "{compose}");
    run(&["network", "new"]).fatal(&["--dir"]);
}
