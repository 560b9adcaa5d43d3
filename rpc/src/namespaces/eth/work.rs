//! The methods for remote miners, as `eth_*` and as `ethash_*`.

use std::sync::Arc;

use actoreum_consensus::ethash::Solution;
use actoreum_messages::sealer::{GetWork, SubmitHashrate, SubmitWork};
use actoreum_primitives::{B64, B256};

use crate::error::RpcError;
use crate::namespaces::sealing::SealingActors;
use crate::node::{Node, unanswered};
use crate::server::json::Serialized;
use crate::server::limits::ACTOR_TIMEOUT;
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("eth_getHashrate", &[], hashrate),
        Method::actor("eth_getWork", &[], get_work),
        // geth's spelling, and that of most miners.
        Method::actor("eth_submitHashRate", &["rate", "id"], submit_hashrate),
        Method::actor("eth_submitHashrate", &["rate", "id"], submit_hashrate),
        Method::actor("eth_submitWork", &["nonce", "hash", "digest"], submit_work),
        Method::actor("ethash_getWork", &[], get_work),
        Method::view("ethash_getHashrate", &[], hashrate),
        Method::actor("ethash_submitHashRate", &["rate", "id"], submit_hashrate),
        Method::actor(
            "ethash_submitWork",
            &["nonce", "hash", "digest"],
            submit_work,
        ),
    ]
}

/// Returns the sealing actors.
///
/// # Errors
/// Fails on clique, which has no such methods in geth, and if this node does not seal.
fn actors(node: &Node) -> Result<&SealingActors, RpcError> {
    let actors = node.sealing.as_ref().filter(|_| node.clique.is_none());
    actors.ok_or_else(|| RpcError::server("not supported"))
}

async fn get_work(node: Arc<Node>, (): ()) -> Result<Serialized<[String; 4]>, RpcError> {
    let sealer = actors(&node)?.sealer.within(ACTOR_TIMEOUT);
    let work = sealer.ask(GetWork).await.map_err(unanswered)?;
    let work = work.ok_or_else(|| RpcError::server("no mining work available yet"))?;
    Ok(Serialized(work.strings()))
}

async fn submit_work(
    node: Arc<Node>,
    (nonce, seal_hash, mix_digest): (B64, B256, B256),
) -> Result<bool, RpcError> {
    let sealer = actors(&node)?.sealer.within(ACTOR_TIMEOUT);
    let solution = Solution {
        nonce: u64::from_be_bytes(nonce.0),
        mix_digest,
    };
    let submitted = SubmitWork {
        seal_hash,
        solution,
    };
    sealer.ask(submitted).await.map_err(unanswered)
}

async fn submit_hashrate(node: Arc<Node>, (rate, miner): (u64, B256)) -> Result<bool, RpcError> {
    let sealer = actors(&node)?.sealer.within(ACTOR_TIMEOUT);
    let answer = sealer.ask(SubmitHashrate { miner, rate }).await;
    answer.map_err(unanswered)?;
    Ok(true)
}

fn hashrate(node: &Node, (): ()) -> Result<Serialized<u64>, RpcError> {
    Ok(Serialized(actors(node)?.control.hash_rate()))
}
