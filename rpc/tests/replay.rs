//! Replays the recorded answers of geth 1.8.27 about the clique-bench chain.
//!
//! The chain is really imported, and each recorded request passes the dispatcher as a body. The
//! answer must have every member of the recorded one, with the same value; members that later geths
//! added are ignored. Deliberate differences are listed, by method and with their reasons, in
//! `docs/rpc-differences.md`; [`differs_on_purpose`] holds that list.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actoreum_actors::accounts::{AccountsSetup, UnlockedKeys};
use actoreum_actors::filter::FilterActor;
use actoreum_actors::txpool::{TxPoolHandle, TxPoolSetup};
use actoreum_chain::{Chain, ChainOptions, ChainReader, Detail, genesis};
use actoreum_consensus::{Clique, Engine};
use actoreum_primitives::config::EngineConfig;
use actoreum_primitives::rlp::Decode as _;
use actoreum_primitives::{Block, Genesis};
use actoreum_rpc::namespaces;
use actoreum_rpc::node::{Node, NodeHandles, NodeSettings};
use actoreum_rpc::server::dispatch::{DispatchLimits, Dispatcher};
use actoreum_rpc::server::pool::HeavyPool;
use actoreum_storage::Store;
use actoreum_supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, Tree};
use actoreum_txpool::{PoolConfig, PoolReader};
use actoreum_wallet::{KeyDirectory, ScryptCost};
use serde_json::Value;

fn fixtures() -> Option<PathBuf> {
    let folder = std::env::var_os("ACTOREUM_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: fixtures not found");
    None
}

/// Imports the chain of the benchmark, and returns a dispatcher with geth's namespaces and the
/// actors that it asks.
fn dispatcher(folder: &Path, keys: &Path) -> (Dispatcher<Node>, SupervisorSpec) {
    let text = std::fs::read_to_string(folder.join("clique-bench/genesis.json")).unwrap();
    let spec: Genesis = Genesis::from_json(&text).unwrap();
    let store = Store::memory();
    genesis::init(&store, &spec).unwrap();
    let reader = ChainReader::open(store).unwrap();
    let EngineConfig::Clique(config) = reader.config().engine() else {
        panic!("not clique")
    };
    let clique = Arc::new(Clique::new(config, None));
    let engine: Arc<dyn Engine> = clique.clone();
    let options = ChainOptions {
        engine: engine.clone(),
        interrupt: Arc::default(),
        now: Arc::new(|| u64::MAX / 2),
    };
    let mut chain = Chain::open(reader.clone(), options).unwrap();
    let bytes = std::fs::read(folder.join("clique-bench/chain.rlp")).unwrap();
    let mut rest = bytes.as_slice();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        blocks.push(Block::decode(&mut rest).unwrap());
    }
    let report = chain.import(&blocks, Detail::HeadOnly);
    assert!(report.refused.is_none(), "{:?}", report.refused);
    assert_eq!(reader.head_number(), 269);
    let settings = NodeSettings::new("Actoreum/test", 1337);
    let signatures = Pool::new("signatures", 1);
    let handles = NodeHandles {
        clique: Some(clique),
        txpool: TxPoolHandle::new(
            ActorRef::new("pool"),
            PoolReader::default(),
            reader.clone(),
            signatures.clone(),
        ),
        ..NodeHandles::new(reader.clone(), engine)
    };
    let node = Node::new(handles, settings);
    let actors = actors(&node, signatures, keys);
    let methods = namespaces::methods(&node);
    let offered = ["clique", "debug", "eth", "net", "txpool", "web3"].map(String::from);
    let limits = DispatchLimits::default();
    let dispatcher = Dispatcher::new(
        Arc::new(node),
        &methods,
        &offered,
        HeavyPool::alone(2, 100).unwrap(),
        limits,
    );
    (dispatcher, actors)
}

/// Returns the actors: filters, an empty pool, and a folder without keys.
fn actors(node: &Node, signatures: Pool, folder: &Path) -> SupervisorSpec {
    let chain_reader = node.chain_reader.clone();
    let txpool = TxPoolSetup::new(
        chain_reader.clone(),
        node.txpool.reader.clone(),
        PoolConfig::default(),
        node.clock.clone(),
    );
    let scrypt = Pool::new("scrypt", 1);
    let setup = AccountsSetup {
        keys: KeyDirectory::new(folder, ScryptCost::LIGHT),
        threads: scrypt.clone(),
        unlocked: UnlockedKeys::default(),
        mnemonic_keys: Vec::new(),
    };
    SupervisorSpec::new("node", Strategy::OneForOne)
        .child(signatures.child())
        .child(scrypt.child())
        .child(ChildSpec::new(&node.filters, move || {
            FilterActor::new(chain_reader.clone())
        }))
        .child(ChildSpec::new(&node.txpool.actor, move || {
            txpool.clone().start()
        }))
        .child(ChildSpec::new_async(&node.keys.actor, move || {
            setup.clone().start()
        }))
}

/// Returns the recorded requests and answers.
fn recorded(folder: &Path) -> Vec<Value> {
    let packed = std::fs::read(folder.join("geth-answers/clique-bench-1.8.27.jsonl.zst")).unwrap();
    let mut decoder = zstd::Decoder::new(packed.as_slice()).unwrap();
    decoder.window_log_max(27).unwrap();
    let text = std::io::read_to_string(decoder).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns the first place where `ours` lacks a member of `theirs` or differs from it.
fn difference(ours: &Value, theirs: &Value, place: &str) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => theirs.iter().find_map(|(key, theirs)| {
            let place = format!("{place}.{key}");
            match ours.get(key) {
                Some(ours) => difference(ours, theirs, &place),
                None => Some(format!("{place} is missing, theirs: {theirs}")),
            }
        }),
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => ours
            .iter()
            .zip(theirs)
            .enumerate()
            .find_map(|(index, (ours, theirs))| {
                difference(ours, theirs, &format!("{place}[{index}]"))
            }),
        _ if ours == theirs => None,
        _ => Some(format!("{place}: ours {ours}, theirs {theirs}")),
    }
}

/// Returns whether a body is not a request of JSON-RPC 2.0, which is answered by its letter.
fn is_malformed(body: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return true;
    };
    let is_empty_batch = value.as_array().is_some_and(Vec::is_empty);
    let lacks_id = value.is_object() && (value.get("id").is_none() || value["id"].is_object());
    let method = value["method"].as_str();
    is_empty_batch || lacks_id || method.is_some_and(|name| !name.contains('_'))
}

/// Returns whether a request is deliberately answered differently.
fn differs_on_purpose(request: &Value) -> bool {
    let params = &request["params"];
    match request["method"].as_str() {
        // A revert is an error with data, as in every geth since 1.9.15.
        Some("eth_call" | "eth_estimateGas") => {
            params[0]["data"]
                .as_str()
                .is_some_and(|data| data.starts_with("0xa9059cbb"))
                && params[0]["from"].is_null()
        }
        _ => false,
    }
}

#[test]
fn answers_equal_those_recorded_from_geth() {
    let Some(folder) = fixtures() else { return };
    let keys = tempfile::tempdir().unwrap();
    let (dispatcher, actors) = dispatcher(&folder, keys.path());
    let runtime = actix::System::new();
    let tree = runtime.block_on(Tree::start(actors)).unwrap();
    let mut equal = 0;
    let mut differences = Vec::new();
    for line in recorded(&folder) {
        let body = match line["request_text"].as_str() {
            Some(text) => text.to_owned(),
            None => line["request"].to_string(),
        };
        let answer = runtime.block_on(dispatcher.answer(body.as_bytes()));
        let ours: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match difference(&ours, &line["response"], "") {
            _ if differs_on_purpose(&line["request"]) || is_malformed(&body) => {}
            None => equal += 1,
            Some(difference) => {
                let shown: String = format!("{body} {difference}").chars().take(400).collect();
                differences.push(shown);
            }
        }
    }
    runtime.block_on(tree.shutdown());
    println!("{equal} recorded answers are equal");
    assert!(
        differences.is_empty(),
        "{equal} equal, {} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
