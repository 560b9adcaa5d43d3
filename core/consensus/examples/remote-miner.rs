//! A remote miner: fetches work from a node over HTTP, searches for a nonce, and submits solutions.
//!
//! ```text
//! remote-miner http://127.0.0.1:8545 [--dags FOLDER] [--threads N]
//! ```
//!
//! It uses only `eth_getWork`, `eth_submitWork` and `eth_submitHashRate`, which geth serves too. It
//! needs the dataset of the chain's epoch, and generates it if it is not in the folder (default:
//! `~/.ethash`). It runs until it is killed; while the node is unreachable, it retries.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a tool of the tests stops at the unexpected"
)]

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use actoreum_consensus::{
    EthashOptions, SealCheck,
    ethash::{Dataset, Ethash, Solution, search, seed_hash},
    limits::MAX_EPOCH,
};
use actoreum_primitives::{B256, U256};
use serde_json::{Value, json};

/// Interval between requests for work.
const POLL_PERIOD: Duration = Duration::from_millis(250);
/// Interval between reports of the hash rate; a node forgets them after ten seconds.
const RATE_PERIOD: Duration = Duration::from_secs(3);
/// Read timeout of a node's answer.
const TIMEOUT: Duration = Duration::from_secs(10);

const USAGE: &str = "usage: remote-miner http://HOST:PORT [--dags FOLDER] [--threads N]";

fn main() -> ExitCode {
    match Settings::read(std::env::args().skip(1)) {
        Some(settings) => Miner::new(settings).run(),
        None => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

struct Settings {
    node: Node,
    dags: PathBuf,
    threads: u64,
}

impl Settings {
    fn read(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let node = args.next()?;
        let home = std::env::var_os("HOME").unwrap_or_default();
        let mut settings = Self {
            node: Node(node.strip_prefix("http://")?.trim_end_matches('/').into()),
            dags: PathBuf::from(home).join(".ethash"),
            threads: 1,
        };
        while let Some(flag) = args.next() {
            let value = args.next()?;
            match flag.as_str() {
                "--dags" => settings.dags = value.into(),
                "--threads" => settings.threads = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(settings)
    }
}

/// A node's JSON-RPC server, by its host and port.
struct Node(String);

impl Node {
    fn call(&self, method: &str, params: Value) -> io::Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.0)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        // An HTTP 1.0 answer is not chunked.
        write!(
            stream,
            "POST / HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.0,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut answer: Value = serde_json::from_str(body)?;
        match answer.get("error") {
            Some(error) => Err(io::Error::other(error.to_string())),
            None => Ok(answer["result"].take()),
        }
    }

    fn work(&self) -> io::Result<Work> {
        let answer = self.call("eth_getWork", json!([]))?;
        Work::read(&answer).ok_or_else(|| io::Error::other(format!("no work: {answer}")))
    }
}

/// A block header that a node wants sealed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Work {
    seal_hash: B256,
    seed: B256,
    target: U256,
}

impl Work {
    fn read(answer: &Value) -> Option<Self> {
        let word = |at: usize| answer.get(at)?.as_str()?.parse::<B256>().ok();
        let target = U256::from_be_bytes(word(2)?.0);
        let is_valid = !target.is_zero();
        is_valid.then_some(Self {
            seal_hash: word(0)?,
            seed: word(1)?,
            target,
        })
    }

    fn epoch(&self) -> Option<u64> {
        (0..=MAX_EPOCH).find(|epoch| seed_hash(*epoch) == self.seed.0)
    }

    /// Returns the difficulty: 2^256 divided by the target.
    fn difficulty(&self) -> U256 {
        let (quotient, remainder) = U256::MAX.div_rem(self.target);
        if remainder + U256::ONE == self.target {
            quotient + U256::ONE
        } else {
            quotient
        }
    }
}

struct Miner {
    settings: Settings,
    ethash: Ethash,
    /// The work being searched for, and the flag that ends the search.
    current: Option<(Work, Arc<AtomicBool>)>,
    attempts: Arc<AtomicU64>,
    found: (Sender<Found>, Receiver<Found>),
}

type Found = (Work, Solution);

impl Miner {
    fn new(settings: Settings) -> Self {
        let options = EthashOptions {
            dataset_folder: Some(settings.dags.clone()),
            ..EthashOptions::default()
        };
        Self {
            settings,
            ethash: Ethash::new(options, SealCheck::Full),
            current: None,
            attempts: Arc::default(),
            found: channel(),
        }
    }

    fn run(mut self) -> ExitCode {
        let name = B256::from(rand::random::<[u8; 32]>());
        let mut last_report = (Instant::now(), 0);
        loop {
            match self.settings.node.work() {
                Ok(work) => self.search_for(work),
                Err(error) => {
                    println!("no work: {error}");
                    self.end_search();
                }
            }
            match self.found.1.recv_timeout(POLL_PERIOD) {
                Ok((work, solution)) => self.submit(&work, &solution),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return ExitCode::FAILURE,
            }
            let (at, before) = last_report;
            if at.elapsed() >= RATE_PERIOD {
                let attempts = self.attempts.load(Relaxed);
                let rate = (attempts - before) as f64 / at.elapsed().as_secs_f64();
                let params = json!([format!("{:#x}", rate as u64), name]);
                if let Err(error) = self.settings.node.call("eth_submitHashRate", params) {
                    println!("rate not taken: {error}");
                }
                last_report = (Instant::now(), attempts);
            }
        }
    }

    fn end_search(&mut self) {
        if let Some((_, stop)) = self.current.take() {
            stop.store(true, Relaxed);
        }
    }

    fn search_for(&mut self, work: Work) {
        if self.current.as_ref().is_some_and(|(it, _)| *it == work) {
            return;
        }
        self.end_search();
        let Some(epoch) = work.epoch() else {
            return println!("no work: {} is the seed of no epoch", work.seed);
        };
        let dataset = self.ethash.dataset(epoch, &|_| {}).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        self.current = Some((work, Arc::clone(&stop)));
        for _ in 0..self.settings.threads {
            let (dataset, stop) = (Arc::clone(&dataset), Arc::clone(&stop));
            let (attempts, found) = (Arc::clone(&self.attempts), self.found.0.clone());
            thread::spawn(move || search_thread(&dataset, work, &stop, &attempts, &found));
        }
    }

    fn submit(&mut self, work: &Work, solution: &Solution) {
        let nonce = format!("0x{:016x}", solution.nonce);
        let params = json!([nonce, work.seal_hash, solution.mix_digest]);
        match self.settings.node.call("eth_submitWork", params) {
            Ok(taken) => println!("{} {nonce} taken: {taken}", work.seal_hash),
            Err(error) => {
                println!("{} {nonce} not handed in: {error}", work.seal_hash);
                self.current = None;
            }
        }
    }
}

/// Searches from a random nonce on.
fn search_thread(
    dataset: &Dataset,
    work: Work,
    stop: &AtomicBool,
    attempts: &AtomicU64,
    found: &Sender<Found>,
) {
    let start = rand::random_range(0..u64::MAX / 2);
    let nonces = start..u64::MAX;
    let difficulty = work.difficulty();
    let solution = search(dataset, work.seal_hash, difficulty, nonces, stop, attempts);
    if let Some(solution) = solution {
        stop.store(true, Relaxed);
        // After the miner has ended, nobody receives the solution.
        let _ = found.send((work, solution));
    }
}
