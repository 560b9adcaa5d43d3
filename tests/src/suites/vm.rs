//! `VMTests`: code that runs on its own, without a transaction.
//!
//! The code is called by a transaction here, since the EVM has no other entry point, and the
//! intrinsic gas of the transaction is subtracted.

use actoreum_evm::{BlockBuilder, BlockOverrides, CallEnv, CallRequest, StateOverrides, call};
use actoreum_primitives::transaction::{LegacyTx, TxPayload};
use actoreum_primitives::{
    Address, B256, ChainConfig, Header, Signature, StateDiff, StateError, Transaction, U256,
    keccak256, rlp,
};
use serde::Deserialize;

use crate::archive::ArchivedFile;
use crate::json::{self, Hex, Number};
use crate::report::{Difference, Report, same};
use crate::state_map::{StateMap, VectorAccount, VectorBlockHashes, VectorState};

#[derive(Deserialize)]
struct Vector {
    env: Env,
    exec: Exec,
    /// Gas that is left; absent where the code fails.
    gas: Option<Number>,
    logs: Option<B256>,
    out: Option<Hex>,
    post: Option<VectorState>,
    pre: VectorState,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Env {
    current_coinbase: Address,
    current_difficulty: Number,
    current_gas_limit: Number,
    current_number: Number,
    current_timestamp: Number,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exec {
    address: Address,
    caller: Address,
    code: Hex,
    data: Hex,
    gas: Number,
    gas_price: Number,
    value: Number,
}

/// Returns the intrinsic gas of a transaction with this data under the forks of the VM tests.
fn intrinsic_gas(data: &[u8]) -> u64 {
    const TRANSACTION: u64 = 21_000;
    let bytes = data.iter().map(|byte| if *byte == 0 { 4 } else { 68 });
    TRANSACTION + bytes.sum::<u64>()
}

/// Mainnet's first forks: VM tests run by the number of their block.
fn config() -> ChainConfig {
    ChainConfig {
        chain_id: 1,
        homestead_block: Some(1_150_000),
        eip150_block: Some(2_463_000),
        eip155_block: Some(2_675_000),
        eip158_block: Some(2_675_000),
        byzantium_block: Some(4_370_000),
        ..ChainConfig::default()
    }
}

/// Returns the state before the call: the code at its address, a caller with enough funds, and the
/// balance without the value (the vector's balances include it, the transaction transfers it).
fn state_before(vector: &Vector) -> StateMap {
    let Exec {
        address,
        caller,
        code,
        value,
        ..
    } = &vector.exec;
    let mut accounts = vector.pre.clone();
    let account = accounts.entry(*address).or_default();
    account.code = code.clone();
    let balance = account.balance.as_u256().saturating_sub(value.as_u256());
    account.balance = Number(Some(balance));
    let caller: &mut VectorAccount = accounts.entry(*caller).or_default();
    caller.balance = Number(Some(U256::MAX >> 1));
    // A VM test may be called by a contract; a transaction may not be sent by one.
    caller.code = Hex::default();
    StateMap::new(&accounts)
}

struct NoRoots;

impl actoreum_evm::IntermediateRoots for NoRoots {
    fn root(&mut self, _diff: &StateDiff) -> Result<B256, StateError> {
        Ok(B256::ZERO)
    }
}

/// Returns the state diff of a transaction that calls the code.
fn execute(
    vector: &Vector,
    header: &Header,
    state: &StateMap,
    gas: u64,
) -> Result<StateDiff, Difference> {
    let failed = |error: &dyn std::fmt::Display| Difference::new("transaction", "to run", error);
    let exec = &vector.exec;
    let payload = TxPayload::Legacy(LegacyTx {
        chain_id: None,
        nonce: 0,
        gas_price: exec.gas_price.as_u256(),
        gas_limit: gas,
        to: Some(exec.address),
        value: exec.value.as_u256(),
        input: exec.data.0.clone(),
    });
    let unsigned = Signature {
        y_parity: false,
        r: U256::ONE,
        s: U256::ONE,
    };
    let transaction = Transaction::new(payload, unsigned);
    let config = config();
    let mut roots = NoRoots;
    let mut builder = BlockBuilder::begin(
        &config,
        header,
        header.beneficiary,
        state,
        &VectorBlockHashes,
        Some(&mut roots),
    )
    .map_err(|error| failed(&error))?;
    builder
        .try_transaction(&transaction, exec.caller)
        .map_err(|error| failed(&error))?;
    let outcome = builder.finish(&[], &[]).map_err(|error| failed(&error))?;
    Ok(outcome.diff)
}

fn run_one(vector: &Vector) -> Result<(), Difference> {
    let exec = &vector.exec;
    let gas = exec.gas.as_u64() + intrinsic_gas(&exec.data.0);
    let header = Header {
        beneficiary: vector.env.current_coinbase,
        difficulty: vector.env.current_difficulty.as_u256(),
        gas_limit: vector.env.current_gas_limit.as_u64(),
        number: vector.env.current_number.as_u64(),
        timestamp: vector.env.current_timestamp.as_u64(),
        ..Header::default()
    };
    let mut state = state_before(vector);
    let config = config();
    let env = CallEnv {
        config: &config,
        header: &header,
        beneficiary: header.beneficiary,
        state: &state,
        hashes: &VectorBlockHashes,
        state_overrides: &StateOverrides::new(),
        block_overrides: &BlockOverrides::default(),
        gas_cap: u64::MAX,
        check_balance: false,
        interrupt: None,
    };
    let request = CallRequest {
        from: Some(exec.caller),
        to: Some(exec.address),
        gas: Some(gas),
        gas_price: Some(exec.gas_price.as_u256()),
        value: exec.value.as_u256(),
        input: exec.data.0.clone(),
        ..CallRequest::default()
    };
    let outcome = call(&env, &request).map_err(|error| Difference::new("call", "to run", error))?;
    let (Some(gas_left), Some(post)) = (vector.gas, &vector.post) else {
        return same("failure", &true, &outcome.failure.is_some());
    };
    if let Some(failure) = &outcome.failure {
        return Err(Difference::new("code", "to run", format!("{failure:?}")));
    }
    same(
        "output",
        &vector.out.clone().unwrap_or_default().0,
        &outcome.output,
    )?;
    let logs = keccak256(rlp::encode(&outcome.logs));
    same("logs' hash", &vector.logs.unwrap_or_default(), &logs)?;
    let gas_used = outcome.gas_used + outcome.gas_refunded;
    same("gas left", &gas_left.as_u64(), &(gas - gas_used))?;

    let diff = execute(vector, &header, &state, gas)?;
    state.apply(&diff);
    let slots = |state: &StateMap| {
        let found = state
            .accounts()
            .find(|(address, _)| **address == exec.address);
        found
            .map(|(_, (_, slots))| slots.clone())
            .unwrap_or_default()
    };
    let expected = post
        .get(&exec.address)
        .map(VectorAccount::slots)
        .unwrap_or_default();
    same("storage", &expected, &slots(&state))
}

/// Runs a file of `VMTests`.
pub fn run(file: &ArchivedFile, report: &Report) {
    let vectors = json::named_vectors(&file.content).expect("a VM file is a JSON object");
    for (name, text) in vectors {
        let outcome = serde_json::from_str::<Vector>(text.get())
            .map_err(|error| Difference::new("vector", "to be read", error))
            .and_then(|vector| run_one(&vector));
        report.record("vm", "Frontier", &format!("{} {name}", file.path), outcome);
    }
}
