//! The official blockchain tests, as far as execution goes: every valid block of a chain is
//! executed on the state that the one before left, and what comes out is compared with its
//! header. (Which blocks are invalid by their header alone, and which of two branches wins, is
//! asked of the chain in `tests/`.)

mod common;

use std::collections::BTreeMap;

use actoreum_evm::execute_block;
use actoreum_primitives::rlp::decode_exact;
use actoreum_primitives::{
    Address, B256, Block, ChainConfig, EMPTY_REQUESTS_HASH, ETHER, Fork, Header, SenderRules, U256,
    receipt_trie_items,
};
use actoreum_trie::ordered_root;
use common::archive::{Report, for_each_file};
use common::json::BlockchainTest;
use common::networks;
use common::state::{KnownHashes, MemoryState, Roots};

#[test]
fn legacy_blockchain_vectors() {
    run("legacy-frontier-to-constantinople.tar.zst");
}

#[test]
fn istanbul_to_london_blockchain_vectors() {
    run("blockchain-istanbul-to-london.tar.zst");
}

#[test]
fn berlin_to_cancun_blockchain_vectors() {
    run("berlin-to-cancun.tar.zst");
}

#[test]
fn prague_osaka_blockchain_vectors() {
    run("prague-osaka.tar.zst");
}

fn run(archive: &str) {
    let report = Report::default();
    // The oldest tests of malformed RLP give their genesis in a form of their own, and nothing in
    // them is ever executed: they are the decoder's.
    let is_blockchain_test = |path: &str| {
        path.contains("BlockchainTests/")
            && !(path.starts_with("Constantinople/") && path.ends_with("bcInvalidRLPTest.json"))
    };
    let ran = for_each_file(archive, is_blockchain_test, |path, json| {
        let tests: BTreeMap<String, BlockchainTest> = match serde_json::from_slice(json) {
            Ok(tests) => tests,
            Err(error) => return report.failed(path.to_owned(), error),
        };
        for (name, test) in &tests {
            match check(test) {
                Ok(()) => report.passed(&test.network),
                Err(error) => report.failed(format!("{path} {name} {}", test.network), error),
            }
        }
    });
    if ran {
        report.conclude(archive);
    }
}

fn check(test: &BlockchainTest) -> Result<(), String> {
    let config = networks::config(&test.network, &test.config)
        .ok_or_else(|| format!("network {} is not known", test.network))?;
    let genesis: Block = decode_exact(&test.genesis_rlp.0).map_err(|error| error.to_string())?;
    let mut states: BTreeMap<B256, MemoryState> = BTreeMap::new();
    let mut headers: BTreeMap<B256, Header> = BTreeMap::new();
    let state = MemoryState::from_json(&test.pre);
    if state.root() != genesis.header.state_root {
        return Err("genesis state root differs".into());
    }
    states.insert(genesis.hash(), state);
    headers.insert(genesis.hash(), genesis.header);

    for (index, json) in test.blocks.iter().enumerate() {
        let result = check_block(&config, &json.rlp.0, &mut states, &mut headers);
        if json.is_invalid() {
            continue;
        }
        match result {
            Ok(()) => {}
            Err(Refused::Here(error)) => return Err(format!("block {index}: {error}")),
            Err(Refused::Unknown) => return Err(format!("block {index} has no parent")),
        }
    }
    Ok(())
}

enum Refused {
    /// Its parent was refused.
    Unknown,
    Here(String),
}

/// Executes a block where its parent is known. One that is invalid for its header may pass.
fn check_block(
    config: &ChainConfig,
    rlp: &[u8],
    states: &mut BTreeMap<B256, MemoryState>,
    headers: &mut BTreeMap<B256, Header>,
) -> Result<(), Refused> {
    let here = |error: &dyn std::fmt::Display| Refused::Here(error.to_string());
    let block: Block = decode_exact(rlp).map_err(|error| here(&error))?;
    let header = &block.header;
    let parent = states.get(&header.parent_hash).ok_or(Refused::Unknown)?;
    let hashes = ancestors(headers, header);
    let rules = SenderRules::at(config, header.number, header.timestamp);
    let senders: Result<Vec<Address>, _> = block
        .body
        .transactions
        .iter()
        .map(|transaction| rules.sender(transaction))
        .collect();
    let senders = senders.map_err(|error| here(&error))?;
    let mut roots = Roots::new(parent);
    let outcome = execute_block(
        config,
        header,
        &block.body,
        &senders,
        header.beneficiary,
        &rewards(config, &block),
        parent,
        &hashes,
        Some(&mut roots),
    )
    .map_err(|error| here(&error))?;

    let mut state = parent.clone();
    state.apply(&outcome.diff);
    let receipts_root = ordered_root(&receipt_trie_items(&outcome.receipts));
    let receipts_root = receipts_root.map_err(|error| here(&error))?;
    let differs = [
        (outcome.gas_used != header.gas_used, "gas used"),
        (
            header
                .blob_gas_used
                .is_some_and(|used| used != outcome.blob_gas_used),
            "blob gas used",
        ),
        (state.root() != header.state_root, "state root"),
        (receipts_root != header.receipts_root, "receipts root"),
        (outcome.logs_bloom() != header.logs_bloom, "logs bloom"),
        (
            outcome.requests_hash() != header.requests_hash,
            "requests hash",
        ),
    ];
    let differs: Vec<_> = differs.iter().filter(|it| it.0).map(|it| it.1).collect();
    if !differs.is_empty() {
        return Err(Refused::Here(format!("{} differ", differs.join(", "))));
    }
    debug_assert!(header.requests_hash != Some(EMPTY_REQUESTS_HASH) || outcome.requests.is_some());
    states.insert(block.hash(), state);
    headers.insert(block.hash(), block.header);
    Ok(())
}

fn ancestors(headers: &BTreeMap<B256, Header>, header: &Header) -> KnownHashes {
    let mut hashes = KnownHashes::default();
    let mut hash = header.parent_hash;
    while let Some(header) = headers.get(&hash) {
        if hashes.0.insert(header.number, hash).is_some() {
            break;
        }
        hash = header.parent_hash;
    }
    hashes
}

/// The rewards of proof of work: the block's, a 32nd of it for each ommer, and an ommer's own,
/// an eighth less for each block of distance.
fn rewards(config: &ChainConfig, block: &Block) -> Vec<(Address, U256)> {
    let header = &block.header;
    if header.difficulty.is_zero() {
        return Vec::new();
    }
    let ether = match config.fork_of(header) {
        fork if fork >= Fork::Constantinople => 2,
        fork if fork >= Fork::Byzantium => 3,
        _ => 5,
    };
    let reward = U256::from(ether) * U256::from(ETHER);
    let mut rewards = Vec::new();
    for ommer in &block.body.ommers {
        let parts = (ommer.number + 8).saturating_sub(header.number);
        rewards.push((
            ommer.beneficiary,
            reward * U256::from(parts) / U256::from(8),
        ));
    }
    let own = reward + reward / U256::from(32) * U256::from(block.body.ommers.len());
    rewards.push((header.beneficiary, own));
    rewards
}
