//! The methods that use this node's own keys.

use std::sync::Arc;

use actoreum_primitives::{Address, B256, Bytes};
use actoreum_wallet::TypedData;
use actoreum_wallet::hardware::SignRequest;

use super::outgoing::{self, SignedTransaction, TxArgs};
use super::send::SyncTimeout;
use super::transactions::OneReceipt;
use crate::error::RpcError;
use crate::namespaces::keys;
use crate::node::Node;
use crate::server::json::scan::{self, Kind};
use crate::server::method::Method;
use crate::server::param::{FromParam, ParamError};

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::actor("eth_accounts", &[], keys::accounts),
        Method::actor("eth_coinbase", &[], coinbase),
        Method::view("eth_mining", &[], mining),
        Method::submit("eth_sendTransaction", &["transaction"], send_transaction),
        Method::submit(
            "eth_sendTransactionSync",
            &["transaction", "timeout"],
            send_transaction_sync,
        ),
        Method::actor("eth_sign", &["address", "data"], sign),
        Method::actor("eth_signTransaction", &["transaction"], sign_transaction),
        Method::actor(
            "eth_signTypedData_v4",
            &["address", "data"],
            sign_typed_data,
        ),
    ]
}

/// Returns the account that seals here, or would.
async fn coinbase(node: Arc<Node>, (): ()) -> Result<Address, RpcError> {
    let sealing = node.sealing.as_ref();
    if let Some(etherbase) = sealing.and_then(|sealing| sealing.control.settings().etherbase) {
        return Ok(etherbase);
    }
    let first = keys::accounts(Arc::clone(&node), ())
        .await?
        .first()
        .copied();
    first.ok_or_else(|| RpcError::server("etherbase must be explicitly specified"))
}

fn mining(node: &Node, (): ()) -> Result<bool, RpcError> {
    let sealing = node.sealing.as_ref();
    Ok(sealing.is_some_and(|sealing| sealing.control.is_sealing()))
}

async fn send_transaction(
    node: Arc<Node>,
    (args,): (TxArgs,),
) -> Result<impl Future<Output = Result<B256, RpcError>>, RpcError> {
    let submitted = outgoing::send(Arc::clone(&node), args, None).await?;
    Ok(submitted.hash(node))
}

async fn send_transaction_sync(
    node: Arc<Node>,
    (args, timeout): (TxArgs, Option<SyncTimeout>),
) -> Result<impl Future<Output = Result<OneReceipt, RpcError>>, RpcError> {
    let submitted = outgoing::send(Arc::clone(&node), args, None).await?;
    Ok(submitted.receipt(node, timeout))
}

async fn sign_transaction(
    node: Arc<Node>,
    (args,): (TxArgs,),
) -> Result<SignedTransaction, RpcError> {
    outgoing::sign(node, args, None).await
}

async fn sign(node: Arc<Node>, (address, data): (Address, Bytes)) -> Result<Bytes, RpcError> {
    keys::sign_message(&node, address, data, None).await
}

/// Typed data (EIP-712), as an object or as a string that holds one.
struct TypedDataJson(String);

impl FromParam for TypedDataJson {
    const SCHEMA: &'static str = r#"{"title":"typed data","type":["object","string"]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::Object => Ok(Self(raw.to_owned())),
            Kind::String => Ok(Self(scan::unquote(raw).into_owned())),
            other => Err(ParamError::mistyped(other.name(), "apitypes.TypedData")),
        }
    }
}

async fn sign_typed_data(
    node: Arc<Node>,
    (address, data): (Address, TypedDataJson),
) -> Result<Bytes, RpcError> {
    let data = TypedData::from_json(&data.0)
        .map_err(|error| RpcError::invalid_params(error.to_string()))?;
    let request = SignRequest::TypedData(data);
    let signature = keys::sign(&node, address, request, None).await?;
    Ok(keys::message_signature(signature))
}
