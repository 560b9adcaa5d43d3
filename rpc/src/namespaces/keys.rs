//! The keys of this node: its accounts, and signing with them.

use std::collections::HashSet;
use std::sync::Arc;

use actoreum_actors::accounts::AccountsActor;
use actoreum_actors::usb::UsbHubActor;
use actoreum_messages::accounts::{GetAccounts, SignHash};
use actoreum_messages::usb::{GetWalletAccounts, SignWithWallet};
use actoreum_primitives::{Address, B256, Bytes, Signature};
use actoreum_supervision::{Handles, Message};
use actoreum_wallet::hardware::{SignRequest, WalletError};
use actoreum_wallet::{KeyError, Password};

use crate::error::RpcError;
use crate::node::{Node, unanswered};
use crate::server::limits::{ACTOR_TIMEOUT, OWNER_TIMEOUT, PASSWORD_TIMEOUT};

/// Asks AccountsActor. The timeout leaves time for trying a password.
pub(crate) async fn ask<M: Message>(node: &Arc<Node>, question: M) -> Result<M::Result, RpcError>
where
    AccountsActor: Handles<M>,
{
    let actor = node.keys.actor.within(PASSWORD_TIMEOUT);
    actor.ask(question).await.map_err(unanswered)
}

/// Asks UsbHubActor. The timeout leaves time for the owner of the device to answer.
pub(crate) async fn ask_wallet<M, T>(node: &Node, question: M) -> Result<T, RpcError>
where
    M: Message<Result = Result<T, WalletError>>,
    UsbHubActor: Handles<M>,
{
    let Some(hub) = &node.keys.hub else {
        return Err(RpcError::server(WalletError::UnknownWallet.to_string()));
    };
    let answer = hub.within(OWNER_TIMEOUT).ask(question).await;
    let answer = answer.map_err(unanswered)?;
    answer.map_err(|error| RpcError::server(error.to_string()))
}

/// Returns the accounts with a key file, those of hardware wallets, and those that are
/// impersonated.
pub(crate) async fn accounts(node: Arc<Node>, (): ()) -> Result<Vec<Address>, RpcError> {
    let keys = &node.keys;
    let in_files = keys.actor.within(ACTOR_TIMEOUT).ask(GetAccounts).await;
    let in_files = in_files.map_err(unanswered)?;
    let on_devices = match &keys.hub {
        Some(hub) => {
            let all = hub.within(ACTOR_TIMEOUT).ask(GetWalletAccounts).await;
            all.map_err(unanswered)?
        }
        None => Vec::new(),
    };
    let dev = node.dev().ok().map(|dev| dev.control.state());
    let impersonated = dev
        .iter()
        .flat_map(|state| state.impersonated.iter().copied());
    let all = in_files
        .into_iter()
        .map(|account| account.address)
        .chain(on_devices)
        .chain(impersonated);
    let mut listed = HashSet::new();
    Ok(all.filter(|address| listed.insert(*address)).collect())
}

/// Converts the error of a key that cannot be used.
pub(crate) fn refused(error: KeyError) -> RpcError {
    match error {
        KeyError::NotFound => RpcError::server("unknown account"),
        error => RpcError::server(error.to_string()),
    }
}

/// Signs with a key of this node or, if the node has no key of `address`, with the hardware wallet
/// that has one.
pub(crate) async fn sign(
    node: &Node,
    address: Address,
    request: SignRequest,
    password: Option<Password>,
) -> Result<Signature, RpcError> {
    match sign_hash(node, address, request.hash(), password).await? {
        Err(KeyError::NotFound) if node.keys.hub.is_some() => {
            ask_wallet(node, SignWithWallet { address, request }).await
        }
        Err(KeyError::Locked) => Err(locked(address)),
        signed => signed.map_err(refused),
    }
}

/// Returns the error of a locked key: geth's text, the account, and how to unlock it.
fn locked(address: Address) -> RpcError {
    let text = KeyError::Locked;
    let address = address.to_checksum(None);
    RpcError::server(format!(
        "{text} (account {address} is locked: unlock it with personal_unlockAccount or --unlock, or \
         pass its password to personal_sendTransaction, personal_signTransaction or personal_sign)"
    ))
}

/// Signs a hash with an unlocked key or, if a password is given, with the key that the password
/// decrypts. Wallets send an empty password, or none, for an unlocked key.
async fn sign_hash(
    node: &Node,
    address: Address,
    hash: B256,
    password: Option<Password>,
) -> Result<Result<Signature, KeyError>, RpcError> {
    let keys = &node.keys;
    let question = |password| SignHash {
        address,
        hash,
        password,
        must_be_listed: true,
    };
    let is_empty = |password: &Password| password.as_bytes().is_empty();
    if password.as_ref().is_none_or(is_empty) {
        let actor = keys.actor.within(ACTOR_TIMEOUT);
        let signed = actor.ask(question(None)).await.map_err(unanswered)?;
        match (signed, &password) {
            // The key may be encrypted with the empty password.
            (Err(KeyError::Locked), Some(_)) => {}
            (signed, _) => return Ok(signed),
        }
    }
    let actor = keys.actor.within(PASSWORD_TIMEOUT);
    actor.ask(question(password)).await.map_err(unanswered)
}

/// Signs a message with the prefix that keeps it from being a transaction (EIP-191).
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

/// Encodes a signature as r, s and v, where v is 27 or 28.
pub(crate) fn message_signature(signature: Signature) -> Bytes {
    let mut bytes = signature.to_bytes();
    if let Some(v) = bytes.last_mut() {
        *v += 27;
    }
    Bytes::copy_from_slice(&bytes)
}
