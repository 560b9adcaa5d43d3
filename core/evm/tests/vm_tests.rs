//! The VM tests of the first releases: a piece of code by itself.

mod common;

use std::collections::BTreeMap;

use actoreum_evm::{AccountOverride, BlockOverrides, CallEnv, CallRequest, StateOverrides, call};
use actoreum_primitives::{ChainConfig, Header};
use common::archive::{Report, for_each_file};
use common::json::VmTest;
use common::state::{MemoryState, NumberHashes, logs_hash};

/// What a transaction costs before its first instruction (Frontier).
const TX_GAS: u64 = 21_000;

#[test]
fn legacy_vm_vectors() {
    let archive = "legacy-frontier-to-constantinople.tar.zst";
    let report = Report::default();
    let ran = for_each_file(
        archive,
        |path| path.contains("/VMTests/"),
        |path, json| {
            let tests: BTreeMap<String, VmTest> = match serde_json::from_slice(json) {
                Ok(tests) => tests,
                Err(error) => return report.failed(path.to_owned(), error),
            };
            for (name, test) in &tests {
                match check(test) {
                    Ok(()) => report.passed("Frontier"),
                    Err(error) => report.failed(format!("{path} {name}"), error),
                }
            }
        },
    );
    if ran {
        report.conclude("VM tests");
    }
}

/// The code runs through a call of its address. What the call adds (the transaction's own gas;
/// the value, which these tests do not transfer) is taken off again.
fn check(test: &VmTest) -> Result<(), String> {
    let VmTest { env, exec, .. } = test;
    let header = Header {
        number: env.current_number.u64(),
        timestamp: env.current_timestamp.u64(),
        gas_limit: env.current_gas_limit.u64(),
        difficulty: env.current_difficulty.0,
        ..Header::default()
    };
    let data_gas: u64 = exec
        .data
        .0
        .iter()
        .map(|byte| if *byte == 0 { 4 } else { 68 })
        .sum();
    let intrinsic = TX_GAS + data_gas;
    let state = MemoryState::from_json(&test.pre);
    let code = AccountOverride {
        code: Some(exec.code.0.clone()),
        ..Default::default()
    };
    let mut state_overrides = StateOverrides::from([(exec.address, code)]);
    // The balance that BALANCE shall see is the one before the call's value arrives.
    let own = test
        .pre
        .get(&exec.address)
        .map(|account| account.balance.0)
        .unwrap_or_default();
    if let Some(code) = state_overrides.get_mut(&exec.address) {
        code.balance = Some(own.saturating_sub(exec.value.0));
    }
    let config = ChainConfig {
        chain_id: 1,
        ..ChainConfig::default()
    };
    let call_env = CallEnv {
        config: &config,
        header: &header,
        beneficiary: env.current_coinbase,
        state: &state,
        hashes: &NumberHashes,
        state_overrides: &state_overrides,
        block_overrides: &BlockOverrides::default(),
        gas_cap: u64::MAX,
        check_balance: false,
        interrupt: None,
    };
    let request = CallRequest {
        from: Some(exec.caller),
        to: Some(exec.address),
        gas: Some(exec.gas.u64() + intrinsic),
        gas_price: Some(exec.gas_price.0),
        value: exec.value.0,
        input: exec.data.0.clone(),
        ..CallRequest::default()
    };
    let outcome = call(&call_env, &request).map_err(|error| error.to_string())?;
    let Some(gas_left) = test.gas else {
        return match outcome.failure {
            Some(_) => Ok(()),
            None => Err("succeeded, expected a failure".into()),
        };
    };
    if let Some(failure) = outcome.failure {
        return Err(failure.to_string());
    }
    let used = outcome.gas_used + outcome.gas_refunded - intrinsic;
    let expected = exec.gas.u64() - gas_left.u64();
    if used != expected {
        return Err(format!("gas {used} instead of {expected}"));
    }
    if test.out.as_ref().is_some_and(|out| out.0 != outcome.output) {
        return Err(format!("output {}", outcome.output));
    }
    if test
        .logs
        .is_some_and(|logs| logs != logs_hash(&outcome.logs))
    {
        return Err("logs differ".into());
    }
    Ok(())
}
