//! Tests of folders, formats, heads, blocks and ancient files.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

use std::path::Path;

use actoreum_primitives::{
    Address, B256, Body, Header, Log, Receipt, ReceiptOutcome, TxType, U256,
};
use actoreum_storage::{
    Commit, Engine, FORMAT_VERSION, HeadRecord, StorageError, Store, StoreOptions, engine_of,
};

const ON_DISK: [Engine; 2] = [Engine::Sled, Engine::Redb];

fn options(engine: Engine, ancient_depth: u64) -> StoreOptions {
    StoreOptions {
        engine,
        history: None,
        ancient_depth: Some(ancient_depth),
        ..StoreOptions::default()
    }
}

fn header(number: u64, parent_hash: B256) -> Header {
    Header {
        number,
        parent_hash,
        gas_limit: 5_000 + number,
        ..Header::default()
    }
}

fn receipt(number: u64) -> Receipt {
    let log = Log {
        address: Address::repeat_byte(1),
        topics: vec![B256::repeat_byte(2)],
        data: vec![number as u8; 40].into(),
    };
    Receipt::new(
        TxType::DynamicFee,
        ReceiptOutcome::Status(true),
        21_000 + number,
        vec![log],
    )
}

/// Writes the blocks 0 to `last`, each with a stale sibling, and returns their hashes.
fn fill(store: &Store, last: u64) -> Vec<B256> {
    let mut hashes = Vec::new();
    let mut commit = Commit::new();
    for number in 0..=last {
        let header = header(number, hashes.last().copied().unwrap_or_default());
        let hash = header.hash();
        let stale = Header {
            extra_data: vec![1].into(),
            ..header.clone()
        };
        for (hash, header) in [(hash, &header), (stale.hash(), &stale)] {
            commit.put_header(&hash, header, &U256::from(number * 3));
            commit.put_body(
                number,
                &hash,
                &Body {
                    ommers: vec![stale.clone()],
                    ..Body::default()
                },
            );
            commit.put_receipts(number, &hash, &[receipt(number)]);
        }
        commit.set_canonical(number, &hash);
        commit.put_tx_lookup(&hash, number);
        hashes.push(hash);
    }
    let hash = hashes[last as usize];
    commit.set_head(HeadRecord {
        number: last,
        hash,
        state_root: B256::ZERO,
    });
    commit.put_meta("name", b"value");
    commit.put_snapshot(&hash, b"votes");
    store.commit(commit).unwrap();
    hashes
}

fn assert_blocks(store: &Store, hashes: &[B256]) {
    for (number, hash) in (0..).zip(hashes) {
        assert_eq!(store.canonical_hash(number).unwrap(), Some(*hash));
        assert_eq!(store.number_of(hash).unwrap(), Some(number));
        assert_eq!(store.transaction_block(hash).unwrap(), Some(number));
        assert_eq!(store.header(hash, number).unwrap().unwrap().hash(), *hash);
        assert_eq!(store.body(hash, number).unwrap().unwrap().ommers.len(), 1);
        assert_eq!(
            store.receipts(hash, number).unwrap().unwrap(),
            [receipt(number)]
        );
        assert_eq!(
            store.total_difficulty(hash, number).unwrap(),
            Some(U256::from(number * 3))
        );
        assert_eq!(store.header(&B256::repeat_byte(9), number).unwrap(), None);
    }
    let beyond = hashes.len() as u64;
    assert_eq!(store.canonical_hash(beyond).unwrap(), None);
    assert!(store.hashes_at(beyond).unwrap().is_empty());
}

#[test]
fn blocks_are_readable_before_and_after_migration() {
    for engine in ON_DISK {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), options(engine, 10)).unwrap();
        let hashes = fill(&store, 30);
        assert_blocks(&store, &hashes);
        assert_eq!(store.hashes_at(2).unwrap().len(), 2);
        assert_eq!(store.migrate_ancient(15).unwrap(), 15);
        assert_eq!(store.migrate_ancient(100).unwrap(), 6);
        assert_eq!(store.migrate_ancient(100).unwrap(), 0);
        assert_eq!(store.ancient_blocks(), 21);
        assert_blocks(&store, &hashes);
        assert_eq!(
            store.hashes_at(2).unwrap(),
            [hashes[2]],
            "the stale sibling stays behind"
        );
        drop(store);
        let store = Store::open(folder.path(), options(engine, 10)).unwrap();
        assert_blocks(&store, &hashes);
        assert_eq!(store.check_ancient().unwrap(), 21);
        assert_eq!(store.head().unwrap().number, 30);
        assert_eq!(store.meta("name").unwrap().as_deref(), Some(&b"value"[..]));
        assert_eq!(
            store.snapshot(&hashes[30]).unwrap().as_deref(),
            Some(&b"votes"[..])
        );
    }
}

#[test]
fn a_copy_on_the_other_engine_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let from = Store::open(&folder.path().join("from"), options(Engine::Sled, 10)).unwrap();
    let hashes = fill(&from, 30);
    from.migrate_ancient(100).unwrap();
    let to = Store::open(&folder.path().join("to"), options(Engine::Redb, 10)).unwrap();
    from.copy_to(&to).unwrap();
    assert_blocks(&to, &hashes);
    assert_eq!(to.head(), from.head());
    assert_eq!(to.table_stats().unwrap(), from.table_stats().unwrap());
    drop(to);
    let to = Store::open(&folder.path().join("to"), options(Engine::Redb, 10)).unwrap();
    assert_eq!(to.check_ancient().unwrap(), 21);
}

#[test]
fn blocks_above_a_number_can_be_deleted() {
    let store = Store::memory();
    let hashes = fill(&store, 9);
    let mut commit = Commit::new();
    assert_eq!(store.delete_blocks_above(5, &mut commit).unwrap(), 4);
    store.commit(commit).unwrap();
    assert_blocks(&store, &hashes[..6]);
    assert_eq!(store.number_of(&hashes[6]).unwrap(), None);
}

/// Bytes after the confirmed records were left by a crash; missing or changed bytes are damage.
#[test]
fn ancient_files_drop_torn_tails_and_refuse_damage() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Store::open(folder.path(), options(Engine::Sled, 10));
    let store = open().unwrap();
    let hashes = fill(&store, 30);
    store.migrate_ancient(100).unwrap();
    drop(store);
    for name in ["hashes", "headers", "bodies", "receipts"] {
        for kind in ["data", "index"] {
            let path = folder.path().join(format!("ancient/{name}.{kind}"));
            let intact = std::fs::read(&path).unwrap();
            let torn = [intact.as_slice(), &[0xaa; 17]].concat();
            std::fs::write(&path, torn).unwrap();
            assert_blocks(&open().unwrap(), &hashes);
            assert_eq!(
                std::fs::read(&path).unwrap(),
                intact,
                "{name}.{kind} keeps its torn tail"
            );
            for damaged in [&intact[..intact.len() - 1], &[], &flipped(&intact)] {
                std::fs::write(&path, damaged).unwrap();
                let outcome = open().and_then(|store| store.check_ancient());
                let error = outcome.unwrap_err();
                assert!(
                    matches!(&error, StorageError::Corrupt(_)),
                    "{name}.{kind}: {error}"
                );
            }
            std::fs::write(&path, intact).unwrap();
        }
    }
    assert_eq!(open().unwrap().check_ancient().unwrap(), 21);
}

fn flipped(intact: &[u8]) -> Vec<u8> {
    let mut damaged = intact.to_vec();
    damaged[intact.len() / 2] ^= 0x10;
    damaged
}

#[test]
fn a_folder_is_locked_by_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let _store = Store::open(folder.path(), options(Engine::Sled, 10)).unwrap();
    let second = Store::open(folder.path(), options(Engine::Sled, 10))
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(&second, StorageError::Locked(_)));
    assert!(
        second
            .to_string()
            .starts_with("datadir already used by another process")
    );
}

#[test]
fn another_format_or_engine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path(), options(Engine::Redb, 10)).unwrap());
    assert_eq!(engine_of(folder.path()), Some(Engine::Redb));
    let other = Store::open(folder.path(), options(Engine::Sled, 10))
        .map(|_| ())
        .unwrap_err();
    assert!(other.to_string().contains("--db.engine redb"), "{other}");
    let newer = format!("format {}\nengine redb\n", FORMAT_VERSION + 7);
    std::fs::write(folder.path().join("FORMAT"), newer).unwrap();
    let newer = Store::open(folder.path(), options(Engine::Redb, 10))
        .map(|_| ())
        .unwrap_err();
    let text = newer.to_string();
    assert!(
        text.contains(&format!("format {}", FORMAT_VERSION + 7)),
        "{text}"
    );
    assert!(
        text.contains(&format!("up to format {FORMAT_VERSION}")),
        "{text}"
    );
}

#[test]
fn a_damaged_head_record_is_refused() {
    for engine in ON_DISK {
        let folder = tempfile::tempdir().unwrap();
        fill(&Store::open(folder.path(), options(engine, 10)).unwrap(), 3);
        damage_head(engine, folder.path());
        let error = Store::open(folder.path(), options(engine, 10))
            .map(|_| ())
            .unwrap_err();
        assert!(
            error.to_string().contains("head record fails its checksum"),
            "{error}"
        );
    }
}

fn damage_head(engine: Engine, folder: &Path) {
    let database = engine.open(&folder.join("database"), 1 << 20).unwrap();
    let key = b"\0head";
    let mut record = database.get(key).unwrap().unwrap();
    record[20] ^= 1;
    let mut batch = actoreum_storage::WriteBatch::default();
    batch.put(&[key], &record);
    database.commit(&batch).unwrap();
}
