//! Stops by signals.

use std::{thread, time::Duration};

use serde_json::json;

use crate::{
    chains, http,
    process::{Ended, Running},
};

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
