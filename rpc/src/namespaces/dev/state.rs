//! The methods that edit the state. Each edit is a block of its own: see
//! `docs/adr/0005-state-edits.md`.

use std::sync::Arc;

use actoreum_chain::{AccountEdit, Edit, StateEdit};
use actoreum_messages::worker::EditState;
use actoreum_primitives::{Address, Bytes};

use super::args::{Amount, Number, Word};
use super::{Answer, answered, done};
use crate::error::RpcError;
use crate::node::{Node, storage};
use crate::server::limits::ACTOR_TIMEOUT;
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![
        Method::actor(
            "evm_setAccountBalance",
            &["address", "balance"],
            set_account_balance,
        ),
        Method::actor("evm_setAccountCode", &["address", "code"], set_account_code),
        Method::actor(
            "evm_setAccountStorageAt",
            &["address", "slot", "value"],
            set_storage_at,
        ),
    ];
    for name in [
        "anvil_setBalance",
        "hardhat_setBalance",
        "tenderly_setBalance",
    ] {
        methods.push(Method::actor(name, &["address", "balance"], set_balance));
    }
    for name in [
        "anvil_addBalance",
        "hardhat_addBalance",
        "tenderly_addBalance",
    ] {
        methods.push(Method::actor(name, &["address", "amount"], add_balance));
    }
    for name in ["anvil_setNonce", "hardhat_setNonce", "evm_setAccountNonce"] {
        methods.push(Method::actor(name, &["address", "nonce"], set_nonce));
    }
    for name in ["anvil_setCode", "hardhat_setCode"] {
        methods.push(Method::actor(name, &["address", "code"], set_code));
    }
    for name in ["anvil_setStorageAt", "hardhat_setStorageAt"] {
        let params = &["address", "slot", "value"];
        methods.push(Method::actor(name, params, set_storage_at));
    }
    methods
}

/// Edits the state. Returns once the head has the new state.
pub(super) async fn edit_all(node: &Node, changes: Vec<AccountEdit>) -> Result<(), RpcError> {
    let worker = node.sealing()?.worker.within(ACTOR_TIMEOUT);
    answered(worker.ask(EditState(StateEdit::of(changes))).await)?;
    Ok(())
}

async fn edit(node: &Node, address: Address, change: Edit) -> Result<(), RpcError> {
    edit_all(node, vec![AccountEdit { address, change }]).await
}

async fn set_balance(node: Arc<Node>, (address, balance): (Address, Amount)) -> Answer {
    edit(&node, address, Edit::Balance(balance.0)).await?;
    done(&node)
}

async fn add_balance(node: Arc<Node>, (address, amount): (Address, Amount)) -> Answer {
    let account = node.chain_reader.head_account(&address).map_err(storage)?;
    let before = account.unwrap_or_default().balance;
    let after = before.saturating_add(amount.0);
    edit(&node, address, Edit::Balance(after)).await?;
    done(&node)
}

async fn set_nonce(node: Arc<Node>, (address, nonce): (Address, Number)) -> Answer {
    edit(&node, address, Edit::Nonce(nonce.0)).await?;
    done(&node)
}

async fn set_code(node: Arc<Node>, (address, code): (Address, Bytes)) -> Answer {
    edit(&node, address, Edit::Code(code)).await?;
    done(&node)
}

/// Sets a slot. Answers true, as all nodes do.
async fn set_storage_at(
    node: Arc<Node>,
    (address, slot, value): (Address, Word, Word),
) -> Result<bool, RpcError> {
    edit(&node, address, Edit::Slot(slot.0, value.0)).await?;
    Ok(true)
}

/// Sets a balance under ganache's name. Answers true, as ganache does.
async fn set_account_balance(
    node: Arc<Node>,
    (address, balance): (Address, Amount),
) -> Result<bool, RpcError> {
    edit(&node, address, Edit::Balance(balance.0)).await?;
    Ok(true)
}

/// Sets code under ganache's name. Answers true, as ganache does.
async fn set_account_code(
    node: Arc<Node>,
    (address, code): (Address, Bytes),
) -> Result<bool, RpcError> {
    edit(&node, address, Edit::Code(code)).await?;
    Ok(true)
}
