//! Tests of genesis files and built-in networks.

use alloy_primitives::address;
use proptest::prelude::*;

use super::*;
use crate::config::{BlobParams, CliqueConfig, DEFAULT_CLIQUE_EPOCH};
use crate::{rlp, strategies};

#[test]
fn mainnet_genesis_has_the_published_hash() {
    let genesis = Genesis::mainnet();
    assert_eq!(genesis.alloc.len(), 8_893);
    let wei: U256 = genesis.alloc.values().map(|account| account.balance).sum();
    assert_eq!(
        wei,
        U256::from(72_009_990_499_480_000_000_000_000_u128),
        "the sold ether"
    );

    // The trie computes the state root from the allocations; the header commits to it.
    let state_root = b256("d7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544");
    assert_eq!(genesis.header(state_root).hash(), MAINNET_GENESIS_HASH);
}

fn b256(hex: &str) -> B256 {
    hex.parse().unwrap()
}

#[test]
fn a_genesis_file_of_geth_1_8_is_read() {
    let genesis = Genesis::from_json(
        r#"{
            "config": {
                "chainId": 1515, "homesteadBlock": 1, "eip150Block": "2",
                "eip150Hash": "0x0000000000000000000000000000000000000000000000000000000000000000",
                "eip155Block": "0x3", "EIP158Block": 3, "byzantiumBlock": 4, "unknown": {},
                "clique": { "period": 15, "epoch": 0 }
            },
            "nonce": "0x0", "timestamp": "0x5a1c6eb7", "extraData": "0x1234",
            "gasLimit": "0x47b760", "difficulty": "1", "coinbase": null,
            "alloc": {
                "0x00000000000000000000000000000000000000AA": { "balance": "0x1" },
                "00000000000000000000000000000000000000bb": {
                    "balance": "1000000000000000000000", "nonce": "0x7", "code": "0x6001",
                    "storage": { "0x01": "0xff", "02": "0x00" }
                },
                "00000000000000000000000000000000000000cc": {}
            }
        }"#,
    )
    .unwrap();
    assert_eq!(genesis.config.chain_id, 1515);
    assert_eq!(genesis.config.eip150_block, Some(2));
    assert_eq!(genesis.config.eip150_hash, None);
    assert_eq!(
        (genesis.config.eip155_block, genesis.config.eip158_block),
        (Some(3), Some(3))
    );
    let clique = CliqueConfig {
        period: 15,
        epoch: DEFAULT_CLIQUE_EPOCH,
    };
    assert_eq!(genesis.config.clique, Some(clique));
    assert_eq!(genesis.timestamp, 0x5a1c_6eb7);
    assert_eq!(genesis.gas_limit, 4_700_000);

    let diff = genesis.state_diff();
    assert_eq!(diff.accounts.len(), 3);
    let contract = &diff.accounts[&address!("00000000000000000000000000000000000000bb")];
    let info = contract.after.unwrap();
    assert_eq!(
        (info.nonce, info.balance),
        (7, U256::from(10).pow(U256::from(21)))
    );
    assert_eq!(info.code_hash, keccak256([0x60, 0x01]));
    assert_eq!(diff.codes[&info.code_hash].as_ref(), [0x60, 0x01]);
    assert_eq!(contract.storage.len(), 1, "a zero is no slot");
    assert_eq!(contract.storage[&U256::from(1)].after, U256::from(0xff));
    let empty = diff.accounts[&address!("00000000000000000000000000000000000000cc")].after;
    assert_eq!(empty, Some(AccountInfo::default()), "listed, though empty");
}

#[test]
fn an_error_names_the_field() {
    let error_of = |member: &str, value: &str| {
        let mut members = vec![
            ("config", r#"{"chainId": 1}"#),
            ("gasLimit", r#""0x1""#),
            ("difficulty", r#""0x1""#),
            ("alloc", "{}"),
        ];
        members.retain(|(name, _)| *name != member);
        if !value.is_empty() {
            members.push((member, value));
        }
        let members: Vec<_> = members
            .iter()
            .map(|(name, value)| format!("\"{name}\": {value}"))
            .collect();
        let json = format!("{{{}}}", members.join(","));
        Genesis::from_json(&json).unwrap_err().to_string()
    };
    const NUMBER: &str = "expected a whole number below 2^256 (decimal, or hexadecimal with 0x)";
    assert_eq!(error_of("gasLimit", ""), "genesis: gasLimit: missing");
    assert_eq!(error_of("gasLimit", "null"), "genesis: gasLimit: missing");
    assert_eq!(error_of("config", ""), "genesis: config: missing");
    assert_eq!(
        error_of("config", "3"),
        "genesis: config: expected an object, found 3"
    );
    assert_eq!(
        error_of("config", r#"{"chainId": 1, "londonBlock": -5}"#),
        format!("genesis: config.londonBlock: {NUMBER}, found -5")
    );
    assert_eq!(
        error_of("config", r#"{"chainId": 1, "londonBlock": 1e3}"#),
        format!("genesis: config.londonBlock: {NUMBER}, found 1e3")
    );
    assert_eq!(
        error_of("config", r#"{"chainId": "0x10000000000000000"}"#),
        "genesis: config.chainId: expected a whole number below 2^64, \
         found \"0x10000000000000000\""
    );
    assert_eq!(
        error_of("config", r#"{"chainId": 1, "clique": {"period": "soon"}}"#),
        format!("genesis: config.clique.period: {NUMBER}, found \"soon\"")
    );
    assert_eq!(
        error_of(
            "config",
            r#"{"chainId": 1, "blobSchedule": {"cancun": {"target": 1, "max": 2}}}"#
        ),
        "genesis: config.blobSchedule.cancun.baseFeeUpdateFraction: missing"
    );
    assert_eq!(
        error_of("alloc", r#"{"0xabc": {}}"#),
        "genesis: alloc.0xabc: the key is not an address of 20 bytes in hexadecimal"
    );
    let address = "0x00000000000000000000000000000000000000aa";
    assert_eq!(
        error_of(
            "alloc",
            &format!(r#"{{"{address}": {{"balance": "ten"}}}}"#)
        ),
        format!("genesis: alloc.{address}.balance: {NUMBER}, found \"ten\"")
    );
    assert_eq!(
        error_of(
            "alloc",
            &format!(r#"{{"{address}": {{"balance": "0xz"}}}}"#)
        ),
        format!("genesis: alloc.{address}.balance: {NUMBER}, found \"0xz\"")
    );
    assert_eq!(
        error_of(
            "alloc",
            &format!(
                r#"{{"{address}": {{"storage": {{"0x1": "{}"}}}}}}"#,
                "0".repeat(66)
            )
        ),
        format!(
            "genesis: alloc.{address}.storage.0x1: expected at most 32 bytes in hexadecimal, \
             found \"{}\"",
            "0".repeat(66)
        )
    );
    assert_eq!(
        error_of("extraData", r#""0x123""#),
        "genesis: extraData: expected hexadecimal bytes, found \"0x123\""
    );
    assert!(error_of("extraData", &format!("\"{}\"", "g".repeat(5_000))).len() < 200);
    let broken = Genesis::from_json("{\n  \"config\": {,}\n}")
        .unwrap_err()
        .to_string();
    assert!(broken.starts_with("genesis: not valid JSON: "), "{broken}");
    assert!(broken.contains("line 2"), "{broken}");
}

#[test]
fn the_header_has_the_fields_of_the_active_forks() {
    let header_of = |fork| {
        let config = ChainConfig::active_from_genesis(1, fork);
        Genesis {
            config,
            ..Genesis::default()
        }
        .header(B256::ZERO)
    };
    assert_eq!(header_of(Fork::Berlin).base_fee_per_gas, None);
    let london = header_of(Fork::London);
    assert_eq!(london.base_fee_per_gas, Some(INITIAL_BASE_FEE));
    assert_eq!(london.withdrawals_root, None);
    let shanghai = header_of(Fork::Shanghai);
    assert_eq!(shanghai.withdrawals_root, Some(EMPTY_ROOT_HASH));
    assert_eq!(shanghai.excess_blob_gas, None);
    let cancun = header_of(Fork::Cancun);
    assert_eq!(
        (cancun.blob_gas_used, cancun.excess_blob_gas),
        (Some(0), Some(0))
    );
    assert_eq!(cancun.parent_beacon_block_root, Some(B256::ZERO));
    assert_eq!(cancun.requests_hash, None);
    let osaka = header_of(Fork::Osaka);
    assert_eq!(osaka.requests_hash, Some(EMPTY_REQUESTS_HASH));
    assert_eq!(rlp::decode_exact::<Header>(&rlp::encode(&osaka)), Ok(osaka));
}

#[test]
fn the_dev_chain_has_every_fork_and_one_signer() {
    let signer = address!("a399062b811633da6800777094e01354e0f3ad36");
    let dev = DevChain {
        period: 3,
        ..DevChain::new(signer)
    };
    let genesis = dev.genesis();
    assert_eq!(genesis.config.check_fork_order(), Ok(()));
    assert_eq!(genesis.config.chain_id, 1337);
    assert_eq!(genesis.config.fork_at(0, 0), Fork::Osaka);
    assert_eq!(genesis.config.terminal_total_difficulty, None);
    assert_eq!(genesis.config.clique.map(|clique| clique.period), Some(3));
    assert_eq!(genesis.extra_data.len(), 32 + 20 + 65);
    assert_eq!(genesis.extra_data[32..52], *signer.as_slice());
    let contracts = |genesis: &Genesis| {
        genesis
            .alloc
            .values()
            .filter(|account| !account.code.is_empty())
            .count()
    };
    assert_eq!(contracts(&genesis), 4);
    assert!(genesis.alloc[&signer].balance > U256::ZERO);

    let older = DevChain {
        fork: Fork::Cancun,
        ..dev.clone()
    }
    .genesis();
    assert_eq!(
        (contracts(&older), older.config.fork_at(0, 0)),
        (1, Fork::Cancun)
    );
    let oldest = DevChain {
        fork: Fork::Istanbul,
        ..dev
    }
    .genesis();
    assert_eq!(
        (
            contracts(&oldest),
            oldest.header(B256::ZERO).base_fee_per_gas
        ),
        (0, None)
    );
}

#[test]
fn a_merged_dev_chain_has_no_signer_and_a_create2_deployer() {
    let dev = DevChain {
        chain_id: 31_337,
        timestamp: 9,
        ..DevChain::merged()
    };
    let genesis = dev.genesis();
    assert_eq!(genesis.config.check_fork_order(), Ok(()));
    let header = genesis.header(B256::ZERO);
    assert!(genesis.config.is_proof_of_stake(&header));
    assert_eq!((header.difficulty, header.timestamp), (U256::ZERO, 9));
    assert!(header.extra_data.is_empty());
    assert_eq!(genesis.config.fork_of(&header), Fork::Osaka);
    assert_eq!(
        genesis.config.blob_params_at(0, 9),
        Some(BlobParams::PRAGUE)
    );
    let deployer = &genesis.alloc[&address!("4e59b44847b379578588920ca78fbf26c0b4956c")];
    assert_eq!(
        keccak256(&deployer.code),
        b256("2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989")
    );
    let json = serde_json::to_string(&genesis).unwrap();
    assert_eq!(Genesis::from_json(&json), Ok(genesis));
    for consensus in [
        DevConsensus::Merged,
        DevConsensus::Clique,
        DevConsensus::Ethash,
    ] {
        let genesis = DevChain {
            consensus,
            ..DevChain::new(Address::ZERO)
        }
        .genesis();
        let found = DevChain::consensus_of(&genesis.config, &genesis.header(B256::ZERO));
        assert_eq!(found, Some(consensus));
    }
    let mainnet = Genesis::mainnet();
    assert_eq!(
        DevChain::consensus_of(&mainnet.config, &mainnet.header(B256::ZERO)),
        None
    );
    let paris = DevChain {
        fork: Fork::Paris,
        ..dev
    };
    assert!(paris.genesis().config.blob_schedule.is_empty());
}

/// The system contracts' code, compared by Keccak-256 with the deployed code.
#[test]
fn the_system_contracts_have_the_code_of_their_eips() {
    let hashes: Vec<_> = system_contracts::accounts_until(Fork::Osaka)
        .map(|(address, account)| (address, keccak256(&account.code)))
        .collect();
    let expected = [
        (
            address!("000f3df6d732807ef1319fb7b8bb8522d0beac02"),
            b256("f57acd40259872606d76197ef052f3d35588dadf919ee1f0e3cb9b62d3f4b02c"),
        ),
        (
            address!("0000f90827f1c53a10cb7a02335b175320002935"),
            b256("6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d"),
        ),
    ];
    assert_eq!(hashes[..2], expected);
    assert_eq!(hashes.len(), 4);
}

prop_compose! {
    fn accounts()(
        balance in strategies::u256s(),
        nonce in strategies::u64s(),
        code in strategies::bytes(40),
        storage in prop::collection::btree_map(strategies::b256s(), strategies::b256s(), 0..3),
    ) -> GenesisAccount {
        GenesisAccount { balance, nonce, code, storage }
    }
}

prop_compose! {
    fn geneses()(
        config in prop::sample::select(Fork::ALL.to_vec())
            .prop_map(|fork| ChainConfig::active_from_genesis(7, fork)),
        (nonce, timestamp, gas_limit, number, gas_used) in (
            strategies::u64s(), strategies::u64s(), strategies::u64s(), strategies::u64s(),
            strategies::u64s(),
        ),
        (extra_data, difficulty, mix_hash, coinbase, parent_hash) in (
            strategies::bytes(60), strategies::u256s(), strategies::b256s(),
            strategies::addresses(), strategies::b256s(),
        ),
        alloc in prop::collection::btree_map(strategies::addresses(), accounts(), 0..4),
        optional in prop::array::uniform3(prop::option::of(strategies::u64s())),
    ) -> Genesis {
        Genesis {
            config, nonce, timestamp, extra_data, gas_limit, difficulty, mix_hash, coinbase,
            alloc, number, gas_used, parent_hash,
            base_fee_per_gas: optional[0],
            excess_blob_gas: optional[1],
            blob_gas_used: optional[2],
        }
    }
}

proptest! {
    #[test]
    fn prop_a_genesis_survives_a_json_round_trip(genesis in geneses()) {
        let json = serde_json::to_string(&genesis).unwrap();
        prop_assert_eq!(Genesis::from_json(&json), Ok(genesis));
    }

    #[test]
    fn prop_broken_files_never_panic(text in ".{0,200}", cut in any::<prop::sample::Index>()) {
        let json = serde_json::to_string(&DevChain::new(Address::ZERO).genesis()).unwrap();
        let mut broken = json.clone();
        broken.truncate(cut.index(json.len()));
        broken.push_str(&text);
        if let Err(error) = Genesis::from_json(&broken) {
            prop_assert!(error.to_string().starts_with("genesis: "));
        }
    }
}
