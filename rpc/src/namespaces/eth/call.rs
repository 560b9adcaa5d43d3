//! The methods that execute a call without changing the state.

use actoreum_chain::{Ancestors, log_console};
use actoreum_consensus::rules;
use actoreum_evm::{
    BlockOverrides, CallEnv, CallOutcome, CallRequest, Failure, StateOverrides, TxError,
};
use actoreum_primitives::{AccessListItem, Address, Bytes, Fork, Header};
use actoreum_txpool::limits::OSAKA_TX_GAS_LIMIT;

use super::call_request::{BlockOverrideArgs, CallArgs, StateOverrideArgs};
use super::hardhat;
use super::state::{self, StateAt, StateSource};
use crate::error::{REVERTED, RpcError};
use crate::namespaces::block_id::{BlockId, BlockNumber};
use crate::namespaces::dev::DevIdentity;
use crate::node::Node;
use crate::server::deadline::Deadline;
use crate::server::json::{JsonOut, WriteJson};
use crate::server::limits::QUICK_CALL_TIMEOUT;
use crate::server::method::Method;

/// The gas of a transfer, the cheapest transaction.
const TRANSFER_GAS: u64 = 21_000;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::inline_then_pool(
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

/// The block and the state in which a call runs.
pub(crate) struct CallContext {
    at: StateAt,
    header: Header,
    beneficiary: Address,
}

impl CallContext {
    /// Returns the header of the block.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }
}

/// Returns the context of a call at `id`; `None` if there is no such block. For `pending` it is the
/// block that would be sealed next, after its transactions, or, if none can be built, an empty
/// block on the state of the head.
pub(crate) fn call_context(node: &Node, id: BlockId) -> Result<Option<CallContext>, RpcError> {
    let Some(at) = state::state_at(node, id)? else {
        return Ok(None);
    };
    let (header, beneficiary) = if let StateSource::Pending(pending) = &at.state {
        (pending.block.header.clone(), pending.author)
    } else if id == BlockId::Number(BlockNumber::Pending) {
        let header = pending_header(node, &at.header);
        let beneficiary = header.beneficiary;
        (header, beneficiary)
    } else {
        ((*at.header).clone(), node.author(&at.header))
    };
    Ok(Some(CallContext {
        at,
        header,
        beneficiary,
    }))
}

/// Returns the header of the block after `parent`, with the fields that calls can read.
fn pending_header(node: &Node, parent: &actoreum_chain::SealedHeader) -> Header {
    let config = node.chain_reader.config();
    let mut header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        timestamp: next_time(node, parent).max(parent.timestamp + 1),
        difficulty: parent.difficulty,
        ..Header::default()
    };
    let target = node.settings.gas_target;
    let desired = parent.gas_limit.clamp(target.floor, target.ceiling);
    header.gas_limit = rules::gas_limit::towards(config, &header, parent, desired);
    rules::fork_fields::fill(config, &mut header, parent);
    header
}

/// Returns the time of the block after `parent`: by the clock, unless a user of a development chain
/// set it.
fn next_time(node: &Node, parent: &Header) -> u64 {
    let settings = node.sealing.as_ref().map(|it| it.control.settings());
    let set = settings.and_then(|settings| settings.dev.next_timestamp(parent.timestamp));
    set.unwrap_or_else(|| node.clock.unix_seconds())
}

/// Runs `with` in a context, until `deadline`.
pub(crate) fn run<T>(
    node: &Node,
    context: &CallContext,
    state_overrides: &StateOverrides,
    block_overrides: &BlockOverrides,
    deadline: Deadline,
    with: impl FnOnce(&CallEnv<'_>) -> Result<T, RpcError>,
) -> Result<T, RpcError> {
    // State is stored for the canonical chain alone, so the ancestors are canonical, too.
    let hashes = Ancestors::of_batch(&node.chain_reader, context.header.number, &[]);
    with(&CallEnv {
        config: node.chain_reader.config(),
        header: &context.header,
        beneficiary: context.beneficiary,
        state: context.at.state.reader(),
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

/// Executes `eth_call` on the thread pool.
fn call(node: &Node, params: CallParams) -> Result<Bytes, RpcError> {
    call_until(node, params, Deadline::within(node.settings.call_timeout))
}

/// Executes `eth_call` on the connection's own thread; `None` if the call is not fit for that
/// thread.
fn quick_call(node: &Node, params: CallParams) -> Option<Result<Bytes, RpcError>> {
    let (call, _, states, blocks) = &params;
    let request = &call.0;
    // Overrides and authorizations can change the code of the target, so they disqualify the call.
    let is_plain = states.is_none() && blocks.is_none() && request.authorization_list.is_empty();
    if !is_plain || !node.quick.contains(request.to.as_ref()?) {
        return None;
    }
    let deadline = Deadline::after(QUICK_CALL_TIMEOUT);
    let result = call_until(node, params, deadline);
    // An interrupted call can start again on the pool, because it changes nothing.
    let is_done = result.is_ok() || !deadline.is_over();
    is_done.then_some(result)
}

/// Executes a call until `deadline`.
fn call_until(
    node: &Node,
    (call, id, states, blocks): CallParams,
    deadline: Deadline,
) -> Result<Bytes, RpcError> {
    let id = id.unwrap_or(BlockNumber::Latest.into());
    // A call at an unknown block returns nothing, as in geth 1.8.
    let Some(context) = call_context(node, id)? else {
        return node.check_missing_block().map(|()| Bytes::new());
    };
    let (states, blocks) = (states.unwrap_or_default().0, blocks.unwrap_or_default().0);
    let outcome = run(node, &context, &states, &blocks, deadline, |env| {
        execute(node, env, &call.0)
    })?;
    log_console(node.chain_reader.config(), &outcome.console);
    if let Some(target) = call.0.to {
        node.quick.note(target, outcome.gas_used);
    }
    match outcome.failure {
        None => Ok(outcome.output),
        Some(failure) => Err(failed(node, &failure)),
    }
}

fn execute(node: &Node, env: &CallEnv<'_>, request: &CallRequest) -> Result<CallOutcome, RpcError> {
    actoreum_evm::call(env, request).map_err(|error| refused(node, &error))
}

/// Converts the error of a call that could not start or was interrupted.
fn refused(node: &Node, error: &TxError) -> RpcError {
    RpcError::server(match (error, node.settings.call_timeout) {
        (TxError::Interrupted, Some(timeout)) => {
            format!("execution aborted (timeout = {timeout:?})")
        }
        (other, _) => other.to_string(),
    })
}

/// Converts the failure of a call's code. A revert carries its data.
fn failed(node: &Node, failure: &Failure) -> RpcError {
    if node.settings.identity == DevIdentity::Hardhat {
        return hardhat::failed_call(failure);
    }
    match failure {
        Failure::Revert(output) => {
            RpcError::new(REVERTED, failure.to_string()).with_data(format!("\"{output}\""))
        }
        Failure::Halt(_) => RpcError::server(failure.to_string()),
    }
}

pub(super) type EstimateParams = (CallArgs, Option<BlockId>, Option<StateOverrideArgs>);

/// Returns the least gas with which the call succeeds, found by bisection as in geth.
fn estimate_gas(node: &Node, params: EstimateParams) -> Result<u64, RpcError> {
    least_gas(node, params, true)
}

/// Finds the least gas. `logs_console` is whether what the call prints with Hardhat's console is
/// logged: not if the transaction follows.
pub(super) fn least_gas(
    node: &Node,
    (call, id, states): EstimateParams,
    logs_console: bool,
) -> Result<u64, RpcError> {
    let id = id.unwrap_or(BlockNumber::Pending.into());
    let context = call_context(node, id)?.ok_or_else(|| RpcError::server("header not found"))?;
    let states = states.unwrap_or_default().0;
    let blocks = BlockOverrides::default();
    let deadline = Deadline::within(node.settings.call_timeout);
    run(node, &context, &states, &blocks, deadline, |env| {
        let mut request = call.0;
        let asked = request.gas.filter(|gas| *gas >= TRANSFER_GAS);
        let mut allowance = asked.unwrap_or(context.header.gas_limit);
        let config = node.chain_reader.config();
        if config.fork_of(&context.header) >= Fork::Osaka && !config.is_development {
            allowance = allowance.min(OSAKA_TX_GAS_LIMIT);
        }
        // The sender may be unable to pay for the gas of a whole block, and need not.
        let affordable = actoreum_evm::affordable_gas(env, &request);
        if let Some(affordable) = affordable.map_err(|error| refused(node, &error))? {
            allowance = allowance.min(affordable);
        }
        let allowance = allowance.min(node.settings.gas_cap);
        let mut attempt = |gas: u64| {
            request.gas = Some(gas);
            actoreum_evm::call(env, &request)
        };
        // The highest gas is tried first: if it fails, less fails, too.
        let highest = match attempt(allowance) {
            Err(TxError::IntrinsicGas { .. } | TxError::FloorDataGas { .. }) => {
                return Err(beyond_allowance(allowance));
            }
            highest => highest.map_err(|error| refused(node, &error))?,
        };
        if logs_console {
            log_console(node.chain_reader.config(), &highest.console);
        }
        if let Some(failure) = &highest.failure {
            return Err(match failure {
                Failure::Halt(_) => beyond_allowance(allowance),
                Failure::Revert(_) => failed(node, failure),
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

/// Returns the error of a call that fails with all the gas that it may use.
fn beyond_allowance(allowance: u64) -> RpcError {
    RpcError::server(format!(
        "gas required exceeds allowance ({allowance}) or always failing transaction"
    ))
}

/// The result of `eth_createAccessList`.
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
    let context = call_context(node, id)?.ok_or_else(|| RpcError::server("header not found"))?;
    let (states, blocks) = (states.unwrap_or_default().0, BlockOverrides::default());
    let deadline = Deadline::within(node.settings.call_timeout);
    run(node, &context, &states, &blocks, deadline, |env| {
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
