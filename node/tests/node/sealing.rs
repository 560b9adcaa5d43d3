//! A development chain through crashes of each of its actors, and through `kill -9`.
//!
//! `ACTOREUM_KILLS` is the number of kills for each engine.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{chains, http, process::Running};

const CHAIN: &str = "node/core/chain";
const KILLS: u32 = 4;
/// Bound on each wait, longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Transactions and blocks that the node reported to a client, which the chain must not lose.
#[derive(Default)]
struct Observed {
    /// Hashes of transactions that were accepted.
    accepted: Vec<String>,
    /// Hashes of blocks by number.
    blocks: HashMap<u64, String>,
}

impl Observed {
    fn highest(&self) -> u64 {
        self.blocks.keys().copied().max().unwrap_or(0)
    }

    /// Records the head, and asserts that a height never has two blocks.
    fn record_head(&mut self, node: SocketAddr) -> io::Result<()> {
        let head = http::call(node, "eth_getBlockByNumber", json!(["latest", false]))?;
        let (Some(number), Some(hash)) = (quantity(&head["number"]), head["hash"].as_str()) else {
            return Ok(());
        };
        let highest = self.highest();
        assert!(
            number >= highest,
            "{highest} was the head, now it is {number}"
        );
        let before = self.blocks.insert(number, hash.to_owned());
        assert!(before.is_none_or(|before| before == hash), "{head}");
        Ok(())
    }

    /// Sends a transfer of one wei.
    fn send(&mut self, node: SocketAddr, from: &Value) -> io::Result<()> {
        let transfer = json!([{"from": from, "to": SOMEBODY, "value": "0x1", "gas": "0x5208"}]);
        if let Some(hash) = http::call(node, "eth_sendTransaction", transfer)?.as_str() {
            self.accepted.push(hash.to_owned());
        }
        Ok(())
    }

    /// Asserts that all of them are on the chain, and that its blocks are linked.
    fn check(&self, node: SocketAddr) {
        let begun = Instant::now();
        for hash in &self.accepted {
            while !is_sealed(node, hash) {
                assert!(begun.elapsed() < TIMEOUT, "{hash} was accepted and lost");
                thread::sleep(Duration::from_millis(10));
            }
        }
        let mut parent = Value::Null;
        for number in 0..=http::block_number(node).unwrap() {
            let block = block(node, number);
            assert!(
                number == 0 || block["parentHash"] == parent,
                "block {number}"
            );
            if let Some(observed) = self.blocks.get(&number) {
                assert_eq!(block["hash"], *observed, "block {number} was another one");
            }
            parent = block["hash"].clone();
        }
        let received = http::call(node, "eth_getBalance", json!([SOMEBODY, "latest"])).unwrap();
        // Transactions whose answer was lost arrive, too.
        assert!(quantity(&received).unwrap() >= self.accepted.len() as u64);
    }
}

const SOMEBODY: &str = "0x2222222222222222222222222222222222222222";

fn quantity(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

fn is_sealed(node: SocketAddr, hash: &str) -> bool {
    let receipt = http::call(node, "eth_getTransactionReceipt", json!([hash]));
    receipt.is_ok_and(|receipt| receipt["status"] == "0x1")
}

fn block(node: SocketAddr, number: u64) -> Value {
    let params = json!([format!("{number:#x}"), false]);
    http::call(node, "eth_getBlockByNumber", params).unwrap()
}

/// Returns the account that the node signs with; `None` if `is_over` is set first.
fn signer(node: SocketAddr, is_over: &AtomicBool) -> Option<Value> {
    while !is_over.load(SeqCst) {
        match http::call(node, "eth_accounts", json!([])) {
            Ok(accounts) if accounts[0].is_string() => return Some(accounts[0].clone()),
            _ => thread::sleep(Duration::from_millis(5)),
        }
    }
    None
}

/// A thread that sends transactions and records the head until it is stopped. It ignores errors,
/// which crashes cause in pending requests.
struct Client {
    observed: Arc<Mutex<Observed>>,
    is_over: Arc<AtomicBool>,
    running: JoinHandle<()>,
}

impl Client {
    fn start(node: SocketAddr, observed: Observed) -> Self {
        let observed = Arc::new(Mutex::new(observed));
        let is_over = Arc::new(AtomicBool::new(false));
        let (thread_observed, ends) = (Arc::clone(&observed), Arc::clone(&is_over));
        let running = thread::spawn(move || {
            let Some(from) = signer(node, &ends) else {
                return;
            };
            while !ends.load(SeqCst) {
                let mut observed = thread_observed.lock();
                let _ = observed.send(node, &from);
                let _ = observed.record_head(node);
                drop(observed);
                thread::sleep(Duration::from_millis(3));
            }
        });
        Self {
            observed,
            is_over,
            running,
        }
    }

    /// Waits until a transaction that is sent from now on is on the chain.
    fn wait_for_progress(&self, node: SocketAddr, after: &str) {
        let (begun, sent) = (Instant::now(), self.observed.lock().accepted.len());
        loop {
            // The newest transaction would not be sealed while transactions arrive faster than
            // blocks.
            let fresh = self.observed.lock().accepted.get(sent + 3).cloned();
            if fresh.is_some_and(|hash| is_sealed(node, &hash)) {
                return;
            }
            let is_over = self.running.is_finished() || begun.elapsed() > TIMEOUT;
            assert!(!is_over, "sealing does not go on after {after}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(self) -> Observed {
        self.is_over.store(true, SeqCst);
        self.running.join().unwrap();
        std::mem::take(&mut *self.observed.lock())
    }
}

/// Returns path and number of restarts of every actor of the tree.
fn actors(admin: SocketAddr) -> Vec<(String, u64)> {
    fn add(node: &Value, to: &mut Vec<(String, u64)>) {
        if node["kind"] == "actor" {
            let path = node["path"].as_str().unwrap().to_owned();
            to.push((path, node["restarts"].as_u64().unwrap()));
        }
        for child in node["children"].as_array().unwrap() {
            add(child, to);
        }
    }
    let (_, body) = http::request(admin, "GET", "/api/actors", "").unwrap();
    let mut all = Vec::new();
    add(&serde_json::from_str(&body).unwrap(), &mut all);
    all
}

/// Waits until an actor runs in a later generation than `generation`.
pub fn wait_for_restart(admin: SocketAddr, path: &str, generation: u64) {
    let begun = Instant::now();
    loop {
        if let Ok(actor) = http::actor(admin, path)
            && actor["state"] == "running"
            && actor["generation"].as_u64() > Some(generation)
        {
            return;
        }
        assert!(begun.elapsed() < TIMEOUT, "{path} does not come back");
        thread::sleep(Duration::from_millis(5));
    }
}

fn crash_every_actor(consensus: &str, place: &[&str]) {
    let servers = [
        "--dev",
        "--dev.consensus",
        consensus,
        "--http",
        "--http.port",
        "0",
        "--admin.chaos",
        "--admin.port",
        "0",
    ];
    let mut process = Running::start(&[&servers[..], place].concat());
    let (node, admin) = (process.wait_for_http(), process.wait_for_admin());
    let client = Client::start(node, Observed::default());
    client.wait_for_progress(node, "the start");
    let all = actors(admin);
    assert!(all.len() > 10, "{all:?}");
    for (path, _) in &all {
        let generation = http::actor(admin, path).unwrap()["generation"].as_u64();
        // The admin page may crash before it has answered.
        assert!(http::crash(admin, path).unwrap_or(true), "{path}");
        wait_for_restart(admin, path, generation.unwrap());
        client.wait_for_progress(node, path);
    }
    let observed = client.stop();
    observed.check(node);
    for (path, restarts) in actors(admin) {
        assert!(restarts >= 1, "{path}");
    }
    process.signal("TERM");
    let ended = process.wait();
    println!(
        "{} actors crashed; {} transactions accepted, {} blocks: none lost",
        all.len(),
        observed.accepted.len(),
        observed.highest()
    );
    ended.ok();
}

#[test]
fn a_chain_on_disk_survives_a_crash_of_every_actor() {
    let folder = tempfile::tempdir().unwrap();
    crash_every_actor("clique", &["--datadir", folder.path().to_str().unwrap()]);
}

#[test]
fn a_chain_in_memory_survives_a_crash_of_every_actor() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("ipc");
    crash_every_actor("merged", &["--ipcpath", socket.to_str().unwrap()]);
}

#[test]
fn repeated_crashes_stop_the_node_in_order_and_it_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let chain = ["--dev", "--datadir", datadir, "--http", "--http.port", "0"];
    let chaos = ["--admin.chaos", "--admin.port", "0"];
    let mut process = Running::start(&[&chain[..], &chaos[..]].concat());
    let (node, admin) = (process.wait_for_http(), process.wait_for_admin());
    let client = Client::start(node, Observed::default());
    client.wait_for_progress(node, "the start");
    while !process.has_ended() {
        // The node is about to stop and need not answer.
        let _ = http::crash(admin, CHAIN);
        thread::sleep(Duration::from_millis(5));
    }
    let observed = client.stop();
    let ended = process.wait();
    ended.fatal(&[CHAIN, "too many restarts"]);
    let closed = ended.stderr.find("HTTP endpoint closed");
    assert!(
        closed.is_some() && closed < ended.stderr.rfind("Fatal: "),
        "{ended:#?}"
    );

    let mut process = Running::start(&chain);
    let node = process.wait_for_http();
    observed.check(node);
    process.signal("TERM");
    process.wait().ok();
}

#[test]
fn sled_survives_kills_of_a_sealing_chain() {
    kill_repeatedly("sled");
}

#[test]
fn redb_survives_kills_of_a_sealing_chain() {
    kill_repeatedly("redb");
}

fn kill_repeatedly(engine: &str) {
    let wanted = std::env::var("ACTOREUM_KILLS").ok();
    let wanted = wanted.map_or(KILLS, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let flags = ["--dev", "--db.engine", engine];
    let mut observed = Observed::default();
    let mut slowest_start = Duration::ZERO;
    for _ in 0..wanted {
        let (process, node) = Running::start_http(datadir, &flags);
        slowest_start = slowest_start.max(process.begun.elapsed());
        let client = Client::start(node, observed);
        thread::sleep(Duration::from_millis(rand::random_range(5..600)));
        process.kill();
        observed = client.stop();
        assert_head_is_there(folder.path(), &observed);
    }
    let (process, node) = Running::start_http(datadir, &flags);
    observed.check(node);
    println!(
        "{engine}: {wanted} kills of a sealing chain; {} transactions accepted, {} heads reported \
         up to block {}: all there; slowest start {} ms",
        observed.accepted.len(),
        observed.blocks.len(),
        observed.highest(),
        slowest_start.as_millis()
    );
    process.signal("TERM");
    process.wait().ok();
}

#[track_caller]
fn assert_head_is_there(datadir: &Path, observed: &Observed) {
    let (number, hash) = chains::verified_head(datadir).unwrap();
    let highest = observed.highest();
    assert!(
        number >= highest,
        "{highest} was reported, {number} is there"
    );
    let reported = observed.blocks.get(&number);
    assert!(
        reported.is_none_or(|reported| *reported == hash.to_string()),
        "block {number}"
    );
}
