use std::collections::HashMap;
use std::path::PathBuf;

use actoreum_primitives::rlp::Decode as _;
use actoreum_primitives::{Address, Block, U256};
use serde_json::Value;

use super::*;
use crate::server::json::JsonOut;

fn fixtures() -> Option<PathBuf> {
    let folder = std::env::var_os("ACTOREUM_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: fixtures not found");
    None
}

/// Returns the blocks of the benchmark by number, each with its total difficulty.
fn clique_bench(folder: &std::path::Path) -> HashMap<u64, (Block, U256)> {
    let bytes = std::fs::read(folder.join("clique-bench/chain.rlp")).unwrap();
    let mut rest = bytes.as_slice();
    let mut total_difficulty = U256::ZERO;
    let mut blocks = HashMap::new();
    while !rest.is_empty() {
        let block = Block::decode(&mut rest).unwrap();
        total_difficulty += block.header.difficulty;
        blocks.insert(block.header.number, (block, total_difficulty));
    }
    blocks
}

/// Returns the recorded answers of geth 1.8.27 to a method: parameters and results.
fn answers(folder: &std::path::Path, method: &str) -> Vec<(Value, Value)> {
    let packed = std::fs::read(folder.join("geth-answers/clique-bench-1.8.27.jsonl.zst")).unwrap();
    let mut decoder = zstd::Decoder::new(packed.as_slice()).unwrap();
    decoder.window_log_max(27).unwrap();
    let text = std::io::read_to_string(decoder).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["request"]["method"] == method)
        .map(|line| {
            (
                line["request"]["params"].clone(),
                line["response"]["result"].clone(),
            )
        })
        .collect()
}

/// Asserts that `ours` has every member that `theirs` has, with the same value.
fn assert_covers(ours: &Value, theirs: &Value, place: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, theirs) in theirs {
                let ours = ours
                    .get(key)
                    .unwrap_or_else(|| panic!("{place}.{key} is missing"));
                assert_covers(ours, theirs, &format!("{place}.{key}"));
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{place}");
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                assert_covers(ours, theirs, &format!("{place}[{index}]"));
            }
        }
        _ => assert_eq!(ours, theirs, "{place}"),
    }
}

#[test]
fn rendered_blocks_equal_those_of_geth() {
    let Some(folder) = fixtures() else { return };
    let blocks = clique_bench(&folder);
    let mut compared = 0;
    for (params, theirs) in answers(&folder, "eth_getBlockByNumber") {
        let number = theirs["number"]
            .as_str()
            .and_then(|hex| crate::hexutil::number(hex).ok());
        let Some((block, total_difficulty)) = number.and_then(|number| blocks.get(&number)) else {
            continue;
        };
        let senders: Vec<Address> = block
            .body
            .transactions
            .iter()
            .map(|tx| tx.recover_sender().unwrap())
            .collect();
        let view = BlockView {
            block,
            hash: block.hash(),
            total_difficulty: TotalDifficulty::Known(*total_difficulty),
            senders: params[1].as_bool().unwrap().then_some(senders.as_slice()),
        };
        let mut out = JsonOut::new(10_000_000);
        write_block(&mut out, &view);
        let ours: Value = serde_json::from_slice(&out.into_bytes()).unwrap();
        assert_covers(&ours, &theirs, &params.to_string());
        compared += 1;
    }
    assert!(compared >= 8, "{compared} blocks were compared");
}
