//! The methods that edit the state. Each edit is a block of its own: see
//! `docs/adr/0005-state-edits.md`.

use std::sync::Arc;

use actoreum_chain::{Edit, StateEdit};
use actoreum_messages::worker::EditState;
use actoreum_primitives::{Address, Bytes, U256};

use super::{Amount, Number};
use crate::error::RpcError;
use crate::node::{Node, unanswered};
use crate::server::limits::ACTOR_TIMEOUT;
use crate::server::method::Method;
use crate::server::param::{FromParam, ParamError, quoted};

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = Vec::new();
    for name in ["anvil_setBalance", "hardhat_setBalance"] {
        methods.push(Method::actor(name, &["address", "balance"], set_balance));
    }
    for name in ["anvil_setNonce", "hardhat_setNonce"] {
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

/// 32 bytes as a hex string, which may be shorter and may have leading zeros.
struct Word(U256);

impl FromParam for Word {
    const SCHEMA: &'static str =
        r#"{"title":"32 bytes","type":"string","pattern":"^0x[0-9a-fA-F]{1,64}$"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let text = quoted(raw, "common.Hash")?;
        let digits = text.strip_prefix("0x").filter(|digits| {
            (1..=64).contains(&digits.len())
                && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        let word = digits.and_then(|digits| U256::from_str_radix(digits, 16).ok());
        word.map(Self)
            .ok_or_else(|| ParamError::mistyped("invalid hex string", "common.Hash"))
    }
}

/// Edits an account. Returns true once the head has the new state.
async fn edit(node: &Node, address: Address, change: Edit) -> Result<bool, RpcError> {
    let worker = node.sealing()?.worker.within(ACTOR_TIMEOUT);
    let answer = worker.ask(EditState(StateEdit { address, change })).await;
    let sealed = answer.map_err(unanswered)?;
    sealed.map_err(|error| RpcError::server(error.to_string()))?;
    Ok(true)
}

async fn set_balance(
    node: Arc<Node>,
    (address, balance): (Address, Amount),
) -> Result<bool, RpcError> {
    edit(&node, address, Edit::Balance(balance.0)).await
}

async fn set_nonce(node: Arc<Node>, (address, nonce): (Address, Number)) -> Result<bool, RpcError> {
    edit(&node, address, Edit::Nonce(nonce.0)).await
}

async fn set_code(node: Arc<Node>, (address, code): (Address, Bytes)) -> Result<bool, RpcError> {
    edit(&node, address, Edit::Code(code)).await
}

async fn set_storage_at(
    node: Arc<Node>,
    (address, slot, value): (Address, Word, Word),
) -> Result<bool, RpcError> {
    edit(&node, address, Edit::Slot(slot.0, value.0)).await
}
