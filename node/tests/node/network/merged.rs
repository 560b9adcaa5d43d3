//! The version of the eth protocol for merged chains.

use serde_json::json;

use super::{Node, until};
use crate::chains;

#[test]
fn nodes_of_a_merged_chain_speak_eth_69() {
    let mut genesis = chains::pow_genesis();
    let config = genesis["config"].as_object_mut().unwrap();
    for fork in [
        "constantinopleBlock",
        "petersburgBlock",
        "istanbulBlock",
        "berlinBlock",
        "londonBlock",
    ] {
        config.insert(fork.to_owned(), json!(0));
    }
    config.insert("terminalTotalDifficulty".to_owned(), json!(0));
    genesis["difficulty"] = json!("0x0");
    let start = || Node::start_in(chains::new_datadir(&genesis), &["--nodiscover"]);
    let (first, second) = (start(), start());
    second.add(&first.enode());
    let described = |node: &Node| {
        let peers = node.call("admin_peers", json!([]));
        peers[0]["protocols"]["eth"].clone()
    };
    for node in [&first, &second] {
        until("the statuses were exchanged", || {
            described(node).is_object()
        });
        let head = node.call("eth_getBlockByNumber", json!(["latest", false]));
        let expected = json!({
            "version": 69,
            "earliestBlock": 0,
            "latestBlock": 0,
            "latestBlockHash": head["hash"],
        });
        assert_eq!(described(node), expected);
    }
}

#[test]
fn nodes_of_another_chain_speak_eth_68() {
    let genesis = chains::pow_genesis();
    let start = || Node::start_in(chains::new_datadir(&genesis), &["--nodiscover"]);
    let (first, second) = (start(), start());
    second.add(&first.enode());
    let version = || {
        let peers = first.call("admin_peers", json!([]));
        peers[0]["protocols"]["eth"]["version"].clone()
    };
    until("the statuses were exchanged", || version().is_u64());
    assert_eq!(version(), 68);
}
