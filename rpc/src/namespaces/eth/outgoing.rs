//! Transactions that this node completes and signs for their senders.

use std::sync::Arc;

use actoreum_chain::SealedHeader;
use actoreum_evm::CallRequest;
use actoreum_primitives::{
    AccessListTx, Address, Bytes, ChainConfig, DynamicFeeTx, Fork, LegacyTx, PooledTransaction,
    SetCodeTx, Signature, Transaction, TxPayload, U256,
};
use actoreum_wallet::Password;
use actoreum_wallet::hardware::SignRequest;

use super::call_request::CallArgs;
use super::send::Submitted;
use super::{call, call_request, fees, pooled, send};
use crate::error::RpcError;
use crate::namespaces::keys;
use crate::node::{Node, storage};
use crate::render;
use crate::server::json::{JsonOut, WriteJson};
use crate::server::object::Object;
use crate::server::param::{FromParam, ParamError};

/// The arguments of a transaction that is yet to be completed and signed.
pub(crate) struct TxArgs {
    call: CallArgs,
    nonce: Option<u64>,
    chain_id: Option<u64>,
    /// Whether `data` and `input` are both present and differ.
    has_ambiguous_input: bool,
}

impl FromParam for TxArgs {
    const SCHEMA: &'static str = r#"{"title":"transaction","type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "ethapi.SendTxArgs")?;
        Ok(Self {
            call: CallArgs::from_raw(raw)?,
            nonce: object.get("nonce")?,
            chain_id: object.get("chainId")?,
            has_ambiguous_input: call_request::input(&object)?.is_ambiguous,
        })
    }
}

/// Completes a transaction, signs it and submits it.
pub(crate) async fn send(
    node: Arc<Node>,
    args: TxArgs,
    password: Option<Password>,
) -> Result<Submitted, RpcError> {
    let from = sender(&args)?;
    let is_impersonated = node.dev().is_ok_and(|dev| dev.control.impersonates(&from));
    // An unknown sender is reported before any other error.
    if !is_impersonated && !keys::accounts(Arc::clone(&node), ()).await?.contains(&from) {
        return Err(RpcError::server("unknown account"));
    }
    if is_impersonated {
        return send_unsigned(node, args).await;
    }
    let _one_at_a_time = node.keys.sending_from(from).await;
    let payload = complete(&node, args, from).await?;
    let transaction = signed(&node, payload, from, password).await?;
    let pooled = PooledTransaction {
        transaction,
        sidecar: None,
    };
    send::submit(&node, pooled).await
}

/// Completes a transaction and submits it without a signature, on a development chain.
pub(crate) async fn send_unsigned(node: Arc<Node>, args: TxArgs) -> Result<Submitted, RpcError> {
    let from = sender(&args)?;
    let _one_at_a_time = node.keys.sending_from(from).await;
    let payload = complete(&node, args, from).await?;
    let transaction = Transaction::new(payload, Signature::impersonating(from));
    let pooled = PooledTransaction {
        transaction,
        sidecar: None,
    };
    send::submit(&node, pooled).await
}

/// A transaction and its sender. It is signed, unless its caller is to sign it.
pub(crate) struct SignedTransaction(Transaction, Address);

impl WriteJson for SignedTransaction {
    fn write_json(&self, out: &mut JsonOut) {
        let Self(transaction, sender) = self;
        let mut object = out.object();
        object.field("raw", Bytes::from(transaction.encode_2718()));
        render::write_transaction(object.key("tx"), transaction, *sender, None);
        object.end();
    }
}

/// Completes a transaction, for a caller that signs it elsewhere.
pub(super) async fn fill(
    node: Arc<Node>,
    (args,): (TxArgs,),
) -> Result<SignedTransaction, RpcError> {
    // As in geth, an absent sender is the zero address.
    let from = args.call.0.from.unwrap_or_default();
    let payload = complete(&node, args, from).await?;
    Ok(SignedTransaction(Transaction::unsigned(payload), from))
}

/// Signs a transaction whose gas, price and nonce are given.
pub(crate) async fn sign(
    node: Arc<Node>,
    args: TxArgs,
    password: Option<Password>,
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
    let transaction = signed(&node, payload, from, password).await?;
    send::check_fee(&node, &transaction)?;
    Ok(SignedTransaction(transaction, from))
}

/// Signs a payload with the key of `from`.
async fn signed(
    node: &Node,
    payload: TxPayload,
    from: Address,
    password: Option<Password>,
) -> Result<Transaction, RpcError> {
    let request = SignRequest::Transaction(payload.clone());
    let signature = keys::sign(node, from, request, password).await?;
    Ok(Transaction::new(payload, signature))
}

/// Returns the sender of a transaction.
fn sender(args: &TxArgs) -> Result<Address, RpcError> {
    // geth takes an absent sender for the zero address, which has no key.
    args.call
        .0
        .from
        .ok_or_else(|| RpcError::server("unknown account"))
}

/// Fills in the fields that the caller left out.
async fn complete(node: &Arc<Node>, args: TxArgs, from: Address) -> Result<TxPayload, RpcError> {
    let mut request = args.call.0;
    if !request.blob_hashes.is_empty() {
        return Err(RpcError::server(
            "a transaction with blobs is signed elsewhere and sent with eth_sendRawTransaction",
        ));
    }
    if args.has_ambiguous_input {
        return Err(RpcError::server(
            "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data",
        ));
    }
    if request.to.is_none() && request.input.is_empty() {
        return Err(RpcError::server(
            "contract creation without any data provided",
        ));
    }
    let config = node.chain_reader.config();
    let want = node.chain_id();
    if let Some(have) = args.chain_id.filter(|id| *id != want) {
        return Err(RpcError::server(format!(
            "chainId does not match node's (have={have}, want={want})"
        )));
    }
    let head = node.chain_reader.head();
    let nonce = match args.nonce {
        Some(nonce) => nonce,
        None => next_nonce(node, from)?,
    };
    if request.gas_price.is_none() {
        set_price(node, &mut request, &head)?;
    }
    let gas_limit = match request.gas {
        Some(gas) => gas,
        None => {
            let (shared, call) = (Arc::clone(node), CallArgs(request.clone()));
            let estimate = move || call::least_gas(&shared, (call, None, None), false);
            node.heavy_pool.run("eth_estimateGas", estimate).await??
        }
    };
    Ok(payload(config, head.number + 1, request, nonce, gas_limit))
}

/// Sets the price that the caller left out: a gas price before London, else a tip and a fee cap.
fn set_price(node: &Node, request: &mut CallRequest, head: &SealedHeader) -> Result<(), RpcError> {
    let tip = match request.max_priority_fee_per_gas {
        Some(tip) => tip,
        None => fees::suggested_tip(node, head)?,
    };
    let config = node.chain_reader.config();
    if config.fork_at(head.number + 1, head.timestamp) >= Fork::London {
        let base_fee = U256::from(fees::next_base_fee(node, head));
        let fee = tip.saturating_add(base_fee.saturating_mul(U256::from(2)));
        request.max_priority_fee_per_gas = Some(tip);
        request.max_fee_per_gas.get_or_insert(fee);
    } else {
        request.gas_price = Some(tip);
    }
    Ok(())
}

/// Creates the payload of a complete request for the block `number`. The fields that are present
/// decide its type.
fn payload(
    config: &ChainConfig,
    number: u64,
    request: CallRequest,
    nonce: u64,
    gas_limit: u64,
) -> TxPayload {
    let chain_id = config.chain_id_at(number);
    let (to, value, input) = (request.to, request.value, request.input);
    let access_list = request.access_list;
    match request.gas_price {
        Some(gas_price) if access_list.is_empty() => TxPayload::Legacy(LegacyTx {
            chain_id: config.is_eip155_active(number).then_some(chain_id),
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
    }
}

/// Returns the nonce after the sender's transactions in the pool, or the nonce in the state.
fn next_nonce(node: &Node, sender: Address) -> Result<u64, RpcError> {
    if let Some(nonce) = pooled::next_nonce(node, &sender) {
        return Ok(nonce);
    }
    let account = node.chain_reader.head_account(&sender).map_err(storage)?;
    Ok(account.map_or(0, |account| account.nonce))
}
