//! The methods that move the clock.

use std::sync::Arc;

use actoreum_messages::miner::ChangeSetting;
use serde_json::{Value, json};

use super::args::Number;
use super::next_block::change;
use super::{Answer, DevIdentity};
use crate::error::RpcError;
use crate::node::{Node, storage};
use crate::server::json::Serialized;
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![
        Method::actor(
            "anvil_setBlockTimestampInterval",
            &["seconds"],
            set_interval,
        ),
        Method::actor("anvil_removeBlockTimestampInterval", &[], remove_interval),
        Method::view("anvil_getGenesisTime", &[], genesis_time),
    ];
    for name in ["evm_increaseTime", "anvil_increaseTime"] {
        methods.push(Method::view(name, &["seconds"], increase));
    }
    for name in ["evm_setTime", "anvil_setTime"] {
        methods.push(Method::view(name, &["timestamp"], set));
    }
    for name in ["evm_setNextBlockTimestamp", "anvil_setNextBlockTimestamp"] {
        methods.push(Method::actor(name, &["timestamp"], set_next));
    }
    methods
}

/// Returns the time of a block that is to be built.
///
/// # Errors
/// Fails if `time` is before the head; for anvil and Hardhat also if it is the head's.
pub(super) fn check_time(node: &Node, time: u64) -> Result<u64, RpcError> {
    let head = node.chain_reader.head().timestamp;
    let identity = node.settings.identity;
    let is_late = time > head || (time == head && identity == DevIdentity::Geth);
    if is_late {
        return Ok(time);
    }
    Err(RpcError::invalid_params(match identity {
        DevIdentity::Anvil => {
            format!("Timestamp error: {time} is lower than previous block's timestamp")
        }
        DevIdentity::Hardhat => {
            format!("Timestamp {time} is lower than or equal to previous block's timestamp {head}")
        }
        DevIdentity::Geth => format!("timestamp {time} is before that of the head, {head}"),
    }))
}

fn save_clock(node: &Node) -> Result<(), RpcError> {
    node.clock.save(node.chain_reader.store()).map_err(storage)
}

/// Advances the clock of the chain. Returns the number of seconds by which the clock is now ahead.
///
/// After many blocks in one second the head is ahead of the clock, since each block is later than
/// its parent. The clock first catches up with the head: the next block is then later than the head
/// by `seconds` at least, as the caller expects.
fn increase(node: &Node, (Number(seconds),): (Number,)) -> Answer {
    let head = node.chain_reader.head().timestamp;
    let lead = head.saturating_sub(node.clock.unix_seconds());
    let seconds = i64::try_from(seconds.saturating_add(lead))
        .map_err(|_| RpcError::invalid_params("that is more time than there is"))?;
    let shift = node.clock.shift_by(seconds);
    save_clock(node)?;
    Ok(Serialized(node.settings.identity.seconds(shift)))
}

/// Sets the clock of the chain. Returns the number of seconds by which it advanced, as anvil and
/// ganache do; zero if it went back.
fn set(node: &Node, (Number(time),): (Number,)) -> Result<Serialized<u64>, RpcError> {
    if i64::try_from(time).is_err() {
        return Err(RpcError::invalid_params("that is more time than there is"));
    }
    let before = node.clock.unix_seconds();
    node.clock.set(time);
    save_clock(node)?;
    Ok(Serialized(time.saturating_sub(before)))
}

async fn set_next(node: Arc<Node>, (Number(time),): (Number,)) -> Answer {
    let time = check_time(&node, time)?;
    change(&node, ChangeSetting::NextTimestamp(time)).await?;
    Ok(Serialized(match node.settings.identity {
        DevIdentity::Hardhat => json!(time.to_string()),
        DevIdentity::Anvil | DevIdentity::Geth => Value::Null,
    }))
}

async fn set_interval(
    node: Arc<Node>,
    (Number(seconds),): (Number,),
) -> Result<Option<bool>, RpcError> {
    change(&node, ChangeSetting::TimestampInterval(Some(seconds))).await?;
    Ok(None)
}

/// Ends the interval between timestamps. Returns whether there was one.
async fn remove_interval(node: Arc<Node>, (): ()) -> Result<bool, RpcError> {
    let settings = node.sealing()?.control.settings();
    change(&node, ChangeSetting::TimestampInterval(None)).await?;
    Ok(settings.dev.timestamp_interval.is_some())
}

fn genesis_time(node: &Node, (): ()) -> Result<Serialized<u64>, RpcError> {
    let genesis = node.chain_reader.header_by_number(0).map_err(storage)?;
    Ok(Serialized(genesis.map_or(0, |header| header.timestamp)))
}
