//! The `miner` namespace: starting, stopping and configuring the sealing of blocks.

use std::sync::Arc;
use std::time::Duration;

use actoreum_consensus::limits::MAX_EXTRA_DATA_BYTES;
use actoreum_messages::miner::{ChangeSetting, SetEtherbase, StartMining, StopMining};
use actoreum_messages::txpool::SetPriceLimit;
use actoreum_primitives::{Address, Bytes, U256};

use crate::error::RpcError;
use crate::node::{Node, unanswered};
use crate::server::json::Serialized;
use crate::server::limits::{ACTOR_TIMEOUT, MAX_SEARCH_THREADS, MIN_RECOMMIT};
use crate::server::method::Method;
use crate::server::param::Decimal;

pub(crate) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("miner_getHashrate", &[], hashrate),
        Method::actor("miner_setEtherbase", &["address"], set_etherbase),
        Method::actor("miner_setExtra", &["text"], set_extra),
        Method::actor("miner_setGasPrice", &["price"], set_gas_price),
        Method::actor("miner_setRecommitInterval", &["milliseconds"], set_recommit),
        Method::actor("miner_start", &["threads"], start),
        Method::actor("miner_stop", &[], stop),
    ]
}

/// Returns the hash rate in hashes per second, as a JSON number.
fn hashrate(node: &Node, (): ()) -> Result<Serialized<u64>, RpcError> {
    Ok(Serialized(node.sealing()?.control.hash_rate()))
}

async fn start(node: Arc<Node>, (threads,): (Option<Decimal>,)) -> Result<(), RpcError> {
    let threads = threads.map(|threads| usize::try_from(threads.0).unwrap_or(usize::MAX));
    if threads.is_some_and(|threads| threads > MAX_SEARCH_THREADS) {
        return Err(RpcError::invalid_params(format!(
            "at most {MAX_SEARCH_THREADS} threads"
        )));
    }
    let miner = node.sealing()?.miner.within(ACTOR_TIMEOUT);
    let started = miner
        .ask(StartMining { threads })
        .await
        .map_err(unanswered)?;
    started.map_err(|refused| RpcError::server(refused.to_string()))
}

async fn stop(node: Arc<Node>, (): ()) -> Result<(), RpcError> {
    let miner = node.sealing()?.miner.within(ACTOR_TIMEOUT);
    miner.ask(StopMining).await.map_err(unanswered)
}

async fn set_etherbase(node: Arc<Node>, (address,): (Address,)) -> Result<bool, RpcError> {
    let miner = node.sealing()?.miner.within(ACTOR_TIMEOUT);
    let set = miner.ask(SetEtherbase(address)).await.map_err(unanswered)?;
    set.map_err(|refused| RpcError::server(refused.to_string()))?;
    Ok(true)
}

async fn set_extra(node: Arc<Node>, (text,): (String,)) -> Result<bool, RpcError> {
    if text.len() > MAX_EXTRA_DATA_BYTES {
        return Err(RpcError::server(format!(
            "Extra exceeds max length. {} > {MAX_EXTRA_DATA_BYTES}",
            text.len()
        )));
    }
    let extra = Bytes::from(text.into_bytes());
    change(&node, ChangeSetting::ExtraData(extra)).await?;
    Ok(true)
}

async fn set_gas_price(node: Arc<Node>, (price,): (U256,)) -> Result<bool, RpcError> {
    let price_limit = u64::try_from(price).unwrap_or(u64::MAX);
    change(&node, ChangeSetting::GasPrice(price_limit)).await?;
    let txpool_actor = node.txpool.actor.within(ACTOR_TIMEOUT);
    let answer = txpool_actor.ask(SetPriceLimit { price_limit }).await;
    answer.map_err(unanswered)?;
    Ok(true)
}

async fn set_recommit(node: Arc<Node>, (Decimal(millis),): (Decimal,)) -> Result<(), RpcError> {
    let recommit = Duration::from_millis(millis).max(MIN_RECOMMIT);
    change(&node, ChangeSetting::Recommit(recommit)).await
}

async fn change(node: &Node, change: ChangeSetting) -> Result<(), RpcError> {
    let miner = node.sealing()?.miner.within(ACTOR_TIMEOUT);
    miner.ask(change).await.map_err(unanswered)
}
