//! Sending in the name of others.

use actoreum_primitives::Address;

use super::actors;
use crate::error::RpcError;
use crate::limits::MAX_IMPERSONATED;
use crate::method::Method;
use crate::node::Node;

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![Method::view(
        "anvil_autoImpersonateAccount",
        &["enabled"],
        impersonate_everybody,
    )];
    for name in ["anvil_impersonateAccount", "hardhat_impersonateAccount"] {
        methods.push(Method::view(name, &["address"], impersonate));
    }
    for name in [
        "anvil_stopImpersonatingAccount",
        "hardhat_stopImpersonatingAccount",
    ] {
        methods.push(Method::view(name, &["address"], stop));
    }
    methods
}

fn impersonate(node: &Node, (address,): (Address,)) -> Result<bool, RpcError> {
    match actors(node)?.impersonated.add(address) {
        true => Ok(true),
        false => Err(RpcError::server(format!(
            "{MAX_IMPERSONATED} accounts are impersonated already"
        ))),
    }
}

/// Whether the account was impersonated.
fn stop(node: &Node, (address,): (Address,)) -> Result<bool, RpcError> {
    Ok(actors(node)?.impersonated.remove(&address))
}

fn impersonate_everybody(node: &Node, (enabled,): (bool,)) -> Result<Option<bool>, RpcError> {
    actors(node)?.impersonated.set_everybody(enabled);
    Ok(None)
}
