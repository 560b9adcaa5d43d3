//! Tests of a batch as an extension of the chain.

use actoreum_primitives::{B256, Block, Body, ChainConfig, Header, U256};

use super::chain::MemoryChain;
use crate::{
    BatchChain, BatchError, ConsensusError, Engine, Ethash, EthashOptions, HeaderChain, SealCheck,
};

fn run_of(parent: &Header, count: u64) -> Vec<Header> {
    let mut headers = Vec::<Header>::new();
    for ahead in 1..=count {
        headers.push(Header {
            parent_hash: headers.last().unwrap_or(parent).hash(),
            number: parent.number + ahead,
            difficulty: U256::from(10),
            ..Header::default()
        });
    }
    headers
}

#[test]
fn finds_headers_in_the_batch_and_below_it() {
    let genesis = Header {
        difficulty: U256::from(5),
        ..Header::default()
    };
    let chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    let headers = run_of(&genesis, 4);
    let batch = BatchChain::of_headers(&chain, &headers);
    let hashes: Vec<B256> = headers.iter().map(Header::hash).collect();
    assert_eq!(batch.hashes(), hashes);
    for (index, header) in headers.iter().enumerate() {
        let number = index as u64 + 1;
        assert_eq!(batch.header(&hashes[index], number).as_ref(), Some(header));
        assert_eq!(batch.header(&hashes[index], number + 1), None);
        assert_eq!(batch.header_by_number(number).as_ref(), Some(header));
        let total = batch.total_difficulty(&hashes[index], number);
        assert_eq!(total, Some(U256::from(5 + 10 * number)));
        let parent = if index == 0 {
            &genesis
        } else {
            &headers[index - 1]
        };
        assert_eq!(batch.parent(index).as_ref(), Some(parent));
    }
    assert_eq!(batch.header(&genesis.hash(), 0), Some(genesis.clone()));
    assert_eq!(batch.header_by_number(0), Some(genesis));
    assert_eq!(batch.header_by_number(5), None);
    assert_eq!(batch.parent(4), None);
    let upper = batch.after(2);
    assert_eq!(upper.headers().len(), 2);
    assert_eq!(upper.header(&hashes[0], 1).as_ref(), Some(&headers[0]));
    assert_eq!(upper.total_difficulty(&hashes[3], 4), Some(U256::from(45)));
    assert_eq!(batch.first(2).header(&hashes[2], 3), None);
}

#[test]
fn finds_ommers_in_the_batch_and_below_it() {
    let genesis = Header::default();
    let chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    let header = run_of(&genesis, 1).remove(0);
    let ommer = Header {
        extra_data: "ommer".into(),
        ..Header::default()
    };
    let body = Body {
        ommers: vec![ommer.clone()],
        ..Body::default()
    };
    let blocks = [Block {
        header: header.clone(),
        body,
    }];
    let batch = BatchChain::of_blocks(&chain, &blocks);
    assert_eq!(batch.ommers(&header.hash(), 1), Some(vec![ommer]));
    assert_eq!(batch.ommers(&genesis.hash(), 0), Some(Vec::new()));
    let headers_only = BatchChain::of_headers(&chain, [&header]);
    assert_eq!(headers_only.ommers(&header.hash(), 1), None);
}

#[test]
fn a_gap_is_an_unknown_ancestor() {
    let genesis = Header::default();
    let chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    let mut headers = run_of(&genesis, 40);
    headers.remove(20);
    let engine = Ethash::new(EthashOptions::default(), SealCheck::None);
    let batch = BatchChain::of_headers(&chain, &headers[20..]);
    let error = engine.verify_headers(&batch, 1 << 40).unwrap_err();
    let expected = BatchError {
        index: 0,
        error: ConsensusError::UnknownAncestor,
    };
    assert_eq!(error, expected);
    assert_eq!(error.to_string(), "header 0 of the batch: unknown ancestor");
    let empty = BatchChain::of_headers(&chain, []);
    assert_eq!(engine.verify_headers(&empty, 0), Ok(()));
    assert_eq!(engine.verify_seals(&empty), Ok(()));
}
