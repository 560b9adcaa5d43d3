//! The transition from a chain's own engine to merged blocks.

use std::{collections::HashSet, sync::Arc};

use actoreum_primitives::{
    B64, B256, Block, Body, ChainConfig, DevChain, EMPTY_ROOT_HASH, Header, U256,
};

use super::chain::MemoryChain;
use crate::{
    BatchChain, ConsensusError, Engine, Ethash, EthashOptions, HeaderChain, Merge, SealCheck,
    rules::fork_fields,
};

const FAR_FUTURE: u64 = 2_000_000_000;
const DIFFICULTY: u64 = 131_072;

/// Returns a config whose third block is the terminal one.
fn config() -> ChainConfig {
    ChainConfig {
        homestead_block: Some(0),
        london_block: Some(0),
        terminal_total_difficulty: Some(U256::from(DIFFICULTY * 3 + 1)),
        shanghai_time: Some(1_000_060),
        ..ChainConfig::default()
    }
}

fn engine() -> Merge {
    Merge::new(Arc::new(Ethash::new(
        EthashOptions::default(),
        SealCheck::None,
    )))
}

fn genesis() -> Header {
    Header {
        difficulty: U256::from(DIFFICULTY),
        gas_limit: 10_000_000,
        timestamp: 1_000_000,
        base_fee_per_gas: Some(1_000_000_000),
        ..Header::default()
    }
}

fn sealing_engine() -> Merge {
    Merge::sealing(Arc::new(Ethash::new(
        EthashOptions::default(),
        SealCheck::None,
    )))
}

fn child(chain: &dyn HeaderChain, parent: &Header, merged: bool) -> Header {
    let mut header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        timestamp: parent.timestamp + 10,
        gas_limit: parent.gas_limit,
        ..Header::default()
    };
    if merged {
        fork_fields::fill(chain.config(), &mut header, parent);
    } else {
        Ethash::new(EthashOptions::default(), SealCheck::None)
            .prepare(chain, &mut header, 0)
            .unwrap();
    }
    header
}

fn crossing() -> (MemoryChain, Vec<Header>) {
    let mut chain = MemoryChain::new(config(), genesis());
    let mut headers = vec![genesis()];
    for number in 1..=8 {
        let header = child(&chain, headers.last().unwrap(), number > 3);
        chain.push(header.clone());
        headers.push(header);
    }
    (chain, headers)
}

#[test]
fn a_batch_crosses_the_terminal_block() {
    let (chain, headers) = crossing();
    let below = MemoryChain::new(config(), genesis());
    let engine = engine();
    for start in 1..headers.len() {
        let mut below = MemoryChain::new(config(), genesis());
        for header in &headers[1..start] {
            below.push(header.clone());
        }
        let batch = BatchChain::of_headers(&below, &headers[start..]);
        engine.verify_headers(&batch, FAR_FUTURE).unwrap();
        engine.verify_seals(&batch).unwrap();
    }
    for pair in headers.windows(2) {
        engine
            .verify_header(&chain, &pair[1], &pair[0], FAR_FUTURE)
            .unwrap();
        engine.verify_seal(&chain, &pair[1]).unwrap();
    }
    let mut bad = headers[1..].to_vec();
    bad[7].nonce = B64::repeat_byte(1);
    let batch = BatchChain::of_headers(&below, &bad);
    let error = engine.verify_headers(&batch, FAR_FUTURE).unwrap_err();
    assert_eq!((error.index, error.error), (7, ConsensusError::MergedNonce));
}

#[test]
fn blocks_of_the_wrong_kind_are_refused_around_the_merge() {
    let (chain, headers) = crossing();
    let engine = engine();
    let verify = |header: &Header, parent: &Header| {
        engine
            .verify_header(&chain, header, parent, FAR_FUTURE)
            .unwrap_err()
    };
    let too_early = child(&chain, &headers[2], true);
    assert!(matches!(
        verify(&too_early, &headers[2]),
        ConsensusError::InvalidDifficulty { .. }
    ));
    for parent in [&headers[3], &headers[6]] {
        let mut too_late = child(&chain, parent, true);
        too_late.difficulty = U256::from(DIFFICULTY);
        let error = verify(&too_late, parent);
        let (have, want) = (too_late.difficulty, U256::ZERO);
        assert_eq!(error, ConsensusError::InvalidDifficulty { have, want });
        let mut unprepared = Header {
            difficulty: U256::ZERO,
            ..too_late
        };
        let error = engine.prepare(&chain, &mut unprepared, 0).unwrap_err();
        assert_eq!(error, ConsensusError::SealedByBeaconChain);
    }
}

#[test]
fn the_constants_of_merged_headers() {
    let (chain, headers) = crossing();
    let (parent, valid) = (&headers[6], &headers[7]);
    let check = |change: fn(&mut Header)| {
        let mut header = valid.clone();
        change(&mut header);
        engine()
            .verify_header(&chain, &header, parent, 0)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        check(|header| header.nonce = B64::repeat_byte(1)),
        "invalid nonce"
    );
    assert_eq!(
        check(|header| header.ommers_hash = B256::ZERO),
        "invalid uncle hash"
    );
    assert_eq!(check(|header| header.timestamp -= 10), "invalid timestamp");
    assert_eq!(
        check(|header| header.extra_data = vec![0; 33].into()),
        "extra-data too long: 33 > 32"
    );
    assert_eq!(check(|header| header.number += 1), "invalid block number");
    assert_eq!(
        check(|header| header.withdrawals_root = None),
        "header is missing withdrawalsHash"
    );
    assert_eq!(
        check(|header| header.requests_hash = Some(B256::ZERO)),
        "invalid requestsHash: field is not yet part of the header"
    );
    let mut with_withdrawals = valid.clone();
    assert_eq!(with_withdrawals.withdrawals_root, Some(EMPTY_ROOT_HASH));
    with_withdrawals.withdrawals_root = Some(B256::repeat_byte(1));
    assert_eq!(
        engine().verify_header(&chain, &with_withdrawals, parent, 0),
        Ok(())
    );
}

#[test]
fn merged_blocks_have_no_ommers_and_no_rewards() {
    let (chain, headers) = crossing();
    let block = |header: &Header| Block {
        header: header.clone(),
        body: Body {
            ommers: vec![headers[1].clone()],
            ..Body::default()
        },
    };
    let merged = engine()
        .verify_ommers(&chain, &block(&headers[7]))
        .unwrap_err();
    assert_eq!(merged, ConsensusError::TooManyOmmers);
    assert!(engine().rewards(&config(), &headers[7], &[]).is_empty());
    assert_eq!(engine().rewards(&config(), &headers[2], &[]).len(), 1);
    assert_eq!(
        engine().difficulty(&chain, FAR_FUTURE, &headers[3]),
        Ok(U256::ZERO)
    );
}

#[test]
fn a_terminal_difficulty_of_zero_is_merged_from_the_start() {
    let config = ChainConfig {
        terminal_total_difficulty: Some(U256::ZERO),
        ..config()
    };
    let chain = MemoryChain::new(config, genesis());
    let header = child(&chain, &genesis(), true);
    assert_eq!(
        engine().verify_header(&chain, &header, &genesis(), 0),
        Ok(())
    );
    let batch = BatchChain::of_headers(&chain, [&header]);
    assert_eq!(engine().verify_headers(&batch, 0), Ok(()));
    assert_eq!(engine().verify_seals(&batch), Ok(()));
}

/// Every fork begins at genesis, and blocks are decided here.
fn dev_chain() -> (MemoryChain, Header) {
    let config = DevChain::merged().genesis().config;
    let mut genesis = Header {
        difficulty: U256::ZERO,
        ..genesis()
    };
    fork_fields::fill(&config, &mut genesis, &Header::default());
    genesis.base_fee_per_gas = Some(1_000_000_000);
    (MemoryChain::new(config, genesis.clone()), genesis)
}

fn dev_child(chain: &MemoryChain, parent: &Header, now: u64) -> Header {
    let mut header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        gas_limit: parent.gas_limit,
        ..Header::default()
    };
    sealing_engine().prepare(chain, &mut header, now).unwrap();
    header
}

#[test]
fn a_sealing_engine_prepares_blocks_that_others_accept() {
    let (mut chain, genesis) = dev_chain();
    let mut headers = vec![genesis];
    for number in 1..=20 {
        let parent = &headers[headers.len() - 1];
        let header = dev_child(&chain, parent, parent.timestamp + number % 3);
        assert!(header.timestamp > parent.timestamp);
        for engine in [engine(), sealing_engine()] {
            engine.verify_header(&chain, &header, parent, 0).unwrap();
            assert_eq!(engine.author(&header), Ok(header.beneficiary));
        }
        chain.push(header.clone());
        headers.push(header);
    }
    let values = |value: fn(&Header) -> B256| {
        let all = headers[1..].iter().map(value);
        all.filter(|value| !value.is_zero()).collect::<HashSet<_>>()
    };
    assert_eq!(values(|header| header.mix_hash).len(), 20);
    let roots = values(|header| header.parent_beacon_block_root.unwrap());
    assert_eq!(roots.len(), 20);
    assert!(roots.is_disjoint(&values(|header| header.mix_hash)));
}

#[test]
fn a_chosen_prevrandao_is_kept() {
    let (chain, genesis) = dev_chain();
    let mut header = Header {
        parent_hash: genesis.hash(),
        number: 1,
        gas_limit: genesis.gas_limit,
        mix_hash: B256::repeat_byte(7),
        ..Header::default()
    };
    sealing_engine().prepare(&chain, &mut header, 0).unwrap();
    assert_eq!(header.mix_hash, B256::repeat_byte(7));
    assert_eq!(
        sealing_engine().prepare(&chain, &mut header, u64::MAX),
        Ok(())
    );
}
