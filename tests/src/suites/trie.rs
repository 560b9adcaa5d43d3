//! `TrieTests`: roots of plain and secure tries, in the given order and in others.

use std::collections::{BTreeMap, HashMap};

use actoreum_primitives::{B256, EMPTY_ROOT_HASH, keccak256};
use actoreum_trie::{Fetched, NodeSource, Path, TrieError, plain_root, update};
use serde_json::Value;

use crate::archive::ArchivedFile;
use crate::json::{self, parse_hex};
use crate::report::{Difference, Report, same};

/// Keys and values in the order of the vector; `None` removes.
type Steps = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Trie nodes by path, as a store holds them.
#[derive(Default)]
struct Nodes(HashMap<Path, Vec<u8>>);

impl NodeSource for Nodes {
    fn node(&self, path: &Path) -> Result<Option<Fetched<'_>>, TrieError> {
        Ok(self.0.get(path).map(|rlp| Fetched {
            rlp: rlp.as_slice().into(),
            verified: false,
        }))
    }
}

fn bytes(text: &str) -> Vec<u8> {
    if text.starts_with("0x") {
        parse_hex(text).expect("the vector's hexadecimal").to_vec()
    } else {
        text.as_bytes().to_vec()
    }
}

fn steps(input: &Value) -> Steps {
    let step = |key: &str, value: &Value| (bytes(key), value.as_str().map(bytes));
    match input {
        Value::Array(pairs) => pairs
            .iter()
            .map(|pair| step(pair[0].as_str().expect("a key is text"), &pair[1]))
            .collect(),
        Value::Object(pairs) => pairs.iter().map(|(key, value)| step(key, value)).collect(),
        other => panic!("no trie vector holds {other}"),
    }
}

/// Returns the root of a plain trie after all steps in one update.
fn plain(steps: &Steps) -> Result<B256, TrieError> {
    let mut entries = BTreeMap::new();
    for (key, value) in steps {
        match value {
            Some(value) => entries.insert(key.clone(), value.clone()),
            None => entries.remove(key),
        };
    }
    plain_root(&entries.into_iter().collect::<Vec<_>>())
}

/// Returns the root of a secure trie (with hashed keys) after single updates on a store of nodes.
fn secure<'a>(
    steps: impl Iterator<Item = &'a (Vec<u8>, Option<Vec<u8>>)>,
) -> Result<B256, TrieError> {
    let mut nodes = Nodes::default();
    let mut root = EMPTY_ROOT_HASH;
    for (key, value) in steps {
        let updated = update(&nodes, root, &[(keccak256(key), value.clone())])?;
        root = updated.root;
        for (path, node) in updated.nodes {
            match node {
                Some(rlp) => nodes.0.insert(path, rlp),
                None => nodes.0.remove(&path),
            };
        }
    }
    Ok(root)
}

/// Returns the root of a secure trie (with hashed keys) after all steps in one update.
fn secure_at_once(steps: &Steps) -> Result<B256, TrieError> {
    let last: BTreeMap<B256, Option<Vec<u8>>> = steps
        .iter()
        .map(|(key, value)| (keccak256(key), value.clone()))
        .collect();
    Ok(update(
        &Nodes::default(),
        EMPTY_ROOT_HASH,
        &last.into_iter().collect::<Vec<_>>(),
    )?
    .root)
}

fn run_one(vector: &Value, is_secure: bool, any_order: bool) -> Result<(), Difference> {
    let steps = steps(&vector["in"]);
    let root: B256 = vector["root"]
        .as_str()
        .unwrap_or_default()
        .parse()
        .expect("a root is a hash");
    let same_root = |way: &str, got: Result<B256, TrieError>| {
        let got = got.map_err(|error| Difference::new(way, root, error))?;
        same(way, &root, &got)
    };
    if !is_secure {
        return same_root("root", plain(&steps));
    }
    same_root("root, step by step", secure(steps.iter()))?;
    same_root("root, at once", secure_at_once(&steps))?;
    if any_order {
        for start in 0..steps.len() {
            let rotated = steps.iter().cycle().skip(start).take(steps.len());
            same_root(&format!("root, from step {start} on"), secure(rotated))?;
        }
        same_root("root, backwards", secure(steps.iter().rev()))?;
    }
    Ok(())
}

/// Runs a file of `TrieTests`.
pub fn run(file: &ArchivedFile, report: &Report) {
    let is_secure = file.path.to_lowercase().contains("securetrie");
    let any_order = !file.path.contains("trietest");
    let suite = match (is_secure, any_order) {
        (false, false) => "trie, plain",
        (false, true) => "trie, plain, any order",
        (true, false) => "trie, secure",
        (true, true) => "trie, secure, any order",
    };
    let vectors = json::named_vectors(&file.content).expect("a trie file is a JSON object");
    for (name, text) in vectors {
        let vector: Value = serde_json::from_str(text.get()).expect("a trie vector is JSON");
        let outcome = run_one(&vector, is_secure, any_order);
        report.record(suite, "-", &format!("{} {name}", file.path), outcome);
    }
}
