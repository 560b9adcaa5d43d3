//! Stops by signals.

use std::{
    io::Write,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    chains, http,
    process::{Ended, Running},
};

/// Bound on each wait, longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

const SERVERS: [&str; 6] = ["--http", "--http.port", "0", "--admin", "--admin.port", "0"];

/// Asserts that the texts are in the log in this order.
#[track_caller]
fn assert_in_order(ended: &Ended, texts: &[&str]) {
    let places = texts.iter().map(|text| ended.stderr.find(text));
    let places: Vec<usize> = places
        .map(|place| place.unwrap_or_else(|| panic!("{ended:#?}")))
        .collect();
    assert!(places.is_sorted(), "{places:?} {ended:#?}");
}

#[test]
fn either_signal_stops_the_node_in_order() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let datadir = ["--datadir", folder.path().to_str().unwrap()];
        let mut node = Running::start(&[&datadir[..], &SERVERS[..]].concat());
        node.wait_for_admin();
        node.signal(signal);
        let ended = node.wait();
        assert_in_order(
            &ended,
            &[
                "got interrupt",
                "admin page closed",
                "HTTP endpoint closed",
                "chain closed",
                "stopped in order",
            ],
        );
        ended.ok();
        assert_eq!(chains::verified_head(folder.path()).unwrap().0, 0);
    }
}

#[test]
fn a_transaction_that_was_accepted_survives_the_stop() {
    const POOL: &str = "node/core/txpool/pool";
    const SOMEBODY: &str = "0x2222222222222222222222222222222222222222";
    let folder = tempfile::tempdir().unwrap();
    let chain = ["--dev", "--datadir", folder.path().to_str().unwrap()];
    let args = [&chain[..], &SERVERS[..], &["--admin.chaos"]].concat();
    let mut node = Running::start(&args);
    let (address, admin) = (node.wait_for_http(), node.wait_for_admin());
    let accounts = http::call(address, "eth_accounts", json!([])).unwrap();
    let transfer = json!({
        "jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction",
        "params": [{"from": accounts[0], "to": SOMEBODY, "value": "0x1", "gas": "0x5208"}],
    });
    // The pool does not answer, and the client does not wait for its answer.
    assert!(http::hang(admin, POOL, Duration::from_secs(4)).unwrap());
    let mut client = TcpStream::connect(address).unwrap();
    let body = transfer.to_string();
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
    write!(
        client,
        "{head}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    while http::actor(admin, POOL).unwrap()["mailbox"]["depth"] == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    drop(client);
    node.signal("TERM");
    node.wait().ok();

    let mut node = Running::start(&args);
    let address = node.wait_for_http();
    let begun = Instant::now();
    let received = || http::call(address, "eth_getBalance", json!([SOMEBODY, "latest"])).unwrap();
    while received() != "0x1" {
        assert!(begun.elapsed() < TIMEOUT, "the transaction is lost");
        thread::sleep(Duration::from_millis(20));
    }
    node.signal("TERM");
    node.wait().ok();
}

#[test]
fn an_interrupted_import_stops_at_a_block_and_resumes_there() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    chain.init(datadir, "sled");
    let args = [
        "import",
        "--datadir",
        datadir,
        chain.blocks.to_str().unwrap(),
    ];
    let mut node = Running::start(&args);
    node.wait_for("importing blockchain");
    thread::sleep(Duration::from_millis(300));
    node.signal("TERM");
    let ended = node.wait();
    assert_in_order(
        &ended,
        &["got interrupt", "chain closed", "stopped in order"],
    );
    ended.ok();
    let (number, _) = chains::verified_head(folder.path()).unwrap();
    println!("stopped at block {number}");
    assert!(number < chain.head_number);
    Running::start(&args).wait().ok();
    chain.assert_complete(datadir);
}

#[test]
fn ten_more_signals_end_the_node_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "--rpc.gascap",
        "0",
        "--datadir",
        folder.path().to_str().unwrap(),
    ];
    let mut node = Running::start(&[&args[..], &SERVERS[..]].concat());
    let address = node.wait_for_http();
    // An endless contract (JUMPDEST, PUSH1 0, JUMP) delays an ordered stop.
    let endless = json!([{"data": "0x5b600056", "gas": "0xffffffffffff"}, "latest"]);
    thread::spawn(move || http::call(address, "eth_call", endless));
    thread::sleep(Duration::from_millis(300));
    node.signal("INT");
    node.wait_for("got interrupt");
    for left in (0..10).rev() {
        node.signal("INT");
        if left > 0 {
            node.wait_for(&format!("interrupt more to end at once left={left}"));
        }
    }
    let ended = node.wait();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert_in_order(&ended, &["got interrupt", "ended without an ordered stop"]);
    assert!(!ended.stderr.contains("stopped in order"), "{ended:#?}");
}
