//! Signing with this node's keys.

use std::sync::Arc;

use actoreum_actors::accounts::AccountsActor;
use actoreum_actors::supervision::{Handles, Mail};
use actoreum_actors::usb::UsbHubActor;
use actoreum_messages::accounts::{GetAccounts, SignHash};
use actoreum_messages::usb::SignWithWallet;
use actoreum_primitives::{Address, B256, Bytes, Signature};
use actoreum_wallet::hardware::{SignRequest, WalletError};
use actoreum_wallet::{KeyError, Password};

use crate::error::RpcError;
use crate::limits::{ACTOR_PATIENCE, OWNER_PATIENCE, PASSWORD_PATIENCE};
use crate::node::{Node, unanswered};
use crate::sealing::Keys;

/// The keys, once the tree is put together.
pub(crate) fn of(node: &Node) -> Result<&Keys, RpcError> {
    let keys = node.keys.get();
    keys.ok_or_else(|| RpcError::server("the node is starting"))
}

/// Asks AccountsActor, which may have to try a password for it.
pub(crate) async fn ask<M: Mail>(node: &Arc<Node>, question: M) -> Result<M::Result, RpcError>
where
    AccountsActor: Handles<M>,
{
    let actor = of(node)?.actor.within(PASSWORD_PATIENCE);
    actor.ask(question).await.map_err(unanswered)
}

/// Asks UsbHubActor, which may have to ask a device's owner.
pub(crate) async fn ask_wallet<M, T>(node: &Node, question: M) -> Result<T, RpcError>
where
    M: Mail<Result = Result<T, WalletError>>,
    UsbHubActor: Handles<M>,
{
    let Some(hub) = &of(node)?.hub else {
        return Err(RpcError::server(WalletError::UnknownWallet.to_string()));
    };
    let answer = hub.within(OWNER_PATIENCE).ask(question).await;
    let answer = answer.map_err(unanswered)?;
    answer.map_err(|error| RpcError::server(error.to_string()))
}

/// What a caller hears of a key that can't be used.
pub(crate) fn refused(error: KeyError) -> RpcError {
    match error {
        KeyError::NotFound => RpcError::server("unknown account"),
        error => RpcError::server(error.to_string()),
    }
}

/// Signs: with a key of this node or, where it has none, with the hardware wallet that has one.
pub(crate) async fn sign(
    node: &Node,
    address: Address,
    request: SignRequest,
    password: Option<Password>,
) -> Result<Signature, RpcError> {
    match sign_hash(node, address, request.hash(), password).await? {
        Err(KeyError::NotFound) if of(node)?.hub.is_some() => {
            ask_wallet(node, SignWithWallet { address, request }).await
        }
        Err(KeyError::Locked) => Err(locked(address)),
        signed => signed.map_err(refused),
    }
}

/// What a caller hears where the key is locked: geth's words, whose key it is, and what to do.
fn locked(address: Address) -> RpcError {
    let text = KeyError::Locked;
    let address = address.to_checksum(None);
    RpcError::server(format!(
        "{text} (account {address} is locked: unlock it with personal_unlockAccount or --unlock, or \
         pass its password to personal_sendTransaction, personal_signTransaction or personal_sign)"
    ))
}

/// Signs a hash: with a key that lies open or, where a password is given, with the one that it
/// opens. Wallets send an empty password, or none, for a key that lies open.
async fn sign_hash(
    node: &Node,
    address: Address,
    hash: B256,
    password: Option<Password>,
) -> Result<Result<Signature, KeyError>, RpcError> {
    let keys = of(node)?;
    let question = |password| SignHash {
        address,
        hash,
        password,
    };
    let is_empty = |password: &Password| password.as_bytes().is_empty();
    if password.as_ref().is_none_or(is_empty) {
        let actor = keys.actor.within(ACTOR_PATIENCE);
        let signed = actor.ask(question(None)).await.map_err(unanswered)?;
        match (signed, &password) {
            // Then the password may be the empty one.
            (Err(KeyError::Locked), Some(_)) => {}
            (Ok(_), _) if !has(keys, address).await? => return Ok(Err(KeyError::NotFound)),
            (signed, _) => return Ok(signed),
        }
    }
    let actor = keys.actor.within(PASSWORD_PATIENCE);
    actor.ask(question(password)).await.map_err(unanswered)
}

/// Whether a key is listed. One that lies open outlives its file, so that sealing goes on; over RPC
/// it is unknown from then on, as in geth.
async fn has(keys: &Keys, address: Address) -> Result<bool, RpcError> {
    let all = keys.actor.within(ACTOR_PATIENCE).ask(GetAccounts).await;
    let mut all = all.map_err(unanswered)?.into_iter();
    Ok(all.any(|account| account.address == address))
}

/// Signs a message behind the prefix that keeps it from being a transaction (EIP-191).
pub(crate) async fn sign_message(
    node: &Node,
    address: Address,
    data: Bytes,
    password: Option<Password>,
) -> Result<Bytes, RpcError> {
    let request = SignRequest::Message(data);
    let signature = sign(node, address, request, password).await?;
    Ok(message_signature(signature))
}

/// r, s, and 27 or 28.
pub(crate) fn message_signature(signature: Signature) -> Bytes {
    let mut bytes = signature.to_bytes();
    if let Some(v) = bytes.last_mut() {
        *v += 27;
    }
    Bytes::copy_from_slice(&bytes)
}
