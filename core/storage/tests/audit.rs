//! Tests of `db check` and `db repair` on a chain with state, history and ancient files.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod folder;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actoreum_primitives::{
    AccountChange, AccountInfo, Address, B256, Body, Bytes, EMPTY_OMMERS_HASH, EMPTY_ROOT_HASH,
    Header, SlotChange, StateDiff, U256, keccak256,
};
use actoreum_storage::{
    Commit, Database, Engine, HeadRecord, RepairReport, StorageError, Store, StoreOptions,
    TrieBuffer, WriteBatch,
};
use folder::copy_folder;
use tempfile::TempDir;

const ON_DISK: [Engine; 2] = [Engine::Sled, Engine::Redb];
const BLOCKS: u64 = 40;
const ANCIENT_DEPTH: u64 = 15;

fn options(engine: Engine, history: Option<u64>) -> StoreOptions {
    StoreOptions {
        engine,
        history,
        ancient_depth: Some(ANCIENT_DEPTH),
        cache_bytes: 1 << 20,
    }
}

fn address(seed: u64) -> Address {
    Address::from_word(keccak256(seed.to_be_bytes()))
}

/// Returns the diff of block `number`: an account of its own, two that every block changes, and
/// slots; each tenth block deploys a code.
fn diff(number: u64, slots: &mut HashMap<U256, U256>) -> StateDiff {
    let mut diff = StateDiff::default();
    for seed in [number + 100, number % 3, 7] {
        let mut info = AccountInfo {
            nonce: number,
            balance: U256::from(number * 1_000 + seed),
            ..AccountInfo::default()
        };
        let mut storage = HashMap::new();
        if seed == 7 {
            let slot = U256::from(number % 11);
            let after = U256::from(number % 5);
            let before = slots.insert(slot, after).unwrap_or_default();
            storage.insert(slot, SlotChange { before, after });
        }
        if number.is_multiple_of(10) && seed > 100 {
            let code = Bytes::from(vec![number as u8; 40]);
            info.code_hash = keccak256(&code);
            diff.codes.insert(info.code_hash, code);
        }
        let change = AccountChange {
            after: Some(info),
            storage,
            ..AccountChange::default()
        };
        diff.accounts.insert(address(seed), change);
    }
    diff
}

/// A chain of [`BLOCKS`] blocks above genesis.
struct Chain {
    folder: TempDir,
    engine: Engine,
    history: Option<u64>,
    headers: Vec<Header>,
}

impl Chain {
    fn new(engine: Engine, history: Option<u64>) -> Self {
        let mut chain = Self {
            folder: tempfile::tempdir().unwrap(),
            engine,
            history,
            headers: Vec::new(),
        };
        let store = chain.open().unwrap();
        let mut tries = TrieBuffer::new(store.clone());
        let mut slots = HashMap::new();
        for number in 0..=BLOCKS {
            let state_root = tries.apply(number, &diff(number, &mut slots)).unwrap();
            let parent = chain.headers.last();
            let header = Header {
                number,
                parent_hash: parent.map_or(B256::ZERO, Header::hash),
                ommers_hash: EMPTY_OMMERS_HASH,
                transactions_root: EMPTY_ROOT_HASH,
                receipts_root: EMPTY_ROOT_HASH,
                difficulty: U256::from(2),
                state_root,
                ..Header::default()
            };
            let hash = header.hash();
            let mut commit = Commit::new();
            commit.put_header(&hash, &header, &U256::from(2 * (number + 1)));
            commit.put_body(number, &hash, &Body::default());
            commit.put_receipts(number, &hash, &[]);
            commit.set_canonical(number, &hash);
            commit.state(&tries.freeze().unwrap());
            commit.set_head(HeadRecord {
                number,
                hash,
                state_root,
            });
            store.commit(commit).unwrap();
            tries.committed();
            chain.headers.push(header);
        }
        store.migrate_ancient(100).unwrap();
        assert_eq!(store.ancient_blocks(), BLOCKS + 1 - ANCIENT_DEPTH);
        drop((tries, store));
        chain.assert_valid(BLOCKS);
        chain
    }

    fn open(&self) -> Result<Store, StorageError> {
        Store::open(self.folder.path(), options(self.engine, self.history))
    }

    /// Returns the faults that a check finds, or the error of a store that cannot be opened.
    fn faults(&self) -> Vec<String> {
        match self.open().and_then(|store| store.check(&mut |_| {})) {
            Ok(report) => report.faults,
            Err(error) => vec![error.to_string()],
        }
    }

    #[track_caller]
    fn assert_valid(&self, head: u64) {
        assert_eq!(self.faults(), Vec::<String>::new(), "{:?}", self.engine);
        let store = self.open().unwrap();
        assert_eq!(store.head().unwrap().number, head);
        assert_eq!(
            store.head().unwrap().hash,
            self.headers[head as usize].hash()
        );
    }

    fn try_repair(&self) -> Result<RepairReport, StorageError> {
        let options = options(self.engine, self.history);
        Store::repair(self.folder.path(), &options, &mut |_| {})
    }

    /// Asserts that damage is detected and that a repair leaves a valid chain up to `head`.
    #[track_caller]
    fn assert_repaired(&self, what: &str, head: u64) -> RepairReport {
        let faults = self.faults();
        assert!(!faults.is_empty(), "{what} is not detected");
        let report = self.try_repair().unwrap();
        assert_eq!(report.head.number, head, "{what}: {report:?}");
        let dropped = (head < BLOCKS).then_some((head + 1, BLOCKS));
        assert_eq!(report.dropped, dropped, "{what}");
        assert!(!report.done.is_empty(), "{what}");
        self.assert_valid(head);
        let again = self.try_repair().unwrap();
        assert_eq!((again.dropped, again.done), (None, vec![]), "{what}");
        report
    }

    fn database(&self) -> Arc<dyn Database> {
        let folder = self.folder.path().join("database");
        self.engine.open(&folder, 1 << 20).unwrap()
    }

    /// Changes entries of the database without the store's knowledge.
    fn tamper(&self, changes: &[(Vec<u8>, Option<Vec<u8>>)]) {
        let mut batch = WriteBatch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.put(&[key], value),
                None => batch.delete(&[key]),
            }
        }
        self.database().commit(&batch).unwrap();
    }

    fn keys(&self, table: u8) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let mut visitor = |key: &[u8], _: &[u8]| {
            keys.push(key.to_vec());
            std::ops::ControlFlow::Continue(())
        };
        let database = self.database();
        database
            .visit(&[table], Some(&[table + 1]), &mut visitor)
            .unwrap();
        keys
    }

    /// Returns the key of a block in a table that is keyed by number and hash.
    fn block_key(&self, table: u8, number: u64) -> Vec<u8> {
        let hash = self.headers[number as usize].hash();
        [&[table][..], &number.to_be_bytes(), hash.as_slice()].concat()
    }

    fn ancient(&self, name: &str) -> PathBuf {
        self.folder.path().join("ancient").join(name)
    }
}

const HEADERS: u8 = 1;
const BODIES: u8 = 2;
const TOTAL_DIFFICULTY: u8 = 4;
const NUMBERS: u8 = 6;
const CODES: u8 = 8;
const ACCOUNTS: u8 = 9;
const SLOTS: u8 = 10;
const ACCOUNT_NODES: u8 = 11;
const SLOT_NODES: u8 = 12;
const ACCOUNT_HISTORY: u8 = 13;

#[test]
fn a_valid_database_is_reported_valid_and_not_changed() {
    for engine in ON_DISK {
        let chain = Chain::new(engine, None);
        let report = chain.try_repair().unwrap();
        assert_eq!((report.dropped, report.done), (None, vec![]));
        let store = chain.open().unwrap();
        let report = store.check(&mut |_| {}).unwrap();
        assert_eq!(report.blocks, BLOCKS + 1);
        assert!(report.accounts > BLOCKS && report.slots > 0 && report.nodes > BLOCKS);
    }
}

#[test]
fn a_flipped_byte_in_an_ancient_file_is_restored() {
    let chain = Chain::new(Engine::Sled, None);
    for name in [
        "hashes.data",
        "headers.data",
        "bodies.data",
        "receipts.data",
    ] {
        let path = chain.ancient(name);
        let intact = std::fs::read(&path).unwrap();
        for at in (0..intact.len()).step_by(intact.len() / 5 + 1) {
            flip(&path, at, 0x41);
            let report = chain.assert_repaired(&format!("{name}, byte {at}"), BLOCKS);
            assert!(report.done[0].ends_with("restored"), "{report:?}");
            assert!(std::fs::read(&path).unwrap() == intact, "{name}, byte {at}");
        }
    }
    // Damage of a checksum.
    let path = chain.ancient("bodies.index");
    let intact = std::fs::read(&path).unwrap();
    flip(&path, 12 * 3 + 9, 0x10);
    chain.assert_repaired("a checksum", BLOCKS);
    assert!(std::fs::read(&path).unwrap() == intact);
}

fn flip(path: &Path, at: usize, change: u8) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= change;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn larger_damage_reverts_to_the_block_before() {
    for engine in ON_DISK {
        for name in ["hashes", "headers", "bodies", "receipts"] {
            let chain = Chain::new(engine, None);
            let path = chain.ancient(&format!("{name}.data"));
            let intact = std::fs::read(&path).unwrap();
            std::fs::write(&path, &intact[..intact.len() - 1]).unwrap();
            let last = BLOCKS - ANCIENT_DEPTH;
            chain.assert_repaired(&format!("a cut tail of {name}"), last - 1);
        }
        let chain = Chain::new(engine, None);
        let path = chain.ancient("bodies.index");
        let intact = std::fs::read(&path).unwrap();
        std::fs::write(&path, &intact[..12 * 10 + 5]).unwrap();
        chain.assert_repaired("a cut index", 9);
    }
}

#[test]
fn without_an_earlier_state_nothing_is_changed() {
    let chain = Chain::new(Engine::Sled, Some(5));
    let path = chain.ancient("bodies.data");
    let intact = std::fs::read(&path).unwrap();
    std::fs::write(&path, &intact[..intact.len() - 1]).unwrap();
    let error = chain.try_repair().unwrap_err();
    assert!(matches!(&error, StorageError::BeyondRepair(_)), "{error}");
    std::fs::write(&path, &intact).unwrap();
    chain.assert_valid(BLOCKS);
}

#[test]
fn tries_and_flat_values_are_rebuilt_from_each_other() {
    for engine in ON_DISK {
        let chain = Chain::new(engine, None);
        for table in [ACCOUNT_NODES, SLOT_NODES, ACCOUNTS, SLOTS] {
            let keys = chain.keys(table);
            for key in [keys.first(), keys.get(keys.len() / 2)]
                .into_iter()
                .flatten()
            {
                chain.tamper(&[(key.clone(), None)]);
                chain.assert_repaired(&format!("a deleted entry of table {table}"), BLOCKS);
                let mut value = chain.database().get(key).unwrap().unwrap();
                let last = value.len() - 1;
                value[last] ^= 1;
                chain.tamper(&[(key.clone(), Some(value))]);
                chain.assert_repaired(&format!("a changed entry of table {table}"), BLOCKS);
            }
        }
        let orphan = [&[SLOTS][..], &[0x55; 64]].concat();
        chain.tamper(&[(orphan, Some(vec![1]))]);
        chain.assert_repaired("a slot of no account", BLOCKS);
    }
}

#[test]
fn an_unrecoverable_state_is_reverted() {
    for engine in ON_DISK {
        let chain = Chain::new(engine, None);
        // The account that only block 30 wrote, and a node above it.
        let account = keccak256(address(130));
        let key = [&[ACCOUNTS][..], account.as_slice()].concat();
        let root = chain.keys(ACCOUNT_NODES)[0].clone();
        chain.tamper(&[(key, None), (root, None)]);
        chain.assert_repaired("an account and the root", 29);

        let chain = Chain::new(engine, None);
        let code = keccak256(vec![20_u8; 40]);
        chain.tamper(&[([&[CODES][..], code.as_slice()].concat(), None)]);
        chain.assert_repaired("a code", 19);
    }
}

#[test]
fn the_chain_ends_before_a_damaged_block() {
    for engine in ON_DISK {
        for table in [HEADERS, BODIES] {
            let chain = Chain::new(engine, None);
            chain.tamper(&[(chain.block_key(table, 33), None)]);
            chain.assert_repaired("a block", 32);
        }
        let chain = Chain::new(engine, None);
        let hash = chain.headers[35].hash();
        chain.tamper(&[
            (chain.block_key(TOTAL_DIFFICULTY, 33), None),
            ([&[NUMBERS][..], hash.as_slice()].concat(), Some(vec![9; 8])),
        ]);
        chain.assert_repaired("indexes", BLOCKS);
    }
}

#[test]
fn a_damaged_head_record_is_rewritten() {
    for engine in ON_DISK {
        let chain = Chain::new(engine, None);
        let key = b"\0head".to_vec();
        let mut record = chain.database().get(&key).unwrap().unwrap();
        record[20] ^= 1;
        chain.tamper(&[(key.clone(), Some(record))]);
        assert!(chain.faults()[0].contains("head record fails its checksum"));
        chain.assert_repaired("the head record", BLOCKS);
        chain.tamper(&[(key, None)]);
        let report = chain.try_repair().unwrap();
        assert_eq!(report.head.number, BLOCKS);
        chain.assert_valid(BLOCKS);
    }
}

#[test]
fn incomplete_history_is_detected() {
    let chain = Chain::new(Engine::Redb, None);
    let key = chain.keys(ACCOUNT_HISTORY)[3].clone();
    chain.tamper(&[(key, None)]);
    assert!(
        chain.faults()[0].contains("history"),
        "{:?}",
        chain.faults()
    );
}

#[test]
fn an_interrupted_repair_must_be_repeated() {
    let chain = Chain::new(Engine::Sled, None);
    chain.tamper(&[(b"\0repairing".to_vec(), Some(vec![1]))]);
    assert!(chain.faults()[0].contains("not finished"));
    chain.try_repair().unwrap();
    chain.assert_valid(BLOCKS);
}

#[test]
fn a_changed_byte_in_the_redb_file_is_an_error() {
    let chain = Chain::new(Engine::Redb, None);
    let account = keccak256(address(130));
    let key = [&[ACCOUNTS][..], account.as_slice()].concat();
    let value = chain.database().get(&key).unwrap().unwrap();
    let path = chain.folder.path().join("database/data.redb");
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<usize> = bytes
        .windows(value.len())
        .enumerate()
        .filter_map(|(at, window)| (window == value).then_some(at))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + value.len() - 1] ^= 1;
    }
    std::fs::write(&path, bytes).unwrap();
    let error = chain.database().get(&key).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
    chain.assert_repaired("a value", BLOCKS);
}

#[test]
fn a_truncated_engine_file_is_opened_for_a_repair() {
    let chain = Chain::new(Engine::Redb, None);
    let path = chain.folder.path().join("database/data.redb");
    let intact = std::fs::read(&path).unwrap();
    std::fs::write(&path, &intact[..intact.len() - 100]).unwrap();
    assert!(!chain.faults().is_empty());
    match chain.try_repair() {
        Ok(report) => chain.assert_valid(report.head.number),
        // The missing part held data that redb itself needs.
        Err(error) => assert!(matches!(&error, StorageError::BeyondRepair(_)), "{error}"),
    }

    let chain = Chain::new(Engine::Sled, None);
    let tree = chain.folder.path().join("database/tree");
    let mut snapshots = 0;
    for entry in std::fs::read_dir(tree).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("snap.")
        {
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            snapshots += 1;
        }
    }
    assert!(snapshots > 0);
    assert!(!chain.faults().is_empty());
    let report = chain.try_repair().unwrap();
    assert_eq!((report.dropped, report.head.number), (None, BLOCKS));
    chain.assert_valid(BLOCKS);
}

/// Asserts that a repair leaves a valid chain or reports that it is impossible, and returns true in
/// the first case.
#[track_caller]
fn assert_repaired_or_refused(chain: &Chain, what: &str) -> bool {
    let repair = || chain.try_repair();
    // An engine may panic over bytes that it never wrote.
    let Ok(repaired) = catch_unwind(AssertUnwindSafe(repair)) else {
        return false;
    };
    match repaired {
        Ok(report) => {
            assert_eq!(chain.faults(), Vec::<String>::new(), "{what}: {report:?}");
            let store = chain.open().unwrap();
            let head = store.head().unwrap();
            assert_eq!(head.hash, chain.headers[head.number as usize].hash());
            true
        }
        Err(StorageError::BeyondRepair(_)) => false,
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn torn_redb_pages_are_repaired_or_refused() {
    const PAGE: usize = 4_096;
    let chain = Chain::new(Engine::Redb, None);
    let path = chain.folder.path().join("database/data.redb");
    let intact = std::fs::read(&path).unwrap();
    let used = |page: &&[u8]| page.iter().any(|byte| *byte != 0);
    let (mut repaired, mut refused) = (0, 0);
    for number in (1..intact.chunks(PAGE).filter(used).count()).step_by(5) {
        for kept in [PAGE / 3, PAGE - 300] {
            let mut torn = intact.clone();
            torn[number * PAGE + kept..(number + 1) * PAGE].fill(0);
            std::fs::write(&path, torn).unwrap();
            if assert_repaired_or_refused(&chain, &format!("page {number} from {kept} on")) {
                repaired += 1;
            } else {
                refused += 1;
            }
        }
    }
    println!("{repaired} repaired, {refused} refused");
    assert!(repaired > refused);
}

#[test]
fn changed_bytes_in_the_sled_log_are_detected() {
    let chain = Chain::new(Engine::Sled, None);
    let path = chain.folder.path().join("database/tree/db");
    let saved = tempfile::tempdir().unwrap();
    copy_folder(chain.folder.path(), saved.path());
    let intact = std::fs::read(&path).unwrap();
    let end = intact.iter().rposition(|byte| *byte != 0).unwrap();
    let (mut unseen, mut repaired, mut refused) = (0, 0, 0);
    for at in (end / 8..end).step_by(end / 24) {
        std::fs::remove_dir_all(chain.folder.path()).unwrap();
        copy_folder(saved.path(), chain.folder.path());
        let mut torn = intact.clone();
        for byte in &mut torn[at..(at + 64).min(end)] {
            *byte ^= 0xa5;
        }
        std::fs::write(&path, torn).unwrap();
        let Ok(faults) = catch_unwind(AssertUnwindSafe(|| chain.faults())) else {
            refused += 1;
            continue;
        };
        if faults.is_empty() {
            // The damaged bytes belong to a part that was written again later.
            chain.assert_valid(BLOCKS);
            unseen += 1;
            continue;
        }
        if assert_repaired_or_refused(&chain, &format!("bytes from {at} on")) {
            repaired += 1;
        } else {
            refused += 1;
        }
    }
    println!("{unseen} undetected in unused bytes, {repaired} repaired, {refused} refused");
    assert!(repaired + refused > 0);
}
