//! Tests of blocks, calls and traces on small states.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod common;

use std::collections::BTreeMap;

use actoreum_evm::trace::{TraceOptions, TraceStyle, TracerConfig, trace_call};
use actoreum_evm::{
    AccountOverride, BlockBuilder, BlockOverrides, CallEnv, CallRequest, StateOverrides, TxError,
    call, create_access_list,
};
use actoreum_primitives::config::CliqueConfig;
use actoreum_primitives::transaction::LegacyTx;
use actoreum_primitives::{
    AccountInfo, Address, B256, Bytes, ChainConfig, Header, SecretKey, StateDiff, Transaction,
    TxPayload, U256, keccak256,
};
use common::{MemoryState, NumberHashes, cancun_config, cancun_header};
use proptest::prelude::*;
use serde_json::json;

const SIGNER: Address = Address::repeat_byte(0xcc);
const CONTRACT: Address = Address::repeat_byte(0xaa);
const OTHER: Address = Address::repeat_byte(0xbb);

/// Returns the config of a clique chain at Prague.
fn config() -> ChainConfig {
    ChainConfig {
        prague_time: Some(0),
        clique: Some(CliqueConfig {
            period: 0,
            epoch: 30_000,
        }),
        ..cancun_config()
    }
}

fn header() -> Header {
    Header {
        difficulty: U256::from(2),
        ..cancun_header()
    }
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

fn with_code(codes: &[(Address, &[u8])]) -> MemoryState {
    let mut state = MemoryState::default();
    for seed in 1..4 {
        let balance = U256::from(10_u64.pow(18));
        let info = AccountInfo {
            balance,
            ..AccountInfo::default()
        };
        state
            .accounts
            .insert(key(seed).address(), (info, BTreeMap::new()));
    }
    for (address, code) in codes {
        let code_hash = keccak256(code);
        state.codes.insert(code_hash, Bytes::copy_from_slice(code));
        let info = AccountInfo {
            nonce: 1,
            code_hash,
            ..AccountInfo::default()
        };
        state.accounts.insert(*address, (info, BTreeMap::new()));
    }
    state
}

fn legacy(seed: u8, nonce: u64, to: Option<Address>, value: u64, input: &[u8]) -> Transaction {
    let payload = TxPayload::Legacy(LegacyTx {
        chain_id: Some(1337),
        nonce,
        gas_price: U256::from(10),
        gas_limit: 200_000,
        to,
        value: U256::from(value),
        input: Bytes::copy_from_slice(input),
    });
    payload.sign(&key(seed))
}

/// Runs a test with the environment of calls in a block of [`SIGNER`].
fn with_env<T>(
    config: &ChainConfig,
    header: &Header,
    state: &MemoryState,
    test: impl FnOnce(&CallEnv<'_>) -> T,
) -> T {
    let (state_overrides, block_overrides) = Default::default();
    test(&CallEnv {
        config,
        header,
        beneficiary: SIGNER,
        state,
        hashes: &NumberHashes,
        state_overrides: &state_overrides,
        block_overrides: &block_overrides,
        gas_cap: 1_000_000,
        check_balance: true,
        interrupt: None,
    })
}

fn run(state: &MemoryState, test: impl FnOnce(&CallEnv<'_>, &ChainConfig)) {
    let config = config();
    with_env(&config, &header(), state, |env| test(env, &config));
}

fn to(address: Address) -> CallRequest {
    CallRequest {
        to: Some(address),
        ..CallRequest::default()
    }
}

/// Code that returns the word on the stack.
const RETURN_TOP: [u8; 8] = [0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, 0, 0];

#[test]
fn a_self_sealed_block_shows_its_difficulty_and_signer() {
    let randao = [&[0x44][..], &RETURN_TOP].concat();
    let coinbase = [&[0x41][..], &RETURN_TOP].concat();
    let state = with_code(&[(CONTRACT, &randao), (OTHER, &coinbase)]);
    run(&state, |env, _| {
        let outcome = call(env, &to(CONTRACT)).unwrap();
        assert_eq!(U256::from_be_slice(&outcome.output), U256::from(2));
        let outcome = call(env, &to(OTHER)).unwrap();
        assert_eq!(outcome.output.as_ref(), SIGNER.into_word().as_slice());
    });
}

#[test]
fn failures_have_the_texts_of_geth() {
    let underflow: &[u8] = &[0x01];
    let invalid: &[u8] = &[0xfe];
    let undefined: &[u8] = &[0x0c];
    let jump: &[u8] = &[0x5f, 0x56];
    let burn: &[u8] = &[0x5b, 0x5f, 0x56];
    let revert: &[u8] = &[0x5f, 0x5f, 0xfd];
    let returndata: &[u8] = &[0x60, 1, 0x5f, 0x5f, 0x3e];
    let cases = [
        (underflow, "stack underflow (0 <=> 2)"),
        (invalid, "invalid opcode: INVALID"),
        (undefined, "invalid opcode: opcode 0xc not defined"),
        (jump, "invalid jump destination"),
        (burn, "out of gas"),
        (revert, "execution reverted"),
        (returndata, "return data out of bounds"),
    ];
    for (code, expected) in cases {
        run(&with_code(&[(CONTRACT, code)]), |env, _| {
            let outcome = call(env, &to(CONTRACT)).unwrap();
            assert_eq!(outcome.failure.unwrap().to_string(), expected);
            assert_eq!(outcome.is_out_of_gas, expected == "out of gas");
        });
    }
}

#[test]
fn a_call_needs_its_value_unless_the_check_is_off() {
    run(&with_code(&[]), |env, _| {
        let request = CallRequest {
            from: Some(Address::repeat_byte(0x77)),
            value: U256::from(1),
            ..to(OTHER)
        };
        let refused = call(env, &request).unwrap_err();
        assert!(
            matches!(refused, TxError::InsufficientFunds { .. }),
            "{refused}"
        );
        let text = refused.to_string();
        assert!(text.starts_with("insufficient funds for gas * price + value: address 0x7777"));
        let lenient = CallEnv {
            check_balance: false,
            ..*env
        };
        assert_eq!(call(&lenient, &request).unwrap().failure, None);
    });
}

#[test]
fn a_call_uses_state_and_block_overrides() {
    let code = [&[0x5f, 0x54][..], &RETURN_TOP].concat();
    run(&with_code(&[(CONTRACT, &code)]), |env, _| {
        let slot = BTreeMap::from([(B256::ZERO, B256::from(U256::from(9)))]);
        let by_diff = AccountOverride {
            state_diff: Some(slot),
            ..Default::default()
        };
        let overrides = StateOverrides::from([(CONTRACT, by_diff)]);
        let env_with = CallEnv {
            state_overrides: &overrides,
            ..*env
        };
        assert_eq!(
            U256::from_be_slice(&call(&env_with, &to(CONTRACT)).unwrap().output),
            U256::from(9)
        );

        let number = [&[0x43][..], &RETURN_TOP].concat();
        let other = AccountOverride {
            code: Some(number.into()),
            ..Default::default()
        };
        let overrides = StateOverrides::from([(OTHER, other)]);
        let block = BlockOverrides {
            number: Some(U256::from(77)),
            ..Default::default()
        };
        let env_with = CallEnv {
            state_overrides: &overrides,
            block_overrides: &block,
            ..*env
        };
        assert_eq!(
            U256::from_be_slice(&call(&env_with, &to(OTHER)).unwrap().output),
            U256::from(77)
        );
    });
}

#[test]
fn an_access_list_names_the_accessed_accounts_and_slots() {
    // The code reads slot 3 and the balance of OTHER.
    let code = [&[0x60, 3, 0x54, 0x73][..], OTHER.as_slice(), &[0x31, 0x00]].concat();
    run(&with_code(&[(CONTRACT, &code)]), |env, _| {
        let (list, outcome) = create_access_list(env, &to(CONTRACT)).unwrap();
        assert_eq!(outcome.failure, None);
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].address, CONTRACT);
        assert_eq!(list[0].storage_keys, [B256::from(U256::from(3))]);
        assert_eq!(list[1].address, OTHER);
    });
}

#[test]
fn a_refused_transaction_changes_nothing() {
    let state = with_code(&[]);
    let (config, header) = (config(), header());
    let mut builder =
        BlockBuilder::begin(&config, &header, SIGNER, &state, &NumberHashes, None).unwrap();
    let sender = key(1).address();
    let too_high = builder
        .try_transaction(&legacy(1, 5, Some(OTHER), 1, &[]), sender)
        .unwrap_err();
    assert_eq!(
        too_high,
        TxError::NonceTooHigh {
            sender,
            tx: 5,
            state: 0
        }
    );
    builder
        .try_transaction(&legacy(1, 0, Some(OTHER), 1, &[]), sender)
        .unwrap();
    let too_low = builder
        .try_transaction(&legacy(1, 0, Some(OTHER), 1, &[]), sender)
        .unwrap_err();
    assert_eq!(
        too_low,
        TxError::NonceTooLow {
            sender,
            tx: 0,
            state: 1
        }
    );
    let outcome = builder.finish(&[], &[]).unwrap();
    assert_eq!(outcome.receipts.len(), 1);
    assert_eq!(outcome.gas_used, 21_000);
    assert_eq!(
        outcome.requests,
        Some(Vec::new()),
        "no system contract, no requests"
    );
    let mut after = state.clone();
    after.apply(&outcome.diff);
    assert_eq!(after.accounts[&OTHER].0.balance, U256::from(1));
    assert_eq!(after.accounts[&SIGNER].0.balance, U256::from(21_000 * 3));
}

#[test]
fn a_contract_destroyed_in_its_creation_is_not_in_the_diff() {
    let state = with_code(&[]);
    let (config, header) = (config(), header());
    let mut builder =
        BlockBuilder::begin(&config, &header, SIGNER, &state, &NumberHashes, None).unwrap();
    let sender = key(1).address();
    // The code writes a slot and then self-destructs in favour of OTHER.
    let code = [&[0x60, 1, 0x5f, 0x55, 0x73][..], OTHER.as_slice(), &[0xff]].concat();
    let receipt = builder
        .try_transaction(&legacy(1, 0, None, 5, &code), sender)
        .unwrap();
    assert!(!receipt.outcome.is_failure());
    let outcome = builder.finish(&[], &[]).unwrap();
    let created = sender.create(0);
    assert!(!outcome.diff.accounts.contains_key(&created));
    assert_eq!(
        outcome.diff.accounts[&OTHER].after.unwrap().balance,
        U256::from(5)
    );
}

#[test]
fn a_delegation_runs_the_code_of_another_account() {
    let delegated = [&[0xef, 0x01, 0x00][..], CONTRACT.as_slice()].concat();
    let code = [&[0x60, 42][..], &RETURN_TOP].concat();
    let state = with_code(&[(CONTRACT, &code), (OTHER, &delegated)]);
    run(&state, |env, config| {
        let outcome = call(env, &to(OTHER)).unwrap();
        assert_eq!(U256::from_be_slice(&outcome.output), U256::from(42));
        // Before Prague the same bytes are code, and invalid code at that.
        let cancun = ChainConfig {
            prague_time: None,
            ..config.clone()
        };
        let before = CallEnv {
            config: &cancun,
            ..*env
        };
        let failure = call(&before, &to(OTHER)).unwrap().failure.unwrap();
        assert_eq!(
            failure.to_string(),
            "invalid opcode: opcode 0xef not defined"
        );
    });
}

#[test]
fn call_traces_nest() {
    // The code calls OTHER, which reverts, with 0xffff gas.
    let outer = [
        &[0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x73][..],
        OTHER.as_slice(),
        &[0x61, 0xff, 0xff, 0xf1, 0x5f, 0x5f, 0xa0, 0x00],
    ]
    .concat();
    let state = with_code(&[(CONTRACT, &outer), (OTHER, &[0x5f, 0x5f, 0xfd])]);
    run(&state, |env, _| {
        let options = TraceOptions {
            tracer: Some("callTracer".into()),
            tracer_config: TracerConfig {
                with_log: true,
                ..Default::default()
            },
            ..Default::default()
        };
        let trace = json!(trace_call(env, &to(CONTRACT), &options).unwrap());
        assert_eq!(trace["type"], "CALL");
        assert_eq!(trace["gas"], "0xf4240");
        assert_eq!(trace["calls"][0]["to"], json!(OTHER));
        assert_eq!(trace["calls"][0]["error"], "execution reverted");
        assert_eq!(trace["calls"][0]["gas"], "0xffff");
        assert_eq!(trace["calls"][0]["gasUsed"], "0x4");
        assert_eq!(trace["logs"][0]["position"], "0x1");
        assert_eq!(trace.get("error"), None);
    });
}

#[test]
fn struct_logs_have_both_formats() {
    let code: &[u8] = &[0x60, 7, 0x60, 1, 0x55, 0x60, 1, 0x54, 0x00];
    run(&with_code(&[(CONTRACT, code)]), |env, _| {
        let mut options = TraceOptions::default();
        let trace = json!(trace_call(env, &to(CONTRACT), &options).unwrap());
        let logs = trace["structLogs"].as_array().unwrap();
        assert_eq!(logs.len(), 6);
        assert_eq!(logs[1]["stack"], json!(["0x7"]));
        assert_eq!(logs[2]["gasCost"], 22_100);
        assert_eq!(logs[3].get("storage"), None);
        let slot = format!("{:064x}", 1);
        assert_eq!(logs[4]["storage"], json!({ slot: format!("{:064x}", 7) }));
        assert_eq!(logs[4].get("memory"), None);

        options.style = TraceStyle::Geth18;
        options.limit = 4;
        let trace = json!(trace_call(env, &to(CONTRACT), &options).unwrap());
        let logs = trace["structLogs"].as_array().unwrap();
        assert_eq!(logs.len(), 4);
        assert_eq!(logs[1]["stack"], json!([format!("{:064x}", 7)]));
        assert_eq!(logs[0]["memory"], json!([]));
        assert_eq!(logs[0]["storage"], json!({}));
    });
}

#[test]
fn a_prestate_diff_shows_both_sides() {
    let code: &[u8] = &[0x60, 7, 0x60, 1, 0x55, 0x00];
    run(&with_code(&[(CONTRACT, code)]), |env, _| {
        let options = TraceOptions {
            tracer: Some("prestateTracer".into()),
            tracer_config: TracerConfig {
                diff_mode: true,
                ..Default::default()
            },
            ..Default::default()
        };
        let trace = json!(trace_call(env, &to(CONTRACT), &options).unwrap());
        let slot = B256::from(U256::from(1)).to_string();
        let address = format!("{CONTRACT:#x}");
        assert_eq!(
            trace["post"][&address]["storage"][&slot],
            json!(B256::from(U256::from(7)))
        );
        assert_eq!(trace["pre"][&address]["nonce"], 1);
        assert_eq!(trace["pre"][&address].get("storage"), None, "it was zero");
        let unknown = TraceOptions {
            tracer: Some("nope".into()),
            ..Default::default()
        };
        assert!(trace_call(env, &to(CONTRACT), &unknown).is_err());
    });
}

/// A contract that runs SSTORE, SLOAD and SELFDESTRUCT as the call data say: the first word is a
/// key, the second a value to write, and a further byte destroys the contract.
const TOY: &[u8] = &[
    0x60, 0x20, 0x35, 0x5f, 0x35, 0x55, // sstore(calldata[0], calldata[32])
    0x60, 0x40, 0x36, 0x11, 0x60, 0x0e, 0x57, 0x00, // if calldatasize > 64 jump 14
    0x5b, 0x33, 0xff, // selfdestruct(caller)
];

#[derive(Debug, Clone)]
enum Step {
    Send {
        seed: u8,
        to: u8,
        value: u64,
    },
    Write {
        seed: u8,
        contract: bool,
        slot: u8,
        value: u8,
        destroy: bool,
    },
    Create {
        seed: u8,
        code: Vec<u8>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u8..4, 0_u8..6, 0_u64..1_000).prop_map(|(seed, to, value)| Step::Send {
            seed,
            to,
            value
        }),
        (1_u8..4, any::<bool>(), 0_u8..4, 0_u8..3, any::<bool>()).prop_map(
            |(seed, contract, slot, value, destroy)| Step::Write {
                seed,
                contract,
                slot,
                value,
                destroy
            }
        ),
        (1_u8..4, proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(seed, code)| Step::Create { seed, code }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One block of many transactions leaves the same state as one block for each transaction. The
    /// diff starts from the state on which it was made, and no ether is created.
    #[test]
    fn prop_a_block_equals_its_transactions_one_by_one(
        steps in proptest::collection::vec(step(), 1..20),
        pre_cancun in any::<bool>(),
    ) {
        let mut config = config();
        let mut header = header();
        if pre_cancun {
            config.cancun_time = None;
            config.prague_time = None;
            header.excess_blob_gas = None;
            header.parent_beacon_block_root = None;
        }
        let state = with_code(&[(CONTRACT, TOY), (OTHER, TOY)]);
        let mut nonces = [0_u64; 4];
        let transactions: Vec<(Transaction, Address)> = steps.iter().map(|step| {
            let (seed, to, value, input) = match step {
                Step::Send { seed, to, value } => (*seed, Some(Address::repeat_byte(*to)), *value, vec![]),
                Step::Write { seed, contract, slot, value, destroy } => {
                    let mut input = U256::from(*slot).to_be_bytes_vec();
                    input.extend(U256::from(*value).to_be_bytes_vec());
                    input.extend(destroy.then_some(1));
                    (*seed, Some(if *contract { CONTRACT } else { OTHER }), 0, input)
                }
                Step::Create { seed, code } => (*seed, None, 0, code.clone()),
            };
            let nonce = nonces[usize::from(seed)];
            nonces[usize::from(seed)] += 1;
            (legacy(seed, nonce, to, value, &input), key(seed).address())
        }).collect();

        let at_once = execute(&config, &header, &state, &transactions);
        let mut one_by_one = state.clone();
        for transaction in &transactions {
            one_by_one = execute(&config, &header, &one_by_one, std::slice::from_ref(transaction));
        }
        prop_assert_eq!(&at_once.accounts, &one_by_one.accounts);
        prop_assert!(total(&at_once) <= total(&state));
    }
}

fn total(state: &MemoryState) -> U256 {
    state
        .accounts
        .values()
        .fold(U256::ZERO, |sum, (info, _)| sum + info.balance)
}

impl MemoryState {
    /// Applies a diff; panics if the diff does not start from this state.
    fn apply(&mut self, diff: &StateDiff) {
        self.codes
            .extend(diff.codes.iter().map(|(hash, code)| (*hash, code.clone())));
        for (address, change) in &diff.accounts {
            let before = self.accounts.get(address).map(|(info, _)| *info);
            assert_eq!(before, change.before, "account {address} before the change");
            let Some(after) = change.after else {
                let (_, slots) = self.accounts.remove(address).unwrap_or_default();
                assert!(
                    change.storage_wiped || slots.is_empty(),
                    "{address} left storage"
                );
                continue;
            };
            let (info, slots) = self.accounts.entry(*address).or_default();
            *info = after;
            if change.storage_wiped {
                slots.clear();
            }
            for (key, slot) in &change.storage {
                if !change.storage_wiped {
                    let before = slots.get(key).copied().unwrap_or_default();
                    assert_eq!(before, slot.before, "slot {key} of {address}");
                }
                if slot.after.is_zero() {
                    slots.remove(key);
                } else {
                    slots.insert(*key, slot.after);
                }
            }
        }
    }
}

fn execute(
    config: &ChainConfig,
    header: &Header,
    state: &MemoryState,
    transactions: &[(Transaction, Address)],
) -> MemoryState {
    let mut builder =
        BlockBuilder::begin(config, header, SIGNER, state, &NumberHashes, None).unwrap();
    for (transaction, sender) in transactions {
        builder.try_transaction(transaction, *sender).unwrap();
    }
    let outcome = builder.finish(&[], &[]).unwrap();
    let mut after = state.clone();
    after.apply(&outcome.diff);
    after
}

#[test]
fn an_interrupt_stops_a_loop_and_a_chain_of_calls() {
    let endless: &[u8] = &[0x5b, 0x5f, 0x56];
    // The code calls itself with all its gas, over and over.
    let calling: &[u8] = &[0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x30, 0x5a, 0xf1, 0x5f, 0x56];
    run(
        &with_code(&[(CONTRACT, endless), (OTHER, calling)]),
        |env, _| {
            let asked = std::cell::Cell::new(0);
            let due = || {
                asked.set(asked.get() + 1);
                asked.get() > 10
            };
            for contract in [CONTRACT, OTHER] {
                asked.set(0);
                let interruptible = CallEnv {
                    gas_cap: 1 << 40,
                    interrupt: Some(&due),
                    ..*env
                };
                assert_eq!(
                    call(&interruptible, &to(contract)),
                    Err(TxError::Interrupted)
                );
                let uninterrupted = CallEnv {
                    interrupt: Some(&|| false),
                    ..*env
                };
                let expected = call(env, &to(contract)).unwrap();
                assert_eq!(call(&uninterrupted, &to(contract)).unwrap(), expected);
            }
        },
    );
}

/// Returns a config of Spurious Dragon with or without EIP-150; geth 1.8 accepts both.
fn spurious_dragon(eip150_block: Option<u64>) -> ChainConfig {
    ChainConfig {
        chain_id: 1337,
        homestead_block: Some(0),
        eip150_block,
        eip155_block: Some(0),
        eip158_block: Some(0),
        ..ChainConfig::default()
    }
}

fn called_at(config: &ChainConfig, code: &[u8]) -> (Bytes, u64) {
    let state = with_code(&[(CONTRACT, code)]);
    let header = Header {
        base_fee_per_gas: None,
        excess_blob_gas: None,
        parent_beacon_block_root: None,
        ..header()
    };
    let outcome = with_env(config, &header, &state, |env| {
        call(env, &to(CONTRACT)).unwrap()
    });
    assert_eq!(outcome.failure, None);
    (outcome.output, outcome.gas_used)
}

#[test]
fn without_eip150_a_creation_gets_all_remaining_gas() {
    // The code of the new contract is the gas that its constructor saw; it is copied and returned.
    let code = hex_code("685a60005260206000f3600052600960176000f0602060006000833c60206000f3");
    let seen = |eip150| {
        let (output, _) = called_at(&spurious_dragon(eip150), &code);
        u64::try_from(U256::from_be_slice(&output)).unwrap() + 2
    };
    let (all, reduced) = (seen(None), seen(Some(0)));
    assert!(all > 900_000, "{all}");
    assert_eq!(reduced, all - all / 64);
    assert_eq!(seen(Some(6)), all, "EIP-150 begins later");
}

#[test]
fn without_eip150_a_selfdestruct_is_free() {
    let code = [0x30, 0xff];
    let used = |eip150| called_at(&spurious_dragon(eip150), &code).1;
    // Half of the cost is refunded.
    assert_eq!(used(None), 10_501);
    assert_eq!(used(Some(0)), 13_001);
}

fn hex_code(digits: &str) -> Vec<u8> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn the_code_size_limit_of_the_config_applies() {
    // The init code returns code of 24,577 bytes, one more than EIP-170 allows.
    let code = hex_code("6160016000f3");
    for (limit, is_taken) in [(None, false), (Some(0x7fff_ffff), true)] {
        let config = ChainConfig {
            code_size_limit: limit,
            ..spurious_dragon(Some(0))
        };
        let header = Header {
            base_fee_per_gas: None,
            ..header()
        };
        let state = with_code(&[]);
        let request = CallRequest {
            to: None,
            input: Bytes::from(code.clone()),
            ..CallRequest::default()
        };
        let outcome = with_env(&config, &header, &state, |env| {
            let env = CallEnv {
                gas_cap: 10_000_000,
                ..*env
            };
            call(&env, &request).unwrap()
        });
        assert_eq!(outcome.failure.is_none(), is_taken, "{:?}", outcome.failure);
    }
}
