//! A clique chain that geth 1.8.27 sealed.

use std::{fs, sync::Arc, time::Instant};

use actoreum_primitives::{
    B256, Genesis, Header,
    alloy_primitives::{address, b256},
};
use serde_json::json;

use super::{
    chain::MemoryChain,
    fixtures::{blocks, fixture},
};
use crate::{BatchChain, Clique, CliqueError, ConsensusError, Engine, HeaderChain, SnapshotStore};

const FAR_FUTURE: u64 = 2_000_000_000;

struct Fixture {
    chain: MemoryChain,
    headers: Vec<Header>,
}

fn load() -> Option<Fixture> {
    let genesis = fs::read_to_string(fixture("clique-bench/genesis.json")?).unwrap();
    let genesis = Genesis::from_json(&genesis).unwrap();
    let headers: Vec<Header> = blocks(&fixture("clique-bench/chain.rlp")?)
        .into_iter()
        .map(|block| block.header)
        .filter(|header| header.number > 0)
        .collect();
    let chain = MemoryChain::new(
        genesis.config.clone(),
        genesis_header(&genesis, &headers[0]),
    );
    Some(Fixture { chain, headers })
}

/// Returns the genesis header as geth made it from the file: the first header must be its child.
fn genesis_header(genesis: &Genesis, first: &Header) -> Header {
    let state_root = b256!("45ee0f47445b782a242fe7b9fe19f66f3fe017c0205f6983e5607e945c4cf91f");
    let header = genesis.header(state_root);
    assert_eq!(header.hash(), first.parent_hash);
    header
}

fn engine(chain: &MemoryChain, store: Option<Arc<dyn SnapshotStore>>) -> Clique {
    Clique::new(chain.config().clique.unwrap(), store)
}

#[test]
fn vectors_clique_chain_verifies_in_bulk() {
    let Some(Fixture { chain, headers }) = load() else {
        return;
    };
    assert_eq!(headers.len(), 269);
    let engine = engine(&chain, None);
    let batch = BatchChain::of_headers(&chain, &headers);
    engine.verify_headers(&batch, FAR_FUTURE).unwrap();
    let started = Instant::now();
    engine.verify_seals(&batch).unwrap();
    println!(
        "{} clique seals verified in {:?}",
        headers.len(),
        started.elapsed()
    );
    let last = headers.last().unwrap();
    let snapshot = engine.snapshot(&batch, last.number, last.hash()).unwrap();
    let signer = address!("a399062b811633da6800777094e01354e0f3ad36");
    assert!(snapshot.signers.iter().eq([&signer]));
    assert_eq!(engine.author(last), Ok(signer));
}

#[test]
fn vectors_clique_chain_verifies_in_any_batches() {
    let Some(Fixture { mut chain, headers }) = load() else {
        return;
    };
    let engine = engine(&chain, None);
    let mut parent = chain.header_by_number(0).unwrap();
    let (singly, batched) = headers.split_at(20);
    for header in singly {
        engine
            .verify_header(&chain, header, &parent, FAR_FUTURE)
            .unwrap();
        engine.verify_seal(&chain, header).unwrap();
        chain.push(header.clone());
        parent = header.clone();
    }
    for headers in batched.chunks(7) {
        let batch = BatchChain::of_headers(&chain, headers);
        engine.verify_headers(&batch, FAR_FUTURE).unwrap();
        engine.verify_seals(&batch).unwrap();
        for header in headers {
            chain.push(header.clone());
        }
    }
}

/// geth's answer to `clique_getSnapshot` for block 2.
#[test]
fn vectors_snapshot_json_is_geths() {
    let Some(Fixture { chain, headers }) = load() else {
        return;
    };
    let engine = engine(&chain, None);
    let batch = BatchChain::of_headers(&chain, &headers);
    let snapshot = engine.snapshot(&batch, 2, headers[1].hash()).unwrap();
    let expected = json!({
        "number": 2,
        "hash": "0xdf79b4818b21202443686e972f3950cc604e0f6c9540b6e2f0ef156ad6527bab",
        "signers": { "0xa399062b811633da6800777094e01354e0f3ad36": {} },
        "recents": { "2": "0xa399062b811633da6800777094e01354e0f3ad36" },
        "votes": [],
        "tally": {},
    });
    assert_eq!(serde_json::to_value(&*snapshot).unwrap(), expected);
}

#[test]
fn vectors_damaged_clique_headers_are_refused() {
    let Some(Fixture { chain, headers }) = load() else {
        return;
    };
    let engine = engine(&chain, None);
    for bad in [0, 100, 268] {
        let mut headers = headers.clone();
        headers[bad].state_root = B256::repeat_byte(1);
        let batch = BatchChain::of_headers(&chain, &headers);
        let error = engine.verify_seals(&batch).unwrap_err();
        assert_eq!(error.index, bad);
        assert_eq!(error.error, CliqueError::UnauthorizedSigner.into());
    }
    let first_missing = BatchChain::of_headers(&chain, &headers[1..]);
    let error = engine.verify_seals(&first_missing).unwrap_err();
    assert_eq!(
        (error.index, error.error),
        (0, ConsensusError::UnknownAncestor)
    );
}
