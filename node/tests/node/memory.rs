//! Memory usage of a development chain.
//!
//! `ACTOREUM_MEMORY_TXS` is the number of transactions (100,000 takes a minute),
//! `ACTOREUM_MEMORY_BLOCKS` the number of blocks after the caches are full,
//! `ACTOREUM_MEMORY_SECONDS` the duration of the measurement with one-second blocks.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{http, process::Running};

/// Limit of the memory of an idle development chain, in bytes.
const MAX_IDLE_BYTES: u64 = 80_000_000;
/// Limit of the memory of a development chain with 100,000 transactions that is idle again, in
/// bytes.
const MAX_SEALED_BYTES: u64 = 150_000_000;
/// Limit of the growth by one-second blocks in the first hour, in which the caches fill, in bytes.
const MAX_HOURLY_GROWTH: f64 = 20e6;
/// Number of blocks until the smallest caches are full.
const WARM_UP: u64 = 1_500;
const BLOCKS: u64 = 1_500;
/// Limit of the growth by each later block, in bytes. A retained header alone would take 600 and a
/// block with its history 1,800; the limit allows for a heap that grows in steps.
const MAX_BYTES_PER_BLOCK: f64 = 1_000.0;
const TRANSACTIONS: u64 = 5_000;
const SECONDS: u64 = 10;
/// Bound on each wait, longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Number of transactions in one request.
const BATCH: u64 = 100;
/// Number of accounts that are paid in turn.
const RECEIVERS: u64 = 20_000;

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

/// Sends `count` transfers of one wei and asserts that each is accepted.
fn send(node: SocketAddr, from: &Value, first: u64, count: u64) {
    let transfer = |number: u64| {
        let to = format!("{:#042x}", 0x1000 + number % RECEIVERS);
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
        assert!(begun.elapsed() < TIMEOUT, "{status}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_development_chain_stays_within_its_memory_limits() {
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
    while process.resident_bytes() >= MAX_SEALED_BYTES && begun.elapsed() < TIMEOUT {
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
    assert!(idle < MAX_IDLE_BYTES, "{idle}");
    assert!(sealed < MAX_SEALED_BYTES, "{sealed}");
}

/// Returns the slope of the least-squares line through points.
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
fn sealed_blocks_do_not_accumulate_in_memory() {
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
    // An early block and its state are still served.
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
    assert!(a_block < MAX_BYTES_PER_BLOCK, "{a_block}");
}

#[test]
fn memory_grows_only_by_the_size_of_one_second_blocks() {
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
    // The first half is left out, since caches and arenas fill in it.
    let hourly = slope(&points[points.len() / 2..]) * 3_600.0;
    println!(
        "{head} blocks in {seconds} s: {:.1} MB in the end; {:.1} MB an hour",
        megabytes(process.resident_bytes()),
        hourly / 1e6
    );
    // A short run does not predict an hour.
    if seconds > SECONDS {
        assert!(hourly < MAX_HOURLY_GROWTH, "{hourly}");
    }
}
