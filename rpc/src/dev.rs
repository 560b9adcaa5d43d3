//! `evm_*`, on a development chain alone: its user may move time and head.

use std::sync::Arc;

use actoreum_actors::clock;
use actoreum_messages::chain::SetHead;
use actoreum_messages::sealer::Rewound;
use actoreum_messages::worker::{MineBlock, SetNextTimestamp};

use crate::error::RpcError;
use crate::json::scan::Kind;
use crate::limits::{ACTOR_PATIENCE, MAX_DEV_SNAPSHOTS};
use crate::method::Method;
use crate::node::{Node, unanswered};
use crate::param::{FromParam, ParamError};
use crate::sealing::SealingActors;

pub(crate) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![
        Method::actor("evm_mine", &["timestamp"], mine),
        Method::view("evm_snapshot", &[], snapshot),
        Method::actor("evm_revert", &["id"], revert),
    ];
    for name in ["evm_increaseTime", "anvil_increaseTime"] {
        methods.push(Method::view(name, &["seconds"], increase_time));
    }
    for name in ["evm_setNextBlockTimestamp", "anvil_setNextBlockTimestamp"] {
        methods.push(Method::actor(name, &["timestamp"], set_next_timestamp));
    }
    methods
}

/// A number, as a JSON number or as a hex string: tools use both.
struct Number(u64);

impl FromParam for Number {
    const SCHEMA: &'static str = r#"{"title":"number","type":["integer","string"]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::Number => crate::param::Decimal::from_raw(raw).map(|number| Self(number.0)),
            _ => u64::from_raw(raw).map(Self),
        }
    }
}

/// The time of a block: as a number, or as Foundry's `{"timestamp": ...}`.
struct When(Option<u64>);

impl FromParam for When {
    const SCHEMA: &'static str = Number::SCHEMA;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        if Kind::of(raw) != Kind::Object {
            return Number::from_raw(raw).map(|number| Self(Some(number.0)));
        }
        let object = crate::object::Object::new(raw, "evm.MineOptions")?;
        let timestamp = object.get::<Number>("timestamp")?;
        Ok(Self(timestamp.map(|number| number.0)))
    }
}

fn actors(node: &Node) -> Result<&SealingActors, RpcError> {
    let actors = node.sealing.get();
    actors.ok_or_else(|| RpcError::server("this node does not seal"))
}

/// A block is refused where it is not after its parent.
fn check_time(node: &Node, time: u64) -> Result<u64, RpcError> {
    let head = node.chain.head().timestamp;
    match time >= head {
        true => Ok(time),
        false => Err(RpcError::invalid_params(format!(
            "timestamp {time} is before that of the head, {head}"
        ))),
    }
}

async fn mine(node: Arc<Node>, (when,): (Option<When>,)) -> Result<&'static str, RpcError> {
    let asked = when.and_then(|when| when.0);
    let timestamp = asked.map(|time| check_time(&node, time)).transpose()?;
    let worker = actors(&node)?.worker.within(ACTOR_PATIENCE);
    let answer = worker.ask(MineBlock { timestamp }).await;
    match answer.map_err(unanswered)? {
        Ok(_) => Ok("0x0"),
        Err(error) => Err(RpcError::server(error.to_string())),
    }
}

/// The number of the snapshot: what `evm_revert` takes.
fn snapshot(node: &Node, (): ()) -> Result<u64, RpcError> {
    let mut snapshots = actors(node)?.snapshots.lock();
    if snapshots.len() >= MAX_DEV_SNAPSHOTS {
        return Err(RpcError::server(format!(
            "{MAX_DEV_SNAPSHOTS} snapshots are held already"
        )));
    }
    snapshots.push(node.chain.head_number());
    Ok(snapshots.len() as u64)
}

/// Takes the head back to a snapshot, which is used up, with those after it.
async fn revert(node: Arc<Node>, (Number(id),): (Number,)) -> Result<bool, RpcError> {
    let actors = actors(&node)?;
    let number = {
        let mut snapshots = actors.snapshots.lock();
        let index = id
            .checked_sub(1)
            .and_then(|index| usize::try_from(index).ok());
        let Some(number) = index.and_then(|index| snapshots.get(index).copied()) else {
            return Ok(false);
        };
        snapshots.truncate(index.unwrap_or_default());
        number
    };
    if number < node.chain.head_number() {
        let answer = node.writer()?.ask(SetHead { number }).await;
        let done = answer.map_err(unanswered)?;
        done.map_err(|error| RpcError::server(error.to_string()))?;
        let rewound = actors
            .sealer
            .within(ACTOR_PATIENCE)
            .ask(Rewound { to: number })
            .await;
        rewound.map_err(unanswered)?;
    }
    Ok(true)
}

/// By how many seconds the chain's clock is now ahead.
fn increase_time(_: &Node, (Number(seconds),): (Number,)) -> Result<String, RpcError> {
    let seconds = i64::try_from(seconds)
        .map_err(|_| RpcError::invalid_params("that is more time than there is"))?;
    Ok(format!("{:#x}", clock::shift_by(seconds).max(0)))
}

async fn set_next_timestamp(
    node: Arc<Node>,
    (Number(time),): (Number,),
) -> Result<Option<bool>, RpcError> {
    let time = check_time(&node, time)?;
    let worker = actors(&node)?.worker.within(ACTOR_PATIENCE);
    let answer = worker.ask(SetNextTimestamp(time)).await;
    answer.map_err(unanswered)?;
    Ok(None)
}
