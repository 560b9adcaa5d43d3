//! The chains of the fixtures, genesis files for tests, and checks of a data directory from
//! outside.

use std::path::{Path, PathBuf};

use actoreum_primitives::{B256, b256};
use actoreum_storage::{Store, StoreOptions, engine_of};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{accounts::created_address, folder::copy_folder, process::run};

/// A chain in a fixture file.
#[derive(Clone)]
pub struct Chain {
    pub name: &'static str,
    pub genesis: PathBuf,
    pub blocks: PathBuf,
    pub head_number: u64,
    pub head_hash: B256,
}

/// Returns the folder of the fixtures. Prints a line and returns `None` if there is none.
pub fn fixtures() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let folder = std::env::var_os("ACTOREUM_FIXTURES").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: fixtures not found");
    None
}

/// Returns the first 999 blocks of mainnet: proof of work, few transactions.
pub fn mainnet() -> Option<Chain> {
    let folder = fixtures()?.join("mainnet");
    Some(Chain {
        name: "mainnet-1000",
        genesis: folder.join("genesis.json"),
        blocks: folder.join("first-1000.rlp"),
        head_number: 999,
        head_hash: b256!("c31b362e591aa07faa977dbc492ae43cd47eef291920435153bbbf3acaf2fc2f"),
    })
}

/// Returns 269 blocks that geth sealed with clique, full of transactions.
pub fn clique() -> Option<Chain> {
    let folder = fixtures()?.join("clique-bench");
    Some(Chain {
        name: "clique-bench",
        genesis: folder.join("genesis.json"),
        blocks: folder.join("chain.rlp"),
        head_number: 269,
        head_hash: b256!("9107a808da2c9c538ba0c5e6fb70add1ad7a3cd17b6f1bcc1c18faa285a17555"),
    })
}

impl Chain {
    /// Writes the genesis to a new data directory.
    pub fn init(&self, datadir: &str, engine: &str) {
        let genesis = self.genesis.to_str().unwrap();
        run(&["init", "--datadir", datadir, "--db.engine", engine, genesis]).ok();
    }

    /// Returns a new data directory with the genesis.
    pub fn new_datadir(&self, engine: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        self.init(folder.path().to_str().unwrap(), engine);
        folder
    }

    /// Imports the blocks into a data directory.
    #[track_caller]
    pub fn import(&self, datadir: &str) {
        let blocks = self.blocks.to_str().unwrap();
        run(&["import", "--datadir", datadir, blocks]).ok();
    }

    /// Asserts that a data directory, which no process holds, has this chain's head.
    #[track_caller]
    pub fn assert_complete(&self, datadir: &str) {
        let head = verified_head(Path::new(datadir));
        assert_eq!(head, Some((self.head_number, self.head_hash)));
    }
}

/// Returns number and hash of the head of a data directory that no process holds, after it asserts
/// that the flat state hashes to the state root of the head's header. Returns `None` if not even a
/// genesis was written.
///
/// A copy of the database is opened: a lock that this process takes is inherited for a moment by a
/// child that another test is about to start, and the original stays as the binary left it.
#[track_caller]
pub fn verified_head(datadir: &Path) -> Option<(u64, B256)> {
    let chaindata = datadir.join("actoreum/chaindata");
    let engine = engine_of(&chaindata)?;
    let copy = tempfile::tempdir().unwrap();
    let folder = copy.path().join("chaindata");
    copy_folder(&chaindata, &folder);
    let options = StoreOptions {
        engine,
        ..StoreOptions::default()
    };
    let store = Store::open(&folder, options).unwrap();
    let head = store.head()?;
    let header = store.header(&head.hash, head.number).unwrap().unwrap();
    assert_eq!(header.hash(), head.hash);
    assert_eq!(header.state_root, head.state_root);
    assert_eq!(store.compute_state_root().unwrap(), header.state_root);
    Some((head.number, head.hash))
}

/// Moves the blocks of a data directory that are `depth` or more blocks behind its head to the
/// ancient files, as a node does with blocks that are 90,000 behind.
pub fn migrate(datadir: &Path, depth: u64) {
    let folder = datadir.join("actoreum/chaindata");
    let options = StoreOptions {
        engine: engine_of(&folder).unwrap(),
        ancient_depth: Some(depth),
        ..StoreOptions::default()
    };
    Store::open(&folder, options)
        .unwrap()
        .migrate_ancient(u64::MAX)
        .unwrap();
}

/// A genesis of a clique chain whose signer's key no test has, for tests without fixtures.
pub const SMALL_GENESIS: &str = r#"{
    "config": {"chainId": 7, "homesteadBlock": 0, "clique": {"period": 15, "epoch": 30000}},
    "difficulty": "0x1", "gasLimit": "0x47b760",
    "extraData": "0x00000000000000000000000000000000000000000000000000000000000000007df9a875a174b3bc565e6424a0050ebc1b2d1d820000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
    "alloc": {"7df9a875a174b3bc565e6424a0050ebc1b2d1d82": {"balance": "1000"}}
}"#;

/// Chain id of the genesis files that tests generate.
pub const CHAIN_ID: u64 = 4321;

/// Returns a Byzantium genesis of a clique chain with `period` seconds between blocks and the given
/// signers (40 hex digits each).
pub fn clique_genesis(period: u64, signers: &[impl AsRef<str>], alloc: Value) -> Value {
    let mut signers: Vec<String> = signers
        .iter()
        .map(|it| it.as_ref().to_lowercase())
        .collect();
    signers.sort_unstable();
    let mut genesis = pow_genesis();
    let config = genesis["config"].as_object_mut().unwrap();
    config.remove("ethash");
    config.insert("clique".into(), json!({"period": period, "epoch": 30_000}));
    genesis["difficulty"] = json!("0x1");
    genesis["extraData"] = json!(format!(
        "0x{}{}{}",
        "00".repeat(32),
        signers.concat(),
        "00".repeat(65)
    ));
    genesis["alloc"] = alloc;
    genesis
}

/// Returns a clique genesis whose signer's key no test has.
pub fn foreign_genesis(alloc: Value) -> Value {
    clique_genesis(15, &["11".repeat(20)], alloc)
}

/// Returns a Byzantium genesis of a proof-of-work chain at the minimum difficulty.
pub fn pow_genesis() -> Value {
    json!({
        "config": {"chainId": CHAIN_ID, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "ethash": {}},
        "difficulty": "0x20000", "gasLimit": "0x47b760", "alloc": {},
    })
}

/// Initializes the data directory `node` in `folder` with a genesis; returns its path.
pub fn init(folder: &Path, genesis: &Value) -> String {
    let datadir = folder.join("node").to_str().unwrap().to_owned();
    let file = folder.join("genesis.json");
    write_genesis(&file, &datadir, genesis);
    datadir
}

/// Initializes a folder as a data directory with a genesis.
pub fn init_datadir(folder: &Path, genesis: &Value) {
    let file = folder.join("genesis.json");
    write_genesis(&file, folder.to_str().unwrap(), genesis);
}

/// Returns a new data directory with a genesis.
pub fn new_datadir(genesis: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    init_datadir(folder.path(), genesis);
    folder
}

fn write_genesis(file: &Path, datadir: &str, genesis: &Value) {
    std::fs::write(file, genesis.to_string()).unwrap();
    run(&["init", "--datadir", datadir, file.to_str().unwrap()]).ok();
}

/// Writes the file with the password of the accounts of [`new_account`]; returns its path.
pub fn password_file(folder: &Path) -> String {
    let file = folder.join("password");
    std::fs::write(&file, "secret\n").unwrap();
    file.to_str().unwrap().to_owned()
}

/// Creates an account in a data directory; returns its address in 40 hex digits.
pub fn new_account(datadir: &Path, password_file: &str) -> String {
    let output = run(&[
        "account",
        "new",
        "--lightkdf",
        "--datadir",
        datadir.to_str().unwrap(),
        "--password",
        password_file,
    ])
    .ok();
    hex::encode(created_address(&output))
}
