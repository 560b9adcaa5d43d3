//! The first blocks of mainnet.

use std::time::Instant;

use actoreum_primitives::{Block, ChainConfig, U256};

use super::{
    chain::MemoryChain,
    fixtures::{blocks, fixture},
};
use crate::{
    BatchChain, ConsensusError, Engine, ErrorClass, Ethash, EthashOptions, HeaderChain, SealCheck,
};

const FAR_FUTURE: u64 = 2_000_000_000;

fn mainnet() -> ChainConfig {
    ChainConfig {
        chain_id: 1,
        homestead_block: Some(1_150_000),
        ..ChainConfig::default()
    }
}

fn ethash() -> Ethash {
    Ethash::new(EthashOptions::default(), SealCheck::Full)
}

fn chain_of(genesis: &Block) -> MemoryChain {
    MemoryChain::new(mainnet(), genesis.header.clone())
}

#[test]
fn vectors_first_thousand_mainnet_headers() {
    let Some(path) = fixture("mainnet/first-1000.rlp") else {
        return;
    };
    let blocks = blocks(&path);
    let chain = chain_of(&blocks[0]);
    let batch = BatchChain::of_blocks(&chain, &blocks[1..]);
    let engine = ethash();
    engine.verify_headers(&batch, FAR_FUTURE).unwrap();
    engine.cache(0).unwrap();
    let started = Instant::now();
    engine.verify_seals(&batch).unwrap();
    let elapsed = started.elapsed();
    println!("{} seals verified in {elapsed:?}", batch.headers().len());
    let mut ommers = 0;
    for block in &blocks[1..] {
        engine.verify_ommers(&batch, block).unwrap();
        ommers += block.body.ommers.len();
    }
    assert!(ommers > 100, "the fixture has {ommers} ommers");
    let last = batch.headers().last().unwrap();
    assert_eq!(last.number, 999);
    let total = batch.total_difficulty(&last.hash(), 999).unwrap();
    assert!(total > U256::from(1_u64 << 44));
}

#[test]
fn vectors_bad_proof_of_work_is_refused() {
    let Some(path) = fixture("mainnet/bad-pow.rlp") else {
        return;
    };
    let Some(good) = fixture("mainnet/first-1000.rlp") else {
        return;
    };
    let chain = chain_of(&blocks(&good)[0]);
    let block = &blocks(&path)[0];
    let engine = ethash();
    let alone = engine.verify_seal(&chain, &block.header).unwrap_err();
    println!("refused: {alone}");
    assert_eq!(alone.class(), ErrorClass::Seal);
    let headers = [&block.header];
    let batch = BatchChain::of_headers(&chain, headers);
    let error = engine.verify_seals(&batch).unwrap_err();
    assert_eq!((error.index, error.error), (0, alone));
}

/// Any damaged header is found, and the first one is reported.
#[test]
fn vectors_damaged_mainnet_headers_are_refused() {
    let Some(path) = fixture("mainnet/first-1000.rlp") else {
        return;
    };
    let blocks = blocks(&path);
    let chain = chain_of(&blocks[0]);
    let engine = ethash();
    for first_bad in [0, 5, 6, 37, 98] {
        let mut headers: Vec<_> = blocks[1..100]
            .iter()
            .map(|block| block.header.clone())
            .collect();
        for header in &mut headers[first_bad..] {
            header.mix_hash.0[31] ^= 1;
        }
        let batch = BatchChain::of_headers(&chain, &headers);
        let error = engine.verify_seals(&batch).unwrap_err();
        assert_eq!(error.index, first_bad);
        assert_eq!(error.error, ConsensusError::InvalidMixDigest);
        let error = engine.verify_headers(&batch, FAR_FUTURE);
        let broken = error.map_err(|error| (error.index, error.error));
        let expected = match first_bad {
            98 => Ok(()),
            _ => Err((first_bad + 1, ConsensusError::UnknownAncestor)),
        };
        assert_eq!(broken, expected, "its child no longer fits");
    }
}

#[test]
fn vectors_a_future_header_has_its_own_error() {
    let Some(path) = fixture("mainnet/first-1000.rlp") else {
        return;
    };
    let blocks = blocks(&path);
    let chain = chain_of(&blocks[0]);
    let (parent, header) = (&blocks[0].header, &blocks[1].header);
    let check = |now| ethash().verify_header(&chain, header, parent, now);
    assert_eq!(check(header.timestamp - 15), Ok(()));
    assert_eq!(
        check(header.timestamp - 16),
        Err(ConsensusError::FutureBlock)
    );
}
