//! The command `network new`, and the network that it writes.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    net::TcpListener,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use actoreum_primitives::{Address, Genesis, SecretKey};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::process::{Ended, actoreum, free_port, run};

/// Bound on each wait, longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(90);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A running start script. The script and its children are ended on drop.
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
        assert!(begun.elapsed() < TIMEOUT, "no {text:?} in {log}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_script_of_a_new_network_starts_a_sealing_signer() {
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
    let output = run(&args).ok();
    assert!(
        output.contains("start.sh") && output.contains("compose.yaml"),
        "{output}"
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
    let field = |name: &str| accounts["accounts"][0][name].as_str().unwrap();
    let first: Address = field("address").parse().unwrap();
    let key = hex::decode(&field("key")[2..]).unwrap().try_into().unwrap();
    assert_eq!(SecretKey::from_bytes(&key).unwrap().address(), first);
    let phrase = accounts["mnemonic"].as_str().unwrap();
    let held = actoreum_wallet::mnemonic::keys(phrase, 1).unwrap();
    assert_eq!(held[0].address(), first);
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

/// Runs a command line on a terminal at which `typed` was typed.
fn run_typed(args: &[&str], typed: &str) -> Ended {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap();
    let name = Path::new(OsStr::from_bytes(name.as_bytes()));
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    let mut keyboard = File::from(keyboard);
    keyboard.write_all(typed.as_bytes()).unwrap();
    let output = actoreum(args).stdin(terminal).output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_folder_in_use_is_refused_before_the_other_questions() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("something"), "mine").unwrap();
    let (used, fresh) = (parent.path(), parent.path().join("net"));
    let used = used.to_str().unwrap();
    let new = ["network", "new", "--accounts", "0", "--first-port", "64000"];
    let refused = run_typed(&[&new[..], &["--dir", used]].concat(), "");
    refused.fatal(&["not empty", "--dir"]);
    assert!(!refused.stdout.contains("Consensus engine"), "{refused:?}");

    // The answers: an invalid engine, ethash, one node, and the defaults for the rest.
    let typed = format!("{used}\n{}\nnobody\nethash\n1\n\n\n", fresh.display());
    let output = run_typed(&new, &typed).ok();
    assert_eq!(output.matches("Folder [net]: ").count(), 2, "{output}");
    assert_eq!(output.matches("not empty").count(), 1, "{output}");
    assert!(output.contains("\"nobody\" is neither"), "{output}");
    assert!(output.contains("start.sh"), "{output}");
    let genesis = fs::read_to_string(fresh.join("genesis.json")).unwrap();
    assert!(
        Genesis::from_json(&genesis)
            .unwrap()
            .config
            .clique
            .is_none()
    );
    assert!(fresh.join("node1").is_dir() && !fresh.join("node2").exists());
}

#[test]
fn ports_in_use_are_named_with_a_remedy() {
    let parent = tempfile::tempdir().unwrap();
    let neighbours = || Some((free_port(), free_port())).filter(|(one, other)| one + 1 == *other);
    let (port, next) = std::iter::repeat_with(neighbours).flatten().next().unwrap();
    let _taken = TcpListener::bind(("0.0.0.0", next)).unwrap();
    let folder = parent.path().join("net");
    let (first, folder) = (port.to_string(), folder.to_str().unwrap());
    let args = [
        "network",
        "new",
        "--yes",
        "--signers",
        "2",
        "--first-port",
        &first,
        "--dir",
        folder,
    ];
    let output = run(&args).ok();
    let taken = format!("Warning: port {next} is in use");
    let free = format!("Warning: port {port} is in use");
    assert!(
        output.contains(&taken) && output.contains("--first-port"),
        "{output}"
    );
    assert!(!output.contains(&free), "{output}");
}
