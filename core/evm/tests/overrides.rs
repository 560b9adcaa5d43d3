//! Tests of state overrides of precompiles, and of the gas that a sender can pay for.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod common;

use std::collections::BTreeMap;

use actoreum_evm::trace::{TraceOptions, trace_call};
use actoreum_evm::{
    AccountOverride, BlockOverrides, CallEnv, CallRequest, OverrideError, StateOverrides, TxError,
    affordable_gas, call,
};
use actoreum_primitives::{AccountInfo, Address, B256, Bytes, ChainConfig, U256};
use common::{MemoryState, NumberHashes, cancun_config, cancun_header};

const SENDER: Address = Address::repeat_byte(0x55);
const TARGET: Address = Address::repeat_byte(0x77);
/// Address of the identity precompile, which returns its input.
const IDENTITY: Address = Address::with_last_byte(4);
/// Code that stores 7 and returns 32 bytes, unlike the identity.
const CODE: [u8; 8] = [0x60, 7, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];

fn config() -> ChainConfig {
    ChainConfig {
        terminal_total_difficulty: Some(U256::ZERO),
        ..cancun_config()
    }
}

fn with_env<T>(overrides: &StateOverrides, test: impl FnOnce(&CallEnv<'_>) -> T) -> T {
    let (config, block_overrides) = (config(), BlockOverrides::default());
    let mut state = MemoryState::default();
    let rich = AccountInfo {
        balance: U256::from(1_000_000),
        ..AccountInfo::default()
    };
    state.accounts.insert(SENDER, (rich, BTreeMap::new()));
    test(&CallEnv {
        config: &config,
        header: &cancun_header(),
        beneficiary: Address::ZERO,
        state: &state,
        hashes: &NumberHashes,
        state_overrides: overrides,
        block_overrides: &block_overrides,
        gas_cap: 1_000_000,
        check_balance: true,
        interrupt: None,
    })
}

fn request(to: Address) -> CallRequest {
    CallRequest {
        to: Some(to),
        input: Bytes::from_static(b"echo"),
        ..CallRequest::default()
    }
}

fn output(overrides: &StateOverrides, to: Address) -> Bytes {
    with_env(overrides, |env| call(env, &request(to)).unwrap().output)
}

fn moved(from: Address, to: Address) -> StateOverrides {
    let account = AccountOverride {
        move_precompile_to: Some(to),
        ..AccountOverride::default()
    };
    StateOverrides::from([(from, account)])
}

#[test]
fn a_precompile_moves_and_leaves_its_address() {
    let none = StateOverrides::new();
    assert_eq!(output(&none, IDENTITY), Bytes::from_static(b"echo"));
    assert_eq!(output(&none, TARGET), Bytes::from_static(b""));
    let moved = moved(IDENTITY, TARGET);
    assert_eq!(output(&moved, TARGET), Bytes::from_static(b"echo"));
    assert_eq!(output(&moved, IDENTITY), Bytes::from_static(b""));
    // Code at the address that the precompile left.
    let mut with_code = moved;
    with_code.get_mut(&IDENTITY).unwrap().code = Some(Bytes::from_static(&CODE));
    assert_eq!(output(&with_code, TARGET), Bytes::from_static(b"echo"));
    assert_eq!(output(&with_code, IDENTITY).last(), Some(&7));
    let traced = with_env(&with_code, |env| {
        trace_call(env, &request(IDENTITY), &TraceOptions::default()).unwrap()
    });
    let traced = serde_json::to_value(&traced).unwrap();
    assert_eq!(traced["structLogs"].as_array().unwrap().len(), 6);
}

#[test]
fn a_moved_precompile_replaces_another() {
    let sha256 = Address::with_last_byte(2);
    let moved = moved(IDENTITY, sha256);
    assert_eq!(output(&moved, sha256), Bytes::from_static(b"echo"));
    assert_eq!(output(&moved, IDENTITY), Bytes::from_static(b""));
}

#[test]
fn code_replaces_a_precompile() {
    let account = AccountOverride {
        code: Some(Bytes::from_static(&CODE)),
        ..AccountOverride::default()
    };
    let overrides = StateOverrides::from([(IDENTITY, account)]);
    assert_eq!(output(&overrides, IDENTITY).last(), Some(&7));
    // As in geth, any override of an account disables its precompile.
    let account = AccountOverride {
        balance: Some(U256::ONE),
        ..AccountOverride::default()
    };
    let overrides = StateOverrides::from([(IDENTITY, account)]);
    assert_eq!(output(&overrides, IDENTITY), Bytes::from_static(b""));
}

#[test]
fn contradictory_moves_are_refused_with_the_text_of_geth() {
    let error = |overrides: &StateOverrides| {
        with_env(overrides, |env| call(env, &request(TARGET)).unwrap_err())
    };
    let not_one = error(&moved(TARGET, SENDER));
    assert_eq!(
        not_one,
        TxError::Override(OverrideError::NotPrecompile(TARGET))
    );
    assert_eq!(
        not_one.to_string(),
        "account 0x7777777777777777777777777777777777777777 is not a precompile"
    );
    let mut both = moved(IDENTITY, TARGET);
    both.insert(TARGET, AccountOverride::default());
    assert_eq!(
        error(&both).to_string(),
        "account 0x7777777777777777777777777777777777777777 is already overridden"
    );
    assert!(matches!(
        error(&moved(IDENTITY, IDENTITY)),
        TxError::Override(OverrideError::AlreadyOverridden(IDENTITY))
    ));
    // A precompile of a later fork does not exist yet.
    let prague = Address::with_last_byte(0x0b);
    assert!(matches!(
        error(&moved(prague, TARGET)),
        TxError::Override(OverrideError::NotPrecompile(_))
    ));
}

#[test]
fn affordable_gas_is_what_the_sender_can_pay_for() {
    let none = StateOverrides::new();
    let of = |change: &dyn Fn(&mut CallRequest)| {
        let mut request = CallRequest {
            from: Some(SENDER),
            ..request(TARGET)
        };
        change(&mut request);
        with_env(&none, |env| affordable_gas(env, &request))
    };
    assert_eq!(of(&|_| {}), Ok(None), "without a price anything is paid");
    assert_eq!(
        of(&|it| it.gas_price = Some(U256::from(10))),
        Ok(Some(100_000))
    );
    let capped = |it: &mut CallRequest| {
        it.max_fee_per_gas = Some(U256::from(10));
        it.max_priority_fee_per_gas = Some(U256::from(1));
        it.value = U256::from(400_000);
    };
    assert_eq!(of(&capped), Ok(Some(60_000)));
    // The whole balance.
    let all = |it: &mut CallRequest| {
        capped(it);
        it.value = U256::from(1_000_000);
    };
    assert_eq!(of(&all), Err(TxError::InsufficientFundsForTransfer));
    let text = of(&all).unwrap_err().to_string();
    assert_eq!(text, "insufficient funds for transfer");
    // 131,072 blob gas at 3 wei each leave 206,784 wei.
    let blobs = |it: &mut CallRequest| {
        capped(it);
        it.blob_hashes = vec![B256::with_last_byte(1)];
        it.max_fee_per_blob_gas = Some(U256::from(3));
    };
    assert_eq!(of(&blobs), Ok(Some(20_678)));
    let expensive = |it: &mut CallRequest| {
        blobs(it);
        it.max_fee_per_blob_gas = Some(U256::from(5));
    };
    assert!(matches!(
        of(&expensive),
        Err(TxError::InsufficientFunds { .. })
    ));
}
