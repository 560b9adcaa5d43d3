//! Proptest strategies for every type of the crate.

use alloy_primitives::{Address, B64, B256, Bloom, Bytes, FixedBytes, U256};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::transaction::SidecarProofs;
use crate::{
    AccessListItem, AccessListTx, Authorization, BlobSidecar, BlobTx, Block, Body, DynamicFeeTx,
    Header, LegacyTx, Log, PooledTransaction, Receipt, ReceiptOutcome, SetCodeTx, Signature,
    Transaction, TxPayload, TxType, Withdrawal, limits,
};

/// Integers of every bit length, including zero.
pub(crate) fn u64s() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..=64u32).prop_map(|(number, shift)| number.checked_shr(shift).unwrap_or(0))
}

pub(crate) fn u256s() -> impl Strategy<Value = U256> {
    (any::<[u8; 32]>(), 0..=256usize).prop_map(|(bytes, shift)| U256::from_be_bytes(bytes) >> shift)
}

pub(crate) fn b256s() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

pub(crate) fn addresses() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

pub(crate) fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

fn blooms() -> impl Strategy<Value = Bloom> {
    vec(any::<u8>(), 256).prop_map(|bytes| Bloom::from_slice(&bytes))
}

prop_compose! {
    fn frontier_headers()(
        (parent_hash, ommers_hash, state_root, transactions_root, receipts_root, mix_hash) in
            (b256s(), b256s(), b256s(), b256s(), b256s(), b256s()),
        (beneficiary, logs_bloom, difficulty, extra_data, nonce) in
            (addresses(), blooms(), u256s(), bytes(100), any::<[u8; 8]>()),
        (number, gas_limit, gas_used, timestamp) in (u64s(), u64s(), u64s(), u64s()),
    ) -> Header {
        Header {
            parent_hash, ommers_hash, beneficiary, state_root, transactions_root, receipts_root,
            logs_bloom, difficulty, number, gas_limit, gas_used, timestamp, extra_data, mix_hash,
            nonce: B64::from(nonce),
            ..Header::default()
        }
    }
}

prop_compose! {
    /// Headers with any number of the optional fields.
    pub(crate) fn headers()(
        header in frontier_headers(),
        fields in 0..=6usize,
        (base_fee, blob_gas_used, excess_blob_gas) in (u64s(), u64s(), u64s()),
        (withdrawals_root, beacon_root, requests_hash) in (b256s(), b256s(), b256s()),
    ) -> Header {
        Header {
            base_fee_per_gas: (fields > 0).then_some(base_fee),
            withdrawals_root: (fields > 1).then_some(withdrawals_root),
            blob_gas_used: (fields > 2).then_some(blob_gas_used),
            excess_blob_gas: (fields > 3).then_some(excess_blob_gas),
            parent_beacon_block_root: (fields > 4).then_some(beacon_root),
            requests_hash: (fields > 5).then_some(requests_hash),
            ..header
        }
    }
}

fn access_lists() -> impl Strategy<Value = Vec<AccessListItem>> {
    let item =
        (addresses(), vec(b256s(), 0..3)).prop_map(|(address, storage_keys)| AccessListItem {
            address,
            storage_keys,
        });
    vec(item, 0..3)
}

prop_compose! {
    pub(crate) fn authorizations()(
        chain_id in u256s(), address in addresses(), nonce in u64s(),
        y_parity in any::<u8>(), r in u256s(), s in u256s(),
    ) -> Authorization {
        Authorization { chain_id, address, nonce, y_parity, r, s }
    }
}

prop_compose! {
    /// A payload of each type, with the same values.
    pub(crate) fn payloads()(
        tx_type in prop::sample::select(TxType::ALL.to_vec()),
        (chain_id, is_protected) in (u64s(), any::<bool>()),
        (nonce, gas_limit) in (u64s(), u64s()),
        (tip, fee, value, blob_fee) in (u256s(), u256s(), u256s(), u256s()),
        (target, to) in (addresses(), option::of(addresses())),
        input in bytes(100),
        access_list in access_lists(),
        blob_versioned_hashes in vec(b256s(), 0..3),
        authorization_list in vec(authorizations(), 0..3),
    ) -> TxPayload {
        match tx_type {
            TxType::Legacy => TxPayload::Legacy(LegacyTx {
                chain_id: is_protected.then_some(chain_id),
                nonce, gas_price: fee, gas_limit, to, value, input,
            }),
            TxType::AccessList => TxPayload::AccessList(AccessListTx {
                chain_id, nonce, gas_price: fee, gas_limit, to, value, input, access_list,
            }),
            TxType::DynamicFee => TxPayload::DynamicFee(DynamicFeeTx {
                chain_id, nonce, max_priority_fee_per_gas: tip, max_fee_per_gas: fee, gas_limit,
                to, value, input, access_list,
            }),
            TxType::Blob => TxPayload::Blob(BlobTx {
                chain_id, nonce, max_priority_fee_per_gas: tip, max_fee_per_gas: fee, gas_limit,
                to: target, value, input, access_list, max_fee_per_blob_gas: blob_fee,
                blob_versioned_hashes,
            }),
            TxType::SetCode => TxPayload::SetCode(SetCodeTx {
                chain_id, nonce, max_priority_fee_per_gas: tip, max_fee_per_gas: fee, gas_limit,
                to: target, value, input, access_list, authorization_list,
            }),
        }
    }
}

pub(crate) fn transactions() -> impl Strategy<Value = Transaction> {
    (payloads(), any::<bool>(), u256s(), u256s()).prop_map(|(payload, y_parity, r, s)| {
        Transaction::new(payload, Signature { y_parity, r, s })
    })
}

/// Transactions in the form that transaction pools exchange, with at most one blob.
pub(crate) fn pooled() -> impl Strategy<Value = PooledTransaction> {
    let fixed =
        || any::<[u8; 24]>().prop_map(|half| FixedBytes::<48>::from_slice(&[half, half].concat()));
    (
        transactions(),
        any::<bool>(),
        vec(fixed(), 0..3),
        vec(fixed(), 0..5),
        any::<u8>(),
    )
        .prop_map(|(transaction, has_cells, commitments, proofs, fill)| {
            let sidecar = (transaction.tx_type() == TxType::Blob).then(|| BlobSidecar {
                blobs: vec![vec![fill; limits::BLOB_BYTES].into(); commitments.len().min(1)],
                commitments,
                proofs: if has_cells {
                    SidecarProofs::Cell(proofs)
                } else {
                    SidecarProofs::Blob(proofs)
                },
            });
            PooledTransaction {
                transaction,
                sidecar,
            }
        })
}

fn logs() -> impl Strategy<Value = Log> {
    (addresses(), vec(b256s(), 0..=4), bytes(100)).prop_map(|(address, topics, data)| Log {
        address,
        topics,
        data,
    })
}

pub(crate) fn receipts() -> impl Strategy<Value = Receipt> {
    let outcome = prop_oneof![
        any::<bool>().prop_map(ReceiptOutcome::Status),
        b256s().prop_map(ReceiptOutcome::StateRoot),
    ];
    (
        prop::sample::select(TxType::ALL.to_vec()),
        outcome,
        u64s(),
        vec(logs(), 0..3),
    )
        .prop_map(|(tx_type, outcome, gas, logs)| Receipt::new(tx_type, outcome, gas, logs))
}

pub(crate) fn withdrawals() -> impl Strategy<Value = Withdrawal> {
    (u64s(), u64s(), addresses(), u64s()).prop_map(|(index, validator_index, address, amount)| {
        Withdrawal {
            index,
            validator_index,
            address,
            amount,
        }
    })
}

pub(crate) fn blocks() -> impl Strategy<Value = Block> {
    let body = (
        vec(transactions(), 0..4),
        vec(headers(), 0..2),
        option::of(vec(withdrawals(), 0..3)),
    )
        .prop_map(|(transactions, ommers, withdrawals)| Body {
            transactions,
            ommers,
            withdrawals,
        });
    (headers(), body).prop_map(|(header, body)| Block { header, body })
}
