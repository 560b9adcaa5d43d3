//! Transactions.

use actoreum_primitives::{
    AccessListItem, Address, Authorization, B256, Transaction, TxType, U256,
};

use crate::server::json::{JsonOut, WriteJson};

/// The position of a transaction in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionMeta {
    /// The hash of its block.
    pub block_hash: B256,
    /// The number of its block.
    pub block_number: u64,
    /// The time of its block, in seconds since 1970.
    pub block_timestamp: u64,
    /// The index of the transaction in the block.
    pub index: u64,
    /// The base fee of its block, in wei.
    pub base_fee_per_gas: Option<u64>,
}

/// Writes a transaction as `eth_getTransactionByHash` returns it. A transaction in the pool has no
/// position and shows null for it, as in geth from 1.9 on.
pub fn write_transaction(
    out: &mut JsonOut,
    transaction: &Transaction,
    sender: Address,
    meta: Option<&TransactionMeta>,
) {
    let tx_type = transaction.tx_type();
    let signature = transaction.signature();
    let mut object = out.object();
    object
        .field("blockHash", meta.map(|meta| meta.block_hash))
        .field("blockNumber", meta.map(|meta| meta.block_number))
        .field("blockTimestamp", meta.map(|meta| meta.block_timestamp))
        .field("from", sender)
        .quantity("gas", transaction.gas_limit())
        .field("gasPrice", gas_price(transaction, meta))
        .field("hash", transaction.hash())
        .field("input", transaction.input())
        .quantity("nonce", transaction.nonce())
        .field("to", transaction.to())
        .field("transactionIndex", meta.map(|meta| meta.index))
        .field("value", transaction.value())
        .quantity("type", tx_type as u64);
    if let Some(chain_id) = transaction.chain_id() {
        object.quantity("chainId", chain_id);
    }
    if tx_type >= TxType::AccessList {
        object.key("accessList").array(transaction.access_list());
    }
    if tx_type >= TxType::DynamicFee {
        object
            .field("maxFeePerGas", transaction.max_fee_per_gas())
            .field(
                "maxPriorityFeePerGas",
                transaction.max_priority_fee_per_gas(),
            );
    }
    if tx_type == TxType::Blob {
        object.field("maxFeePerBlobGas", transaction.max_fee_per_blob_gas());
        object
            .key("blobVersionedHashes")
            .array(transaction.blob_hashes());
    }
    if tx_type == TxType::SetCode {
        object
            .key("authorizationList")
            .array(transaction.authorization_list());
    }
    object
        .field("v", U256::from(transaction.v()))
        .field("r", signature.r)
        .field("s", signature.s);
    if tx_type != TxType::Legacy {
        object.field("yParity", U256::from(transaction.v()));
    }
    object.end();
}

/// Returns the price per gas: the effective price in a block, else the maximum that is offered.
fn gas_price(transaction: &Transaction, meta: Option<&TransactionMeta>) -> U256 {
    match meta {
        Some(meta) => transaction.effective_gas_price(meta.base_fee_per_gas),
        None => transaction.max_fee_per_gas(),
    }
}

impl WriteJson for AccessListItem {
    fn write_json(&self, out: &mut JsonOut) {
        let mut object = out.object();
        object.field("address", self.address);
        object.key("storageKeys").array(&self.storage_keys);
        object.end();
    }
}

impl WriteJson for Authorization {
    fn write_json(&self, out: &mut JsonOut) {
        out.object()
            .field("chainId", self.chain_id)
            .field("address", self.address)
            .quantity("nonce", self.nonce)
            .quantity("yParity", u64::from(self.y_parity))
            .field("r", self.r)
            .field("s", self.s)
            .end();
    }
}
