//! Imports of real chains through the whole pipeline: mainnet's first blocks and a chain sealed by
//! geth.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::PathBuf, sync::Arc};

use actoreum_chain::{Chain, ChainEvent, ChainOptions, ChainReader, Detail, genesis};
use actoreum_consensus::{EngineOptions, engine_for};
use actoreum_primitives::{Block, Genesis, rlp::Decode};
use actoreum_storage::Store;

fn fixture(name: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("ACTOREUM_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        println!("skipped: fixtures not found");
        return None;
    }
    Some(fs::read(folder.join(name)).unwrap())
}

fn blocks(bytes: &[u8]) -> Vec<Block> {
    let mut rest = bytes;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        blocks.push(Block::decode(&mut rest).unwrap());
    }
    blocks
}

fn open(genesis_block: &Genesis) -> Chain {
    let store = Store::memory();
    genesis::init(&store, genesis_block).unwrap();
    let reader = ChainReader::open(store).unwrap();
    let engine = engine_for(reader.config(), EngineOptions::default()).engine;
    let options = ChainOptions {
        engine,
        interrupt: Arc::default(),
        now: Arc::new(|| 2_000_000_000),
    };
    Chain::open(reader, options).unwrap()
}

#[test]
fn mainnet_imports_and_an_invalid_seal_is_refused() {
    let Some(bytes) = fixture("mainnet/first-1000.rlp") else {
        return;
    };
    let blocks_of_file = blocks(&bytes);
    let mut chain = open(&Genesis::mainnet());
    let report = chain.import(&blocks_of_file, Detail::HeadOnly);
    assert!(report.refused.is_none(), "{:?}", report.refused);
    assert_eq!((report.known, report.imported), (1, 999));
    assert_eq!(
        chain.head().hash().to_string(),
        "0xc31b362e591aa07faa977dbc492ae43cd47eef291920435153bbbf3acaf2fc2f"
    );

    let Some(bytes) = fixture("mainnet/bad-pow.rlp") else {
        return;
    };
    let bad = blocks(&bytes);
    let mut chain = open(&Genesis::mainnet());
    let before = usize::try_from(bad[0].header.number).unwrap();
    chain.import(&blocks_of_file[..before], Detail::HeadOnly);
    let report = chain.import(&bad, Detail::HeadOnly);
    let refused = report.refused.unwrap().to_string();
    assert!(
        refused.contains("invalid mix digest") || refused.contains("invalid proof-of-work"),
        "{refused}"
    );
    assert_eq!(chain.bad_blocks().count(), 1);
}

#[test]
fn a_chain_sealed_by_geth_imports_whole_and_block_by_block() {
    let Some(bytes) = fixture("clique-bench/chain.rlp") else {
        return;
    };
    let Some(json) = fixture("clique-bench/genesis.json") else {
        return;
    };
    let genesis = Genesis::from_json(std::str::from_utf8(&json).unwrap()).unwrap();
    let blocks = blocks(&bytes);
    let mut chain = open(&genesis);
    let report = chain.import(&blocks, Detail::HeadOnly);
    assert!(report.refused.is_none(), "{:?}", report.refused);
    let head = "0x9107a808da2c9c538ba0c5e6fb70add1ad7a3cd17b6f1bcc1c18faa285a17555";
    assert_eq!(chain.head().hash().to_string(), head);
    println!("{:?}", chain.stats());

    let mut chain = open(&genesis);
    for block in &blocks[..40.min(blocks.len())] {
        let report = chain.import(std::slice::from_ref(block), Detail::EveryBlock);
        if block.header.number == 0 {
            assert_eq!(report.known, 1);
            continue;
        }
        let kinds: Vec<_> = report.events.iter().map(std::mem::discriminant).collect();
        let header = chain.head().clone();
        assert_eq!(header.hash(), block.hash());
        assert_eq!(kinds.len(), 2);
        assert!(matches!(&report.events[1], ChainEvent::Head(head) if *head == header));
    }
}
