//! The methods by which tools ask a development chain what it is.

use std::sync::Arc;

use actoreum_messages::dev::SetLogging;
use actoreum_primitives::GWEI;
use serde_json::{Map, Value, json};

use super::{Answer, done};
use crate::error::RpcError;
use crate::namespaces::eth::fees;
use crate::node::{Node, unanswered};
use crate::server::json::Serialized;
use crate::server::limits::ACTOR_TIMEOUT;
use crate::server::method::Method;
use crate::server::param::{FromParam, ParamError};

/// Commit that `anvil_metadata` shows: tools only display it.
const COMMIT: &str = "0000000000000000000000000000000000000000";

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![
        Method::view("anvil_nodeInfo", &[], node_info),
        Method::view("hardhat_getStackTraceFailuresCount", &[], failures_count),
        Method::view("eth_networkId", &[], network_id),
        Method::view(
            "hardhat_addCompilationResult",
            &["solcVersion", "compilerInput", "compilerOutput"],
            add_compilation_result,
        ),
    ];
    for name in ["anvil_metadata", "hardhat_metadata"] {
        methods.push(Method::view(name, &[], metadata));
    }
    for name in ["anvil_setLoggingEnabled", "hardhat_setLoggingEnabled"] {
        methods.push(Method::actor(name, &["enabled"], set_logging));
    }
    methods
}

fn node_info(node: &Node, (): ()) -> Answer {
    let head = node.chain_reader.head();
    let config = node.chain_reader.config();
    let fork = config.fork_at(head.number + 1, node.clock.unix_seconds());
    let base_fee = fees::next_base_fee(node, &head);
    let remote = node.fork.as_ref();
    let gas_limit = node.sealing()?.control.settings().gas_ceiling;
    Ok(Serialized(json!({
        "currentBlockNumber": quantity(head.number),
        "currentBlockTimestamp": head.timestamp,
        "currentBlockHash": head.hash(),
        "hardFork": fork.name(),
        "transactionOrder": "fees",
        "environment": {
            "baseFee": quantity(base_fee),
            "chainId": node.chain_id(),
            "gasLimit": quantity(gas_limit),
            "gasPrice": quantity(base_fee.saturating_add(GWEI)),
        },
        "forkConfig": {
            "forkUrl": remote.map(|fork| fork.url()),
            "forkBlockNumber": remote.map(|fork| fork.block().number),
            "forkRetryBackoff": remote.map(|fork| fork.options().backoff.as_millis() as u64),
        },
    })))
}

fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

/// Returns the metadata by which the tools of anvil and Hardhat recognise a node that offers these
/// methods. What one of both does not know is additional to the other.
fn metadata(node: &Node, (): ()) -> Answer {
    let state = node.dev()?.control.state();
    let head = node.chain_reader.head();
    let snapshots: Map<String, Value> = state
        .snapshots
        .iter()
        .map(|(id, snapshot)| (quantity(*id), json!([snapshot.number, snapshot.hash])))
        .collect();
    let forked = node.fork.as_ref().map(|fork| {
        json!({
            "chainId": fork.chain_id(),
            "forkBlockNumber": fork.block().number,
            "forkBlockHash": fork.block().hash(),
        })
    });
    let settings = &node.settings;
    Ok(Serialized(json!({
        "clientVersion": node.client_version(),
        "clientSemver": settings.identity.version(&settings.client_version),
        "clientCommitSha": COMMIT,
        "chainId": node.chain_id(),
        "instanceId": state.instance,
        "latestBlockNumber": head.number,
        "latestBlockHash": head.hash(),
        "forkedNetwork": forked,
        "snapshots": snapshots,
    })))
}

async fn set_logging(node: Arc<Node>, (enabled,): (bool,)) -> Answer {
    let dev = node.dev()?.actor.within(ACTOR_TIMEOUT);
    dev.ask(SetLogging(enabled)).await.map_err(unanswered)?;
    done(&node)
}

/// Returns how many stack traces could not be made: none is tried, because no compilation results
/// are taken.
fn failures_count(_: &Node, (): ()) -> Result<Serialized<u64>, RpcError> {
    Ok(Serialized(0))
}

/// An argument that has no effect, of any type.
struct Unused;

impl FromParam for Unused {
    const SCHEMA: &'static str = "true";

    fn from_raw(_: &str) -> Result<Self, ParamError> {
        Ok(Self)
    }
}

/// Answers true, as Hardhat does, and takes nothing: stack traces of contracts are not made here.
fn add_compilation_result(_: &Node, (_, _, _): (String, Unused, Unused)) -> Result<bool, RpcError> {
    Ok(true)
}

fn network_id(node: &Node, (): ()) -> Result<String, RpcError> {
    Ok(node.network_id().to_string())
}
