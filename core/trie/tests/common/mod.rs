//! A simple reference implementation of the trie, after the yellow paper's appendix D, and a store
//! of nodes in memory.

use std::collections::BTreeMap;

use actoreum_primitives::{B256, EMPTY_ROOT_HASH, keccak256};
use actoreum_trie::{Fetched, NodeSource, Path, TrieError, TrieUpdate};

/// Returns the root by the definition: expands every key and builds every node.
pub fn naive_root(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> B256 {
    if entries.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    let pairs: Vec<_> = entries
        .iter()
        .map(|(key, value)| {
            (
                key.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect(),
                value.clone(),
            )
        })
        .collect();
    keccak256(node(&pairs, 0))
}

fn node(pairs: &[(Vec<u8>, Vec<u8>)], depth: usize) -> Vec<u8> {
    if let [(key, value)] = pairs {
        return list(&[string(&hex_prefix(&key[depth..], true)), string(value)]);
    }
    let mut shared = 0;
    while pairs.iter().all(|(key, _)| {
        key.len() > depth + shared && key[depth + shared] == pairs[0].0[depth + shared]
    }) {
        shared += 1;
    }
    if shared > 0 {
        let prefix = hex_prefix(&pairs[0].0[depth..depth + shared], false);
        return list(&[string(&prefix), child(pairs, depth + shared)]);
    }
    let mut items = Vec::new();
    for nibble in 0..16 {
        let below: Vec<_> = pairs
            .iter()
            .filter(|(key, _)| key.get(depth) == Some(&nibble))
            .cloned()
            .collect();
        items.push(if below.is_empty() {
            vec![0x80]
        } else {
            child(&below, depth + 1)
        });
    }
    let here = pairs.iter().find(|(key, _)| key.len() == depth);
    items.push(here.map_or(vec![0x80], |(_, value)| string(value)));
    list(&items)
}

fn child(pairs: &[(Vec<u8>, Vec<u8>)], depth: usize) -> Vec<u8> {
    let rlp = node(pairs, depth);
    if rlp.len() < 32 {
        rlp
    } else {
        string(keccak256(rlp).as_slice())
    }
}

fn hex_prefix(nibbles: &[u8], is_leaf: bool) -> Vec<u8> {
    let flag = if is_leaf { 2 } else { 0 } + (nibbles.len() % 2) as u8;
    let mut padded = vec![flag];
    if nibbles.len().is_multiple_of(2) {
        padded.push(0);
    }
    padded.extend_from_slice(nibbles);
    padded
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [byte] if *byte < 0x80 => vec![*byte],
        _ => [header(0x80, bytes.len()), bytes.to_vec()].concat(),
    }
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let payload = items.concat();
    [header(0xc0, payload.len()), payload].concat()
}

fn header(base: u8, length: usize) -> Vec<u8> {
    match length {
        0..56 => vec![base + length as u8],
        56..256 => vec![base + 56, length as u8],
        _ => vec![base + 57, (length >> 8) as u8, length as u8],
    }
}

/// Nodes by path, in memory.
#[derive(Default, Clone, Debug, PartialEq)]
pub struct Nodes(pub BTreeMap<Path, Vec<u8>>);

impl Nodes {
    pub fn apply(&mut self, update: &TrieUpdate) {
        let mut seen = std::collections::HashSet::new();
        for (path, node) in &update.nodes {
            assert!(seen.insert(*path), "path {path:?} is reported twice");
            match node {
                Some(rlp) => self.0.insert(*path, rlp.clone()),
                None => self.0.remove(path),
            };
        }
    }
}

impl NodeSource for Nodes {
    fn node(&self, path: &Path) -> Result<Option<Fetched<'_>>, TrieError> {
        let node = self.0.get(path);
        Ok(node.map(|rlp| Fetched {
            rlp: rlp.into(),
            verified: false,
        }))
    }
}
