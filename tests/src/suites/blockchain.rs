//! Blockchain tests, valid and invalid, through the import pipeline on a real store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use actoreum_chain::{BlockError, Chain, ChainOptions, ChainReader, Detail, genesis};
use actoreum_consensus::{Engine, Ethash, EthashOptions, Merge, SealCheck};
use actoreum_primitives::config::BlobParams;
use actoreum_primitives::genesis::GenesisAccount;
use actoreum_primitives::{
    Address, B256, Block, Bytes, ChainConfig, Genesis, Header, StateReader, U256, rlp,
};
use actoreum_storage::{Commit, HeadRecord, Store, StoreOptions};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use crate::archive::ArchivedFile;
use crate::exceptions::Refusal;
use crate::json::{self, Hex, Number};
use crate::network::chain_config;
use crate::parallel;
use crate::refusals::{of_block, same_reason};
use crate::report::{Difference, Report, same};
use crate::state_map::{StateMap, VectorState};

/// Clock of the import: later than any block of the vectors, so that none is from the future.
const NOW: u64 = u64::MAX - 1_000_000;

/// Kind of the chain's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// In memory.
    Memory,
    /// sled, in a temporary folder.
    Disk,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    network: String,
    seal_engine: Option<String>,
    genesis_block_header: GenesisHeader,
    #[serde(rename = "genesisRLP")]
    genesis_rlp: Option<Hex>,
    pre: VectorState,
    blocks: Vec<VectorBlock>,
    lastblockhash: B256,
    post_state: Option<VectorState>,
    post_state_hash: Option<B256>,
    config: Option<Config>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    blob_schedule: BTreeMap<String, Schedule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schedule {
    target: Number,
    max: Number,
    base_fee_update_fraction: Number,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenesisHeader {
    hash: B256,
    coinbase: Address,
    difficulty: Number,
    extra_data: Hex,
    gas_limit: Number,
    gas_used: Number,
    mix_hash: B256,
    nonce: Number,
    number: Number,
    parent_hash: B256,
    state_root: B256,
    timestamp: Number,
    base_fee_per_gas: Option<Number>,
    blob_gas_used: Option<Number>,
    excess_blob_gas: Option<Number>,
}

/// A block of a vector: its bytes, and the expected exceptions.
struct VectorBlock {
    rlp: String,
    /// Whether the vector describes the block's header: then the block decodes, and it is valid
    /// unless an exception is named.
    has_header: bool,
    /// Exceptions by the suffix of their key: empty for every network, `ALL`, or a network.
    exceptions: Vec<(String, String)>,
}

/// Blocks have many keys, most of which are unused: they are skipped, not kept.
impl<'de> Deserialize<'de> for VectorBlock {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlockVisitor;
        impl<'de> Visitor<'de> for BlockVisitor {
            type Value = VectorBlock;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a block of a vector")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VectorBlock, A::Error> {
                let mut block = VectorBlock {
                    rlp: String::new(),
                    has_header: false,
                    exceptions: Vec::new(),
                };
                while let Some(key) = map.next_key::<String>()? {
                    if key == "rlp" {
                        block.rlp = map.next_value()?;
                    } else if let Some(network) = key.strip_prefix("expectException") {
                        block
                            .exceptions
                            .push((network.to_owned(), map.next_value()?));
                    } else {
                        block.has_header |= key == "blockHeader";
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(block)
            }
        }
        deserializer.deserialize_map(BlockVisitor)
    }
}

/// Expected result of a block.
#[derive(Debug, PartialEq, Eq)]
enum Expectation<'a> {
    Accepted,
    Refused,
    RefusedFor(&'a str),
}

impl VectorBlock {
    fn expectation(&self, network: &str) -> Expectation<'_> {
        let named = self
            .exceptions
            .iter()
            .find(|(key, _)| key.is_empty() || key == "ALL" || key == network);
        match named {
            Some((_, exception)) => Expectation::RefusedFor(exception),
            None if self.has_header => Expectation::Accepted,
            None => Expectation::Refused,
        }
    }
}

impl Vector {
    fn chain_config(&self) -> Result<ChainConfig, Difference> {
        let mut config = chain_config(&self.network)
            .ok_or_else(|| Difference::new("network", "a known one", &self.network))?;
        let schedules = self.config.iter().flat_map(|config| &config.blob_schedule);
        for (fork, schedule) in schedules {
            let fork = fork
                .parse()
                .map_err(|error| Difference::new("blob schedule", "a known fork", error))?;
            let parameters = BlobParams {
                target: schedule.target.as_u64(),
                max: schedule.max.as_u64(),
                base_fee_update_fraction: schedule.base_fee_update_fraction.as_u64(),
            };
            config.blob_schedule.insert(fork, parameters);
        }
        Ok(config)
    }

    fn genesis(&self) -> Result<Genesis, Difference> {
        let header = &self.genesis_block_header;
        let alloc = self.pre.iter().map(|(address, account)| {
            let storage = account
                .slots()
                .into_iter()
                .map(|(slot, value)| (slot.into(), value.into()));
            let account = GenesisAccount {
                balance: account.balance.as_u256(),
                nonce: account.nonce.as_u64(),
                code: account.code.0.clone(),
                storage: storage.collect(),
            };
            (*address, account)
        });
        Ok(Genesis {
            config: self.chain_config()?,
            nonce: header.nonce.as_u64(),
            timestamp: header.timestamp.as_u64(),
            extra_data: header.extra_data.0.clone(),
            gas_limit: header.gas_limit.as_u64(),
            difficulty: header.difficulty.as_u256(),
            mix_hash: header.mix_hash,
            coinbase: header.coinbase,
            alloc: alloc.collect(),
            number: header.number.as_u64(),
            gas_used: header.gas_used.as_u64(),
            parent_hash: header.parent_hash,
            base_fee_per_gas: header.base_fee_per_gas.map(Number::as_u64),
            excess_blob_gas: header.excess_blob_gas.map(Number::as_u64),
            blob_gas_used: header.blob_gas_used.map(Number::as_u64),
        })
    }

    fn engine(&self, config: &ChainConfig) -> Arc<dyn Engine> {
        // One engine for all vectors: the cache of the first epoch is generated once.
        static WITH_SEALS: OnceLock<Ethash> = OnceLock::new();
        let ethash = match self.seal_engine.as_deref() {
            Some("Ethash") => {
                let full = || Ethash::new(EthashOptions::default(), SealCheck::Full);
                WITH_SEALS.get_or_init(full).clone()
            }
            _ => Ethash::new(EthashOptions::default(), SealCheck::None),
        };
        match config.terminal_total_difficulty {
            Some(_) => Arc::new(Merge::new(Arc::new(ethash))),
            None => Arc::new(ethash),
        }
    }
}

/// Reason why a block was not imported.
enum Refused {
    Bytes(String),
    Block(BlockError),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(error) => formatter.write_str(error),
            Self::Block(error) => error.fmt(formatter),
        }
    }
}

fn decode(bytes: &str) -> Result<Block, Refused> {
    let bytes = json::parse_hex(bytes).ok_or_else(|| Refused::Bytes("not hexadecimal".into()))?;
    rlp::decode_exact::<Block>(&bytes).map_err(|error| Refused::Bytes(error.to_string()))
}

fn import(chain: &mut Chain, block: Block) -> Result<(), Refused> {
    let report = chain.import(&[block], Detail::HeadOnly);
    report
        .refused
        .map_or(Ok(()), |refused| Err(Refused::Block(refused.error)))
}

/// Imports a block that is expected to be invalid because of a transaction. Some fillers left the
/// transaction out of the header's root, so that the block is refused for that before the
/// transaction is checked: the root is then corrected, and the transaction must be refused.
fn import_with_bad_transaction(chain: &mut Chain, block: Block) -> Result<(), Refused> {
    match import(chain, block.clone()) {
        Err(Refused::Block(BlockError::TransactionsRoot { have, .. })) => {
            let mut corrected = block;
            corrected.header.transactions_root = have;
            import(chain, corrected)
        }
        outcome => outcome,
    }
}

fn run_block(chain: &mut Chain, block: &VectorBlock, network: &str) -> Result<(), Difference> {
    let expectation = block.expectation(network);
    let outcome = decode(&block.rlp).and_then(|decoded| match expectation {
        Expectation::RefusedFor(exception) if names_transaction(exception) => {
            import_with_bad_transaction(chain, decoded)
        }
        _ => import(chain, decoded),
    });
    match (expectation, outcome) {
        (Expectation::Accepted, Ok(())) => Ok(()),
        (Expectation::Accepted, Err(refused)) => Err(Difference::new("block", "accepted", refused)),
        (Expectation::Refused, Ok(())) => Err(Difference::new("block", "refused", "accepted")),
        (Expectation::RefusedFor(exception), Ok(())) => {
            Err(Difference::new("block", exception, "accepted"))
        }
        (Expectation::Refused, Err(refused)) => match reason(&refused) {
            Some(_) => Ok(()),
            None => Err(Difference::new("block", "refused for a reason", refused)),
        },
        (Expectation::RefusedFor(exception), Err(refused)) => {
            same_reason(exception, reason(&refused), &refused)
        }
    }
}

fn names_transaction(exception: &str) -> bool {
    let classes = crate::exceptions::classes(exception);
    classes
        .iter()
        .any(|class| matches!(class, Refusal::Transaction(_)))
}

fn reason(refused: &Refused) -> Option<Refusal> {
    match refused {
        Refused::Bytes(_) => Some(Refusal::Malformed),
        Refused::Block(error) => of_block(error),
    }
}

fn failed(what: &str) -> impl Fn(&dyn fmt::Display) -> Difference {
    move |error| Difference::new(what, "to succeed", error)
}

/// Compares the head's state with `expected`.
fn compare_state(reader: &ChainReader, expected: &VectorState) -> Result<(), Difference> {
    let failed = failed("reading the state");
    let view = reader.view();
    let state = reader
        .state_at(view.head_number())
        .map_err(|error| failed(&error))?;
    for (address, account) in expected {
        let got = state.account(address).map_err(|error| failed(&error))?;
        let Some(got) = got else {
            return Err(Difference::new(format!("{address}"), "an account", "none"));
        };
        let want = account.info();
        same(&format!("{address} balance"), &want.balance, &got.balance)?;
        same(&format!("{address} nonce"), &want.nonce, &got.nonce)?;
        same(
            &format!("{address} code hash"),
            &want.code_hash,
            &got.code_hash,
        )?;
        let code: Bytes = state.code(&got.code_hash).map_err(|error| failed(&error))?;
        same(&format!("{address} code"), &account.code.0, &code)?;
        for (slot, value) in account.slots() {
            let got: U256 = state
                .storage(address, &slot)
                .map_err(|error| failed(&error))?;
            same(&format!("{address} slot {slot:#x}"), &value, &got)?;
        }
    }
    let root = StateMap::new(expected).root();
    same("root of the expected state", &root, &view.head().state_root)
}

/// Writes the genesis block.
fn begin(vector: &Vector, store: &Store) -> Result<(), Difference> {
    let genesis = vector.genesis()?;
    let header = genesis::init(store, &genesis).map_err(|error| failed("genesis")(&error))?;
    let expected = &vector.genesis_block_header;
    same(
        "genesis: state root",
        &expected.state_root,
        &header.state_root,
    )?;
    if header.blob_gas_used.is_none() && genesis.blob_gas_used.is_some() {
        return begin_with_blob_gas(store, &genesis, &header, expected.hash);
    }
    same("genesis: hash", &expected.hash, &header.hash())?;
    match &vector.genesis_rlp {
        Some(bytes) => {
            let block = genesis.block(header.state_root);
            same("genesis: bytes", &bytes.0, &rlp::encode(&block).into())
        }
        None => Ok(()),
    }
}

/// Replaces the genesis header. Some vectors begin before Cancun with a header that has blob gas
/// already, which no genesis file can express.
fn begin_with_blob_gas(
    store: &Store,
    genesis: &Genesis,
    written: &Header,
    expected: B256,
) -> Result<(), Difference> {
    let header = Header {
        blob_gas_used: genesis.blob_gas_used,
        excess_blob_gas: genesis.excess_blob_gas,
        ..written.clone()
    };
    let hash = header.hash();
    same("genesis: hash", &expected, &hash)?;
    let mut commit = Commit::new();
    commit.put_header(&hash, &header, &header.difficulty);
    commit.put_body(0, &hash, &genesis.block(header.state_root).body);
    commit.put_receipts(0, &hash, &[]);
    commit.set_canonical(0, &hash);
    commit.set_head(HeadRecord {
        number: 0,
        hash,
        state_root: header.state_root,
    });
    store
        .commit(commit)
        .map_err(|error| failed("genesis")(&error))
}

fn run_on(vector: &Vector, store: Store) -> Result<(), Difference> {
    begin(vector, &store)?;
    let reader = ChainReader::open(store).map_err(|error| failed("opening")(&error))?;
    let engine = vector.engine(reader.config());
    let options = ChainOptions {
        engine,
        interrupt: Arc::default(),
        now: Arc::new(|| NOW),
    };
    let mut chain =
        Chain::open(reader.clone(), options).map_err(|error| failed("opening")(&error))?;
    for (index, block) in vector.blocks.iter().enumerate() {
        run_block(&mut chain, block, &vector.network)
            .map_err(|difference| difference.inside(&format!("block {index} of the list")))?;
    }
    same("head", &vector.lastblockhash, &reader.view().head().hash())?;
    if let Some(root) = vector.post_state_hash {
        same("state root", &root, &reader.view().head().state_root)?;
    }
    vector
        .post_state
        .as_ref()
        .map_or(Ok(()), |state| compare_state(&reader, state))
}

fn run_one(vector: &Vector, store_kind: StoreKind) -> Result<(), Difference> {
    match store_kind {
        StoreKind::Memory => run_on(vector, Store::memory()),
        StoreKind::Disk => {
            let folder = tempfile::tempdir().map_err(|error| failed("temporary folder")(&error))?;
            let store = Store::open(folder.path(), StoreOptions::default())
                .map_err(|error| failed("store")(&error))?;
            run_on(vector, store)
        }
    }
}

/// Runs a file of blockchain tests.
pub fn run(file: &ArchivedFile, store_kind: StoreKind, report: &Report) {
    let suite = match store_kind {
        StoreKind::Memory => "blockchain, in memory",
        StoreKind::Disk => "blockchain, on disk",
    };
    let vectors = json::named_vectors(&file.content).expect("a blockchain file is an object");
    let vectors: Vec<_> = vectors.into_iter().collect();
    parallel::for_each(&vectors, |(name, text)| {
        let name = format!("{} {name}", file.path);
        let vector: Vector = match serde_json::from_str(text.get()) {
            Ok(vector) => vector,
            Err(error) => {
                let unread = Err(Difference::new("vector", "to be read", error));
                return report.record(suite, "-", &name, unread);
            }
        };
        let exceptions = vector.blocks.iter().flat_map(|block| &block.exceptions);
        exceptions.for_each(|(_, exception)| report.note_exception(exception));
        report.record(suite, &vector.network, &name, run_one(&vector, store_kind));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_without_a_header_is_to_be_refused() {
        let expect = |text: &str| {
            let block: VectorBlock = serde_json::from_str(text).unwrap();
            format!("{:?}", block.expectation("Homestead"))
        };
        assert_eq!(expect(r#"{"rlp": "0x", "blockHeader": {}}"#), "Accepted");
        assert_eq!(expect(r#"{"rlp": "0x"}"#), "Refused");
        let named =
            r#"{"rlp": "0x", "expectExceptionByzantium": "A", "expectExceptionHomestead": "B"}"#;
        assert_eq!(expect(named), "RefusedFor(\"B\")");
        assert_eq!(
            expect(r#"{"expectExceptionALL": "A"}"#),
            "RefusedFor(\"A\")"
        );
        assert_eq!(
            expect(r#"{"expectException": "A", "blockHeader": {}}"#),
            "RefusedFor(\"A\")"
        );
    }
}
