//! Tests with real chains: every decoded block encodes to the same bytes.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod common;

use actoreum_primitives::rlp::{self, Decode};
use actoreum_primitives::{
    B256, Block, ChainConfig, EMPTY_OMMERS_HASH, Fork, Genesis, MAINNET_GENESIS_HASH, b256,
    recover_senders,
};

/// Decodes consecutive blocks and checks that each encodes to the same bytes.
fn read_chain(bytes: &[u8]) -> Vec<Block> {
    let mut rest = bytes;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        let block = Block::decode(&mut rest).unwrap();
        let encoded = &start[..start.len() - rest.len()];
        assert!(
            rlp::encode(&block) == encoded,
            "block {} is written otherwise",
            blocks.len()
        );
        blocks.push(block);
    }
    blocks
}

fn assert_linked(blocks: &[Block]) {
    for pair in blocks.windows(2) {
        assert_eq!(pair[1].header.parent_hash, pair[0].hash());
        assert_eq!(pair[1].header.number, pair[0].header.number + 1);
    }
    for block in blocks {
        assert_eq!(block.body.ommers_hash(), block.header.ommers_hash);
    }
}

#[test]
fn mainnet_blocks_encode_to_the_same_bytes() {
    let Some(bytes) = common::read("mainnet/first-1000.rlp") else {
        return;
    };
    let blocks = read_chain(&bytes);
    assert_eq!(blocks.len(), 1_000);
    assert_linked(&blocks);
    assert_eq!(blocks[0].hash(), MAINNET_GENESIS_HASH);
    let head = b256!("c31b362e591aa07faa977dbc492ae43cd47eef291920435153bbbf3acaf2fc2f");
    assert_eq!(blocks[999].hash(), head);
    assert!(
        blocks
            .iter()
            .any(|block| block.header.ommers_hash != EMPTY_OMMERS_HASH)
    );

    // The embedded genesis is the first block.
    let genesis = Genesis::mainnet().block(blocks[0].header.state_root);
    assert_eq!(genesis, blocks[0]);
}

#[test]
fn mainnet_allocations_match_the_genesis_file() {
    let Some(json) = common::read("mainnet/genesis.json") else {
        return;
    };
    let fixture = Genesis::from_json(str::from_utf8(&json).unwrap()).unwrap();
    assert_eq!(fixture.alloc, Genesis::mainnet().alloc);
    assert_eq!(fixture.config.check_fork_order(), Ok(()));

    // The fixture's config is a subset of the built-in one.
    let ours = ChainConfig::mainnet();
    for fork in Fork::ALL {
        if let Some(activation) = fixture.config.activation(fork) {
            assert_eq!(Some(activation), ours.activation(fork), "{fork}");
        }
    }
    assert_eq!(
        fixture.config.terminal_total_difficulty,
        ours.terminal_total_difficulty
    );
    assert_eq!(
        fixture.header(B256::ZERO),
        Genesis::mainnet().header(B256::ZERO)
    );
}

#[test]
fn a_chain_of_geth_1_8_decodes_with_its_senders() {
    let (Some(chain), Some(json)) = (
        common::read("clique-bench/chain.rlp"),
        common::read("clique-bench/genesis.json"),
    ) else {
        return;
    };
    let genesis = Genesis::from_json(str::from_utf8(&json).unwrap()).unwrap();
    assert_eq!(genesis.config.check_fork_order(), Ok(()));
    assert_eq!(genesis.config.fork_at(1, u64::MAX), Fork::Petersburg);

    let mut blocks = read_chain(&chain);
    if blocks[0].header.number == 0 {
        blocks.remove(0);
    }
    assert_eq!(blocks.len(), 269);
    assert_linked(&blocks);
    let head = b256!("9107a808da2c9c538ba0c5e6fb70add1ad7a3cd17b6f1bcc1c18faa285a17555");
    assert_eq!(blocks[268].hash(), head);

    let senders = recover_senders(&genesis.config, &blocks);
    let mut count = 0;
    for senders in senders {
        for sender in senders.unwrap() {
            assert!(
                genesis.alloc.contains_key(&sender),
                "{sender} was not funded"
            );
            count += 1;
        }
    }
    assert_eq!(count, 30_051);
}
