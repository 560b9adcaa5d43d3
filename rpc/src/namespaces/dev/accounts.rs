//! The methods of accounts that send transactions without their keys.

use std::sync::Arc;

use actoreum_messages::dev::{Impersonate, ImpersonateAll, StopImpersonating};
use actoreum_primitives::{Address, B256};

use super::{Answer, answered, done};
use crate::error::RpcError;
use crate::namespaces::eth::outgoing::{self, TxArgs};
use crate::namespaces::keys::accounts;
use crate::node::{Node, unanswered};
use crate::server::json::Serialized;
use crate::server::limits::ACTOR_TIMEOUT;
use crate::server::method::Method;
use crate::server::param::Decimal;

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![
        Method::actor("eth_requestAccounts", &[], accounts),
        Method::submit(
            "eth_sendUnsignedTransaction",
            &["transaction"],
            send_unsigned,
        ),
        Method::actor("evm_addAccount", &["address", "passphrase"], add),
        Method::actor("evm_removeAccount", &["address", "passphrase"], remove),
        Method::actor("evm_unlockUnknownAccount", &["address", "duration"], unlock),
        Method::actor("evm_lockUnknownAccount", &["address"], lock),
    ];
    for name in ["anvil_impersonateAccount", "hardhat_impersonateAccount"] {
        methods.push(Method::actor(name, &["address"], impersonate));
    }
    for name in [
        "anvil_stopImpersonatingAccount",
        "hardhat_stopImpersonatingAccount",
    ] {
        methods.push(Method::actor(name, &["address"], stop));
    }
    for name in [
        "anvil_autoImpersonateAccount",
        "hardhat_autoImpersonateAccount",
    ] {
        methods.push(Method::actor(name, &["enabled"], auto_impersonate));
    }
    methods
}

async fn start_impersonating(node: &Node, address: Address) -> Result<bool, RpcError> {
    let dev = node.dev()?.actor.within(ACTOR_TIMEOUT);
    answered(dev.ask(Impersonate(address)).await)
}

async fn stop_impersonating(node: &Node, address: Address) -> Result<bool, RpcError> {
    let dev = node.dev()?.actor.within(ACTOR_TIMEOUT);
    dev.ask(StopImpersonating(address))
        .await
        .map_err(unanswered)
}

async fn impersonate(node: Arc<Node>, (address,): (Address,)) -> Answer {
    start_impersonating(&node, address).await?;
    done(&node)
}

/// Stops impersonating an account. Hardhat answers whether it was impersonated.
async fn stop(node: Arc<Node>, (address,): (Address,)) -> Answer {
    let was_listed = stop_impersonating(&node, address).await?;
    Ok(Serialized(node.settings.identity.done_if(was_listed)))
}

async fn auto_impersonate(node: Arc<Node>, (enabled,): (bool,)) -> Result<Option<bool>, RpcError> {
    let dev = node.dev()?.actor.within(ACTOR_TIMEOUT);
    dev.ask(ImpersonateAll(enabled)).await.map_err(unanswered)?;
    Ok(None)
}

/// Adds an account without a key, as ganache does. Answers whether it was added. The passphrase has
/// no use: such an account has no key file.
async fn add(node: Arc<Node>, (address, _): (Address, Option<String>)) -> Result<bool, RpcError> {
    start_impersonating(&node, address).await
}

/// Removes an account of [`add`]. Answers whether it was there.
async fn remove(
    node: Arc<Node>,
    (address, _): (Address, Option<String>),
) -> Result<bool, RpcError> {
    stop_impersonating(&node, address).await
}

/// Lets an account send without a key, as ganache does; it stays unlocked, whatever the duration.
/// Answers whether it was locked.
async fn unlock(
    node: Arc<Node>,
    (address, _): (Address, Option<Decimal>),
) -> Result<bool, RpcError> {
    start_impersonating(&node, address).await
}

/// Ends [`unlock`]. Answers whether the account was unlocked.
async fn lock(node: Arc<Node>, (address,): (Address,)) -> Result<bool, RpcError> {
    stop_impersonating(&node, address).await
}

/// Sends a transaction of any account, impersonated or not.
async fn send_unsigned(
    node: Arc<Node>,
    (args,): (TxArgs,),
) -> Result<impl Future<Output = Result<B256, RpcError>>, RpcError> {
    let submitted = outgoing::send_unsigned(Arc::clone(&node), args).await?;
    Ok(submitted.hash(node))
}
