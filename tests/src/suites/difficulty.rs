//! `DifficultyTests` and the difficulty files of `BasicTests`.

use actoreum_consensus::rules::difficulty::difficulty;
use actoreum_primitives::{B256, ChainConfig, EMPTY_OMMERS_HASH, Header, U256};
use serde::Deserialize;
use serde_json::Value;

use crate::archive::ArchivedFile;
use crate::exceptions::skip_reason;
use crate::json::Number;
use crate::network::chain_config;
use crate::report::{Difference, Report, same};

/// Minimum difficulty of ethash.
const MINIMUM_DIFFICULTY: u64 = 131_072;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    current_block_number: Number,
    current_difficulty: Number,
    current_timestamp: Number,
    parent_difficulty: Number,
    parent_timestamp: Number,
    /// Whether there were ommers (0 or 1), or the hash of their list.
    #[serde(default)]
    parent_uncles: Number,
}

/// Returns the configuration of a file of `BasicTests`.
fn config_of_basic_file(path: &str) -> ChainConfig {
    let mainnet = ChainConfig {
        homestead_block: Some(1_150_000),
        byzantium_block: Some(4_370_000),
        ..ChainConfig::default()
    };
    let ropsten = ChainConfig {
        homestead_block: Some(0),
        byzantium_block: Some(1_700_000),
        constantinople_block: Some(4_230_000),
        ..ChainConfig::default()
    };
    match path {
        path if path.contains("Ropsten") => ropsten,
        path if path.contains("Homestead") => ChainConfig {
            byzantium_block: None,
            ..ropsten
        },
        _ => mainnet,
    }
}

fn run_one(config: &ChainConfig, vector: &Vector) -> Result<(), Difference> {
    let empty = U256::from_be_bytes(EMPTY_OMMERS_HASH.0);
    let ommers = vector.parent_uncles.as_u256();
    let has_ommers = !ommers.is_zero() && ommers != empty;
    let parent = Header {
        number: vector.current_block_number.as_u64() - 1,
        timestamp: vector.parent_timestamp.as_u64(),
        difficulty: vector.parent_difficulty.as_u256(),
        ommers_hash: if has_ommers {
            B256::ZERO
        } else {
            EMPTY_OMMERS_HASH
        },
        ..Header::default()
    };
    let got = difficulty(config, vector.current_timestamp.as_u64(), &parent);
    same("difficulty", &vector.current_difficulty.as_u256(), &got)
}

fn run_vectors(
    file: &ArchivedFile,
    fork: &str,
    config: &ChainConfig,
    vectors: &Value,
    report: &Report,
) {
    for (name, vector) in vectors.as_object().into_iter().flatten() {
        if name == "_info" {
            continue;
        }
        let vector = Vector::deserialize(vector).expect("a difficulty vector is read");
        if vector.parent_difficulty.as_u256() < U256::from(MINIMUM_DIFFICULTY)
            && let Some(reason) = skip_reason(&file.path)
        {
            report.except(&file.path, reason);
            continue;
        }
        report.record(
            "difficulty",
            fork,
            &format!("{} {name}", file.path),
            run_one(config, &vector),
        );
    }
}

/// Runs a file of `DifficultyTests`, or a difficulty file of `BasicTests`.
pub fn run(file: &ArchivedFile, report: &Report) {
    let content: Value = serde_json::from_slice(&file.content).expect("a difficulty file is JSON");
    if file.path.contains("BasicTests") {
        let (_, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let network = name.trim_end_matches(".json");
        return run_vectors(
            file,
            network,
            &config_of_basic_file(&file.path),
            &content,
            report,
        );
    }
    for (_, forks) in content.as_object().into_iter().flatten() {
        for (fork, vectors) in forks.as_object().into_iter().flatten() {
            if fork == "_info" {
                continue;
            }
            match chain_config(fork) {
                Some(config) => run_vectors(file, fork, &config, vectors, report),
                None => {
                    let unknown = Difference::new("network", "a known one", fork);
                    report.record("difficulty", fork, &file.path, Err(unknown));
                }
            }
        }
    }
}

/// Returns whether [`run`] handles this file.
pub fn is_handled(path: &str) -> bool {
    path.starts_with("DifficultyTests/") || path.starts_with("BasicTests/difficulty")
}
