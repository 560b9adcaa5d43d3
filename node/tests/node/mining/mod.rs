//! Sealing with `--mine`.

mod chaos;
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
    chains::{self, password_file},
    http,
    process::{Running, http_only},
};

/// Bound on each wait, longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Creates an account in the data directory of [`crate::chains::init`]; returns its address in 40
/// hex digits.
fn new_account(folder: &Path) -> String {
    chains::new_account(&folder.join("node"), &password_file(folder))
}

/// Returns the command line of a node without peers, with JSON-RPC and an admin page that can crash
/// actors.
fn command(datadir: &str, more: &[&str]) -> Command {
    let args = [
        "--http.api",
        "eth,net,clique,miner,debug,personal",
        "--allow-insecure-unlock",
        "--admin.chaos",
        "--admin.port",
        "0",
    ];
    http_only(datadir, &[&args[..], more].concat())
}

/// Starts [`command`]; returns the process and the address of JSON-RPC.
fn start(datadir: &str, more: &[&str]) -> (Running, SocketAddr) {
    let mut node = Running::start_command(command(datadir, more));
    let address = node.wait_for_http();
    (node, address)
}

/// Etherbase on chains that need no key.
const MINER: &str = "0x00000000000000000000000000000000000000aa";

/// Flags for a proof-of-work chain whose seals only remote miners search.
const REMOTE: [&str; 5] = ["--mine", "--miner.threads", "0", "--miner.etherbase", MINER];

fn wait_for(node: SocketAddr, number: u64) {
    let begun = Instant::now();
    while http::block_number(node).unwrap() < number {
        assert!(begun.elapsed() < TIMEOUT, "no block {number}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn end(node: Running) {
    node.signal("TERM");
    node.wait().ok();
}
