//! `TransactionTests`: validity of encoded transactions under each fork, without a state.

use std::collections::BTreeMap;

use actoreum_evm::{BlockBuilder, TxError};
use actoreum_primitives::transaction::{SenderRules, TxPayload};
use actoreum_primitives::{
    AccountInfo, Address, B256, Bytes, ChainConfig, EMPTY_CODE_HASH, Header, StateDiff, StateError,
    StateReader, Transaction, U256,
};
use serde::Deserialize;

use crate::archive::ArchivedFile;
use crate::exceptions::Refusal;
use crate::json::{self, Hex, Number};
use crate::network::chain_config;
use crate::refusals::{of_sender, of_transaction, same_reason};
use crate::report::{Difference, Report, same};
use crate::state_map::VectorBlockHashes;

#[derive(Deserialize)]
struct Vector {
    result: BTreeMap<String, Expected>,
    txbytes: Hex,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    exception: Option<String>,
    hash: Option<B256>,
    sender: Option<Address>,
    intrinsic_gas: Number,
}

/// A state in which every account can pay everything and has the required nonce.
struct UnlimitedState {
    nonce: u64,
}

impl StateReader for UnlimitedState {
    fn account(&self, _address: &Address) -> Result<Option<AccountInfo>, StateError> {
        let balance = U256::MAX >> 1;
        Ok(Some(AccountInfo {
            nonce: self.nonce,
            balance,
            code_hash: EMPTY_CODE_HASH,
        }))
    }

    fn storage(&self, _address: &Address, _slot: &U256) -> Result<U256, StateError> {
        Ok(U256::ZERO)
    }

    fn code(&self, _code_hash: &B256) -> Result<Bytes, StateError> {
        Ok(Bytes::new())
    }
}

struct NoRoots;

impl actoreum_evm::IntermediateRoots for NoRoots {
    fn root(&mut self, _diff: &StateDiff) -> Result<B256, StateError> {
        Ok(B256::ZERO)
    }
}

/// Executes the transaction in a state where only its own fields can make it invalid.
fn execute(
    config: &ChainConfig,
    transaction: &Transaction,
    sender: Address,
) -> Result<(), TxError> {
    let is_merged = config.terminal_total_difficulty.is_some();
    let header = Header {
        number: 1,
        timestamp: 1,
        gas_limit: u64::MAX,
        difficulty: if is_merged { U256::ZERO } else { U256::from(1) },
        base_fee_per_gas: config.london_block.map(|_| 0),
        excess_blob_gas: config.cancun_time.map(|_| 0),
        parent_beacon_block_root: config.cancun_time.map(|_| B256::ZERO),
        ..Header::default()
    };
    let state = UnlimitedState {
        nonce: transaction.nonce(),
    };
    let mut roots = NoRoots;
    let mut builder = BlockBuilder::begin(
        config,
        &header,
        Address::ZERO,
        &state,
        &VectorBlockHashes,
        Some(&mut roots),
    )
    .expect("a state without code has no system call that fails");
    builder.try_transaction(transaction, sender).map(|_| ())
}

/// Checks that the transaction could be executed if its sender had any amount of wei. Its cost may
/// come near 2^256, but has to fit 256 bits.
fn validate(
    config: &ChainConfig,
    transaction: &Transaction,
    sender: Address,
) -> Result<(), TxError> {
    let cost = U256::from(transaction.gas_limit()).checked_mul(transaction.max_fee_per_gas());
    match (execute(config, transaction, sender), cost) {
        (Err(TxError::InsufficientFunds { .. }), Some(_)) => execute(
            config,
            &changed(transaction, |fields| fields.make_free()),
            sender,
        ),
        (result, _) => result,
    }
}

/// The fields of every transaction type that are changed here.
struct Fields<'a> {
    gas_limit: &'a mut u64,
    value: &'a mut U256,
    prices: Vec<&'a mut U256>,
}

impl Fields<'_> {
    fn make_free(self) {
        *self.value = U256::ZERO;
        for price in self.prices {
            *price = U256::ZERO;
        }
    }
}

/// Returns the transaction with other fields; its signature is not updated.
fn changed(transaction: &Transaction, change: impl FnOnce(Fields<'_>)) -> Transaction {
    let mut payload = transaction.payload().clone();
    let (gas_limit, value, prices) = match &mut payload {
        TxPayload::Legacy(tx) => (&mut tx.gas_limit, &mut tx.value, vec![&mut tx.gas_price]),
        TxPayload::AccessList(tx) => (&mut tx.gas_limit, &mut tx.value, vec![&mut tx.gas_price]),
        TxPayload::DynamicFee(tx) => {
            let prices = vec![&mut tx.max_fee_per_gas, &mut tx.max_priority_fee_per_gas];
            (&mut tx.gas_limit, &mut tx.value, prices)
        }
        TxPayload::Blob(tx) => {
            let prices = vec![&mut tx.max_fee_per_gas, &mut tx.max_priority_fee_per_gas];
            (&mut tx.gas_limit, &mut tx.value, prices)
        }
        TxPayload::SetCode(tx) => {
            let prices = vec![&mut tx.max_fee_per_gas, &mut tx.max_priority_fee_per_gas];
            (&mut tx.gas_limit, &mut tx.value, prices)
        }
    };
    change(Fields {
        gas_limit,
        value,
        prices,
    });
    Transaction::new(payload, *transaction.signature())
}

/// Returns the intrinsic gas: the amount that is reported as missing where the gas limit is zero.
fn intrinsic_gas(config: &ChainConfig, transaction: &Transaction, sender: Address) -> Option<u64> {
    let without_gas = changed(transaction, |fields| {
        *fields.gas_limit = 0;
        fields.make_free();
    });
    match execute(config, &without_gas, sender) {
        Err(TxError::IntrinsicGas { want, .. }) => Some(want),
        _ => None,
    }
}

fn run_one(bytes: &Bytes, fork: &str, expected: &Expected) -> Result<(), Difference> {
    let Some(config) = chain_config(fork) else {
        return Err(Difference::new("network", "a known one", fork));
    };
    let rules = SenderRules::at(&config, 1, 1);
    let validated = Transaction::decode_2718(bytes)
        .map_err(|error| (Some(Refusal::Malformed), error.to_string()))
        .and_then(|transaction| {
            let sender = rules
                .sender(&transaction)
                .map_err(|error| (Some(of_sender(&error)), error.to_string()))?;
            validate(&config, &transaction, sender)
                .map_err(|error| (of_transaction(&error), error.to_string()))?;
            Ok((transaction, sender))
        });
    match (&expected.exception, validated) {
        (Some(exception), Err((refusal, error))) => same_reason(exception, refusal, &error),
        (Some(exception), Ok(_)) => Err(Difference::new("transaction", exception, "accepted")),
        (None, Err((_, error))) => Err(Difference::new("transaction", "accepted", error)),
        (None, Ok((transaction, sender))) => {
            same("hash", &expected.hash, &Some(transaction.hash()))?;
            same("sender", &expected.sender, &Some(sender))?;
            same("encoding", bytes, &transaction.encode_2718().into())?;
            let gas = intrinsic_gas(&config, &transaction, sender);
            same(
                "intrinsic gas",
                &Some(expected.intrinsic_gas.as_u64()),
                &gas,
            )
        }
    }
}

/// Runs a file of `TransactionTests`.
pub fn run(file: &ArchivedFile, report: &Report) {
    let vectors = json::named_vectors(&file.content).expect("a transaction file is an object");
    for (name, text) in vectors {
        let vector: Vector =
            serde_json::from_str(text.get()).expect("a transaction vector is read");
        for (fork, expected) in &vector.result {
            if let Some(exception) = &expected.exception {
                report.note_exception(exception);
            }
            let outcome = run_one(&vector.txbytes.0, fork, expected);
            report.record(
                "transaction",
                fork,
                &format!("{} {name}", file.path),
                outcome,
            );
        }
    }
}
