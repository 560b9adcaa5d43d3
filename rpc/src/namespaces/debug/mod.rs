//! The `debug` namespace: raw encodings, traces, and inspection of the state and the chain.

mod chain;
mod state;
mod trace;

pub(crate) use trace::transaction as trace_transaction;

use actoreum_primitives::Bytes;

use crate::error::RpcError;
use crate::namespaces::block_id::BlockId;
use crate::namespaces::eth::blocks::{self, FoundBlock};
use crate::namespaces::eth::state::pending;
use crate::namespaces::eth::transactions;
use crate::node::{Node, storage};
use crate::server::json::{JsonOut, WriteJson};
use crate::server::method::Method;
use crate::server::param::Decimal;

pub(crate) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![
        Method::heavy("debug_getBlockRlp", &["number"], block_rlp),
        Method::heavy("debug_getRawBlock", &["block"], raw_block),
        Method::view("debug_getRawHeader", &["block"], raw_header),
        Method::heavy("debug_getRawReceipts", &["block"], raw_receipts),
        Method::actor("debug_getRawTransaction", &["hash"], transactions::raw),
    ];
    methods.extend(chain::methods());
    methods.extend(state::methods());
    methods.extend(trace::methods());
    methods
}

/// Hex without `0x`, which only `debug_getBlockRlp` returns.
struct PlainHex(Vec<u8>);

impl WriteJson for PlainHex {
    fn write_json(&self, out: &mut JsonOut) {
        out.plain_hex(&self.0);
    }
}

fn block_rlp(node: &Node, (Decimal(number),): (Decimal,)) -> Result<PlainHex, RpcError> {
    let block = node.chain_reader.block_by_number(number).map_err(storage)?;
    let block = block.ok_or_else(|| RpcError::server(format!("block #{number} not found")))?;
    Ok(PlainHex(encoded(&*block)))
}

fn raw_block(node: &Node, (id,): (BlockId,)) -> Result<Bytes, RpcError> {
    Ok(encoded(&*known(node, id)?.block).into())
}

fn raw_header(node: &Node, (id,): (BlockId,)) -> Result<Bytes, RpcError> {
    if let Some(pending) = pending(node, id) {
        return Ok(encoded(&pending.block.header).into());
    }
    let header = node.header(id)?.ok_or_else(not_found)?;
    Ok(encoded(&*header).into())
}

fn raw_receipts(node: &Node, (id,): (BlockId,)) -> Result<Vec<Bytes>, RpcError> {
    let found = known(node, id)?;
    let receipts = found.receipts(node)?.ok_or_else(not_found)?;
    Ok(receipts
        .iter()
        .map(|receipt| receipt.encode_2718().into())
        .collect())
}

/// Returns the block `id`, or an error if there is none.
fn known(node: &Node, id: BlockId) -> Result<FoundBlock, RpcError> {
    blocks::block(node, id)?.ok_or_else(not_found)
}

fn not_found() -> RpcError {
    RpcError::server("block not found")
}

fn encoded(value: &impl actoreum_primitives::rlp::Encode) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.length());
    value.encode(&mut bytes);
    bytes
}
