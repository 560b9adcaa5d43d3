//! The official state tests: one transaction on a state, its root and logs afterwards.

mod common;

use actoreum_evm::{BlockBuilder, TxError};
use actoreum_primitives::transaction::{AccessListTx, BlobTx, DynamicFeeTx, LegacyTx};
use actoreum_primitives::{
    AccessListItem, Address, B256, ChainConfig, Header, SecretKey, Transaction, TxPayload, U256,
};
use common::archive::{Report, for_each_file};
use common::json::{JsonIndexes, JsonPost, JsonTransaction, Num, StateTest};
use common::networks;
use common::state::{MemoryState, NumberHashes, Roots, logs_hash};

#[test]
fn legacy_state_vectors() {
    run("legacy-frontier-to-constantinople.tar.zst");
}

#[test]
fn berlin_to_cancun_state_vectors() {
    run("berlin-to-cancun.tar.zst");
}

fn run(archive: &str) {
    let report = Report::default();
    let is_state_test =
        |path: &str| path.contains("GeneralStateTests/") && !path.contains("BlockchainTests/");
    let ran = for_each_file(archive, is_state_test, |path, json| {
        let tests: std::collections::BTreeMap<String, StateTest> =
            match serde_json::from_slice(json) {
                Ok(tests) => tests,
                Err(error) => return report.failed(path.to_owned(), error),
            };
        for (name, test) in &tests {
            for (network, posts) in &test.post {
                let config = networks::config(network, &serde_json::Value::Null)
                    .expect("every network of the state tests is known");
                for post in posts {
                    let JsonIndexes { data, gas, value } = post.indexes;
                    match check(&config, test, post) {
                        Ok(()) => report.passed(network),
                        Err(error) => {
                            let id = format!("{path} {name} {network} d{data} g{gas} v{value}");
                            report.failed(id, error);
                        }
                    }
                }
            }
        }
    });
    if ran {
        report.conclude(archive);
    }
}

fn check(config: &ChainConfig, test: &StateTest, post: &JsonPost) -> Result<(), String> {
    let env = &test.env;
    let is_merged = config.terminal_total_difficulty.is_some();
    let is_london = config.london_block.is_some();
    let is_cancun = config.cancun_time.is_some();
    let header = Header {
        number: env.current_number.u64(),
        timestamp: env.current_timestamp.u64(),
        gas_limit: env.current_gas_limit.u64(),
        difficulty: if is_merged {
            U256::ZERO
        } else {
            env.current_difficulty.0
        },
        mix_hash: env.current_random.unwrap_or_default(),
        base_fee_per_gas: is_london.then(|| env.current_base_fee.map_or(10, Num::u64)),
        excess_blob_gas: is_cancun.then(|| env.current_excess_blob_gas.map_or(0, Num::u64)),
        parent_beacon_block_root: is_cancun.then_some(B256::ZERO),
        ..Header::default()
    };
    if test.transaction.max_fee_per_blob_gas.is_some() && test.transaction.to.0.is_none() {
        return check_cannot_be_written(post);
    }
    let parent = MemoryState::from_json(&test.pre);
    let (transaction, sender) = transaction(&test.transaction, post.indexes);
    let mut roots = Roots::new(&parent);
    let beneficiary = env.current_coinbase;
    let mut builder = BlockBuilder::begin(
        config,
        &header,
        beneficiary,
        &parent,
        &NumberHashes,
        Some(&mut roots),
    )
    .map_err(|error| error.to_string())?;
    let result = builder.try_transaction(&transaction, sender).map(|_| ());
    match (&result, &post.expect_exception) {
        (Ok(()), Some(expected)) => return Err(format!("succeeded, expected {expected}")),
        (Err(error), Some(expected)) if !is_expected(error, expected) => {
            return Err(format!("expected {expected}, not {error:?}"));
        }
        _ => {}
    }
    let outcome = builder
        .finish(&[(beneficiary, U256::ZERO)], &[])
        .map_err(|error| error.to_string())?;
    let logs = outcome
        .receipts
        .first()
        .map(|receipt| receipt.logs.clone())
        .unwrap_or_default();
    let mut state = parent.clone();
    state.apply(&outcome.diff);
    if state.root() != post.hash {
        return Err(format!(
            "state root {} instead of {} ({result:?})",
            state.root(),
            post.hash
        ));
    }
    if logs_hash(&logs) != post.logs {
        return Err("logs differ".into());
    }
    Ok(())
}

/// A blob transaction has no way to say that it creates a contract: its encoding is refused
/// before anything runs.
fn check_cannot_be_written(post: &JsonPost) -> Result<(), String> {
    match post.expect_exception.as_deref() {
        Some("TransactionException.TYPE_3_TX_CONTRACT_CREATION") => Ok(()),
        other => Err(format!(
            "a blob transaction without recipient, expected {other:?}"
        )),
    }
}

fn transaction(json: &JsonTransaction, indexes: JsonIndexes) -> (Transaction, Address) {
    let chain_id = 1;
    let nonce = json.nonce.u64();
    let gas_limit = json.gas_limit[indexes.gas].u64();
    let value = json.value[indexes.value].0;
    let input = json.data[indexes.data].0.clone();
    let to = json.to.0;
    let gas_price = json.gas_price.unwrap_or_default().0;
    let max_fee_per_gas = json.max_fee_per_gas.unwrap_or_default().0;
    let max_priority_fee_per_gas = json.max_priority_fee_per_gas.unwrap_or_default().0;
    let listed = json
        .access_lists
        .as_ref()
        .and_then(|lists| lists.get(indexes.data)?.as_ref());
    let has_access_list = listed.is_some();
    let access_list = listed.into_iter().flatten().map(|item| AccessListItem {
        address: item.address,
        storage_keys: item
            .storage_keys
            .iter()
            .map(|key| B256::from(key.0))
            .collect(),
    });
    let access_list = access_list.collect();
    let payload = if let Some(max_fee_per_blob_gas) = json.max_fee_per_blob_gas {
        TxPayload::Blob(BlobTx {
            chain_id,
            nonce,
            max_priority_fee_per_gas,
            max_fee_per_gas,
            gas_limit,
            to: to.expect("a creation was sorted out before"),
            value,
            input,
            access_list,
            max_fee_per_blob_gas: max_fee_per_blob_gas.0,
            blob_versioned_hashes: json.blob_versioned_hashes.clone().unwrap_or_default(),
        })
    } else if json.max_fee_per_gas.is_some() {
        TxPayload::DynamicFee(DynamicFeeTx {
            chain_id,
            nonce,
            max_priority_fee_per_gas,
            max_fee_per_gas,
            gas_limit,
            to,
            value,
            input,
            access_list,
        })
    } else if has_access_list {
        TxPayload::AccessList(AccessListTx {
            chain_id,
            nonce,
            gas_price,
            gas_limit,
            to,
            value,
            input,
            access_list,
        })
    } else {
        let chain_id = None;
        TxPayload::Legacy(LegacyTx {
            chain_id,
            nonce,
            gas_price,
            gas_limit,
            to,
            value,
            input,
        })
    };
    let key = SecretKey::from_bytes(&json.secret_key.0).expect("the vectors' keys are valid");
    (payload.sign(&key), key.address())
}

/// Whether an error is of a class that the test names (`A|B`: either).
fn is_expected(error: &TxError, expected: &str) -> bool {
    expected.split('|').any(|class| {
        let class = class.trim_start_matches("TransactionException.");
        match error {
            TxError::InsufficientFunds { .. } => {
                matches!(
                    class,
                    "INSUFFICIENT_ACCOUNT_FUNDS" | "GASLIMIT_PRICE_PRODUCT_OVERFLOW"
                )
            }
            TxError::IntrinsicGas { .. } => class == "INTRINSIC_GAS_TOO_LOW",
            TxError::FeeCapBelowBaseFee { .. } => class == "INSUFFICIENT_MAX_FEE_PER_GAS",
            TxError::TipAboveFeeCap { .. } => class == "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS",
            TxError::InitcodeSize { .. } => class == "INITCODE_SIZE_EXCEEDED",
            TxError::NonceMax { .. } => class == "NONCE_IS_MAX",
            TxError::SenderNotEoa { .. } => class == "SENDER_NOT_EOA",
            TxError::TooManyBlobs { .. } => class == "TYPE_3_TX_BLOB_COUNT_EXCEEDED",
            TxError::BlobCreate => class == "TYPE_3_TX_CONTRACT_CREATION",
            TxError::NoBlobs => class == "TYPE_3_TX_ZERO_BLOBS",
            TxError::BlobVersion => class == "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH",
            TxError::TypeNotSupported => class == "TYPE_3_TX_PRE_FORK",
            _ => false,
        }
    })
}
