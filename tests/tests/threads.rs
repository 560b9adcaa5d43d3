//! Compares the threads and tasks that the sources start outside of the supervision tree with the
//! list in `docs/architecture.md`.
//!
//! A thread or task that no supervisor owns is not restarted, not stopped in order, and not shown on
//! the admin page. Each one needs a reason, which the list states.

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

/// The heading of the list in `docs/architecture.md`.
const HEADING: &str = "### Threads and tasks outside of the tree";

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

/// Returns the number of starts in the part of a file that is not a test.
fn starts(text: &str) -> usize {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().map(str::trim_start);
    let code_lines = lines.filter(|line| !line.starts_with("//"));
    code_lines
        .filter(|line| STARTS.iter().any(|start| line.contains(start)))
        .count()
}

/// Returns the files of the list with their numbers of starts.
fn listed() -> BTreeMap<String, usize> {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (_, after) = text.split_once(HEADING).unwrap();
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
    let root = root();
    let mut files = Vec::new();
    for folder in ["core", "actors", "messages", "rpc", "node"] {
        sources(&root.join(folder), &mut files);
    }
    let found: BTreeMap<String, usize> = files
        .iter()
        .filter_map(|path| {
            let count = starts(&fs::read_to_string(path).unwrap());
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            (count > 0).then(|| (name.to_owned(), count))
        })
        .collect();
    assert!(!found.is_empty());
    assert_eq!(
        found,
        listed(),
        "a supervised pool or a future of an actor is better than a thread of its own; if there is a \
         reason for one, list it in docs/architecture.md"
    );
}

#[test]
fn starts_are_counted_outside_of_tests_and_comments() {
    let text = "// thread::spawn(\nfn a() { thread::spawn(f); }\n  tokio::spawn(g);\n\
                #[cfg(test)]\nmod tests {\n  thread::spawn(h);\n}\n";
    assert_eq!(starts(text), 2);
}
