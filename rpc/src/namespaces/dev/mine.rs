//! The methods that mine blocks on demand.

use std::sync::Arc;
use std::time::Duration;

use actoreum_messages::miner::SetAutomine;
use actoreum_messages::worker::{MineBlock, SetInterval};

use super::{Number, check_time};
use crate::error::RpcError;
use crate::node::{Node, unanswered};
use crate::server::json::Serialized;
use crate::server::json::scan::Kind;
use crate::server::limits::{
    ACTOR_TIMEOUT, MAX_MINED_BLOCKS, MAX_MINING_INTERVAL, MIN_MINING_INTERVAL,
};
use crate::server::method::Method;
use crate::server::param::{FromParam, ParamError};

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![Method::actor("evm_mine", &["timestamp"], mine)];
    for name in ["anvil_mine", "hardhat_mine"] {
        methods.push(Method::actor(name, &["blocks", "interval"], mine_many));
    }
    for name in ["evm_setAutomine", "anvil_setAutomine"] {
        methods.push(Method::actor(name, &["enabled"], set_automine));
    }
    for name in ["anvil_getAutomine", "hardhat_getAutomine"] {
        methods.push(Method::view(name, &[], automine));
    }
    methods.push(Method::actor(
        "evm_setIntervalMining",
        &["milliseconds"],
        set_interval_millis,
    ));
    methods.push(Method::actor(
        "anvil_setIntervalMining",
        &["seconds"],
        set_interval_seconds,
    ));
    methods.push(Method::view("anvil_getIntervalMining", &[], interval));
    methods
}

/// The time of a block: a number, or Foundry's `{"timestamp": ...}`.
struct BlockTime(Option<u64>);

impl FromParam for BlockTime {
    const SCHEMA: &'static str = Number::SCHEMA;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        if Kind::of(raw) != Kind::Object {
            return Number::from_raw(raw).map(|number| Self(Some(number.0)));
        }
        let object = crate::server::object::Object::new(raw, "evm.MineOptions")?;
        let timestamp = object.get::<Number>("timestamp")?;
        Ok(Self(timestamp.map(|number| number.0)))
    }
}

async fn mine(node: Arc<Node>, (when,): (Option<BlockTime>,)) -> Result<&'static str, RpcError> {
    let asked = when.and_then(|when| when.0);
    let timestamp = asked.map(|time| check_time(&node, time)).transpose()?;
    mine_one(&node, timestamp).await?;
    Ok("0x0")
}

async fn mine_one(node: &Node, timestamp: Option<u64>) -> Result<(), RpcError> {
    let worker = node.sealing()?.worker.within(ACTOR_TIMEOUT);
    let answer = worker.ask(MineBlock { timestamp }).await;
    let mined = answer.map_err(unanswered)?;
    mined.map_err(|error| RpcError::server(error.to_string()))?;
    Ok(())
}

/// Seals blocks. With an interval, each block is that number of seconds after the one before.
async fn mine_many(
    node: Arc<Node>,
    (blocks, interval): (Option<Number>, Option<Number>),
) -> Result<bool, RpcError> {
    let blocks = blocks.map_or(1, |blocks| blocks.0);
    if blocks > MAX_MINED_BLOCKS {
        return Err(RpcError::invalid_params(format!(
            "at most {MAX_MINED_BLOCKS} blocks at a time"
        )));
    }
    for index in 0..blocks {
        // The first block takes the time that it would have anyway.
        let after = interval.as_ref().filter(|_| index > 0);
        let timestamp =
            after.map(|seconds| node.chain_reader.head().timestamp.saturating_add(seconds.0));
        mine_one(&node, timestamp).await?;
    }
    Ok(true)
}

async fn set_automine(node: Arc<Node>, (enabled,): (bool,)) -> Result<bool, RpcError> {
    let miner = node.sealing()?.miner.within(ACTOR_TIMEOUT);
    let answer = miner.ask(SetAutomine(enabled)).await;
    answer.map_err(unanswered)?;
    Ok(true)
}

/// Sets the interval in milliseconds, as Hardhat does.
async fn set_interval_millis(
    node: Arc<Node>,
    (Number(millis),): (Number,),
) -> Result<bool, RpcError> {
    set_interval(&node, Duration::from_millis(millis)).await?;
    Ok(true)
}

/// Sets the interval in seconds, as Anvil does.
async fn set_interval_seconds(
    node: Arc<Node>,
    (Number(seconds),): (Number,),
) -> Result<Option<bool>, RpcError> {
    set_interval(&node, Duration::from_secs(seconds)).await?;
    Ok(None)
}

async fn set_interval(node: &Node, interval: Duration) -> Result<(), RpcError> {
    if interval > MAX_MINING_INTERVAL || (!interval.is_zero() && interval < MIN_MINING_INTERVAL) {
        return Err(RpcError::invalid_params(format!(
            "the interval is between {MIN_MINING_INTERVAL:?} and {MAX_MINING_INTERVAL:?}, or zero"
        )));
    }
    let worker = node.sealing()?.worker.within(ACTOR_TIMEOUT);
    let answer = worker.ask(SetInterval(interval)).await;
    answer.map_err(unanswered)
}

/// Returns the interval in seconds, as Anvil does; null if there is none.
fn interval(node: &Node, (): ()) -> Result<Serialized<Option<u64>>, RpcError> {
    let interval = node.sealing()?.control.interval();
    Ok(Serialized(
        (!interval.is_zero()).then_some(interval.as_secs()),
    ))
}

fn automine(node: &Node, (): ()) -> Result<bool, RpcError> {
    Ok(node.sealing()?.control.is_sealing())
}
