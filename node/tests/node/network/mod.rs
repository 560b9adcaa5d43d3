//! Networks of nodes as their operators run them: flags, files, JSON-RPC, the admin page, and
//! hostile traffic at the ports.

mod attacks;
mod bootnode;
mod byzantine;
mod crash;
mod dns;
mod flags;
mod flood;
mod merged;
mod nat;
mod partition;
mod payments;
mod pending;
mod rpc;
mod silent;
mod syncing;
mod transaction_floods;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Running, actoreum};

/// Bound on each wait: longer than the pause after a refused dial, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(240);

/// Waits until a condition holds.
#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < TIMEOUT, "condition not met: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A connection to a node's IPC socket.
struct Ipc {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Ipc {
    fn open(datadir: &Path) -> Option<Self> {
        let stream = UnixStream::connect(datadir.join("geth.ipc")).ok()?;
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        Some(Self { stream, lines })
    }

    /// Reads the next message of the node.
    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Calls a method; returns the whole answer.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        writeln!(self.stream, "{request}").unwrap();
        self.read()
    }
}

/// A running node and its data directory.
struct Node {
    process: Running,
    folder: TempDir,
}

impl Node {
    /// Starts a node without discovery in a new data directory.
    fn start(more: &[&str]) -> Self {
        Self::start_in(
            tempfile::tempdir().unwrap(),
            &[&["--nodiscover"], more].concat(),
        )
    }

    fn start_in(folder: TempDir, more: &[&str]) -> Self {
        let datadir = folder.path().to_str().unwrap().to_owned();
        let args = [
            "--datadir",
            &datadir,
            "--networkid",
            "99",
            "--bootnodes",
            "",
        ];
        let (args, has_port) = ([&args, more].concat(), more.contains(&"--port"));
        let mut args: Vec<&str> = args;
        if !has_port {
            args.extend(["--port", "0"]);
        }
        if !more.contains(&"--nat") {
            args.extend(["--nat", "none"]);
        }
        // The empty list is removed if `more` gives bootnodes.
        if more.contains(&"--bootnodes") {
            args.drain(4..6);
        }
        let mut process = Running::start_command(actoreum(&args));
        process.wait_for("IPC endpoint opened");
        Self { process, folder }
    }

    /// Stops the node in order; returns its data directory.
    fn stop(self) -> TempDir {
        self.process.signal("TERM");
        self.process.wait().ok();
        self.folder
    }

    fn ipc(&self) -> Ipc {
        Ipc::open(self.folder.path()).unwrap()
    }

    /// Calls a method; returns the result.
    #[track_caller]
    fn call(&self, method: &str, params: Value) -> Value {
        let mut answer = self.ipc().ask(method, &params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    fn info(&self) -> Value {
        self.call("admin_nodeInfo", json!([]))
    }

    fn enode(&self) -> String {
        self.info()["enode"].as_str().unwrap().to_owned()
    }

    fn id(&self) -> String {
        self.info()["id"].as_str().unwrap().to_owned()
    }

    fn peers(&self) -> Vec<Value> {
        match self.call("admin_peers", json!([])) {
            Value::Array(peers) => peers,
            other => panic!("{other}"),
        }
    }

    /// Returns the entry of another node in `admin_peers`.
    fn peer(&self, id: &str) -> Option<Value> {
        self.peers().into_iter().find(|peer| peer["id"] == id)
    }

    fn add(&self, url: &str) {
        assert_eq!(self.call("admin_addPeer", json!([url])), true);
    }

    fn port(&self, name: &str) -> SocketAddr {
        let port = self.info()["ports"][name].as_u64().unwrap();
        SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()))
    }

    /// Returns the address of the listener.
    fn address(&self) -> SocketAddr {
        self.port("listener")
    }

    /// Returns the address of discovery.
    fn discovery(&self) -> SocketAddr {
        self.port("discovery")
    }
}
