//! Filters and `isSyncing`, which poll the node.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::node::{Node, error, result};
use actoreum_console::Console;

/// A node whose filters report one new block or log with each poll.
fn node() -> Node {
    let polls = AtomicU64::new(0);
    Node::start(move |method, _| {
        Ok(match method {
            "eth_newBlockFilter" => json!("0x1"),
            "eth_newPendingTransactionFilter" => json!("0x2"),
            "eth_newFilter" => json!("0x3"),
            "eth_getFilterChanges" => {
                json!([{"blockNumber": format!("{:#x}", polls.fetch_add(1, Ordering::Relaxed))}])
            }
            "eth_getFilterLogs" => json!([{"blockNumber": "0x64", "logIndex": "0x1"}]),
            "eth_syncing" => json!({"currentBlock": "0x5"}),
            "eth_uninstallFilter" => json!(true),
            _ => Value::Null,
        })
    })
}

fn wait_for(console: &Console, code: &str) {
    let begun = Instant::now();
    while result(console, code) != "true" {
        assert!(begun.elapsed() < Duration::from_secs(20), "{code}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_watched_filter_is_polled_until_it_is_stopped() {
    let node = node();
    let console = node.console();
    result(
        &console,
        "var seen = []; var f = eth.filter({fromBlock: 16, address: '0xa', topics: [null, ['a']]},\
        function (e, log) { seen.push(log.blockNumber) })",
    );
    assert_eq!(result(&console, "seen[0]"), "100");
    wait_for(&console, "seen.length > 2");
    assert_eq!(result(&console, "seen.slice(0, 3)"), "[100, 0, 1]");
    let created = node.take().remove(0);
    let options = json!([{"topics": [null, ["0x61"]], "address": "0xa", "fromBlock": "0x10"}]);
    assert_eq!(created, ("eth_newFilter".to_owned(), options));
    assert_eq!(result(&console, "f.stopWatching()"), "true");
    node.take();
    console.wait_for_timers();
    assert_eq!(node.take(), []);
}

#[test]
fn block_filters_have_no_options() {
    let node = node();
    let console = node.console();
    result(
        &console,
        "var f = eth.filter('latest', function (e, b) { seen = b })",
    );
    let asked = node.take();
    assert_eq!(asked[0], ("eth_newBlockFilter".to_owned(), json!([])));
    assert_eq!(
        asked[1],
        ("eth_getFilterChanges".to_owned(), json!(["0x1"]))
    );
    result(&console, "f.stopWatching(); f = eth.filter('pending')");
    assert_eq!(
        node.take()[1],
        ("eth_newPendingTransactionFilter".to_owned(), json!([]))
    );
    assert_eq!(
        result(
            &console,
            "f.get(function (e, l) { got = l }); got[0].blockNumber"
        ),
        "100"
    );
    assert_eq!(
        result(&console, "web3.reset(); eth.filter({}).get()[0].logIndex"),
        "1"
    );
}

#[test]
fn errors_of_a_filter_reach_its_callbacks() {
    let node = Node::start(|_, _| Err("no filters".into()));
    let console = node.console();
    result(
        &console,
        "var seen = []; eth.filter('latest', null, function (e) { seen.push(e.message) })",
    );
    assert_eq!(result(&console, "seen"), "[\"no filters\"]");
    let text = error(&console, "eth.filter('latest').get()");
    assert!(text.starts_with("Error: Filter ID Error: "), "{text}");
}

#[test]
fn a_sync_is_reported_as_it_begins() {
    let node = node();
    let console = node.console();
    result(
        &console,
        "var seen = []; var s = eth.isSyncing(function (e, r) { seen.push(r) })",
    );
    wait_for(&console, "seen.length > 1");
    assert_eq!(
        result(&console, "s.stopWatching(); seen.slice(0, 2)"),
        "[true, {\n    currentBlock: 5\n}]"
    );
}

#[test]
fn a_console_sleeps_until_blocks_have_arrived() {
    let blocks = AtomicU64::new(0);
    let node = Node::start(move |_, _| {
        Ok(json!(format!(
            "{:#x}",
            blocks.fetch_add(1, Ordering::Relaxed)
        )))
    });
    let console = node.console();
    assert_eq!(result(&console, "admin.sleepBlocks(1)"), "true");
    assert_eq!(result(&console, "admin.sleepBlocks(1000, 1)"), "false");
    assert_eq!(result(&console, "admin.sleep(0.5)"), "true");
}
