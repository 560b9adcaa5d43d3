//! Memory of a development chain.
//!
//! `ACTOREUM_MEMORY_TXS` is the number of transactions (100,000 takes a minute),
//! `ACTOREUM_MEMORY_BLOCKS` the number of blocks after the caches are full,
//! `ACTOREUM_MEMORY_SECONDS` for how long one-second blocks are watched.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{http, process::Running};

/// The most that an idle development chain may hold, in bytes.
const IDLE: u64 = 80_000_000;
/// The most that one with 100,000 transactions in it may hold once it is idle again, in bytes.
const SEALED: u64 = 150_000_000;
/// The most by which one-second blocks may let it grow in an hour, in bytes, from the start on:
/// the caches fill.
const HOURLY: f64 = 20e6;
/// Blocks until the smallest caches are full.
const WARM_UP: u64 = 1_500;
const BLOCKS: u64 = 1_500;
/// The most that a block may add after that, in bytes. A header alone has 600, and with its history
/// a block takes 1,800; what there is comes of a heap that grows in steps.
const A_BLOCK: f64 = 1_000.0;
const TRANSACTIONS: u64 = 5_000;
const SECONDS: u64 = 10;
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// Transactions in one request.
const BATCH: u64 = 100;
/// Accounts that are paid in turn.
const PAID: u64 = 20_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn start(more: &[&str]) -> (Running, SocketAddr) {
    let args = ["--dev", "--ipcdisable", "--http", "--http.port", "0"];
    let servers = [
        "--http.api",
        "eth,txpool,anvil",
        "--admin",
        "--admin.port",
        "0",
    ];
    let mut process = Running::start(&[&args[..], &servers[..], more].concat());
    let node = process.wait_for_http();
    process.wait_for_admin();
    (process, node)
}

/// Sends `count` transfers of one wei, each of which must be accepted.
fn send(node: SocketAddr, from: &Value, first: u64, count: u64) {
    let transfer = |number: u64| {
        let to = format!("{:#042x}", 0x1000 + number % PAID);
        let transfer = json!([{"from": from, "to": to, "value": "0x1", "gas": "0x5208"}]);
        json!({"jsonrpc": "2.0", "id": number, "method": "eth_sendTransaction", "params": transfer})
    };
    let batch: Vec<Value> = (first..first + count).map(transfer).collect();
    let (_, answers) = http::request(node, "POST", "/", &json!(batch).to_string()).unwrap();
    let answers: Vec<Value> = serde_json::from_str(&answers).unwrap();
    assert_eq!(answers.len() as u64, count);
    for answer in answers {
        assert!(answer["result"].is_string(), "{answer}");
    }
}

fn wait_until_sealed(node: SocketAddr) {
    let begun = Instant::now();
    loop {
        let status = http::call(node, "txpool_status", json!([])).unwrap();
        if status["pending"] == "0x0" {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{status}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_development_chain_is_small_idle_and_after_much_work() {
    let transactions = setting("ACTOREUM_MEMORY_TXS", TRANSACTIONS);
    let (process, node) = start(&[]);
    thread::sleep(Duration::from_secs(1));
    let idle = process.resident_bytes();
    let from = http::call(node, "eth_accounts", json!([])).unwrap()[0].take();
    let (begun, mut most) = (Instant::now(), 0);
    for first in (0..transactions).step_by(BATCH as usize) {
        send(node, &from, first, BATCH.min(transactions - first));
        most = most.max(process.resident_bytes());
    }
    wait_until_sealed(node);
    let seconds = begun.elapsed().as_secs_f64();
    while process.resident_bytes() >= SEALED && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(100));
    }
    let sealed = process.resident_bytes();
    println!(
        "idle with {:.1} MB; {transactions} transactions sealed in {seconds:.1} s with {:.1} MB at \
         most; {:.1} MB after them",
        megabytes(idle),
        megabytes(most),
        megabytes(sealed)
    );
    assert!(idle < IDLE, "{idle}");
    assert!(sealed < SEALED, "{sealed}");
}

/// The slope of a line through points, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let over: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let under: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    over / under
}

#[test]
fn a_block_leaves_nothing_in_memory() {
    let blocks = setting("ACTOREUM_MEMORY_BLOCKS", BLOCKS);
    let (process, node) = start(&["--cache", "1"]);
    let mine = |count: u64| {
        for _ in 0..count / BATCH {
            http::call(node, "anvil_mine", json!([format!("{BATCH:#x}")])).unwrap();
        }
        process.resident_bytes()
    };
    let before = mine(WARM_UP);
    let after = mine(blocks);
    assert_eq!(http::block_number(node).unwrap(), WARM_UP + blocks);
    // An early block and its state are there as ever.
    let early = http::call(node, "eth_getBlockByNumber", json!(["0x64", true])).unwrap();
    assert_eq!(early["number"], "0x64");
    let zero = format!("{:#042x}", 0);
    let balance = http::call(node, "eth_getBalance", json!([zero, "0x64"])).unwrap();
    assert_eq!(balance, "0x0");
    let a_block = (after as f64 - before as f64) / blocks as f64;
    println!(
        "{:.1} MB after {WARM_UP} blocks, {:.1} MB after {blocks} more: {a_block:.0} bytes each",
        megabytes(before),
        megabytes(after)
    );
    assert!(a_block < A_BLOCK, "{a_block}");
}

#[test]
fn one_second_blocks_let_it_grow_by_what_they_weigh() {
    let seconds = setting("ACTOREUM_MEMORY_SECONDS", SECONDS);
    let (process, node) = start(&["--dev.period", "1"]);
    let from = http::call(node, "eth_accounts", json!([])).unwrap()[0].take();
    let mut points = Vec::new();
    for second in 0..seconds {
        send(node, &from, second, 1);
        thread::sleep(Duration::from_secs(1));
        points.push((second as f64, process.resident_bytes() as f64));
    }
    let head = http::block_number(node).unwrap();
    assert!(head > 0);
    // Caches and arenas fill in the beginning.
    let hourly = slope(&points[points.len() / 2..]) * 3_600.0;
    println!(
        "{head} blocks in {seconds} s: {:.1} MB in the end; {:.1} MB an hour",
        megabytes(process.resident_bytes()),
        hourly / 1e6
    );
    // A short run says nothing of an hour.
    if seconds > SECONDS {
        assert!(hourly < HOURLY, "{hourly}");
    }
}
