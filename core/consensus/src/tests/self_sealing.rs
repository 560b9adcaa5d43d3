//! Every fork from Frontier to Osaka on a clique chain that never merges.

use actoreum_primitives::{
    B256, ChainConfig, EMPTY_ROOT_HASH, Fork, Header, SecretKey, U256,
    config::{BlobParams, CliqueConfig},
};

use super::chain::MemoryChain;
use crate::{
    BatchChain, Clique, CliqueError, ConsensusError, Engine, ErrorClass, HeaderChain,
    clique::unsealed_extra, rules::gas_limit,
};

const FAR_FUTURE: u64 = 2_000_000_000;
const START: u64 = 1_000_000;
const PERIOD: u64 = 5;
const LENGTH: u64 = 200;

fn config() -> ChainConfig {
    let at = |block: u64| START + block * PERIOD;
    ChainConfig {
        chain_id: 9,
        homestead_block: Some(10),
        eip150_block: Some(20),
        eip155_block: Some(30),
        eip158_block: Some(30),
        byzantium_block: Some(40),
        constantinople_block: Some(50),
        petersburg_block: Some(60),
        istanbul_block: Some(70),
        berlin_block: Some(80),
        london_block: Some(90),
        shanghai_time: Some(at(100)),
        cancun_time: Some(at(120)),
        prague_time: Some(at(140)),
        osaka_time: Some(at(160)),
        clique: Some(CliqueConfig {
            period: PERIOD,
            epoch: 64,
        }),
        ..ChainConfig::default()
    }
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).unwrap()
}

fn genesis() -> Header {
    let mut signers = [key(1).address(), key(2).address(), key(3).address()];
    signers.sort();
    Header {
        extra_data: unsealed_extra(b"", signers),
        difficulty: U256::ONE,
        gas_limit: 20_000_000,
        timestamp: START,
        ..Header::default()
    }
}

/// Seals a block with the key that is in turn.
fn next(chain: &MemoryChain, engine: &Clique, parent: &Header) -> Header {
    let mut header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        gas_used: parent.gas_limit / 3,
        ..Header::default()
    };
    for byte in 1..=3 {
        engine.set_signer(Some(key(byte).address()));
        engine.prepare(chain, &mut header, 0).unwrap();
        header.gas_limit = gas_limit::towards(chain.config(), &header, parent, 20_000_000);
        if header.difficulty == U256::from(2) {
            let sign = |hash: B256| Ok::<_, CliqueError>(key(byte).sign(hash));
            engine.seal(&mut header, sign).unwrap();
            return header;
        }
    }
    panic!("no signer is in turn");
}

fn sealed_chain(config: ChainConfig) -> (MemoryChain, Clique, Vec<Header>) {
    let engine = Clique::new(config.clique.unwrap(), None);
    let mut chain = MemoryChain::new(config, genesis());
    let mut headers = vec![genesis()];
    for _ in 0..LENGTH {
        let header = next(&chain, &engine, headers.last().unwrap());
        chain.push(header.clone());
        headers.push(header);
    }
    (chain, engine, headers)
}

#[test]
fn a_clique_chain_crosses_every_fork() {
    let (_, _, headers) = sealed_chain(config());
    let last = headers.last().unwrap();
    assert_eq!(config().fork_at(last.number, last.timestamp), Fork::Osaka);
    assert_eq!(last.withdrawals_root, Some(EMPTY_ROOT_HASH));
    assert_eq!(last.parent_beacon_block_root, Some(B256::ZERO));
    assert_eq!(
        (last.blob_gas_used, last.excess_blob_gas),
        (Some(0), Some(0))
    );
    assert!(last.requests_hash.is_some());
    let fresh = Clique::new(config().clique.unwrap(), None);
    let chain = MemoryChain::new(config(), genesis());
    let batch = BatchChain::of_headers(&chain, &headers[1..]);
    fresh.verify_headers(&batch, FAR_FUTURE).unwrap();
    fresh.verify_seals(&batch).unwrap();
    for header in &headers[1..] {
        assert_eq!(fresh.author(header), fresh.author(header));
    }
}

/// A field that the signature did not cover could be changed by anybody.
#[test]
fn the_signature_covers_every_later_field() {
    let (chain, engine, headers) = sealed_chain(config());
    let last = headers.last().unwrap();
    let changes: [fn(&mut Header); 6] = [
        |header| header.base_fee_per_gas = Some(1),
        |header| header.withdrawals_root = Some(B256::ZERO),
        |header| header.blob_gas_used = Some(1),
        |header| header.excess_blob_gas = Some(1),
        |header| header.parent_beacon_block_root = Some(B256::repeat_byte(1)),
        |header| header.requests_hash = Some(B256::ZERO),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut header = last.clone();
        change(&mut header);
        assert_ne!(
            engine.seal_hash(&header),
            engine.seal_hash(last),
            "field {index}"
        );
        let error = engine.verify_seal(&chain, &header).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Seal, "field {index}");
    }
    // The signature itself is not part of the signed data.
    let mut unsealed = last.clone();
    unsealed.extra_data = unsealed_extra(&last.extra_data, []);
    assert_eq!(engine.seal_hash(&unsealed), engine.seal_hash(last));
}

#[test]
fn beacon_fields_are_fixed() {
    let (chain, engine, headers) = sealed_chain(config());
    let (parent, last) = (&headers[headers.len() - 2], headers.last().unwrap());
    let check = |change: fn(&mut Header)| {
        let mut header = last.clone();
        change(&mut header);
        engine
            .verify_header(&chain, &header, parent, FAR_FUTURE)
            .unwrap_err()
    };
    let root = check(|header| header.parent_beacon_block_root = Some(B256::repeat_byte(1)));
    assert!(matches!(
        root,
        ConsensusError::WrongFixedField {
            field: "parentBeaconRoot",
            ..
        }
    ));
    let withdrawals = check(|header| header.withdrawals_root = Some(B256::repeat_byte(1)));
    assert!(matches!(
        withdrawals,
        ConsensusError::WrongFixedField {
            field: "withdrawalsHash",
            ..
        }
    ));
    let blobs = check(|header| header.blob_gas_used = Some(1 << 17));
    assert_eq!(
        blobs,
        ConsensusError::BlobGasAboveMaximum {
            have: 1 << 17,
            max: 0
        }
    );
    let mixed = check(|header| header.mix_hash = B256::repeat_byte(1));
    assert_eq!(mixed, CliqueError::NonZeroMixDigest.into());
}

#[test]
fn a_blob_schedule_lets_blobs_in() {
    let mut config = config();
    config
        .blob_schedule
        .insert(Fork::Cancun, BlobParams::CANCUN);
    let (chain, engine, headers) = sealed_chain(config);
    let (parent, last) = (&headers[headers.len() - 2], headers.last().unwrap());
    let mut header = last.clone();
    header.blob_gas_used = Some(6 << 17);
    assert_eq!(
        engine.verify_header(&chain, &header, parent, FAR_FUTURE),
        Ok(())
    );
    header.blob_gas_used = Some(7 << 17);
    assert!(
        engine
            .verify_header(&chain, &header, parent, FAR_FUTURE)
            .is_err()
    );
}
