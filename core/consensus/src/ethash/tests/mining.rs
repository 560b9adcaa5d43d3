//! Blocks that this engine mines, with the small data sizes.

use std::sync::atomic::{AtomicBool, AtomicU64};

use actoreum_primitives::{Address, B256, Block, Body, ChainConfig, Fork, Header, U256};

use crate::{
    BatchChain, ConsensusError, Engine, Ethash, EthashOptions, HeaderChain, SealCheck,
    ethash::{DataSizes, epoch_of, search},
    limits,
    tests::chain::MemoryChain,
};

const FAR_FUTURE: u64 = 2_000_000_000;

fn engine() -> Ethash {
    let options = EthashOptions {
        sizes: DataSizes::Small,
        ..EthashOptions::default()
    };
    Ethash::new(options, SealCheck::Full)
}

fn config() -> ChainConfig {
    ChainConfig {
        chain_id: 5,
        homestead_block: Some(0),
        byzantium_block: Some(2),
        constantinople_block: Some(3),
        london_block: Some(4),
        shanghai_time: Some(1_000_050),
        cancun_time: Some(1_000_060),
        prague_time: Some(1_000_070),
        osaka_time: Some(1_000_080),
        ..ChainConfig::default()
    }
}

fn genesis() -> Header {
    Header {
        difficulty: U256::from(131_072),
        gas_limit: 8_000_000,
        timestamp: 1_000_000,
        ..Header::default()
    }
}

fn mine(
    engine: &Ethash,
    chain: &MemoryChain,
    parent: &Header,
    change: impl Fn(&mut Header),
) -> Header {
    let mut header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        timestamp: parent.timestamp + 10,
        beneficiary: Address::repeat_byte(1),
        ..Header::default()
    };
    change(&mut header);
    let gas_limit = parent.gas_limit;
    header.gas_limit = crate::rules::gas_limit::towards(chain.config(), &header, parent, gas_limit);
    engine.prepare(chain, &mut header, 0).unwrap();
    let dataset = engine.dataset(epoch_of(header.number), &|_| {}).unwrap();
    let (stop, attempts) = (AtomicBool::new(false), AtomicU64::new(0));
    let seal_hash = engine.seal_hash(&header).unwrap();
    let range = 0..u64::MAX;
    let solution = search(
        &dataset,
        seal_hash,
        header.difficulty,
        range,
        &stop,
        &attempts,
    )
    .unwrap();
    solution.seal(&mut header);
    engine.verify_seal_full(&dataset, &header).unwrap();
    header
}

#[test]
fn a_mined_chain_crosses_every_fork_and_verifies() {
    let engine = engine();
    engine.prepare_cache(0);
    let mut chain = MemoryChain::new(config(), genesis());
    let mut headers = vec![genesis()];
    for _ in 0..9 {
        let header = mine(&engine, &chain, headers.last().unwrap(), |_| {});
        chain.push(header.clone());
        headers.push(header);
    }
    let last = headers.last().unwrap();
    assert_eq!(config().fork_at(last.number, last.timestamp), Fork::Osaka);
    assert!(last.requests_hash.is_some());
    let below = MemoryChain::new(config(), genesis());
    let batch = BatchChain::of_headers(&below, &headers[1..]);
    engine.verify_headers(&batch, FAR_FUTURE).unwrap();
    engine.verify_seals(&batch).unwrap();
    for pair in headers.windows(2) {
        engine
            .verify_header(&chain, &pair[1], &pair[0], FAR_FUTURE)
            .unwrap();
        engine.verify_seal(&chain, &pair[1]).unwrap();
    }
    // The seal covers every field, including those of the newest fork.
    let mut changed = last.clone();
    changed.requests_hash = Some(B256::repeat_byte(9));
    assert_eq!(
        engine.verify_seal(&chain, &changed),
        Err(ConsensusError::InvalidMixDigest)
    );
}

#[test]
fn ommers_are_verified_with_their_seals() {
    let engine = engine();
    let mut chain = MemoryChain::new(config(), genesis());
    let first = mine(&engine, &chain, &genesis(), |_| {});
    let ommer = mine(&engine, &chain, &genesis(), |header| {
        header.extra_data = "ommer".into()
    });
    chain.push(first.clone());
    let with = |ommers: Vec<Header>| {
        let body = Body {
            ommers,
            ..Body::default()
        };
        let nephew = |header: &mut Header| header.ommers_hash = body.ommers_hash();
        let header = mine(&engine, &chain, &first, nephew);
        Block {
            header,
            body: body.clone(),
        }
    };
    let block = with(vec![ommer.clone()]);
    assert_eq!(engine.verify_ommers(&chain, &block), Ok(()));
    let mut unsealed = ommer.clone();
    unsealed.nonce.0[0] ^= 1;
    let error = engine
        .verify_ommers(&chain, &with(vec![unsealed]))
        .unwrap_err();
    assert_eq!(error, ConsensusError::InvalidMixDigest);
    let mut too_easy = ommer;
    too_easy.difficulty -= U256::ONE;
    let error = engine
        .verify_ommers(&chain, &with(vec![too_easy]))
        .unwrap_err();
    assert!(matches!(error, ConsensusError::InvalidDifficulty { .. }));
}

#[test]
fn the_maximum_epoch_bounds_block_numbers() {
    let chain = MemoryChain::new(config(), genesis());
    for number in [u64::MAX, (limits::MAX_EPOCH + 1) * 30_000] {
        let header = Header {
            number,
            difficulty: U256::ONE,
            ..Header::default()
        };
        let error = engine().verify_seal(&chain, &header).unwrap_err();
        assert_eq!(error, ConsensusError::EpochOutOfRange(number));
        let headers = [&header];
        let batch = BatchChain::of_headers(&chain, headers);
        assert_eq!(engine().verify_seals(&batch).unwrap_err().error, error);
    }
    let zero = Header {
        number: 1,
        ..Header::default()
    };
    let error = engine().verify_seal(&chain, &zero).unwrap_err();
    assert_eq!(error, ConsensusError::ZeroDifficulty);
}

#[test]
fn without_seal_checks_all_other_rules_apply() {
    let engine = Ethash::new(EthashOptions::default(), SealCheck::None);
    let chain = MemoryChain::new(config(), genesis());
    let mut header = Header {
        parent_hash: genesis().hash(),
        number: 1,
        gas_limit: 8_000_000,
        ..Header::default()
    };
    engine.prepare(&chain, &mut header, 0).unwrap();
    assert_eq!(
        engine.verify_header(&chain, &header, &genesis(), FAR_FUTURE),
        Ok(())
    );
    assert_eq!(engine.verify_seal(&chain, &header), Ok(()));
    let check = |change: fn(&mut Header)| {
        let mut header = header.clone();
        change(&mut header);
        engine
            .verify_header(&chain, &header, &genesis(), FAR_FUTURE)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        check(|header| header.timestamp = 1_000_000),
        "timestamp equals parent's"
    );
    assert_eq!(
        check(|header| header.timestamp = 999_999),
        "timestamp older than parent"
    );
    assert_eq!(
        check(|header| header.difficulty += U256::ONE),
        "invalid difficulty: have 131137, want 131136"
    );
    assert_eq!(
        check(|header| header.gas_limit = 1 << 63),
        "invalid gasLimit: have 9223372036854775808, max 9223372036854775807"
    );
    assert_eq!(
        check(|header| header.gas_used = 8_000_001),
        "invalid gasUsed: have 8000001, gasLimit 8000000"
    );
    assert_eq!(
        check(|header| header.gas_limit = 7_000_000),
        "invalid gas limit: have 7000000, want 8000000 += 7812"
    );
    assert_eq!(check(|header| header.number = 2), "invalid block number");
    assert_eq!(
        check(|header| header.extra_data = vec![0; 33].into()),
        "extra-data too long: 33 > 32"
    );
    assert_eq!(
        check(|header| header.base_fee_per_gas = Some(7)),
        "invalid baseFee before fork: have 7, want <nil>"
    );
    assert_eq!(
        check(|header| header.timestamp = FAR_FUTURE + 16),
        "block in the future"
    );
}
