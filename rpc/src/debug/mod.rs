//! `debug_*`: raw encodings, traces, and looks into state and chain.

mod chain;
mod state;
mod trace;

use actoreum_primitives::Bytes;

use crate::block_id::BlockId;
use crate::error::RpcError;
use crate::eth::blocks::{self, Found};
use crate::eth::state::pending;
use crate::eth::transactions;
use crate::json::{JsonOut, WriteJson};
use crate::method::Method;
use crate::node::{Node, storage};
use crate::param::Decimal;

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

/// Hex without `0x`, as `debug_getBlockRlp` alone returns it.
struct PlainHex(Vec<u8>);

impl WriteJson for PlainHex {
    fn write_json(&self, out: &mut JsonOut) {
        out.plain_hex(&self.0);
    }
}

fn block_rlp(node: &Node, (Decimal(number),): (Decimal,)) -> Result<PlainHex, RpcError> {
    let block = node.chain.block_by_number(number).map_err(storage)?;
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

fn known(node: &Node, id: BlockId) -> Result<Found, RpcError> {
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
