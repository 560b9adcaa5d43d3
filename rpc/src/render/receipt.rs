//! Receipts and logs.

use actoreum_chain::PlacedLog;
use actoreum_primitives::{
    Address, B256, Log, Receipt, ReceiptOutcome, Transaction, TxType, U256, contract_address,
};

use super::transaction::TransactionPlace;
use crate::json::{JsonOut, WriteJson};

/// A receipt and what its JSON shows beside it.
#[derive(Debug, Clone, Copy)]
pub struct ReceiptView<'a> {
    /// The receipt.
    pub receipt: &'a Receipt,
    /// Its transaction.
    pub transaction: &'a Transaction,
    /// Who sent the transaction.
    pub sender: Address,
    /// Where the transaction stands.
    pub place: TransactionPlace,
    /// Gas that the transaction used.
    pub gas_used: u64,
    /// Logs of the block before the first of this receipt.
    pub logs_before: u64,
    /// Wei a blob gas in the block, where it has a price.
    pub blob_gas_price: Option<U256>,
}

/// Writes a receipt, as `eth_getTransactionReceipt` returns it.
pub fn write_receipt(out: &mut JsonOut, view: &ReceiptView<'_>) {
    let ReceiptView {
        receipt,
        transaction,
        sender,
        place,
        ..
    } = view;
    let hash = transaction.hash();
    let created = transaction
        .is_create()
        .then(|| contract_address(sender, transaction.nonce()));
    let mut object = out.object();
    object
        .field("blockHash", place.block_hash)
        .quantity("blockNumber", place.block_number)
        .field("transactionHash", hash)
        .quantity("transactionIndex", place.index)
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
        transaction.effective_gas_price(place.base_fee_per_gas),
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
                place: LogPlace::new(place, hash, index),
            }),
    );
    object.end();
}

/// Where in the chain a log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPlace {
    /// Of its block.
    pub block_hash: B256,
    /// Of its block.
    pub block_number: u64,
    /// Of its transaction.
    pub transaction_hash: B256,
    /// The position of its transaction in the block.
    pub transaction_index: u64,
    /// Its position among the logs of the block.
    pub log_index: u64,
    /// Whether a reorganisation took its block from the chain.
    pub removed: bool,
}

impl LogPlace {
    fn new(place: &TransactionPlace, transaction_hash: B256, log_index: u64) -> Self {
        Self {
            block_hash: place.block_hash,
            block_number: place.block_number,
            transaction_hash,
            transaction_index: place.index,
            log_index,
            removed: false,
        }
    }
}

/// Writes a log, as `eth_getLogs` returns it.
pub fn write_log(out: &mut JsonOut, log: &Log, place: &LogPlace) {
    let mut object = out.object();
    object.field("address", log.address);
    object.key("topics").array(&log.topics);
    object
        .field("data", &log.data)
        .quantity("blockNumber", place.block_number)
        .field("transactionHash", place.transaction_hash)
        .quantity("transactionIndex", place.transaction_index)
        .field("blockHash", place.block_hash)
        .quantity("logIndex", place.log_index)
        .field("removed", place.removed)
        .end();
}

/// Writes a log that knows its place.
pub fn write_placed_log(out: &mut JsonOut, placed: &PlacedLog) {
    let place = LogPlace {
        block_hash: placed.block_hash,
        block_number: placed.block_number,
        transaction_hash: placed.transaction_hash,
        transaction_index: placed.transaction_index,
        log_index: placed.log_index,
        removed: placed.removed,
    };
    write_log(out, &placed.log, &place);
}

struct LogOfReceipt<'a> {
    log: &'a Log,
    place: LogPlace,
}

impl WriteJson for LogOfReceipt<'_> {
    fn write_json(&self, out: &mut JsonOut) {
        write_log(out, self.log, &self.place);
    }
}
