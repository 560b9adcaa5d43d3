//! The methods about transactions and receipts.

use std::sync::Arc;

use actoreum_primitives::{B256, Block, Bytes, Receipt, U256};

use super::blocks::{self, FoundBlock, TransactionInBlock};
use super::lookup::{self, FoundTransaction};
use super::pooled::Pending;
use crate::error::RpcError;
use crate::namespaces::block_id::{BlockId, BlockNumber};
use crate::node::Node;
use crate::render::{self, ReceiptView, TransactionMeta};
use crate::server::json::{JsonOut, WriteJson};
use crate::server::method::Method;
use crate::server::param::Index;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::heavy("eth_getBlockReceipts", &["block"], block_receipts),
        Method::view(
            "eth_getRawTransactionByBlockHashAndIndex",
            &["hash", "index"],
            raw_at::<B256>,
        ),
        Method::view(
            "eth_getRawTransactionByBlockNumberAndIndex",
            &["block", "index"],
            raw_at::<BlockNumber>,
        ),
        Method::actor("eth_getRawTransactionByHash", &["hash"], raw),
        Method::view(
            "eth_getTransactionByBlockHashAndIndex",
            &["hash", "index"],
            at::<B256>,
        ),
        Method::view(
            "eth_getTransactionByBlockNumberAndIndex",
            &["block", "index"],
            at::<BlockNumber>,
        ),
        Method::actor("eth_getTransactionByHash", &["hash"], by_hash),
        Method::view("eth_getTransactionReceipt", &["hash"], receipt),
    ]
}

impl WriteJson for TransactionInBlock {
    fn write_json(&self, out: &mut JsonOut) {
        render::write_transaction(out, self.transaction(), self.sender(), Some(&self.meta()));
    }
}

impl WriteJson for FoundTransaction {
    fn write_json(&self, out: &mut JsonOut) {
        match self {
            Self::InBlock(found) => found.write_json(out),
            Self::Pooled(pooled) => Pending(Arc::clone(pooled)).write_json(out),
        }
    }
}

async fn by_hash(node: Arc<Node>, (hash,): (B256,)) -> Result<Option<FoundTransaction>, RpcError> {
    lookup::transaction(&node, hash).await
}

/// Returns the transaction at a position of a block.
fn at<T: Into<BlockId>>(
    node: &Node,
    (id, Index(index)): (T, Index),
) -> Result<Option<TransactionInBlock>, RpcError> {
    match blocks::block(node, id.into())? {
        Some(found) => TransactionInBlock::in_block(node, found, index),
        None => Ok(None),
    }
}

/// Returns the encoding of a transaction; empty if there is none, as in geth.
pub(crate) async fn raw(node: Arc<Node>, (hash,): (B256,)) -> Result<Bytes, RpcError> {
    let found = lookup::transaction(&node, hash).await?;
    Ok(found
        .map(|found| found.transaction().encode_2718().into())
        .unwrap_or_default())
}

/// Returns the encoding of the transaction at a position of a block; empty if there is none.
fn raw_at<T: Into<BlockId>>(
    node: &Node,
    (id, Index(index)): (T, Index),
) -> Result<Bytes, RpcError> {
    let found = blocks::block(node, id.into())?;
    let transaction = found
        .as_ref()
        .and_then(|found| found.block.body.transactions.get(index));
    Ok(transaction
        .map(|found| found.encode_2718().into())
        .unwrap_or_default())
}

/// The receipts of a block: of all its transactions, or of one.
struct Receipts {
    block: Arc<Block>,
    hash: B256,
    receipts: Arc<Vec<Receipt>>,
    senders: Arc<Vec<actoreum_primitives::Address>>,
    blob_gas_price: Option<U256>,
}

impl Receipts {
    /// Reads the receipts and the senders of a block; `None` if the receipts are not stored.
    fn of(node: &Node, found: FoundBlock) -> Result<Option<Self>, RpcError> {
        let Some(receipts) = found.receipts(node)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            receipts,
            senders: found.senders(node)?,
            blob_gas_price: blocks::blob_gas_price(node, &found.block.header),
            block: found.block,
            hash: found.hash,
        }))
    }

    /// Writes the receipt at `index`, before which the block has used `gas_before` and has
    /// `logs_before` logs.
    fn write(&self, index: usize, gas_before: u64, logs_before: u64, out: &mut JsonOut) {
        let receipt = self.receipts.get(index);
        let transaction = self.block.body.transactions.get(index);
        let (Some(receipt), Some(transaction), Some(sender)) =
            (receipt, transaction, self.senders.get(index))
        else {
            return out.raw("null");
        };
        let header = &self.block.header;
        let view = ReceiptView {
            receipt,
            transaction,
            sender: *sender,
            meta: TransactionMeta {
                block_hash: self.hash,
                block_number: header.number,
                block_timestamp: header.timestamp,
                index: index as u64,
                base_fee_per_gas: header.base_fee_per_gas,
            },
            gas_used: receipt.cumulative_gas_used.saturating_sub(gas_before),
            logs_before,
            blob_gas_price: self.blob_gas_price,
        };
        render::write_receipt(out, &view);
    }
}

/// One receipt of a block.
pub(crate) struct OneReceipt {
    of: Receipts,
    index: usize,
}

impl WriteJson for OneReceipt {
    fn write_json(&self, out: &mut JsonOut) {
        let before = self.of.receipts.get(..self.index).unwrap_or_default();
        let gas_before = before
            .last()
            .map_or(0, |receipt| receipt.cumulative_gas_used);
        let logs_before = before.iter().map(|receipt| receipt.logs.len() as u64).sum();
        self.of.write(self.index, gas_before, logs_before, out);
    }
}

impl WriteJson for Receipts {
    fn write_json(&self, out: &mut JsonOut) {
        let (mut gas_before, mut logs_before) = (0, 0);
        out.raw("[");
        for (index, receipt) in self.receipts.iter().enumerate() {
            if index > 0 {
                out.raw(",");
            }
            self.write(index, gas_before, logs_before, out);
            gas_before = receipt.cumulative_gas_used;
            logs_before += receipt.logs.len() as u64;
        }
        out.raw("]");
    }
}

pub(super) fn receipt(node: &Node, (hash,): (B256,)) -> Result<Option<OneReceipt>, RpcError> {
    let Some((found, index)) = FoundBlock::of_transaction(node, &hash)? else {
        return Ok(None);
    };
    let receipts = Receipts::of(node, found)?;
    Ok(receipts.map(|of| OneReceipt { of, index }))
}

fn block_receipts(node: &Node, (id,): (BlockId,)) -> Result<Option<Receipts>, RpcError> {
    match blocks::block(node, id)? {
        Some(found) => Receipts::of(node, found),
        None => Ok(None),
    }
}
