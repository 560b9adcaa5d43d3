//! The methods that set balances and allowances of ERC-20 tokens, whose slot they find by trial.
//!
//! A call of the token's getter reads some slots. The slot with the value is the one for which the
//! getter returns another value when the slot is overridden with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use actoreum_chain::{AccountEdit, Edit};
use actoreum_evm::{AccountOverride, BlockOverrides, CallRequest, StateOverrides};
use actoreum_primitives::{Address, B256, Bytes, U256};

use super::args::Amount;
use super::state::edit_all;
use super::{Answer, done};
use crate::error::RpcError;
use crate::namespaces::block_id::BlockNumber;
use crate::namespaces::eth::call::{self, call_context};
use crate::node::Node;
use crate::server::deadline::Deadline;
use crate::server::method::Method;

/// `balanceOf(address)`
const BALANCE_OF: [u8; 4] = [0x70, 0xa0, 0x82, 0x31];
/// `allowance(address,address)`
const ALLOWANCE: [u8; 4] = [0xdd, 0x62, 0xed, 0x3e];
/// The value that is written to a slot to find out whether a getter reads the slot. No balance has it by chance.
const PROBE: [u8; 16] = *b"slot of an erc20";

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![Method::actor(
        "anvil_setERC20Allowance",
        &["owner", "spender", "token", "amount"],
        set_allowance,
    )];
    for name in [
        "anvil_dealERC20",
        "anvil_setERC20Balance",
        "hardhat_dealERC20",
    ] {
        methods.push(Method::actor(name, &["address", "token", "amount"], deal));
    }
    methods
}

async fn deal(node: Arc<Node>, (owner, token, amount): (Address, Address, Amount)) -> Answer {
    set(&node, token, getter(BALANCE_OF, &[owner]), amount.0).await?;
    done(&node)
}

async fn set_allowance(
    node: Arc<Node>,
    (owner, spender, token, amount): (Address, Address, Address, Amount),
) -> Answer {
    set(&node, token, getter(ALLOWANCE, &[owner, spender]), amount.0).await?;
    done(&node)
}

/// Returns the input of a getter's call.
fn getter(selector: [u8; 4], arguments: &[Address]) -> Bytes {
    let mut input = selector.to_vec();
    for argument in arguments {
        input.extend_from_slice(argument.into_word().as_slice());
    }
    input.into()
}

/// Sets the slot whose value the token's getter returns.
async fn set(node: &Arc<Node>, token: Address, getter: Bytes, value: U256) -> Result<(), RpcError> {
    let shared = Arc::clone(node);
    let search = move || find_slot(&shared, token, getter);
    let (address, slot) = node.heavy_pool.run("anvil_dealERC20", search).await??;
    let change = Edit::Slot(slot, value);
    edit_all(node, vec![AccountEdit { address, change }]).await
}

/// Returns the contract and the slot whose value the getter returns.
fn find_slot(node: &Node, token: Address, getter: Bytes) -> Result<(Address, U256), RpcError> {
    let deadline = Deadline::within(node.settings.call_timeout);
    let request = CallRequest {
        to: Some(token),
        input: getter,
        ..CallRequest::default()
    };
    let context = call_context(node, BlockNumber::Latest.into())?;
    let context = context.ok_or_else(|| RpcError::server("header not found"))?;
    let blocks = BlockOverrides::default();
    let no_states = StateOverrides::new();
    let refused = |error: actoreum_evm::TxError| RpcError::server(error.to_string());
    let read = call::run(node, &context, &no_states, &blocks, deadline, |env| {
        let gas = actoreum_evm::affordable_gas(env, &request).map_err(refused)?;
        let request = CallRequest {
            gas,
            ..request.clone()
        };
        let (list, _) = actoreum_evm::create_access_list(env, &request).map_err(refused)?;
        Ok(list)
    })?;
    let probe = B256::left_padding_from(&PROBE);
    let slots = read
        .iter()
        .flat_map(|item| item.storage_keys.iter().map(|slot| (item.address, *slot)));
    for (address, slot) in slots {
        let overridden = AccountOverride {
            state_diff: Some(BTreeMap::from([(slot, probe)])),
            ..AccountOverride::default()
        };
        let states = StateOverrides::from([(address, overridden)]);
        let outcome = call::run(node, &context, &states, &blocks, deadline, |env| {
            actoreum_evm::call(env, &request).map_err(refused)
        })?;
        if outcome.failure.is_none() && outcome.output.get(..32) == Some(probe.as_slice()) {
            return Ok((address, slot.into()));
        }
    }
    Err(RpcError::server(format!(
        "the slot of the value was not found in the token {token}"
    )))
}
