//! State tests: one transaction on a given state, under each fork.

use std::collections::BTreeMap;

use actoreum_evm::{BlockBuilder, TxError};
use actoreum_primitives::transaction::{
    AccessListTx, BlobTx, DynamicFeeTx, LegacyTx, SenderError, SenderRules, TxPayload,
};
use actoreum_primitives::{
    AccessListItem, Address, B256, Bytes, ChainConfig, Header, Receipt, SecretKey, StateDiff,
    StateError, Transaction, U256, keccak256, rlp,
};
use serde::Deserialize;

use crate::archive::ArchivedFile;
use crate::json::{self, Hex, Number};
use crate::network::chain_config;
use crate::parallel;
use crate::refusals::{of_sender, of_transaction, same_reason};
use crate::report::{Difference, Report, same};
use crate::state_map::{StateMap, VectorBlockHashes, VectorState};

#[derive(Deserialize)]
struct Vector {
    env: Env,
    pre: VectorState,
    transaction: Template,
    post: BTreeMap<String, Vec<Outcome>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Env {
    current_coinbase: Address,
    current_difficulty: Number,
    current_gas_limit: Number,
    current_number: Number,
    current_timestamp: Number,
    #[serde(default)]
    current_base_fee: Number,
    #[serde(default)]
    current_random: Number,
    #[serde(default)]
    current_excess_blob_gas: Number,
    #[serde(default)]
    previous_hash: B256,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Template {
    data: Vec<Hex>,
    gas_limit: Vec<Number>,
    value: Vec<Number>,
    gas_price: Option<Number>,
    #[serde(default)]
    max_fee_per_gas: Number,
    #[serde(default)]
    max_priority_fee_per_gas: Number,
    max_fee_per_blob_gas: Option<Number>,
    blob_versioned_hashes: Option<Vec<B256>>,
    access_lists: Option<Vec<Option<Vec<VectorAccessListItem>>>>,
    nonce: Number,
    secret_key: B256,
    to: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VectorAccessListItem {
    address: Address,
    storage_keys: Vec<B256>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    hash: B256,
    logs: B256,
    indexes: Indexes,
    expect_exception: Option<String>,
    txbytes: Option<Hex>,
}

#[derive(Deserialize)]
struct Indexes {
    data: usize,
    gas: usize,
    value: usize,
}

impl Env {
    fn header(&self, config: &ChainConfig) -> Header {
        let is_merged = config.terminal_total_difficulty.is_some();
        let difficulty = self.current_difficulty.as_u256();
        Header {
            parent_hash: self.previous_hash,
            beneficiary: self.current_coinbase,
            difficulty: if is_merged { U256::ZERO } else { difficulty },
            number: self.current_number.as_u64(),
            gas_limit: self.current_gas_limit.as_u64(),
            timestamp: self.current_timestamp.as_u64(),
            mix_hash: B256::from(self.current_random.as_u256()),
            base_fee_per_gas: config.london_block.map(|_| self.current_base_fee.as_u64()),
            excess_blob_gas: config
                .cancun_time
                .map(|_| self.current_excess_blob_gas.as_u64()),
            parent_beacon_block_root: config.cancun_time.map(|_| B256::ZERO),
            ..Header::default()
        }
    }
}

impl Template {
    /// Returns the transaction that the indexes choose; `None` where a field does not fit its type.
    fn payload(&self, indexes: &Indexes) -> Option<TxPayload> {
        let chain_id = 1;
        let nonce = self.nonce.value()?.try_into().ok()?;
        let gas_limit = self.gas_limit[indexes.gas].value()?.try_into().ok()?;
        let value = self.value[indexes.value].value()?;
        let input: Bytes = self.data[indexes.data].0.clone();
        let to: Option<Address> = match self.to.as_str() {
            "" => None,
            address => Some(address.parse().expect("a vector's recipient is an address")),
        };
        let access_list = self
            .access_lists
            .as_ref()
            .and_then(|lists| lists[indexes.data].as_ref());
        let access_list = access_list.map(|items| {
            let items = items.iter().map(|item| AccessListItem {
                address: item.address,
                storage_keys: item.storage_keys.clone(),
            });
            items.collect::<Vec<_>>()
        });
        if let Some(max_fee_per_blob_gas) = self.max_fee_per_blob_gas {
            return Some(TxPayload::Blob(BlobTx {
                chain_id,
                nonce,
                max_priority_fee_per_gas: self.max_priority_fee_per_gas.value()?,
                max_fee_per_gas: self.max_fee_per_gas.value()?,
                gas_limit,
                to: to?,
                value,
                input,
                access_list: access_list.unwrap_or_default(),
                max_fee_per_blob_gas: max_fee_per_blob_gas.value()?,
                blob_versioned_hashes: self.blob_versioned_hashes.clone().unwrap_or_default(),
            }));
        }
        Some(match (self.gas_price, access_list) {
            (Some(gas_price), None) => TxPayload::Legacy(LegacyTx {
                chain_id: None,
                nonce,
                gas_price: gas_price.value()?,
                gas_limit,
                to,
                value,
                input,
            }),
            (Some(gas_price), Some(access_list)) => TxPayload::AccessList(AccessListTx {
                chain_id,
                nonce,
                gas_price: gas_price.value()?,
                gas_limit,
                to,
                value,
                input,
                access_list,
            }),
            (None, access_list) => TxPayload::DynamicFee(DynamicFeeTx {
                chain_id,
                nonce,
                max_priority_fee_per_gas: self.max_priority_fee_per_gas.value()?,
                max_fee_per_gas: self.max_fee_per_gas.value()?,
                gas_limit,
                to,
                value,
                input,
                access_list: access_list.unwrap_or_default(),
            }),
        })
    }

    /// Returns the vector's own signed transaction where it has one, otherwise the template's,
    /// signed.
    fn transaction(&self, outcome: &Outcome) -> Result<Option<Transaction>, Difference> {
        let payload = self.payload(&outcome.indexes);
        let given = outcome
            .txbytes
            .as_ref()
            .map(|bytes| Transaction::decode_2718(&bytes.0));
        match (payload, given) {
            (Some(mut payload), Some(Ok(transaction))) => {
                if let TxPayload::Legacy(legacy) = &mut payload {
                    // Some fillers use EIP-155 for legacy transactions, some do not.
                    legacy.chain_id = transaction.chain_id();
                }
                same("transaction's bytes", &payload, transaction.payload())?;
                Ok(Some(transaction))
            }
            (Some(payload), None) => {
                let key = SecretKey::from_bytes(&self.secret_key.0).expect("a vector's key");
                Ok(Some(payload.sign(&key)))
            }
            (_, Some(Err(_))) | (None, _) => Ok(None),
        }
    }
}

enum Refused {
    Malformed,
    Sender(SenderError),
    Transaction(TxError),
}

/// Supplies no state root after each transaction, which receipts before Byzantium have: state tests
/// do not check it.
struct NoRoots;

impl actoreum_evm::IntermediateRoots for NoRoots {
    fn root(&mut self, _diff: &StateDiff) -> Result<B256, StateError> {
        Ok(B256::ZERO)
    }
}

fn execute(
    vector: &Vector,
    outcome: &Outcome,
    config: &ChainConfig,
    state: &StateMap,
) -> Result<(StateDiff, Option<Receipt>, Option<Refused>), Difference> {
    let header = vector.env.header(config);
    let failed = |error: &dyn std::fmt::Display| Difference::new("execution", "to end", error);
    let mut roots = NoRoots;
    let mut builder = BlockBuilder::begin(
        config,
        &header,
        header.beneficiary,
        state,
        &VectorBlockHashes,
        Some(&mut roots),
    )
    .map_err(|error| failed(&error))?;
    let rules = SenderRules::at(config, header.number, header.timestamp);
    let refused = match vector.transaction.transaction(outcome)? {
        None => Some(Refused::Malformed),
        Some(transaction) => match rules.sender(&transaction) {
            Err(error) => Some(Refused::Sender(error)),
            Ok(sender) => match builder.try_transaction(&transaction, sender) {
                Err(error) => Some(Refused::Transaction(error)),
                Ok(_) => None,
            },
        },
    };
    // Touches the beneficiary even where its reward is zero.
    let rewards = [(header.beneficiary, U256::ZERO)];
    let outcome = builder
        .finish(&rewards, &[])
        .map_err(|error| failed(&error))?;
    Ok((outcome.diff, outcome.receipts.into_iter().next(), refused))
}

fn run_one(vector: &Vector, outcome: &Outcome, config: &ChainConfig) -> Result<(), Difference> {
    let mut state = StateMap::new(&vector.pre);
    let (diff, receipt, refused) = execute(vector, outcome, config, &state)?;
    match (&outcome.expect_exception, refused) {
        (None, None) => {}
        (Some(exception), None) => {
            return Err(Difference::new("transaction", exception, "accepted"));
        }
        (exception, Some(refused)) => {
            let (refusal, text) = match &refused {
                Refused::Malformed => (
                    Some(crate::exceptions::Refusal::Malformed),
                    "a field does not fit".into(),
                ),
                Refused::Sender(error) => (Some(of_sender(error)), error.to_string()),
                Refused::Transaction(error) => (of_transaction(error), error.to_string()),
            };
            match exception {
                Some(exception) => same_reason(exception, refusal, &text)?,
                // Vectors of old fillers do not say which of their transactions are refused.
                None if outcome.txbytes.is_none() && refusal.is_some() => {}
                None => return Err(Difference::new("transaction", "accepted", text)),
            }
        }
    }
    state.apply(&diff);
    let logs = receipt.map(|receipt| receipt.logs).unwrap_or_default();
    same("logs' hash", &outcome.logs, &keccak256(rlp::encode(&logs)))?;
    same("state root", &outcome.hash, &state.root())
}

/// Runs a file of `GeneralStateTests`.
pub fn run(file: &ArchivedFile, report: &Report) {
    let vectors = json::named_vectors(&file.content).expect("a state file is a JSON object");
    for (name, text) in vectors {
        let vector: Vector = match serde_json::from_str(text.get()) {
            Ok(vector) => vector,
            Err(error) => {
                let unread = Err(Difference::new("vector", "to be read", error));
                report.record("state", "-", &format!("{} {name}", file.path), unread);
                continue;
            }
        };
        let outcomes: Vec<_> = vector
            .post
            .iter()
            .flat_map(|(fork, outcomes)| outcomes.iter().map(move |outcome| (fork, outcome)))
            .collect();
        parallel::for_each(&outcomes, |(fork, outcome)| {
            let Indexes { data, gas, value } = outcome.indexes;
            let name = format!("{} {name} data {data} gas {gas} value {value}", file.path);
            let result = match chain_config(fork) {
                Some(config) => run_one(&vector, outcome, &config),
                None => Err(Difference::new("network", "a known one", fork)),
            };
            if let Some(exception) = &outcome.expect_exception {
                report.note_exception(exception);
            }
            report.record("state", fork, &name, result);
        });
    }
}
