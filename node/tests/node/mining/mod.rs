//! Chains that are sealed because `--mine` says so.

mod clique;
mod crash;
mod double_sign;
mod notify;
mod work;

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    http,
    process::{Running, alone, run},
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Makes an account in the data directory of [`crate::chains::init`]; its 40 hex digits.
fn new_account(folder: &Path) -> String {
    let (datadir, password) = (folder.join("node"), password(folder));
    let told = run(&[
        "account",
        "new",
        "--lightkdf",
        "--datadir",
        datadir.to_str().unwrap(),
        "--password",
        &password,
    ])
    .ok();
    let at = told.find('{').expect("an address");
    told[at + 1..at + 41].to_lowercase()
}

/// The file with everybody's password.
fn password(folder: &Path) -> String {
    let file = folder.join("password");
    std::fs::write(&file, "secret\n").unwrap();
    file.to_str().unwrap().to_owned()
}

/// A node alone, with JSON-RPC and with an admin page that crashes actors.
fn command(datadir: &str, more: &[&str]) -> Command {
    let args = [
        "--datadir",
        datadir,
        "--ipcdisable",
        "--http",
        "--http.port",
        "0",
        "--http.api",
        "eth,net,clique,miner,debug,personal",
        "--allow-insecure-unlock",
        "--admin.chaos",
        "--admin.port",
        "0",
    ];
    alone(&[&args[..], more].concat())
}

/// Starts [`command`].
fn start(datadir: &str, more: &[&str]) -> (Running, SocketAddr) {
    let mut node = Running::start_command(command(datadir, more));
    let address = node.wait_for_http();
    (node, address)
}

/// Who is paid where nobody has a key.
const MINER: &str = "0x00000000000000000000000000000000000000aa";

/// On a chain of proof of work: leaves the search to remote miners.
const REMOTE: [&str; 5] = ["--mine", "--miner.threads", "0", "--miner.etherbase", MINER];

fn wait_for(node: SocketAddr, number: u64) {
    let begun = Instant::now();
    while http::block_number(node).unwrap() < number {
        assert!(begun.elapsed() < PATIENCE, "no block {number}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn end(node: Running) {
    node.signal("TERM");
    node.wait().ok();
}
