//! The `eth` namespace.

pub(crate) mod accounts;
pub(crate) mod blocks;
pub(crate) mod call;
mod call_request;
mod config;
pub(crate) mod fees;
mod filter;
mod filters;
mod hardhat;
mod logs;
pub(crate) mod lookup;
mod mined;
pub(crate) mod outgoing;
pub(crate) mod pooled;
pub(crate) mod send;
mod simulate;
pub(crate) mod state;
mod storage;
pub(crate) mod subscribe;
pub(crate) mod transactions;
mod work;

pub use call_request::{BlockOverrideArgs, CallArgs, StateOverrideArgs};
pub use filter::LogFilter;

use actoreum_actors::eth::downloader::SyncStatus;
use serde_json::{Value, json};

use crate::error::RpcError;
use crate::node::Node;
use crate::server::json::Serialized;
use crate::server::method::Method;

/// The answer of geth 1.8 to `eth_protocolVersion`: eth/63. Later geths dropped the method, and
/// clients only display it.
const PROTOCOL_VERSION: u64 = 63;

pub(crate) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![
        Method::view("eth_blockNumber", &[], block_number),
        Method::view("eth_chainId", &[], chain_id),
        Method::view("eth_hashrate", &[], hashrate),
        Method::view("eth_protocolVersion", &[], protocol_version),
        Method::view("eth_syncing", &[], syncing),
    ];
    methods.extend(accounts::methods());
    methods.extend(blocks::methods());
    methods.extend(call::methods());
    methods.extend(config::methods());
    methods.extend(fees::methods());
    methods.extend(filters::methods());
    methods.extend(logs::methods());
    methods.extend(send::methods());
    methods.extend(simulate::methods());
    methods.extend(state::methods());
    methods.extend(storage::methods());
    methods.extend(subscribe::methods());
    methods.extend(transactions::methods());
    methods.extend(work::methods());
    methods
}

fn block_number(node: &Node, (): ()) -> Result<u64, RpcError> {
    Ok(node.chain_reader.head_number())
}

fn chain_id(node: &Node, (): ()) -> Result<u64, RpcError> {
    Ok(node.chain_id())
}

fn protocol_version(_: &Node, (): ()) -> Result<u64, RpcError> {
    Ok(PROTOCOL_VERSION)
}

/// Returns the hash rate; zero if this node does not search for a proof of work.
fn hashrate(node: &Node, (): ()) -> Result<u64, RpcError> {
    let sealing = node.sealing.as_ref();
    Ok(sealing.map_or(0, |sealing| sealing.control.hash_rate()))
}

/// Returns false, or the progress of the synchronisation.
fn syncing(node: &Node, (): ()) -> Result<Serialized<Value>, RpcError> {
    let progress = node.sync.as_ref().and_then(SyncStatus::progress);
    let running = progress.filter(|it| it.current_block < it.highest_block);
    Ok(Serialized(running.map_or(json!(false), |progress| {
        json!({
            "startingBlock": format!("{:#x}", progress.starting_block),
            "currentBlock": format!("{:#x}", progress.current_block),
            "highestBlock": format!("{:#x}", progress.highest_block),
            "pulledStates": format!("{:#x}", progress.pulled_states),
            "knownStates": format!("{:#x}", progress.known_states),
        })
    })))
}
