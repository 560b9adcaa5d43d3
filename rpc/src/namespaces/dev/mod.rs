//! The `evm`, `anvil` and `hardhat` namespaces, for development chains alone: their user may change
//! time and head, edit the state, and send transactions of any account.

mod accounts;
mod mine;
mod state;

use std::sync::Arc;

use actoreum_messages::worker::{Rewind, SetNextTimestamp};
use actoreum_primitives::U256;
use serde_json::{Value, json};

use crate::error::RpcError;
use crate::namespaces::sealing::DevSnapshot;
use crate::node::{Node, storage, unanswered};
use crate::server::json::Serialized;
use crate::server::json::scan::Kind;
use crate::server::limits::{ACTOR_TIMEOUT, MAX_DEV_SNAPSHOTS};
use crate::server::method::Method;
use crate::server::param::{FromParam, ParamError};

pub(crate) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![Method::view("hardhat_metadata", &[], metadata)];
    for name in ["evm_snapshot", "anvil_snapshot"] {
        methods.push(Method::view(name, &[], snapshot));
    }
    for name in ["evm_revert", "anvil_revert"] {
        methods.push(Method::actor(name, &["id"], revert));
    }
    for name in ["evm_increaseTime", "anvil_increaseTime"] {
        methods.push(Method::view(name, &["seconds"], increase_time));
    }
    for name in ["evm_setNextBlockTimestamp", "anvil_setNextBlockTimestamp"] {
        methods.push(Method::actor(name, &["timestamp"], set_next_timestamp));
    }
    methods.extend(accounts::methods());
    methods.extend(mine::methods());
    methods.extend(state::methods());
    methods
}

/// A number, as a JSON number or as a hex string: tools use both.
struct Number(u64);

impl FromParam for Number {
    const SCHEMA: &'static str = r#"{"title":"number","type":["integer","string"]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::Number => {
                crate::server::param::Decimal::from_raw(raw).map(|number| Self(number.0))
            }
            _ => u64::from_raw(raw).map(Self),
        }
    }
}

/// An amount of up to 256 bits, as a JSON number or as a hex string.
struct Amount(U256);

impl FromParam for Amount {
    const SCHEMA: &'static str = Number::SCHEMA;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::Number => Number::from_raw(raw).map(|number| Self(U256::from(number.0))),
            _ => U256::from_raw(raw).map(Self),
        }
    }
}

/// Returns the time of a block that is to be built.
///
/// # Errors
/// Fails if `time` is before the head.
fn check_time(node: &Node, time: u64) -> Result<u64, RpcError> {
    let head = node.chain_reader.head().timestamp;
    if time < head {
        return Err(RpcError::invalid_params(format!(
            "timestamp {time} is before that of the head, {head}"
        )));
    }
    Ok(time)
}

/// Takes a snapshot and returns its number, which `evm_revert` takes.
fn snapshot(node: &Node, (): ()) -> Result<u64, RpcError> {
    let mut snapshots = node.sealing()?.snapshots.lock();
    if snapshots.len() >= MAX_DEV_SNAPSHOTS {
        return Err(RpcError::server(format!(
            "{MAX_DEV_SNAPSHOTS} snapshots are held already"
        )));
    }
    snapshots.push(DevSnapshot {
        head: node.chain_reader.head_number(),
        clock_shift: node.clock.shift(),
    });
    Ok(snapshots.len() as u64)
}

/// Restores the head and the clock of a snapshot. The snapshot is used up, together with later
/// ones.
async fn revert(node: Arc<Node>, (Number(id),): (Number,)) -> Result<bool, RpcError> {
    let actors = node.sealing()?;
    let snapshot = {
        let mut snapshots = actors.snapshots.lock();
        let index = id
            .checked_sub(1)
            .and_then(|index| usize::try_from(index).ok());
        let Some(snapshot) = index.and_then(|index| snapshots.get(index).copied()) else {
            return Ok(false);
        };
        snapshots.truncate(index.unwrap_or_default());
        snapshot
    };
    let worker = actors.worker.within(ACTOR_TIMEOUT);
    let answer = worker.ask(Rewind { to: snapshot.head }).await;
    let done = answer.map_err(unanswered)?;
    done.map_err(|error| RpcError::server(error.to_string()))?;
    node.clock.set_shift(snapshot.clock_shift);
    node.clock
        .save(node.chain_reader.store())
        .map_err(storage)?;
    Ok(true)
}

/// Advances the clock of the chain. Returns the number of seconds by which the clock is now ahead.
fn increase_time(node: &Node, (Number(seconds),): (Number,)) -> Result<String, RpcError> {
    let seconds = i64::try_from(seconds)
        .map_err(|_| RpcError::invalid_params("that is more time than there is"))?;
    let shift = node.clock.shift_by(seconds).max(0);
    node.clock
        .save(node.chain_reader.store())
        .map_err(storage)?;
    Ok(format!("{shift:#x}"))
}

async fn set_next_timestamp(
    node: Arc<Node>,
    (Number(time),): (Number,),
) -> Result<Option<bool>, RpcError> {
    let time = check_time(&node, time)?;
    let worker = node.sealing()?.worker.within(ACTOR_TIMEOUT);
    let answer = worker.ask(SetNextTimestamp(time)).await;
    answer.map_err(unanswered)?;
    Ok(None)
}

/// Returns the metadata by which Hardhat's helpers recognise a node that offers these methods.
fn metadata(node: &Node, (): ()) -> Result<Serialized<Value>, RpcError> {
    let head = node.chain_reader.head();
    Ok(Serialized(json!({
        "clientVersion": node.settings.client_version,
        "chainId": node.chain_reader.config().chain_id,
        "instanceId": node.chain_reader.genesis_hash(),
        "latestBlockNumber": head.number,
        "latestBlockHash": head.hash(),
    })))
}
