//! The methods that impersonate accounts.

use actoreum_primitives::Address;

use crate::error::RpcError;
use crate::node::Node;
use crate::server::limits::MAX_IMPERSONATED;
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![Method::view(
        "anvil_autoImpersonateAccount",
        &["enabled"],
        auto_impersonate,
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
    if !node.sealing()?.impersonated.add(address) {
        return Err(RpcError::server(format!(
            "{MAX_IMPERSONATED} accounts are impersonated already"
        )));
    }
    Ok(true)
}

/// Stops impersonating an account. Returns whether the account was impersonated.
fn stop(node: &Node, (address,): (Address,)) -> Result<bool, RpcError> {
    Ok(node.sealing()?.impersonated.remove(&address))
}

fn auto_impersonate(node: &Node, (enabled,): (bool,)) -> Result<Option<bool>, RpcError> {
    node.sealing()?.impersonated.set_all(enabled);
    Ok(None)
}
