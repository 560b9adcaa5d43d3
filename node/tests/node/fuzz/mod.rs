//! Fuzzing of JSON-RPC over HTTP and WebSocket, for `ACTOREUM_FUZZ_SECONDS` per test (default 3):
//! the node answers to the end, nothing panics, memory stays bounded.
//!
//! ```text
//! ACTOREUM_FUZZ_SECONDS=600 cargo test --release -p actoreum --test node fuzz -- --show-output
//! ```
//!
//! The seed is printed; `ACTOREUM_FUZZ_SEED` sets it.

mod generator;

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::{http, process::Running};
use generator::RequestGenerator;

/// Limit of resident memory in bytes: several times what the caches, the pool and the largest
/// answers take together.
const MAX_BYTES: u64 = 1 << 30;
/// Bound on the time of an answer. The limits of a trace and of a call are below it.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Methods that are not fuzzed since they would end the run: they stop the chain, or seal hundreds
/// of thousands of blocks.
const EXCLUDED: [&str; 4] = [
    "hardhat_mine",
    "anvil_mine",
    "clique_propose",
    "debug_setHead",
];

/// The node under test, and the source of randomness.
struct Target {
    node: Running,
    address: SocketAddr,
    generator: RequestGenerator,
    random: StdRng,
    end: Instant,
    memory: Vec<u64>,
    _folder: tempfile::TempDir,
}

impl Target {
    fn start(name: &str) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
        let seconds = number("ACTOREUM_FUZZ_SECONDS").unwrap_or(3);
        let seed = number("ACTOREUM_FUZZ_SEED").unwrap_or_else(|| rand::rng().random());
        println!("{name}: seed {seed}, {seconds} s");
        let folder = tempfile::tempdir().unwrap();
        let datadir = folder.path().to_str().unwrap();
        let api = "eth,net,web3,admin,debug,txpool,personal,evm,anvil,hardhat,clique,miner";
        let mut node = Running::start(&[
            "--dev",
            "--dev.accounts",
            "3",
            "--datadir",
            datadir,
            "--http",
            "--http.port",
            "0",
            "--http.api",
            api,
            "--ws",
            "--ws.port",
            "0",
            "--ws.api",
            api,
        ]);
        let address = node.wait_for_http();
        let document = http::call(address, "rpc.discover", json!([])).unwrap();
        let methods = document["methods"].as_array().unwrap().iter();
        let methods = methods
            .filter(|method| !EXCLUDED.contains(&method["name"].as_str().unwrap()))
            .cloned()
            .collect();
        let accounts = http::call(address, "eth_accounts", json!([])).unwrap();
        let genesis = http::call(address, "eth_getBlockByNumber", json!(["0x0", false])).unwrap();
        let generator = RequestGenerator::new(methods, &accounts, &genesis["hash"]);
        Self {
            node,
            address,
            generator,
            random: StdRng::seed_from_u64(seed),
            end: Instant::now() + Duration::from_secs(seconds),
            memory: Vec::new(),
            _folder: folder,
        }
    }

    fn is_over(&mut self) -> bool {
        if let Some(line) = self.node.line("panicked") {
            panic!("{line}");
        }
        assert!(!self.node.has_ended(), "the node is gone");
        self.memory.push(self.node.resident_bytes());
        Instant::now() >= self.end
    }

    /// Asserts that the node still works, and prints a summary.
    fn finish(mut self, name: &str, sent: u64) {
        let alive = http::call(self.address, "web3_clientVersion", json!([])).unwrap();
        assert!(alive.is_string(), "{alive}");
        assert!(self.node.line("panicked").is_none());
        assert!(!self.node.has_ended());
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let at = |part: usize| {
            let index = (self.memory.len() - 1) * part / 4;
            format!("{:.0}", megabytes(self.memory[index]))
        };
        let quarters: Vec<String> = (0..=4).map(at).collect();
        let most = self.memory.iter().copied().max().unwrap();
        println!(
            "{name}: {sent} sent, {} MB resident at each quarter, {:.0} at most",
            quarters.join(", "),
            megabytes(most)
        );
        assert!(most < MAX_BYTES);
        self.node.signal("TERM");
        let ended = self.node.wait();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
    }
}

/// A connection that is kept open as long as the server permits.
struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Connection {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
        }
    }

    fn open(&mut self) -> io::Result<&mut TcpStream> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        Ok(self.stream.insert(stream))
    }

    /// Posts a body; returns the body of the answer.
    fn post(&mut self, body: &[u8]) -> io::Result<Vec<u8>> {
        let posted = self.open().and_then(|stream| exchange(stream, body));
        match posted {
            Ok((answer, true)) => Ok(answer),
            Ok((answer, false)) => {
                self.stream = None;
                Ok(answer)
            }
            Err(error) => {
                self.stream = None;
                Err(error)
            }
        }
    }
}

/// Posts a body; returns the body of the answer, and whether the connection stays open.
fn exchange(stream: &mut TcpStream, body: &[u8]) -> io::Result<(Vec<u8>, bool)> {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut read = Vec::new();
    let mut chunk = [0; 65_536];
    loop {
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&chunk[..length]);
        let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok())
            .unwrap_or(0);
        if read.len() >= end + 4 + length {
            let is_open = !head.contains("connection: close");
            return Ok((read.split_off(end + 4), is_open));
        }
    }
}

/// Returns whether an answer is syntactically valid JSON. It is not parsed into a [`Value`]: an id
/// such as 1e999 is returned as it was sent, and fits no number type.
fn is_json(answer: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(answer).is_ok()
}

#[test]
fn fuzz_bodies() {
    let mut target = Target::start("bodies");
    let mut connection = Connection::new(target.address);
    let (mut sent, mut answered) = (0, 0);
    while !target.is_over() {
        for _ in 0..50 {
            let call = target.generator.call(&mut target.random);
            let mut body = call.to_string().into_bytes();
            generator::damage(&mut body, &mut target.random);
            if let Ok(answer) = connection.post(&body) {
                answered += 1;
                let is_read = answer.is_empty() || is_json(&answer);
                let is_text = answer.is_ascii();
                assert!(is_read || is_text, "{body:?} -> {answer:?}");
            }
            sent += 1;
        }
    }
    println!("bodies: {answered} answered");
    target.finish("bodies", sent);
}

#[test]
fn fuzz_batches() {
    let mut target = Target::start("batches");
    let mut connection = Connection::new(target.address);
    let (mut sent, mut answered) = (0, 0);
    while !target.is_over() {
        let batch = target.generator.batch(&mut target.random);
        let mut body = batch.to_string().into_bytes();
        if target.random.random_ratio(1, 8) {
            generator::damage(&mut body, &mut target.random);
        }
        if let Ok(answer) = connection.post(&body)
            && !answer.is_empty()
        {
            answered += 1;
            assert!(matches!(answer[0], b'[' | b'{') && is_json(&answer));
        }
        sent += 1;
    }
    println!("batches: {answered} answered");
    target.finish("batches", sent);
}

#[test]
fn fuzz_parameters() {
    let mut target = Target::start("parameters");
    let mut connection = Connection::new(target.address);
    let mut sent = 0;
    while !target.is_over() {
        for _ in 0..20 {
            let call = target.generator.call(&mut target.random);
            let body = call.to_string().into_bytes();
            // The server may have closed a connection that was idle for long.
            let answer = connection.post(&body).or_else(|_| connection.post(&body));
            let answer = answer.unwrap();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            let is_answered = answer.get("result").is_some() || answer["error"]["code"].is_i64();
            assert!(is_answered, "{call} -> {answer}");
            // Malformed parameters never cause an internal error.
            assert_ne!(answer["error"]["message"], "internal error", "{call}");
            target.generator.learn(&answer, &mut target.random);
            sent += 1;
        }
    }
    target.finish("parameters", sent);
}

#[test]
fn fuzz_websocket_frames() {
    let mut target = Target::start("websocket frames");
    let mut sent = 0;
    while !target.is_over() {
        let mut stream = TcpStream::connect_timeout(&target.address, TIMEOUT).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let hello = "GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n\
                     connection: upgrade\r\nsec-websocket-version: 13\r\n\
                     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(hello.as_bytes()).unwrap();
        let mut sink = [0; 65_536];
        for _ in 0..target.random.random_range(1..200) {
            let call = target.generator.call(&mut target.random).to_string();
            let frames = generator::frames(call.as_bytes(), &mut target.random);
            sent += 1;
            let written = stream.write_all(&frames);
            if target.random.random_bool(0.7) {
                // In the other cases the client does not read.
                let _ = stream.read(&mut sink);
            }
            if written.is_err() {
                break;
            }
        }
    }
    target.finish("websocket frames", sent);
}
