//! The official trie vectors, and the state root of mainnet's genesis.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use actoreum_primitives::{B256, EMPTY_CODE_HASH, EMPTY_ROOT_HASH, U256, keccak256};
use actoreum_trie::{encode_uint, plain_root, update};
use common::{Nodes, naive_root};
use serde_json::Value;

fn fixtures() -> Option<PathBuf> {
    let folder = std::env::var_os("ACTOREUM_FIXTURES").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/fixtures"
            ))
        },
        PathBuf::from,
    );
    if folder.exists() {
        return Some(folder);
    }
    println!("skipped: fixtures not found");
    None
}

fn trie_tests() -> Option<Vec<(String, Value)>> {
    let file = std::fs::File::open(fixtures()?.join("vectors/units.tar.zst")).unwrap();
    let mut decoder = zstd::Decoder::new(file).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut found = Vec::new();
    for entry in tar::Archive::new(decoder).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        if path.contains("TrieTests/") && path.ends_with(".json") {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((path, serde_json::from_str(&text).unwrap()));
        }
    }
    assert!(!found.is_empty());
    Some(found)
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    Some(text.strip_prefix("0x").map_or_else(
        || text.as_bytes().to_vec(),
        |digits| hex::decode(digits).unwrap(),
    ))
}

/// Returns the steps in their order: a list of pairs, or an object, for which any order is valid.
fn steps(input: &Value) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    match input {
        Value::Array(pairs) => pairs
            .iter()
            .map(|pair| (bytes(&pair[0]).unwrap(), bytes(&pair[1])))
            .collect(),
        Value::Object(map) => {
            let key = |key: &String| bytes(&Value::String(key.clone())).unwrap();
            map.iter()
                .map(|(k, value)| (key(k), bytes(value)))
                .collect()
        }
        _ => panic!("neither pairs nor a map"),
    }
}

#[test]
fn vectors_trie() {
    let Some(files) = trie_tests() else { return };
    let mut count = 0;
    for (path, suite) in files {
        let Value::Object(tests) = suite else {
            panic!("{path} is no object")
        };
        for (name, test) in tests {
            let Some(expected) = test.get("root") else {
                continue;
            };
            let expected: B256 = expected.as_str().unwrap().parse().unwrap();
            let is_secure = path.contains("secure");
            let mut steps = steps(&test["in"]);
            if test["in"].is_object() {
                one_by_one(&steps, is_secure, expected, &name);
                steps.reverse();
            }
            one_by_one(&steps, is_secure, expected, &name);
            let mut model = BTreeMap::new();
            for (key, value) in steps {
                let key = if is_secure {
                    keccak256(key).to_vec()
                } else {
                    key
                };
                match value {
                    Some(value) => model.insert(key, value),
                    None => model.remove(&key),
                };
            }
            let entries: Vec<_> = model.iter().collect();
            assert_eq!(plain_root(&entries).unwrap(), expected, "{path} {name}");
            assert_eq!(naive_root(&model), expected, "{path} {name}");
            count += 1;
        }
    }
    println!("{count} trie vectors");
    assert!(count > 20, "only {count} vectors were found");
}

/// Applies every step as a commit of its own, for tries with hashed keys.
fn one_by_one(steps: &[(Vec<u8>, Option<Vec<u8>>)], is_secure: bool, expected: B256, name: &str) {
    if !is_secure {
        return;
    }
    let mut nodes = Nodes::default();
    let mut root = EMPTY_ROOT_HASH;
    for (key, value) in steps {
        let updated = update(&nodes, root, &[(keccak256(key), value.clone())]).unwrap();
        nodes.apply(&updated);
        root = updated.root;
    }
    assert_eq!(root, expected, "{name}, step by step");
}

#[test]
fn vectors_mainnet_genesis_state_root() {
    let Some(folder) = fixtures() else { return };
    let text = std::fs::read_to_string(folder.join("mainnet/genesis.json")).unwrap();
    let genesis: Value = serde_json::from_str(&text).unwrap();
    let mut changes = Vec::new();
    for (address, account) in genesis["alloc"].as_object().unwrap() {
        let address = hex::decode(address.trim_start_matches("0x")).unwrap();
        let text = account["balance"].as_str().unwrap();
        let balance = text.strip_prefix("0x").map_or_else(
            || U256::from_str_radix(text, 10).unwrap(),
            |digits| U256::from_str_radix(digits, 16).unwrap(),
        );
        let mut rlp = vec![0x80];
        rlp.extend(encode_uint(&balance.to_be_bytes::<32>()));
        for hash in [EMPTY_ROOT_HASH, EMPTY_CODE_HASH] {
            rlp.push(0xa0);
            rlp.extend_from_slice(hash.as_slice());
        }
        let header = [0xf8, rlp.len() as u8];
        changes.push((keccak256(address), Some([header.as_slice(), &rlp].concat())));
    }
    assert_eq!(changes.len(), 8_893);
    changes.sort();
    let updated = update(&actoreum_trie::EmptySource, EMPTY_ROOT_HASH, &changes).unwrap();
    let expected = "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544";
    assert_eq!(updated.root, expected.parse::<B256>().unwrap());
}
