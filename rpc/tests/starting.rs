//! Requests to a node whose actors have not started.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::sync::Arc;

use actoreum_chain::{ChainReader, genesis};
use actoreum_consensus::{EngineOptions, engine_for};
use actoreum_primitives::Genesis;
use actoreum_rpc::namespaces;
use actoreum_rpc::node::{Node, NodeHandles, NodeSettings};
use actoreum_rpc::server::dispatch::{DispatchLimits, Dispatcher};
use actoreum_rpc::server::pool::HeavyPool;
use actoreum_storage::Store;
use serde_json::{Value, json};

fn dispatcher() -> Dispatcher<Node> {
    let store = Store::memory();
    genesis::init(&store, &Genesis::mainnet()).unwrap();
    let reader = ChainReader::open(store).unwrap();
    let engine = engine_for(reader.config(), EngineOptions::default()).engine;
    let node = Node::new(
        NodeHandles::new(reader, engine),
        NodeSettings::new("Actoreum/test", 1),
    );
    let methods = namespaces::methods(&node);
    let offered = ["admin", "debug", "eth", "miner", "net"].map(String::from);
    Dispatcher::new(
        Arc::new(node),
        &methods,
        &offered,
        HeavyPool::alone(1, 10).unwrap(),
        DispatchLimits::default(),
    )
}

async fn call(dispatcher: &Dispatcher<Node>, method: &str, params: Value) -> Result<Value, String> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = dispatcher.answer(body.to_string().as_bytes()).await;
    let mut answer: Value = serde_json::from_slice(&answer.body).unwrap();
    match answer["error"]["message"].as_str() {
        Some(text) => Err(text.to_owned()),
        None => Ok(answer["result"].take()),
    }
}

#[test]
fn views_are_read_before_the_actors_have_started() {
    actoreum_supervision::block_on(async {
        let dispatcher = dispatcher();
        for (method, expected) in [
            ("eth_blockNumber", json!("0x0")),
            ("eth_syncing", json!(false)),
            ("eth_mining", json!(false)),
            ("net_peerCount", json!("0x0")),
            ("admin_peers", json!([])),
        ] {
            let answer = call(&dispatcher, method, json!([])).await;
            assert_eq!(answer, Ok(expected), "{method}");
        }
    });
}

#[test]
fn requests_to_actors_that_have_not_started_fail() {
    actoreum_supervision::block_on(async {
        let dispatcher = dispatcher();
        for method in ["eth_newBlockFilter", "debug_getBadBlocks"] {
            let answer = call(&dispatcher, method, json!([])).await;
            assert!(answer.is_err(), "{method}: {answer:?}");
        }
        let tree = call(&dispatcher, "admin_actors", json!([])).await;
        assert_eq!(tree, Err("the node is starting".to_owned()));
    });
}

#[test]
fn a_node_without_network_and_sealing_says_so() {
    actoreum_supervision::block_on(async {
        let dispatcher = dispatcher();
        let added = call(&dispatcher, "admin_addPeer", json!(["enode://x"])).await;
        assert_eq!(added, Err("this node has no network".to_owned()));
        let work = call(&dispatcher, "eth_getWork", json!([])).await;
        assert_eq!(work, Err("not supported".to_owned()));
        let start = call(&dispatcher, "miner_start", json!([])).await;
        assert!(start.unwrap_err().contains("does not exist"));
    });
}
