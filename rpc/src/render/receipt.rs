//! Receipts and logs.

use actoreum_chain::LogWithMeta;
use actoreum_primitives::{
    Address, B256, Log, Receipt, ReceiptOutcome, Transaction, TxType, U256, contract_address,
};

use super::transaction::TransactionMeta;
use crate::server::json::{JsonOut, WriteJson};

/// A receipt with the data that its JSON shows beside it.
#[derive(Debug, Clone, Copy)]
pub struct ReceiptView<'a> {
    /// The receipt.
    pub receipt: &'a Receipt,
    /// The transaction of the receipt.
    pub transaction: &'a Transaction,
    /// The sender of the transaction.
    pub sender: Address,
    /// The position of the transaction in the chain.
    pub meta: TransactionMeta,
    /// The gas that the transaction used.
    pub gas_used: u64,
    /// The number of logs of the block before the first log of this receipt.
    pub logs_before: u64,
    /// The price of blob gas in the block, in wei; `None` before Cancun.
    pub blob_gas_price: Option<U256>,
}

/// Writes a receipt as `eth_getTransactionReceipt` returns it.
pub fn write_receipt(out: &mut JsonOut, view: &ReceiptView<'_>) {
    let ReceiptView {
        receipt,
        transaction,
        sender,
        meta,
        ..
    } = view;
    let hash = transaction.hash();
    let created = transaction
        .is_create()
        .then(|| contract_address(sender, transaction.nonce()));
    let mut object = out.object();
    object
        .field("blockHash", meta.block_hash)
        .quantity("blockNumber", meta.block_number)
        .field("transactionHash", hash)
        .quantity("transactionIndex", meta.index)
        .field("from", sender)
        .field("to", transaction.to())
        .quantity("gasUsed", view.gas_used)
        .quantity("cumulativeGasUsed", receipt.cumulative_gas_used)
        .field("contractAddress", created)
        .field("logsBloom", receipt.logs_bloom);
    match receipt.outcome {
        ReceiptOutcome::StateRoot(root) => object.field("root", root),
        ReceiptOutcome::Status(success) => object.quantity("status", u64::from(success)),
    };
    object.quantity("type", transaction.tx_type() as u64).field(
        "effectiveGasPrice",
        transaction.effective_gas_price(meta.base_fee_per_gas),
    );
    if transaction.tx_type() == TxType::Blob {
        object
            .quantity("blobGasUsed", transaction.blob_gas())
            .field("blobGasPrice", view.blob_gas_price);
    }
    object.key("logs").array(
        receipt
            .logs
            .iter()
            .zip(view.logs_before..)
            .map(|(log, index)| LogOfReceipt {
                log,
                meta: LogMeta::new(meta, hash, index),
            }),
    );
    object.end();
}

/// The position of a log in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogMeta {
    /// The hash of its block.
    pub block_hash: B256,
    /// The number of its block.
    pub block_number: u64,
    /// The time of its block, in seconds since 1970.
    pub block_timestamp: u64,
    /// The hash of its transaction.
    pub transaction_hash: B256,
    /// The index of its transaction in the block.
    pub transaction_index: u64,
    /// The index of the log among the logs of the block.
    pub log_index: u64,
    /// Whether a reorganisation removed its block from the chain.
    pub removed: bool,
}

impl LogMeta {
    fn new(meta: &TransactionMeta, transaction_hash: B256, log_index: u64) -> Self {
        Self {
            block_hash: meta.block_hash,
            block_number: meta.block_number,
            block_timestamp: meta.block_timestamp,
            transaction_hash,
            transaction_index: meta.index,
            log_index,
            removed: false,
        }
    }
}

/// Writes a log as `eth_getLogs` returns it.
pub fn write_log(out: &mut JsonOut, log: &Log, meta: &LogMeta) {
    let mut object = out.object();
    object.field("address", log.address);
    object.key("topics").array(&log.topics);
    object
        .field("data", &log.data)
        .quantity("blockNumber", meta.block_number)
        .field("transactionHash", meta.transaction_hash)
        .quantity("transactionIndex", meta.transaction_index)
        .field("blockHash", meta.block_hash)
        .quantity("blockTimestamp", meta.block_timestamp)
        .quantity("logIndex", meta.log_index)
        .field("removed", meta.removed)
        .end();
}

/// Writes a log that carries its position.
pub fn write_log_with_meta(out: &mut JsonOut, entry: &LogWithMeta) {
    let meta = LogMeta {
        block_hash: entry.block_hash,
        block_number: entry.block_number,
        block_timestamp: entry.block_timestamp,
        transaction_hash: entry.transaction_hash,
        transaction_index: entry.transaction_index,
        log_index: entry.log_index,
        removed: entry.removed,
    };
    write_log(out, &entry.log, &meta);
}

/// A log of a receipt, with its position.
struct LogOfReceipt<'a> {
    log: &'a Log,
    meta: LogMeta,
}

impl WriteJson for LogOfReceipt<'_> {
    fn write_json(&self, out: &mut JsonOut) {
        write_log(out, self.log, &self.meta);
    }
}
