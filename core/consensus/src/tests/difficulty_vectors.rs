//! The official difficulty vectors, every file.

use actoreum_primitives::{B256, ChainConfig, EMPTY_OMMERS_HASH, Header, U256};
use serde_json::Value;

use super::fixtures::{archived, fixture};
use crate::rules::difficulty::difficulty;

#[test]
fn vectors_difficulty_by_fork() {
    let Some(archive) = fixture("vectors/units.tar.zst") else {
        return;
    };
    let mut count = 0;
    for (file, tests) in archived(&archive, "DifficultyTests/") {
        for (_, suite) in tests.as_object().unwrap() {
            for (fork, cases) in suite.as_object().unwrap() {
                if fork != "_info" {
                    count += verify_all(&file, &config_of(fork), cases);
                }
            }
        }
    }
    println!("{count} difficulty vectors by fork passed");
    assert!(count > 10_000, "only {count} were found");
}

#[test]
fn vectors_difficulty_by_network() {
    let Some(archive) = fixture("vectors/units.tar.zst") else {
        return;
    };
    let mut count = 0;
    for (file, cases) in archived(&archive, "BasicTests/difficulty") {
        let network = match file.rsplit('/').next().unwrap() {
            "difficulty.json"
            | "difficultyMainNetwork.json"
            | "difficultyCustomMainNetwork.json" => ChainConfig {
                homestead_block: Some(1_150_000),
                byzantium_block: Some(4_370_000),
                ..ChainConfig::default()
            },
            "difficultyRopsten.json" => ChainConfig {
                homestead_block: Some(0),
                byzantium_block: Some(1_700_000),
                constantinople_block: Some(4_230_000),
                ..ChainConfig::default()
            },
            "difficultyCustomHomestead.json" => config_of("Homestead"),
            other => panic!("unknown file {other}"),
        };
        count += verify_all(&file, &network, &cases);
    }
    println!("{count} difficulty vectors by network passed");
    assert!(count > 4_000, "only {count} were found");
}

fn config_of(fork: &str) -> ChainConfig {
    let mut config = ChainConfig::default();
    let field = match fork {
        "Frontier" => return config,
        "Homestead" => &mut config.homestead_block,
        "Byzantium" => &mut config.byzantium_block,
        "Constantinople" => &mut config.constantinople_block,
        "EIP2384" | "Berlin" => &mut config.muir_glacier_block,
        "ArrowGlacier" => &mut config.arrow_glacier_block,
        "GrayGlacier" => &mut config.gray_glacier_block,
        other => panic!("unknown fork {other}"),
    };
    *field = Some(0);
    config
}

fn verify_all(file: &str, config: &ChainConfig, cases: &Value) -> usize {
    let cases = cases.as_object().unwrap();
    for (name, case) in cases {
        verify(&format!("{file} {name}"), config, case);
    }
    cases.len()
}

fn verify(name: &str, config: &ChainConfig, case: &Value) {
    let number = |field: &str| -> U256 {
        let text = case[field].as_str().unwrap();
        match text.strip_prefix("0x") {
            Some(digits) => U256::from_str_radix(digits, 16).unwrap(),
            None => text.parse().unwrap(),
        }
    };
    let parent = Header {
        number: number("currentBlockNumber").to::<u64>() - 1,
        timestamp: number("parentTimestamp").to(),
        difficulty: number("parentDifficulty"),
        ommers_hash: parent_ommers(case),
        ..Header::default()
    };
    let have = difficulty(config, number("currentTimestamp").to(), &parent);
    assert_eq!(have, number("currentDifficulty"), "{name}");
}

/// Returns the parent's ommers hash from a field with a hash, or with a flag for whether there are
/// ommers. Absent means none.
fn parent_ommers(case: &Value) -> B256 {
    match case.get("parentUncles").and_then(Value::as_str) {
        None | Some("0x00") => EMPTY_OMMERS_HASH,
        Some("0x01") => B256::ZERO,
        Some(hash) => hash.parse().unwrap(),
    }
}
