//! What this node's own keys are for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actoreum_messages::accounts::{GetAccounts, SignHash};
use actoreum_primitives::{
    AccessListTx, Address, B256, Bytes, DynamicFeeTx, Fork, LegacyTx, PooledTransaction, SetCodeTx,
    Signature, StateReader, Transaction, TxPayload, U256,
};
use actoreum_wallet::{KeyError, Password, signing};

use super::call_request::CallArgs;
use super::{call, fees, send};
use crate::error::RpcError;
use crate::json::scan::{self, Kind};
use crate::json::{JsonOut, WriteJson};
use crate::limits::ACTOR_PATIENCE;
use crate::method::Method;
use crate::node::{Node, storage, unanswered};
use crate::object::Object;
use crate::param::{FromParam, ParamError};
use crate::render;
use crate::sealing::{Impersonated, Keys};

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::actor("eth_accounts", &[], accounts),
        Method::actor("eth_coinbase", &[], coinbase),
        Method::view("eth_mining", &[], mining),
        Method::actor("eth_sendTransaction", &["transaction"], send_transaction),
        Method::actor("eth_sign", &["address", "data"], sign),
        Method::actor("eth_signTransaction", &["transaction"], sign_transaction),
        Method::actor(
            "eth_signTypedData_v4",
            &["address", "data"],
            sign_typed_data,
        ),
    ]
}

fn keys(node: &Node) -> Result<&Keys, RpcError> {
    let keys = node.keys.get();
    keys.ok_or_else(|| RpcError::server("the node is starting"))
}

pub(crate) async fn accounts(node: Arc<Node>, (): ()) -> Result<Vec<Address>, RpcError> {
    let actor = keys(&node)?.actor.within(ACTOR_PATIENCE);
    let all = actor.ask(GetAccounts).await;
    let all = all.map_err(unanswered)?;
    let mut addresses: Vec<Address> = Vec::with_capacity(all.len());
    for account in all {
        if !addresses.contains(&account.address) {
            addresses.push(account.address);
        }
    }
    let impersonated = impersonated(&node).map(Impersonated::listed);
    for address in impersonated.unwrap_or_default() {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// Who sends without a key, on a development chain.
fn impersonated(node: &Node) -> Option<&Impersonated> {
    let sealing = node.sealing.get().filter(|sealing| sealing.is_dev)?;
    Some(&sealing.impersonated)
}

/// Who seals here, or would.
async fn coinbase(node: Arc<Node>, (): ()) -> Result<Address, RpcError> {
    if let Some(sealing) = node.sealing.get() {
        return Ok(sealing.signer);
    }
    let first = accounts(Arc::clone(&node), ()).await?.first().copied();
    first.ok_or_else(|| RpcError::server("etherbase must be explicitly specified"))
}

fn mining(node: &Node, (): ()) -> Result<bool, RpcError> {
    let sealing = node.sealing.get();
    Ok(sealing.is_some_and(|sealing| sealing.is_sealing.load(Ordering::Relaxed)))
}

/// A transaction that is yet to be signed, as its caller states it.
struct TxArgs {
    call: CallArgs,
    nonce: Option<u64>,
    chain_id: Option<u64>,
}

impl FromParam for TxArgs {
    const SCHEMA: &'static str = r#"{"title":"transaction","type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "ethapi.SendTxArgs")?;
        Ok(Self {
            call: CallArgs::from_raw(raw)?,
            nonce: object.get("nonce")?,
            chain_id: object.get("chainId")?,
        })
    }
}

async fn send_transaction(node: Arc<Node>, (args,): (TxArgs,)) -> Result<B256, RpcError> {
    let from = sender(&args)?;
    let is_impersonated = impersonated(&node).is_some_and(|all| all.contains(&from));
    // Whose key is not here hears that first, whatever else is wrong.
    if !is_impersonated && !accounts(Arc::clone(&node), ()).await?.contains(&from) {
        return Err(RpcError::server("unknown account"));
    }
    let keys = keys(&node)?;
    let _one_at_a_time = keys.sending.lock().await;
    let payload = complete(&node, args, from).await?;
    let transaction = match is_impersonated {
        true => Transaction::new(payload, Signature::impersonating(from)),
        false => signed(keys, payload, from).await?,
    };
    let pooled = PooledTransaction {
        transaction,
        sidecar: None,
    };
    send::submit(&node, pooled).await
}

/// A signed transaction, and how it reads.
struct SignedTransaction(Transaction, Address);

impl WriteJson for SignedTransaction {
    fn write_json(&self, out: &mut JsonOut) {
        let Self(transaction, sender) = self;
        let mut object = out.object();
        object.field("raw", Bytes::from(transaction.encode_2718()));
        render::write_transaction(object.key("tx"), transaction, *sender, None);
        object.end();
    }
}

async fn sign_transaction(
    node: Arc<Node>,
    (args,): (TxArgs,),
) -> Result<SignedTransaction, RpcError> {
    let from = sender(&args)?;
    let request = &args.call.0;
    let has_price = request.gas_price.is_some() || request.max_fee_per_gas.is_some();
    for (is_there, text) in [
        (request.gas.is_some(), "gas not specified"),
        (has_price, "gasPrice not specified"),
        (args.nonce.is_some(), "nonce not specified"),
    ] {
        if !is_there {
            return Err(RpcError::server(text));
        }
    }
    let payload = complete(&node, args, from).await?;
    let transaction = signed(keys(&node)?, payload, from).await?;
    Ok(SignedTransaction(transaction, from))
}

fn sender(args: &TxArgs) -> Result<Address, RpcError> {
    // geth takes an absent sender for the zero address, whose key nobody has.
    args.call
        .0
        .from
        .ok_or_else(|| RpcError::server("unknown account"))
}

/// Fills in what the caller left open.
async fn complete(node: &Arc<Node>, args: TxArgs, from: Address) -> Result<TxPayload, RpcError> {
    let mut request = args.call.0;
    if !request.blob_hashes.is_empty() {
        return Err(RpcError::server(
            "a transaction with blobs is signed elsewhere and sent with eth_sendRawTransaction",
        ));
    }
    if request.to.is_none() && request.input.is_empty() {
        return Err(RpcError::server(
            "contract creation without any data provided",
        ));
    }
    let config = node.chain.config();
    if let Some(have) = args.chain_id.filter(|id| *id != config.chain_id) {
        let want = config.chain_id;
        return Err(RpcError::server(format!(
            "chainId does not match node's (have={have}, want={want})"
        )));
    }
    let head = node.chain.head();
    let nonce = match args.nonce {
        Some(nonce) => nonce,
        None => next_nonce(node, from)?,
    };
    let is_london = config.fork_at(head.number + 1, head.timestamp) >= Fork::London;
    if request.gas_price.is_none() {
        let tip = match request.max_priority_fee_per_gas {
            Some(tip) => tip,
            None => fees::suggested_tip(node, &head)?,
        };
        if is_london {
            let base_fee = U256::from(fees::next_base_fee(node, &head));
            let fee = tip.saturating_add(base_fee.saturating_mul(U256::from(2)));
            request.max_priority_fee_per_gas = Some(tip);
            request.max_fee_per_gas.get_or_insert(fee);
        } else {
            request.gas_price = Some(tip);
        }
    }
    let gas_limit = match request.gas {
        Some(gas) => gas,
        None => {
            let (node, call) = (Arc::clone(node), CallArgs(request.clone()));
            // Callers hold the sending lock, so there is one such thread at a time.
            let estimate = move || call::estimate_gas(&node, (call, None, None));
            let estimated = tokio::task::spawn_blocking(estimate).await;
            estimated.map_err(|error| RpcError::internal(error.to_string()))??
        }
    };
    let chain_id = config.chain_id;
    let (to, value, input) = (request.to, request.value, request.input);
    let access_list = request.access_list;
    Ok(match request.gas_price {
        Some(gas_price) if access_list.is_empty() => TxPayload::Legacy(LegacyTx {
            chain_id: config.is_eip155_active(head.number + 1).then_some(chain_id),
            nonce,
            gas_price,
            gas_limit,
            to,
            value,
            input,
        }),
        Some(gas_price) => TxPayload::AccessList(AccessListTx {
            chain_id,
            nonce,
            gas_price,
            gas_limit,
            to,
            value,
            input,
            access_list,
        }),
        None if !request.authorization_list.is_empty() => TxPayload::SetCode(SetCodeTx {
            chain_id,
            nonce,
            max_priority_fee_per_gas: request.max_priority_fee_per_gas.unwrap_or_default(),
            max_fee_per_gas: request.max_fee_per_gas.unwrap_or_default(),
            gas_limit,
            to: to.unwrap_or_default(),
            value,
            input,
            access_list,
            authorization_list: request.authorization_list,
        }),
        None => TxPayload::DynamicFee(DynamicFeeTx {
            chain_id,
            nonce,
            max_priority_fee_per_gas: request.max_priority_fee_per_gas.unwrap_or_default(),
            max_fee_per_gas: request.max_fee_per_gas.unwrap_or_default(),
            gas_limit,
            to,
            value,
            input,
            access_list,
        }),
    })
}

/// The nonce after what the pool has of a sender, or the state's.
fn next_nonce(node: &Node, sender: Address) -> Result<u64, RpcError> {
    let pooled = node
        .pool_snapshot()
        .and_then(|snapshot| snapshot.next_nonce(&sender));
    if let Some(nonce) = pooled {
        return Ok(nonce);
    }
    let state = node.chain.state_at(node.chain.head_number());
    let account = state.and_then(|state| state.account(&sender));
    Ok(account.map_err(storage)?.map_or(0, |account| account.nonce))
}

async fn signed(keys: &Keys, payload: TxPayload, from: Address) -> Result<Transaction, RpcError> {
    let signature = sign_hash(keys, from, payload.signing_hash(), None).await?;
    Ok(Transaction::new(payload, signature))
}

async fn sign_hash(
    keys: &Keys,
    address: Address,
    hash: B256,
    password: Option<Password>,
) -> Result<Signature, RpcError> {
    let question = SignHash {
        address,
        hash,
        password,
    };
    let actor = keys.actor.within(ACTOR_PATIENCE);
    let answer = actor.ask(question).await.map_err(unanswered)?;
    answer.map_err(|error| match error {
        KeyError::NotFound => RpcError::server("unknown account"),
        error => RpcError::server(error.to_string()),
    })
}

/// r, s, and 27 or 28.
fn message_signature(signature: Signature) -> Bytes {
    let mut bytes = signature.to_bytes();
    if let Some(v) = bytes.last_mut() {
        *v += 27;
    }
    Bytes::copy_from_slice(&bytes)
}

async fn sign(node: Arc<Node>, (address, data): (Address, Bytes)) -> Result<Bytes, RpcError> {
    sign_message(&node, address, &data, None).await
}

/// Signs a message behind the prefix that keeps it from being a transaction.
pub(crate) async fn sign_message(
    node: &Node,
    address: Address,
    data: &[u8],
    password: Option<Password>,
) -> Result<Bytes, RpcError> {
    let hash = signing::personal_message_hash(data);
    let signature = sign_hash(keys(node)?, address, hash, password).await?;
    Ok(message_signature(signature))
}

/// Typed data, as an object or as a string that holds one.
struct TypedData(String);

impl FromParam for TypedData {
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
    (address, data): (Address, TypedData),
) -> Result<Bytes, RpcError> {
    let hash = signing::typed_data_hash(&data.0)
        .map_err(|error| RpcError::invalid_params(error.to_string()))?;
    let signature = sign_hash(keys(&node)?, address, hash, None).await?;
    Ok(message_signature(signature))
}
