//! Progress of a sync: `eth_syncing`, the `syncing` subscription, the log.

use std::time::Instant;

use serde_json::{Value, json};

use super::{Node, TIMEOUT};
use crate::chains::{self, Chain};

/// Starts a node that has imported a chain.
pub(super) fn with_chain(chain: &Chain, more: &[&str]) -> Node {
    let folder = chain.new_datadir("sled");
    chain.import(folder.path().to_str().unwrap());
    Node::start_in(folder, &[&["--nodiscover"], more].concat())
}

pub(super) fn number(of: &Value) -> u64 {
    let digits = of.as_str().and_then(|it| it.strip_prefix("0x"));
    u64::from_str_radix(digits.unwrap_or_else(|| panic!("{of}")), 16).unwrap()
}

#[test]
fn a_sync_is_reported_from_start_to_end() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let server = with_chain(&chain, &[]);
    let mut node = Node::start_in(chain.new_datadir("sled"), &["--nodiscover"]);
    assert_eq!(node.call("eth_syncing", json!([])), false);
    let mut watching = node.ipc();
    let subscribed = watching.ask("eth_subscribe", &json!(["syncing"]));
    let subscription = subscribed["result"].as_str().unwrap().to_owned();
    node.add(&server.enode());

    let mut next_event = || {
        let event = watching.read();
        assert_eq!(event["method"], "eth_subscription");
        assert_eq!(event["params"]["subscription"], subscription.as_str());
        event["params"]["result"].clone()
    };
    let started = next_event();
    assert_eq!(started["syncing"], true, "{started}");
    // The fields have the names of geth's Go fields, and the numbers are not encoded as hex.
    let status = &started["status"];
    for name in [
        "StartingBlock",
        "CurrentBlock",
        "HighestBlock",
        "PulledStates",
        "KnownStates",
    ] {
        assert!(status[name].is_u64(), "{name} in {started}");
    }
    assert_eq!(status["StartingBlock"], 0);

    let (begun, mut seen) = (Instant::now(), Vec::new());
    loop {
        let progress = node.call("eth_syncing", json!([]));
        let at = number(&node.call("eth_blockNumber", json!([])));
        if progress == false {
            if at == chain.head_number {
                break;
            }
        } else {
            for name in ["pulledStates", "knownStates"] {
                assert_eq!(progress[name], "0x0", "{progress}");
            }
            let [start, current, highest] = ["startingBlock", "currentBlock", "highestBlock"]
                .map(|name| number(&progress[name]));
            assert_eq!((start, highest), (0, chain.head_number), "{progress}");
            assert!(current < highest && current <= at, "{progress}, at {at}");
            assert!(seen.last() <= Some(&current), "{progress} after {seen:?}");
            seen.push(current);
        }
        assert!(begun.elapsed() < TIMEOUT, "still at {at}");
    }
    seen.dedup();
    assert!(seen.len() > 1, "progress was seen: {seen:?}");
    assert_eq!(next_event(), false);
    node.process.wait_for("sync complete");
    assert_eq!(node.call("eth_syncing", json!([])), false);
    let head = node.call("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(head["hash"], chain.head_hash.to_string());
}
