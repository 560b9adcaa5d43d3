//! The methods that mine blocks on request, at an interval, or for each transaction.

use std::sync::Arc;
use std::time::Duration;

use actoreum_messages::miner::SetAutomine;
use actoreum_messages::worker::{MineBlock, SetInterval};
use actoreum_primitives::B256;

use super::args::{IntervalArg, MineArgs, Number};
use super::time::check_time;
use super::{Answer, DevIdentity, answered, done};
use crate::error::RpcError;
use crate::namespaces::eth::blocks::{self, Rendered};
use crate::node::{Node, unanswered};
use crate::server::json::Serialized;
use crate::server::limits::{
    ACTOR_TIMEOUT, MAX_DETAILED_BLOCKS, MAX_MINED_BLOCKS, MAX_MINING_INTERVAL, MIN_MINING_INTERVAL,
};
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![Method::actor("evm_mine", &["options"], mine)];
    for name in ["anvil_mine", "hardhat_mine"] {
        methods.push(Method::actor(name, &["blocks", "interval"], mine_many));
    }
    for name in ["evm_mine_detailed", "anvil_mine_detailed"] {
        methods.push(Method::actor(name, &["options"], mine_detailed));
    }
    for name in ["evm_setAutomine", "anvil_setAutomine"] {
        methods.push(Method::actor(name, &["enabled"], set_automine));
    }
    for name in ["anvil_getAutomine", "hardhat_getAutomine"] {
        methods.push(Method::view(name, &[], automine));
    }
    methods.push(Method::actor(
        "evm_setIntervalMining",
        &["interval"],
        set_interval_of_identity,
    ));
    methods.push(Method::actor(
        "anvil_setIntervalMining",
        &["seconds"],
        set_interval_seconds,
    ));
    methods.push(Method::view("anvil_getIntervalMining", &[], interval));
    methods.push(Method::actor("hardhat_intervalMine", &[], interval_mine));
    methods
}

/// Mines one block, or as many as the options say. The first one has the time of the options.
async fn mine_by(node: &Node, args: Option<MineArgs>, max: u64) -> Result<Vec<B256>, RpcError> {
    let MineArgs { timestamp, blocks } = args.unwrap_or_default();
    let blocks = check_count(blocks.unwrap_or(1), max)?;
    let mut timestamp = timestamp.map(|time| check_time(node, time)).transpose()?;
    let mut mined = Vec::new();
    for _ in 0..blocks {
        mined.push(mine_one(node, timestamp.take()).await?);
    }
    Ok(mined)
}

fn check_count(blocks: u64, max: u64) -> Result<u64, RpcError> {
    if blocks > max {
        let text = format!("at most {max} blocks at a time");
        return Err(RpcError::invalid_params(text));
    }
    Ok(blocks)
}

async fn mine(node: Arc<Node>, (args,): (Option<MineArgs>,)) -> Result<&'static str, RpcError> {
    mine_by(&node, args, MAX_MINED_BLOCKS).await?;
    Ok(match node.settings.identity {
        DevIdentity::Hardhat => "0",
        DevIdentity::Anvil | DevIdentity::Geth => "0x0",
    })
}

/// Mines like [`mine`]. Returns the blocks with their transactions.
async fn mine_detailed(
    node: Arc<Node>,
    (args,): (Option<MineArgs>,),
) -> Result<Vec<Rendered>, RpcError> {
    let mined = mine_by(&node, args, MAX_DETAILED_BLOCKS).await?;
    let blocks = mined
        .into_iter()
        .map(|hash| blocks::rendered(&node, hash, true));
    let blocks: Result<Vec<_>, _> = blocks.filter_map(Result::transpose).collect();
    blocks
}

pub(super) async fn mine_one(node: &Node, timestamp: Option<u64>) -> Result<B256, RpcError> {
    let worker = node.sealing()?.worker.within(ACTOR_TIMEOUT);
    answered(worker.ask(MineBlock { timestamp }).await)
}

/// Mines blocks. With an interval, each block is that number of seconds after the one before, and in
/// anvil the first one as long after the time that it would have by the clock. In Hardhat the first
/// one has that time, and one second is the default. A timestamp that was set for the next block is
/// that of the first one in all of them.
async fn mine_many(
    node: Arc<Node>,
    (blocks, interval): (Option<Number>, Option<Number>),
) -> Answer {
    let is_anvil = node.settings.identity == DevIdentity::Anvil;
    let is_hardhat = node.settings.identity == DevIdentity::Hardhat;
    let blocks = check_count(blocks.map_or(1, |blocks| blocks.0), MAX_MINED_BLOCKS)?;
    let interval = interval
        .map(|seconds| seconds.0)
        .or(is_hardhat.then_some(1))
        .filter(|seconds| *seconds > 0);
    let is_first_set = node
        .sealing()?
        .control
        .settings()
        .dev
        .chosen
        .timestamp
        .is_some();
    for index in 0..blocks {
        let after = interval.filter(|_| index > 0 || (is_anvil && !is_first_set));
        let timestamp = after.map(|seconds| {
            let head = node.chain_reader.head().timestamp;
            let before = if index == 0 {
                head.max(node.clock.unix_seconds())
            } else {
                head
            };
            before.saturating_add(seconds)
        });
        mine_one(&node, timestamp).await?;
    }
    done(&node)
}

/// Sets whether each transaction is mined at once. In anvil this replaces mining at an interval.
async fn set_automine(node: Arc<Node>, (enabled,): (bool,)) -> Answer {
    if enabled && node.settings.identity == DevIdentity::Anvil {
        let none = SetInterval {
            shortest: Duration::ZERO,
            longest: Duration::ZERO,
        };
        set_interval(&node, none).await?;
    }
    switch_automine(&node, enabled).await?;
    done(&node)
}

pub(super) async fn switch_automine(node: &Node, enabled: bool) -> Result<(), RpcError> {
    let miner = node.sealing()?.miner.within(ACTOR_TIMEOUT);
    miner.ask(SetAutomine(enabled)).await.map_err(unanswered)
}

fn automine(node: &Node, (): ()) -> Result<bool, RpcError> {
    Ok(node.sealing()?.control.is_sealing())
}

/// Sets the interval in anvil's seconds, or in Hardhat's milliseconds.
async fn set_interval_of_identity(node: Arc<Node>, (interval,): (IntervalArg,)) -> Answer {
    let unit = match node.settings.identity {
        DevIdentity::Anvil => Duration::from_secs,
        DevIdentity::Hardhat | DevIdentity::Geth => Duration::from_millis,
    };
    change_interval(&node, interval.of(unit)).await?;
    done(&node)
}

async fn set_interval_seconds(
    node: Arc<Node>,
    (interval,): (IntervalArg,),
) -> Result<Option<bool>, RpcError> {
    change_interval(&node, interval.of(Duration::from_secs)).await?;
    Ok(None)
}

/// Sets the interval; in anvil it replaces the mining of each transaction.
async fn change_interval(node: &Node, interval: SetInterval) -> Result<(), RpcError> {
    set_interval(node, interval).await?;
    if node.settings.identity == DevIdentity::Anvil {
        switch_automine(node, false).await?;
    }
    Ok(())
}

async fn set_interval(node: &Node, interval: SetInterval) -> Result<(), RpcError> {
    let SetInterval { shortest, longest } = interval;
    let is_off = longest.is_zero();
    if longest > MAX_MINING_INTERVAL || (!is_off && shortest < MIN_MINING_INTERVAL) {
        return Err(RpcError::invalid_params(format!(
            "the interval is between {MIN_MINING_INTERVAL:?} and {MAX_MINING_INTERVAL:?}, or zero"
        )));
    }
    let worker = node.sealing()?.worker.within(ACTOR_TIMEOUT);
    worker.ask(interval).await.map_err(unanswered)
}

/// Returns the interval in seconds, as anvil does, of a range the shortest; null if there is none.
fn interval(node: &Node, (): ()) -> Result<Serialized<Option<u64>>, RpcError> {
    let interval = node.sealing()?.control.interval();
    Ok(Serialized(
        (!interval.is_zero()).then_some(interval.as_secs()),
    ))
}

/// Mines the block that is due at the end of Hardhat's interval now.
async fn interval_mine(node: Arc<Node>, (): ()) -> Result<bool, RpcError> {
    mine_one(&node, None).await?;
    Ok(true)
}
