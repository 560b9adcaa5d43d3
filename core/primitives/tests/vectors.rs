//! Community test vectors for RLP, transactions, keys and genesis headers.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod common;

use std::collections::BTreeMap;
use std::io::Read;

use actoreum_primitives::rlp::{self, DecodeError, Header, List};
use actoreum_primitives::{
    Address, B256, ChainConfig, Fork, Genesis, SecretKey, SenderRules, Transaction,
    alloy_primitives::U512,
};
use serde_json::Value;

/// Base-2 logarithm of the window with which the archives are compressed.
const WINDOW_LOG: u32 = 27;

/// Returns the JSON files in `folder`, by path.
fn files(folder: &str) -> Option<BTreeMap<String, Value>> {
    let archive = common::read("vectors/units.tar.zst")?;
    let mut decoder = zstd::Decoder::new(archive.as_slice()).unwrap();
    decoder.window_log_max(WINDOW_LOG).unwrap();
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(decoder).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        if path.starts_with(folder) && path.ends_with(".json") {
            let mut json = String::new();
            entry.read_to_string(&mut json).unwrap();
            files.insert(path, serde_json::from_str(&json).unwrap());
        }
    }
    assert!(!files.is_empty(), "nothing below {folder}");
    Some(files)
}

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.trim_start_matches("0x")).unwrap()
}

/// An RLP item of any kind.
#[derive(Debug, PartialEq)]
enum Item {
    String(Vec<u8>),
    List(Vec<Item>),
}

impl Item {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        if !Header::decode(&mut { *buf })?.list {
            return rlp::decode_str(buf).map(|content| Self::String(content.to_vec()));
        }
        let mut list = List::open(buf)?;
        let mut items = Vec::new();
        while !list.is_empty() {
            items.push(Self::decode(&mut list.next_raw()?)?);
        }
        Ok(Self::List(items))
    }

    fn decode_exact(mut bytes: &[u8]) -> Result<Self, DecodeError> {
        let item = Self::decode(&mut bytes)?;
        if bytes.is_empty() {
            Ok(item)
        } else {
            Err(DecodeError::TrailingBytes)
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::String(content) => rlp::encode_str(content, &mut out),
            Self::List(items) => {
                let content: Vec<u8> = items.iter().flat_map(Self::encode).collect();
                rlp::encode_list_header(content.len(), &mut out);
                out.extend(content);
            }
        }
        out
    }

    /// Parses the `in` of a test: strings, numbers (big ones after a `#`) and lists of them.
    fn from_json(value: &Value) -> Self {
        let number = |text: &str| {
            let number = text.parse::<U512>().unwrap();
            Self::String(number.to_be_bytes_trimmed_vec())
        };
        match value {
            Value::String(text) => match text.strip_prefix('#') {
                Some(digits) => number(digits),
                None => Self::String(text.as_bytes().to_vec()),
            },
            Value::Number(digits) => number(&digits.to_string()),
            Value::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            other => panic!("no such input: {other}"),
        }
    }
}

#[test]
fn rlp_items_match_the_community_vectors() {
    let Some(files) = files("RLPTests/") else {
        return;
    };
    let (mut valid, mut invalid) = (0, 0);
    for (path, tests) in files {
        for (name, test) in tests.as_object().unwrap() {
            let encoded = bytes(test["out"].as_str().unwrap());
            let decoded = Item::decode_exact(&encoded);
            if test["in"] == "INVALID" {
                assert!(decoded.is_err(), "{path} {name}: {decoded:?}");
                invalid += 1;
                continue;
            }
            let item = decoded.unwrap_or_else(|error| panic!("{path} {name}: {error}"));
            assert_eq!(item.encode(), encoded, "{path} {name}");
            if test["in"] != "VALID" {
                assert_eq!(item, Item::from_json(&test["in"]), "{path} {name}");
            }
            valid += 1;
        }
    }
    println!("{valid} valid, {invalid} invalid");
    assert!(valid > 20 && invalid > 20);
}

/// Exceptions that depend on the rules for fees and gas and not on the transaction alone.
const EXECUTION_EXCEPTIONS: [&str; 5] = [
    "GASLIMIT_PRICE_PRODUCT_OVERFLOW",
    "INITCODE_SIZE_EXCEEDED",
    "INTRINSIC_GAS_TOO_LOW",
    "NONCE_TOO_BIG",
    "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2",
];

#[test]
fn transactions_match_the_community_vectors() {
    let Some(files) = files("TransactionTests/") else {
        return;
    };
    let (mut valid, mut invalid, mut outside) = (0, 0, 0);
    for (path, tests) in files {
        for test in tests.as_object().unwrap().values() {
            let encoded = bytes(test["txbytes"].as_str().unwrap());
            for (fork_name, expected) in test["result"].as_object().unwrap() {
                let context = format!("{path} {fork_name}");
                let fork = fork(fork_name);
                let rules = SenderRules::at(&ChainConfig::active_from_genesis(1, fork), 0, 0);
                let outcome = Transaction::decode_2718(&encoded)
                    .map_err(|error| error.to_string())
                    .and_then(|transaction| {
                        let sender = rules
                            .sender(&transaction)
                            .map_err(|error| error.to_string());
                        sender.map(|sender| (transaction.hash(), sender))
                    });
                let Some(exception) = expected["exception"].as_str() else {
                    let hash: B256 = expected["hash"].as_str().unwrap().parse().unwrap();
                    let sender: Address = expected["sender"].as_str().unwrap().parse().unwrap();
                    assert_eq!(outcome, Ok((hash, sender)), "{context}");
                    valid += 1;
                    continue;
                };
                if EXECUTION_EXCEPTIONS
                    .iter()
                    .any(|reason| exception.ends_with(reason))
                {
                    outside += 1;
                } else {
                    assert!(outcome.is_err(), "{context}: {exception}");
                    invalid += 1;
                }
            }
        }
    }
    println!("{valid} valid, {invalid} invalid, {outside} for the rules of gas");
    assert!(valid > 200 && invalid > 1_000);
}

fn fork(name: &str) -> Fork {
    match name {
        "EIP150" => Fork::TangerineWhistle,
        "EIP158" => Fork::SpuriousDragon,
        "ConstantinopleFix" => Fork::Petersburg,
        "Merge" => Fork::Paris,
        name => name.parse().unwrap(),
    }
}

#[test]
fn addresses_match_the_community_vectors() {
    let Some(files) = files("BasicTests/keyaddrtest.json") else {
        return;
    };
    for (_, tests) in files {
        for test in tests.as_array().unwrap() {
            let secret: [u8; 32] = bytes(test["key"].as_str().unwrap()).try_into().unwrap();
            let key = SecretKey::from_bytes(&secret).unwrap();
            let address: Address = test["addr"].as_str().unwrap().parse().unwrap();
            assert_eq!(key.address(), address);
        }
    }
}

#[test]
fn signed_transactions_match_the_community_vectors() {
    let Some(files) = files("BasicTests/txtest.json") else {
        return;
    };
    for (_, tests) in files {
        for test in tests.as_array().unwrap() {
            let secret: [u8; 32] = bytes(test["key"].as_str().unwrap()).try_into().unwrap();
            let key = SecretKey::from_bytes(&secret).unwrap();
            let signed = bytes(test["signed"].as_str().unwrap());
            let transaction = Transaction::decode_2718(&signed).unwrap();
            assert_eq!(transaction.encode_2718(), signed);
            assert_eq!(transaction.nonce(), test["nonce"].as_u64().unwrap());
            assert_eq!(transaction.gas_limit(), test["startgas"].as_u64().unwrap());
            assert_eq!(transaction.recover_sender(), Ok(key.address()));
        }
    }
}

/// Compares a genesis block with the published one, taking the state root from the latter.
#[test]
fn genesis_blocks_match_the_community_vectors() {
    let Some(files) = files("GenesisTests/") else {
        return;
    };
    for (path, tests) in files {
        for (name, test) in tests.as_object().unwrap() {
            let mut test = test.clone();
            let expected = bytes(test["result"].as_str().unwrap());
            test["config"] = serde_json::json!({ "chainId": 1 });
            let genesis = Genesis::from_json(&test.to_string())
                .unwrap_or_else(|error| panic!("{path} {name}: {error}"));
            let mut list = List::open_exact(&expected).unwrap();
            let state_root = list
                .next::<actoreum_primitives::Header>()
                .unwrap()
                .state_root;
            assert_eq!(
                rlp::encode(&genesis.block(state_root)),
                expected,
                "{path} {name}"
            );
        }
    }
}
