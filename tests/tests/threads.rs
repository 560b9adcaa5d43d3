//! Compares the threads and tasks that the sources start outside of the supervision tree, and the
//! locks that actors share, with the lists in `docs/architecture.md`.
//!
//! A thread or task that no supervisor owns is not restarted, not stopped in order, and not shown on
//! the admin page. A lock around an actor's state lets others change it without a message. Each one
//! needs a reason, which the list states.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Calls that start a thread, a task or work on a pool that is not a supervised one.
const STARTS: &[&str] = &[
    "thread::spawn(",
    "thread::Builder::new()",
    "thread::scope(",
    "spawn_blocking(",
    "rt::spawn(",
    "tokio::spawn(",
    "task::spawn(",
    "spawn_local(",
    "Arbiter::new()",
    "rayon::spawn(",
    "ThreadPoolBuilder::new()",
];

/// Types of locks.
const LOCKS: &[&str] = &["Mutex<", "RwLock<"];

/// The headings of the lists in `docs/architecture.md`.
const THREADS_HEADING: &str = "### Threads and tasks outside of the tree";
const LOCKS_HEADING: &str = "### Shared locks";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Collects the Rust files below `folder` that are built into the node.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap();
    for entry in entries.map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap();
        if entry.is_dir() {
            if !["tests", "benches", "examples", "fuzz", "target"].contains(&name) {
                sources(&entry, into);
            }
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            into.push(entry);
        }
    }
}

/// Returns the number of lines with one of `patterns` in the part of a file that is not a test.
fn count(text: &str, patterns: &[&str]) -> usize {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().map(str::trim_start);
    let code_lines = lines.filter(|line| !line.starts_with("//") && !line.starts_with("use "));
    code_lines
        .filter(|line| patterns.iter().any(|pattern| line.contains(pattern)))
        .count()
}

/// Returns the files below `folders` that contain one of `patterns`, with their numbers of lines.
fn found(folders: &[&str], patterns: &[&str]) -> BTreeMap<String, usize> {
    let root = root();
    let mut files = Vec::new();
    for folder in folders {
        sources(&root.join(folder), &mut files);
    }
    let counts = files.iter().filter_map(|path| {
        let count = count(&fs::read_to_string(path).unwrap(), patterns);
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
        (count > 0).then(|| (name.to_owned(), count))
    });
    counts.collect()
}

/// Returns the files of the list below `heading` with their numbers.
fn listed(heading: &str) -> BTreeMap<String, usize> {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (_, after) = text.split_once(heading).unwrap();
    let rows = after
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, file, count, reason, _] = cells[..] else {
            panic!("{row} has not three columns");
        };
        assert!(!reason.is_empty(), "{file} has no reason");
        (file.trim_matches('`').to_owned(), count.parse().unwrap())
    })
    .collect()
}

#[test]
fn each_thread_and_task_outside_the_tree_is_listed() {
    let found = found(&["core", "actors", "messages", "rpc", "node"], STARTS);
    assert!(!found.is_empty());
    assert_eq!(
        found,
        listed(THREADS_HEADING),
        "a supervised pool or a future of an actor is better than a thread of its own; if there is a \
         reason for one, list it in docs/architecture.md"
    );
}

#[test]
fn each_lock_that_actors_share_is_listed() {
    let mut found = found(&["actors/src", "messages", "rpc", "node"], LOCKS);
    found.retain(|file, _| !file.starts_with("actors/supervision/"));
    assert!(!found.is_empty());
    assert_eq!(
        found,
        listed(LOCKS_HEADING),
        "a message to the owner, or a view that the owner publishes, is better than a lock; if there \
         is a reason for one, list it in docs/architecture.md"
    );
}

#[test]
fn starts_are_counted_outside_of_tests_and_comments() {
    let text = "// thread::spawn(\nfn a() { thread::spawn(f); }\n  tokio::spawn(g);\n\
                #[cfg(test)]\nmod tests {\n  thread::spawn(h);\n}\n";
    assert_eq!(count(text, STARTS), 2);
}
