//! Tests that every engine must pass.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod folder;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use actoreum_storage::{Database, Engine, StorageError, WriteBatch};
use folder::copy_folder;
use proptest::collection::vec;
use proptest::prelude::*;

const ENGINES: [Engine; 4] = [
    Engine::Sled,
    Engine::Redb,
    Engine::Ephemeral,
    Engine::Memory,
];
const ON_DISK: [Engine; 2] = [Engine::Sled, Engine::Redb];

/// Cache size in bytes: less than the tests write.
const CACHE: u64 = 1 << 20;

/// Longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn batch(operations: &[(&[u8], Option<&[u8]>)]) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for (key, value) in operations {
        match value {
            Some(value) => batch.put(&[key], value),
            None => batch.delete(&[key]),
        }
    }
    batch
}

fn all(database: &dyn Database) -> Entries {
    let mut entries = Entries::new();
    database
        .visit(&[], None, &mut |key, value| {
            entries.insert(key.to_vec(), value.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
    entries
}

fn for_each_engine(test: impl Fn(Engine, Arc<dyn Database>)) {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        test(engine, engine.open(folder.path(), CACHE).unwrap());
    }
}

#[test]
fn an_ephemeral_database_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Engine::Ephemeral.open(folder.path(), CACHE).unwrap();
    let (first, second) = (open(), open());
    first.commit(&batch(&[(b"a", Some(b"1"))])).unwrap();
    assert!(all(second.as_ref()).is_empty());
    assert!(first.size().unwrap() > 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn puts_and_deletes_take_effect_in_their_order() {
    for_each_engine(|engine, database| {
        let first = batch(&[
            (b"a", Some(b"1")),
            (b"b", Some(b"")),
            (b"a", Some(b"2")),
            (b"c", Some(b"3")),
            (b"c", None),
            (b"nothing", None),
        ]);
        database.commit(&first).unwrap();
        assert_eq!(
            database.get(b"a").unwrap().as_deref(),
            Some(&b"2"[..]),
            "{engine:?}"
        );
        assert_eq!(database.get(b"b").unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(database.get(b"c").unwrap(), None);
        let keys = [b"b".to_vec(), b"c".to_vec(), b"a".to_vec()];
        let many = database.get_many(&keys).unwrap();
        assert_eq!(many, [Some(vec![]), None, Some(b"2".to_vec())]);
        database.flush().unwrap();
        assert!(database.size().unwrap() > 0);
    });
}

#[test]
fn ranges_are_ordered_and_bounded() {
    for_each_engine(|engine, database| {
        let keys: [&[u8]; 6] = [b"", b"a", b"ab", b"b", b"b\xff", b"c"];
        let operations: Vec<_> = keys.iter().rev().map(|key| (*key, Some(*key))).collect();
        database.commit(&batch(&operations)).unwrap();
        let range = |start: &[u8], end: Option<&[u8]>, limit: usize| {
            let mut seen = Vec::new();
            database
                .visit(start, end, &mut |key, value| {
                    assert_eq!(key, value);
                    seen.push(key.to_vec());
                    if seen.len() < limit {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                })
                .unwrap();
            seen
        };
        assert_eq!(range(b"", None, 99), keys, "{engine:?}");
        assert_eq!(range(b"a", Some(b"b"), 99), keys[1..3]);
        assert_eq!(range(b"a", Some(b"b\xff"), 99), keys[1..4]);
        assert_eq!(range(b"aa", None, 2), keys[2..4]);
        assert!(range(b"b", Some(b"b"), 99).is_empty());
        assert!(range(b"c", Some(b"a"), 99).is_empty());
        let entry = |key: &[u8]| Some((key.to_vec(), key.to_vec()));
        assert_eq!(database.seek(b"aa").unwrap(), entry(b"ab"));
        assert_eq!(database.seek(b"b").unwrap(), entry(b"b"));
        assert_eq!(database.seek(b"d").unwrap(), None);
    });
}

#[test]
fn readers_are_not_blocked_by_commits() {
    for_each_engine(|_, database| {
        let value = vec![7; 200];
        let key = |index: u32| index.to_be_bytes();
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for round in 0..20_u32 {
                    let mut batch = WriteBatch::default();
                    for index in 0..500 {
                        batch.put(&[&key(round * 500 + index)], &value);
                    }
                    database.commit(&batch).unwrap();
                }
            });
            while !writer.is_finished() {
                for index in (0..10_000).step_by(997) {
                    let found = database.get(&key(index)).unwrap();
                    assert!(found.is_none_or(|found| found == value));
                }
            }
        });
        assert_eq!(all(database.as_ref()).len(), 10_000);
    });
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    for engine in ON_DISK {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let error = engine
            .open(&file.join("database"), CACHE)
            .map(|_| ())
            .unwrap_err();
        assert!(matches!(&error, StorageError::Io { .. }), "{error}");
    }
}

#[test]
fn a_truncated_commit_is_dropped_and_a_damaged_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    let database = Engine::Sled.open(&live, CACHE).unwrap();
    let mut ends = vec![0];
    for round in 0..3_u8 {
        let value = vec![round; 50];
        database
            .commit(&batch(&[
                (b"round", Some(&[round])),
                (&[round], Some(&value)),
            ]))
            .unwrap();
        ends.push(std::fs::metadata(live.join("journal")).unwrap().len());
    }
    let journal = std::fs::read(live.join("journal")).unwrap();
    for length in (0..=journal.len()).step_by(7).chain([journal.len()]) {
        let copy = folder.path().join(format!("cut {length}"));
        copy_folder(&live, &copy);
        std::fs::write(copy.join("journal"), &journal[..length]).unwrap();
        let reopened = Engine::Sled.open(&copy, CACHE).unwrap();
        let whole = ends
            .iter()
            .filter(|end| **end > 0 && **end <= length as u64)
            .count();
        let expected = whole.checked_sub(1).map(|round| vec![round as u8]);
        assert_eq!(reopened.get(b"round").unwrap(), expected, "cut at {length}");
    }
    let copy = folder.path().join("flipped");
    copy_folder(&live, &copy);
    let mut flipped = journal;
    flipped[30] ^= 1;
    std::fs::write(copy.join("journal"), &flipped).unwrap();
    let error = Engine::Sled.open(&copy, CACHE).map(|_| ()).unwrap_err();
    assert!(matches!(&error, StorageError::Corrupt(_)), "{error}");
}

type Operations = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn commits() -> impl Strategy<Value = Vec<Operations>> {
    let key = vec(0_u8..4, 0..4);
    let value = prop_oneof![
        3 => vec(any::<u8>(), 0..40).prop_map(Some),
        1 => vec(any::<u8>(), 9_000..9_001).prop_map(Some),
        2 => Just(None),
    ];
    vec(vec((key, value), 0..30), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    /// After a crash behind any commit all of the commit is present, and so after a clean stop.
    #[test]
    fn commits_survive_a_crash(commits in commits()) {
        for engine in ON_DISK {
            let folder = tempfile::tempdir().unwrap();
            let live = folder.path().join("live");
            let database = engine.open(&live, CACHE).unwrap();
            let mut model = Entries::new();
            for (round, operations) in commits.iter().enumerate() {
                let mut batch = WriteBatch::default();
                for (key, value) in operations {
                    match value {
                        Some(value) => {
                            batch.put(&[key], value);
                            model.insert(key.clone(), value.clone());
                        }
                        None => {
                            batch.delete(&[key]);
                            model.remove(key);
                        }
                    }
                }
                database.commit(&batch).unwrap();
                prop_assert_eq!(&all(database.as_ref()), &model);
                let copy = folder.path().join(format!("crash {round}"));
                copy_folder(&live, &copy);
                prop_assert_eq!(&all(engine.open(&copy, CACHE).unwrap().as_ref()), &model);
            }
            drop(database);
            prop_assert_eq!(&all(engine.open(&live, CACHE).unwrap().as_ref()), &model);
        }
    }
}

#[test]
fn unfinished_sled_files_of_a_kill_are_not_damage() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Engine::Sled.open(folder.path(), CACHE).unwrap();
    let database = open();
    database.commit(&batch(&[(b"a", Some(b"1"))])).unwrap();
    let entries = all(&*database);
    drop(database);

    let tree = folder.path().join("tree");
    std::fs::write(tree.join("snap.FFFFFFFFFFFFFFFF.generating"), b"half").unwrap();
    let conf = std::fs::read(tree.join("conf")).unwrap();
    for kept in [0, 10, conf.len() - 4, conf.len() - 1] {
        std::fs::write(tree.join("conf"), &conf[..kept]).unwrap();
        assert_eq!(all(&*open()), entries);
        assert_eq!(std::fs::read(tree.join("conf")).unwrap(), conf);
    }
}

/// sled keeps a value that is too large for its log in a file of its own. If that file cannot be
/// written, the log waits forever for the space that it reserved for the value.
#[test]
fn sled_closes_after_a_value_could_not_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let database = Engine::Sled.open(folder.path(), CACHE).unwrap();
    database.commit(&batch(&[(b"small", Some(b"1"))])).unwrap();
    let blobs = folder.path().join("tree/blobs");
    std::fs::remove_dir_all(&blobs).unwrap();
    let large = vec![7; 2_000_000];
    let failed = database.commit(&batch(&[(b"large", Some(&large))]));
    assert!(failed.is_err());

    let (closed, is_closed) = mpsc::channel();
    thread::spawn(move || {
        drop(database);
        closed.send(()).unwrap();
    });
    is_closed.recv_timeout(TIMEOUT).expect("it is closed");
}
