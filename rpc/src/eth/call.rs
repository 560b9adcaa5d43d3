//! Calls: code that runs and leaves nothing behind.

use actoreum_chain::Ancestors;
use actoreum_consensus::rules;
use actoreum_evm::{
    BlockOverrides, CallEnv, CallOutcome, CallRequest, Failure, StateOverrides, TxError,
};
use actoreum_primitives::{AccessListItem, Address, Bytes, Fork, Header};
use actoreum_txpool::limits::OSAKA_TX_GAS_LIMIT;

use super::call_request::{BlockOverrideArgs, CallArgs, StateOverrideArgs};
use super::state::{self, At, AtState};
use crate::block_id::{BlockId, BlockNumber};
use crate::deadline::Deadline;
use crate::error::{REVERTED, RpcError};
use crate::json::{JsonOut, WriteJson};
use crate::limits::QUICK_CALL_TIMEOUT;
use crate::method::Method;
use crate::node::Node;

/// Gas of the cheapest transaction: a transfer.
const TRANSFER_GAS: u64 = 21_000;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::tried(
            "eth_call",
            &["call", "block", "stateOverrides", "blockOverrides"],
            quick_call,
            call,
        ),
        Method::heavy(
            "eth_createAccessList",
            &["call", "block", "stateOverrides"],
            create_access_list,
        ),
        Method::heavy(
            "eth_estimateGas",
            &["call", "block", "stateOverrides"],
            estimate_gas,
        ),
    ]
}

/// The block that a call's code sees, and who made it.
pub(crate) struct Scene {
    at: At,
    header: Header,
    beneficiary: Address,
}

impl Scene {
    /// The block's header.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }
}

/// The scene of a call at `id`; `None` where there is no such block. At `pending` it is the block
/// that would be sealed next, after its transactions, or where none can be built on the state of the
/// head.
pub(crate) fn scene(node: &Node, id: BlockId) -> Result<Option<Scene>, RpcError> {
    let Some(at) = state::at(node, id)? else {
        return Ok(None);
    };
    let (header, beneficiary) = if let AtState::Pending(pending) = &at.state {
        (pending.block.header.clone(), pending.author)
    } else if id == BlockId::Number(BlockNumber::Pending) {
        let header = pending_header(node, &at.header);
        let beneficiary = header.beneficiary;
        (header, beneficiary)
    } else {
        ((*at.header).clone(), node.author(&at.header))
    };
    Ok(Some(Scene {
        at,
        header,
        beneficiary,
    }))
}

/// The header of the block after `parent`, as far as calls see it.
fn pending_header(node: &Node, parent: &actoreum_chain::SealedHeader) -> Header {
    let config = node.chain.config();
    let mut header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        timestamp: node.now().max(parent.timestamp + 1),
        difficulty: parent.difficulty,
        ..Header::default()
    };
    let target = node.settings.gas_target;
    let desired = parent.gas_limit.clamp(target.floor, target.ceiling);
    header.gas_limit = rules::gas_limit::towards(config, &header, parent, desired);
    rules::fork_fields::fill(config, &mut header, parent);
    header
}

/// Runs `with` in a scene, until `deadline`.
pub(crate) fn run<T>(
    node: &Node,
    scene: &Scene,
    state_overrides: &StateOverrides,
    block_overrides: &BlockOverrides,
    deadline: Deadline,
    with: impl FnOnce(&CallEnv<'_>) -> Result<T, RpcError>,
) -> Result<T, RpcError> {
    // State is kept along the canonical chain alone, so the ancestors are canonical, too.
    let hashes = Ancestors::of_batch(&node.chain, scene.header.number, &[]);
    with(&CallEnv {
        config: node.chain.config(),
        header: &scene.header,
        beneficiary: scene.beneficiary,
        state: scene.at.state.reader(),
        hashes: &hashes,
        state_overrides,
        block_overrides,
        gas_cap: node.settings.gas_cap,
        check_balance: true,
        interrupt: Some(&|| deadline.is_over()),
    })
}

type CallParams = (
    CallArgs,
    Option<BlockId>,
    Option<StateOverrideArgs>,
    Option<BlockOverrideArgs>,
);

fn call(node: &Node, params: CallParams) -> Result<Bytes, RpcError> {
    call_until(node, params, Deadline::within(node.settings.call_timeout))
}

/// The same on the connection's own thread; `None` where it does not belong there.
fn quick_call(node: &Node, params: CallParams) -> Option<Result<Bytes, RpcError>> {
    let (call, _, states, blocks) = &params;
    let request = &call.0;
    // What changes the code of the target makes it another one.
    let is_plain = states.is_none() && blocks.is_none() && request.authorization_list.is_empty();
    if !is_plain || !node.quick.contains(request.to.as_ref()?) {
        return None;
    }
    let deadline = Deadline::after(QUICK_CALL_TIMEOUT);
    let result = call_until(node, params, deadline);
    // It may have been interrupted: calls leave nothing behind, so it can begin again.
    let is_done = result.is_ok() || !deadline.is_over();
    is_done.then_some(result)
}

fn call_until(
    node: &Node,
    (call, id, states, blocks): CallParams,
    deadline: Deadline,
) -> Result<Bytes, RpcError> {
    let id = id.unwrap_or(BlockNumber::Latest.into());
    // A call at a block that is not there returns nothing, as in geth 1.8.
    let Some(scene) = scene(node, id)? else {
        return Ok(Bytes::new());
    };
    let (states, blocks) = (states.unwrap_or_default().0, blocks.unwrap_or_default().0);
    let outcome = run(node, &scene, &states, &blocks, deadline, |env| {
        execute(node, env, &call.0)
    })?;
    if let Some(target) = call.0.to {
        node.quick.note(target, outcome.gas_used);
    }
    match outcome.failure {
        None => Ok(outcome.output),
        Some(failure) => Err(failed(&failure)),
    }
}

fn execute(node: &Node, env: &CallEnv<'_>, request: &CallRequest) -> Result<CallOutcome, RpcError> {
    actoreum_evm::call(env, request).map_err(|error| refused(node, &error))
}

/// A call that could not begin.
fn refused(node: &Node, error: &TxError) -> RpcError {
    RpcError::server(match (error, node.settings.call_timeout) {
        (TxError::Interrupted, Some(timeout)) => {
            format!("execution aborted (timeout = {timeout:?})")
        }
        (other, _) => other.to_string(),
    })
}

/// A call whose code failed; a revert brings its data.
fn failed(failure: &Failure) -> RpcError {
    match failure {
        Failure::Revert(output) => {
            RpcError::new(REVERTED, failure.to_string()).with_data(format!("\"{output}\""))
        }
        Failure::Halt(_) => RpcError::server(failure.to_string()),
    }
}

pub(super) type EstimateParams = (CallArgs, Option<BlockId>, Option<StateOverrideArgs>);

/// The least gas with which the call succeeds, by bisection as in geth.
pub(super) fn estimate_gas(
    node: &Node,
    (call, id, states): EstimateParams,
) -> Result<u64, RpcError> {
    let id = id.unwrap_or(BlockNumber::Pending.into());
    let scene = scene(node, id)?.ok_or_else(|| RpcError::server("header not found"))?;
    let states = states.unwrap_or_default().0;
    let blocks = BlockOverrides::default();
    let deadline = Deadline::within(node.settings.call_timeout);
    run(node, &scene, &states, &blocks, deadline, |env| {
        let mut request = call.0;
        let asked = request.gas.filter(|gas| *gas >= TRANSFER_GAS);
        let mut allowance = asked.unwrap_or(scene.header.gas_limit);
        if node.chain.config().fork_of(&scene.header) >= Fork::Osaka {
            allowance = allowance.min(OSAKA_TX_GAS_LIMIT);
        }
        // A sender that is not rich cannot pay for a whole block's gas, nor need it.
        let affordable = actoreum_evm::affordable_gas(env, &request);
        if let Some(affordable) = affordable.map_err(|error| refused(node, &error))? {
            allowance = allowance.min(affordable);
        }
        let allowance = allowance.min(node.settings.gas_cap);
        let mut attempt = |gas: u64| {
            request.gas = Some(gas);
            actoreum_evm::call(env, &request)
        };
        // With all that is allowed first: where that fails, no less will do.
        let highest = match attempt(allowance) {
            Err(TxError::IntrinsicGas { .. } | TxError::FloorDataGas { .. }) => {
                return Err(beyond_allowance(allowance));
            }
            highest => highest.map_err(|error| refused(node, &error))?,
        };
        if let Some(failure) = &highest.failure {
            return Err(match failure {
                Failure::Halt(_) => beyond_allowance(allowance),
                Failure::Revert(_) => failed(failure),
            });
        }
        let (mut fails, mut succeeds) = (TRANSFER_GAS - 1, allowance);
        while fails + 1 < succeeds {
            let middle = fails + (succeeds - fails) / 2;
            match attempt(middle) {
                Ok(outcome) if outcome.failure.is_none() => succeeds = middle,
                Err(error @ TxError::Interrupted) => return Err(refused(node, &error)),
                _ => fails = middle,
            }
        }
        Ok(succeeds)
    })
}

fn beyond_allowance(allowance: u64) -> RpcError {
    RpcError::server(format!(
        "gas required exceeds allowance ({allowance}) or always failing transaction"
    ))
}

/// What `eth_createAccessList` returns.
struct AccessListResult {
    list: Vec<AccessListItem>,
    outcome: CallOutcome,
}

impl WriteJson for AccessListResult {
    fn write_json(&self, out: &mut JsonOut) {
        let mut object = out.object();
        object.key("accessList").array(&self.list);
        if let Some(failure) = &self.outcome.failure {
            object.field("error", failure.to_string());
        }
        object.quantity("gasUsed", self.outcome.gas_used).end();
    }
}

fn create_access_list(
    node: &Node,
    (call, id, states): EstimateParams,
) -> Result<AccessListResult, RpcError> {
    let id = id.unwrap_or(BlockNumber::Pending.into());
    let scene = scene(node, id)?.ok_or_else(|| RpcError::server("header not found"))?;
    let (states, blocks) = (states.unwrap_or_default().0, BlockOverrides::default());
    let deadline = Deadline::within(node.settings.call_timeout);
    run(node, &scene, &states, &blocks, deadline, |env| {
        let mut request = call.0;
        if request.gas.is_none() {
            let affordable = actoreum_evm::affordable_gas(env, &request);
            request.gas = affordable.map_err(|error| refused(node, &error))?;
        }
        let (list, outcome) = actoreum_evm::create_access_list(env, &request)
            .map_err(|error| refused(node, &error))?;
        Ok(AccessListResult { list, outcome })
    })
}
