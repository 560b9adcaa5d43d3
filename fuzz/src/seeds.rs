//! Writes the seeds of every target, from the official vectors.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use actoreum_fuzz::{ProofInput, replace};
use actoreum_primitives::rlp::{self, Decode};
use actoreum_primitives::{
    B256, Block, Bytes, EMPTY_ROOT_HASH, Log, Receipt, ReceiptOutcome, Transaction, TxType,
    keccak256,
};
use actoreum_trie::{Fetched, NodeSource, TrieError, prove, update};
use serde_json::{Value, json};

/// Window size of the archives' compression: 2^27 bytes.
const WINDOW_LOG: u32 = 27;
/// Maximum length of a seed: longer ones slow the fuzzer more than they help.
const MAX_SEED_BYTES: usize = 16 * 1024;
/// Maximum number of seeds of one target from one archive.
const MAX_SEEDS: usize = 1_500;
/// Every file of a block archive is used whose number is divisible by this.
const EVERY: usize = 7;

const TRANSACTIONS: &str = "vectors/units.tar.zst";
const BLOCKS: [&str; 4] = [
    "vectors/legacy-frontier-to-constantinople.tar.zst",
    "vectors/blockchain-istanbul-to-london.tar.zst",
    "vectors/berlin-to-cancun.tar.zst",
    "vectors/prague-osaka.tar.zst",
];

/// Writer of seeds; each content is written once.
struct Seeds {
    seen: HashSet<B256>,
    count: std::collections::HashMap<&'static str, usize>,
}

impl Seeds {
    fn put(&mut self, target: &'static str, seed: &[u8]) -> io::Result<()> {
        let hash = keccak256(seed);
        let count = self.count.entry(target).or_default();
        if seed.len() > MAX_SEED_BYTES || *count >= MAX_SEEDS || !self.seen.insert(hash) {
            return Ok(());
        }
        *count += 1;
        let folder = Path::new("seeds").join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&hash.to_string()[2..18]), seed)
    }

    fn block(&mut self, encoded: &[u8]) -> io::Result<()> {
        self.put("block", encoded)?;
        let Ok(block) = Block::decode(&mut &*encoded) else {
            return Ok(());
        };
        self.put("header", &rlp::encode(&block.header))?;
        self.put("block", &rlp::encode(&block.body))?;
        for transaction in &block.body.transactions {
            self.put("transaction", &transaction.encode_2718())?;
            self.put("transaction", &rlp::encode(transaction))?;
            let receipt = receipt_like(transaction, block.header.number);
            self.put("receipt", &receipt.encode_2718())?;
            self.put("receipt", &rlp::encode(&receipt))?;
        }
        Ok(())
    }
}

/// Returns a receipt made from the transaction: the vectors hold no receipts.
fn receipt_like(transaction: &Transaction, number: u64) -> Receipt {
    let outcome = match number % 3 {
        0 if transaction.tx_type() == TxType::Legacy => {
            ReceiptOutcome::StateRoot(transaction.hash())
        }
        left => ReceiptOutcome::Status(left == 1),
    };
    let log = |topics: usize| Log {
        address: transaction.to().unwrap_or_default(),
        topics: vec![transaction.hash(); topics],
        data: transaction.input().clone(),
    };
    let logs = (0..number as usize % 4)
        .map(|topics| log(topics + 1))
        .collect();
    Receipt::new(
        transaction.tx_type(),
        outcome,
        transaction.gas_limit(),
        logs,
    )
}

fn hex_bytes(value: &Value) -> Option<Vec<u8>> {
    hex::decode(value.as_str()?.strip_prefix("0x")?).ok()
}

fn for_each_file(
    archive: &Path,
    mut visit: impl FnMut(&str, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut decoder = zstd::Decoder::new(BufReader::new(File::open(archive)?))?;
    decoder.window_log_max(WINDOW_LOG)?;
    let mut tar = tar::Archive::new(decoder);
    for (number, entry) in tar.entries()?.enumerate() {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let is_unit = archive.ends_with(TRANSACTIONS);
        if path.ends_with(".json") && (is_unit || number % EVERY == 0) {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            visit(&path, &content)?;
        }
    }
    Ok(())
}

fn units(fixtures: &Path, seeds: &mut Seeds) -> io::Result<()> {
    for_each_file(&fixtures.join(TRANSACTIONS), |path, content| {
        let Ok(Value::Object(vectors)) = serde_json::from_slice(content) else {
            return Ok(());
        };
        for vector in vectors.values() {
            if path.contains("TransactionTests") {
                seeds.put(
                    "transaction",
                    &hex_bytes(&vector["txbytes"]).unwrap_or_default(),
                )?;
            } else if path.contains("TrieTests") {
                trie(&vector["in"], seeds)?;
            } else if path.contains("RLPTests") {
                let encoded = hex_bytes(&vector["out"]).unwrap_or_default();
                for target in ["block", "header", "transaction", "receipt", "proof"] {
                    seeds.put(target, &encoded)?;
                }
            }
        }
        Ok(())
    })
}

/// Writes proofs of every key of a trie vector, its keys hashed.
fn trie(input: &Value, seeds: &mut Seeds) -> io::Result<()> {
    let pairs: Vec<(&str, &str)> = match input {
        Value::Object(map) => {
            let pairs = map.iter();
            pairs
                .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
                .collect()
        }
        Value::Array(list) => {
            let pairs = list.iter();
            pairs
                .filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)))
                .collect()
        }
        _ => return Ok(()),
    };
    let mut entries: Vec<_> = pairs
        .iter()
        .map(|(key, value)| {
            (
                keccak256(key),
                Some(rlp::encode(&Bytes::copy_from_slice(value.as_bytes()))),
            )
        })
        .collect();
    entries.sort();
    entries.dedup_by(|left, right| left.0 == right.0);
    let built = update(&actoreum_trie::EmptySource, EMPTY_ROOT_HASH, &entries).expect("sorted");
    let source = Nodes(built.nodes);
    for (key, _) in &entries {
        for key in [*key, keccak256(key)] {
            let nodes = prove(&source, built.root, key.as_slice()).expect("the trie is whole");
            seeds.put("proof", &proof_seed(key, nodes))?;
        }
    }
    Ok(())
}

struct Nodes(Vec<actoreum_trie::NodeChange>);

impl NodeSource for Nodes {
    fn node(&self, path: &actoreum_trie::Path) -> Result<Option<Fetched<'_>>, TrieError> {
        let node = self.0.iter().find(|(at, _)| at == path);
        Ok(node.and_then(|(_, rlp)| rlp.as_ref()).map(|rlp| Fetched {
            rlp: rlp.into(),
            verified: true,
        }))
    }
}

fn proof_seed(key: B256, mut nodes: Vec<Vec<u8>>) -> Vec<u8> {
    for index in 1..nodes.len() {
        let hash = keccak256(&nodes[index]);
        replace(
            &mut nodes[index - 1],
            hash.as_slice(),
            &ProofInput::link(index),
        );
    }
    let input = ProofInput {
        key: Bytes::copy_from_slice(key.as_slice()),
        nodes: nodes.into_iter().map(Bytes::from).collect(),
    };
    input.encode()
}

fn blocks(archive: &Path, seeds: &mut Seeds) -> io::Result<()> {
    for_each_file(archive, |_, content| {
        let Ok(Value::Object(vectors)) = serde_json::from_slice(content) else {
            return Ok(());
        };
        for vector in vectors.values() {
            let genesis = hex_bytes(&vector["genesisRLP"]);
            let blocks = vector["blocks"].as_array().into_iter().flatten();
            let blocks = blocks.filter_map(|block| hex_bytes(&block["rlp"]));
            for encoded in genesis.into_iter().chain(blocks) {
                seeds.block(&encoded)?;
            }
            let header = &vector["genesisBlockHeader"];
            if header.is_object() {
                let config = json!({
                    "chainId": 1, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 1,
                    "eip158Block": 1, "byzantiumBlock": 2, "londonBlock": 3, "shanghaiTime": 9,
                    "clique": { "period": 15, "epoch": 30000 },
                    "blobSchedule": vector["config"]["blobSchedule"],
                });
                let genesis = json!({
                    "config": config, "alloc": vector["pre"], "gasLimit": header["gasLimit"],
                    "difficulty": header["difficulty"], "timestamp": header["timestamp"],
                    "extraData": header["extraData"], "nonce": header["nonce"],
                    "mixHash": header["mixHash"], "coinbase": header["coinbase"],
                    "baseFeePerGas": header["baseFeePerGas"],
                });
                seeds.put("genesis", genesis.to_string().as_bytes())?;
            }
        }
        Ok(())
    })
}

fn main() -> io::Result<()> {
    let fixtures = std::env::var_os("ACTOREUM_FIXTURES")
        .map_or_else(|| PathBuf::from("../../shared/fixtures"), PathBuf::from);
    let mut seeds = Seeds {
        seen: HashSet::new(),
        count: Default::default(),
    };
    seeds.put(
        "genesis",
        &fs::read(fixtures.join("clique-bench/genesis.json"))?,
    )?;
    units(&fixtures, &mut seeds)?;
    for archive in BLOCKS {
        seeds.count.clear();
        blocks(&fixtures.join(archive), &mut seeds)?;
    }
    Ok(())
}
