//! Filters and subscriptions of a development chain: a rewind ends neither, and a connection with
//! many subscriptions receives every block.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Running;

/// Bound on each wait, longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Init code that emits a log: PUSH1 7, PUSH1 0, PUSH1 0, LOG1.
const LOGS: &str = "0x600760006000a1";

/// A connection to the node's IPC socket.
struct Connection {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
    /// Notifications that arrived before the answer to a call.
    notifications: Vec<Value>,
}

impl Connection {
    fn open(datadir: &Path) -> Self {
        let stream = UnixStream::connect(datadir.join("geth.ipc")).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        Self {
            stream,
            lines,
            notifications: Vec::new(),
        }
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).unwrap();
        assert!(read > 0, "the node ended the connection");
        serde_json::from_str(&line).unwrap()
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        writeln!(self.stream, "{request}").unwrap();
        loop {
            let mut answer = self.read();
            if answer["method"] == "eth_subscription" {
                self.notifications.push(answer);
                continue;
            }
            assert!(answer.get("error").is_none(), "{method}: {answer}");
            return answer["result"].take();
        }
    }

    /// Returns the next `count` notifications.
    fn notifications(&mut self, count: usize) -> Vec<Value> {
        while self.notifications.len() < count {
            let next = self.read();
            assert_eq!(next["method"], "eth_subscription", "{next}");
            self.notifications.push(next);
        }
        self.notifications.drain(..count).collect()
    }
}

fn start(datadir: &Path) -> Running {
    let ipc = datadir.join("geth.ipc");
    let args = [
        "--dev",
        "--dev.accounts",
        "1",
        "--datadir",
        datadir.to_str().unwrap(),
        "--ipcpath",
        ipc.to_str().unwrap(),
    ];
    let mut node = Running::start(&args);
    node.wait_for("IPC endpoint opened");
    node
}

#[test]
fn a_rewind_ends_no_filter_and_no_subscription() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path());
    let mut follower = Connection::open(folder.path());
    let mut user = Connection::open(folder.path());
    let account = user.call("eth_accounts", json!([]))[0].take();
    for topic in ["newHeads", "logs"] {
        follower.call("eth_subscribe", json!([topic]));
    }
    let heads = user.call("eth_newBlockFilter", json!([]));
    let logs = user.call("eth_newFilter", json!([{}]));
    // A suite of tests goes back to its fixture for each test in the same way.
    let mut height = 0;
    for round in 0..6 {
        let snapshot = user.call("evm_snapshot", json!([]));
        let deployed = json!([{"from": account, "data": LOGS, "gas": "0x20000"}]);
        let hash = user.call("eth_sendTransaction", deployed);
        let begun = Instant::now();
        while user
            .call("eth_getTransactionReceipt", json!([hash]))
            .is_null()
        {
            assert!(begun.elapsed() < TIMEOUT);
        }
        user.call("hardhat_mine", json!(["0x12c"]));
        match round % 2 {
            0 => assert_eq!(user.call("evm_revert", json!([snapshot])), true),
            _ => {
                let number = format!("{height:#x}");
                assert!(user.call("debug_setHead", json!([number])).is_null());
            }
        }
        assert_eq!(
            user.call("eth_blockNumber", json!([])),
            format!("{height:#x}")
        );
        user.call("evm_mine", json!([]));
        height += 1;

        let notifications = follower.notifications(304);
        let removed = |it: &&Value| it["params"]["result"]["removed"] == true;
        assert_eq!(
            notifications.iter().filter(removed).count(),
            1,
            "round {round}"
        );
        let last = &notifications[303]["params"]["result"];
        assert_eq!(last["number"], format!("{height:#x}"));

        let changes = user.call("eth_getFilterChanges", json!([logs]));
        let flags: Vec<&Value> = changes
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["removed"])
            .collect();
        assert_eq!(flags, [false, true], "round {round}");
        let changes = user.call("eth_getFilterChanges", json!([heads]));
        let changes = changes.as_array().unwrap();
        assert_eq!(changes.len(), 302);
        assert_eq!(changes[301], last["hash"]);
    }
    node.kill();
}

#[test]
fn two_hundred_subscriptions_receive_every_block() {
    const SUBSCRIPTIONS: usize = 200;
    const BLOCKS: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path());
    let mut follower = Connection::open(folder.path());
    let mut user = Connection::open(folder.path());
    for _ in 0..SUBSCRIPTIONS {
        follower.call("eth_subscribe", json!(["newHeads"]));
    }
    user.call("hardhat_mine", json!([format!("{BLOCKS:#x}")]));
    let notifications = follower.notifications(SUBSCRIPTIONS * BLOCKS);
    for (at, of_block) in notifications.chunks(SUBSCRIPTIONS).enumerate() {
        let number = format!("{:#x}", at + 1);
        let is_next = |it: &Value| it["params"]["result"]["number"] == number;
        assert!(of_block.iter().all(is_next), "{number}");
    }
    assert_eq!(
        follower.call("eth_blockNumber", json!([])),
        format!("{BLOCKS:#x}")
    );
    node.kill();
}
