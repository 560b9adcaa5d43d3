//! Proofs of ranges: that a trie contains given entries and no others between two keys.
//!
//! The proof of a range consists of the nodes on the paths to both of its ends, as the snap protocol
//! sends them. The verification walks these two paths. A subtree between them must have the hash of
//! the given entries, and one outside of them is not looked at. Nothing is built but the subtrees of
//! the given entries.

use std::collections::HashMap;

use actoreum_primitives::{B256, EMPTY_ROOT_HASH, keccak256};

use crate::node::{Child, Node};
use crate::path::nibble;
use crate::update::subtree;
use crate::{Path, TrieError};

/// Reason why a range is not proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The keys are not ascending, or the first one is below the start of the range.
    #[error("the keys of the range are not in order")]
    Order,
    /// An entry has an empty value, which no trie contains.
    #[error("an entry of the range is empty")]
    EmptyValue,
    /// The entries are not those of the trie: one is missing, is too many, or has another value.
    #[error("the entries below path {0:?} are not those of the trie")]
    Mismatch(Path),
    /// A node of the proof is missing or is not a trie node.
    #[error(transparent)]
    Proof(#[from] TrieError),
}

/// Verifies that the entries of the trie below `root` from the key `start` on are `entries`, up to the
/// last one of them; if there are none, that the trie has no key from `start` on. Returns true if the
/// trie has keys after the last entry.
///
/// `proof` has the nodes on the paths to `start` and to the last entry, in any order; further nodes
/// are ignored. Without any node the entries must be the whole trie. Keys have 32 bytes.
///
/// # Errors
/// Returns an error if that is not proven, whatever `entries` and `proof` contain.
pub fn verify_range<V: AsRef<[u8]>, N: AsRef<[u8]>>(
    root: B256,
    start: &B256,
    entries: &[(B256, V)],
    proof: &[N],
) -> Result<bool, RangeError> {
    if !entries.is_sorted_by(|left, right| left.0 < right.0) {
        return Err(RangeError::Order);
    }
    if entries.first().is_some_and(|(key, _)| key < start) {
        return Err(RangeError::Order);
    }
    if entries.iter().any(|(_, value)| value.as_ref().is_empty()) {
        return Err(RangeError::EmptyValue);
    }
    let pairs: Vec<_> = entries
        .iter()
        .map(|(key, value)| (key.as_slice(), value.as_ref()))
        .collect();
    if proof.is_empty() {
        let is_whole = whole_root(&pairs)? == root;
        return is_whole
            .then_some(false)
            .ok_or(RangeError::Mismatch(Path::EMPTY));
    }
    let mut verifier = Verifier {
        start,
        last: entries.last().map(|(key, _)| key),
        nodes: proof
            .iter()
            .map(|node| (keccak256(node.as_ref()), node.as_ref()))
            .collect(),
        has_more: false,
    };
    let root = if root == EMPTY_ROOT_HASH {
        Child::Empty
    } else {
        Child::Hash(root)
    };
    verifier.on_edge(&Path::EMPTY, &root, &pairs)?;
    Ok(verifier.has_more)
}

/// Returns the root of a trie of these entries.
fn whole_root(pairs: &[Pair<'_>]) -> Result<B256, TrieError> {
    let mut builder = crate::Builder::new(|_: &Path, _| ());
    for (key, value) in pairs {
        builder.push(key, value)?;
    }
    builder.finish()
}

/// A key and its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// Where the keys below a path are, relative to the range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    /// On the path to one of the range's ends.
    Edge,
    Inside,
    After,
}

struct Verifier<'p> {
    start: &'p B256,
    /// Last key of the range; `None` if the range has no end.
    last: Option<&'p B256>,
    nodes: HashMap<B256, &'p [u8]>,
    has_more: bool,
}

impl Verifier<'_> {
    fn place(&self, path: &Path) -> Place {
        let is_start = path.shared_with_key(self.start.as_slice(), 0) == path.len();
        let is_last = self
            .last
            .is_some_and(|last| path.shared_with_key(last.as_slice(), 0) == path.len());
        if is_start || is_last {
            return Place::Edge;
        }
        // The keys below the path are all on the same side of each end.
        if is_below(path, self.start) {
            return Place::Before;
        }
        if self.last.is_some_and(|last| !is_below(path, last)) {
            return Place::After;
        }
        Place::Inside
    }

    /// Verifies the subtree at `path`; `pairs` are the given entries below that path.
    fn subtree(
        &mut self,
        path: &Path,
        child: &Child,
        pairs: &[Pair<'_>],
    ) -> Result<(), RangeError> {
        match self.place(path) {
            Place::Edge => return self.on_edge(path, child, pairs),
            Place::Inside if is_same(child, &subtree(path, pairs)?) => return Ok(()),
            Place::Before if pairs.is_empty() => return Ok(()),
            Place::After if pairs.is_empty() => {
                self.has_more |= !child.is_empty();
                return Ok(());
            }
            Place::Before | Place::Inside | Place::After => {}
        }
        Err(RangeError::Mismatch(*path))
    }

    /// Verifies the subtree at a path to one of the range's ends.
    fn on_edge(
        &mut self,
        path: &Path,
        child: &Child,
        pairs: &[Pair<'_>],
    ) -> Result<(), RangeError> {
        let node = match child {
            Child::Empty if pairs.is_empty() => return Ok(()),
            Child::Empty | Child::Virtual(_) => return Err(RangeError::Mismatch(*path)),
            Child::Inline(rlp) => Node::decode(rlp)?,
            Child::Hash(hash) => {
                let missing = TrieError::Missing {
                    path: *path,
                    hash: *hash,
                };
                Node::decode(self.nodes.get(hash).ok_or(missing)?)?
            }
        };
        match node {
            Node::Leaf { suffix, value } => self.leaf(path, &suffix, &value, pairs),
            Node::Extension { prefix, child } => {
                let end = path.join(&prefix)?;
                let is_below = |(key, _): &Pair<'_>| end.shared_with_key(key, 0) == end.len();
                if !pairs.iter().all(is_below) {
                    return Err(RangeError::Mismatch(*path));
                }
                self.subtree(&end, &child, pairs)
            }
            Node::Branch(branch) => {
                if branch.value.is_some() {
                    return Err(TrieError::Malformed("a key is shorter than 32 bytes").into());
                }
                let mut rest = pairs;
                for (digit, child) in (0..16).zip(&branch.children) {
                    let below = path.child(digit)?;
                    let count = rest.partition_point(|(key, _)| nibble(key, path.len()) <= digit);
                    let (here, after) = rest.split_at(count);
                    rest = after;
                    self.subtree(&below, child, here)?;
                }
                Ok(())
            }
        }
    }

    fn leaf(
        &mut self,
        path: &Path,
        suffix: &Path,
        value: &[u8],
        pairs: &[Pair<'_>],
    ) -> Result<(), RangeError> {
        let full = path.join(suffix)?;
        let key = B256::try_from(full.packed())
            .map_err(|_| TrieError::Malformed("a key is shorter than 32 bytes"))?;
        let is_after = self.last.is_some_and(|last| key > *last);
        let is_right = if key < *self.start || is_after {
            pairs.is_empty()
        } else {
            matches!(pairs, [(given, content)] if *given == key.as_slice() && *content == value)
        };
        if !is_right {
            return Err(RangeError::Mismatch(full));
        }
        self.has_more |= is_after;
        Ok(())
    }
}

/// Returns true if the keys below `path`, which is not a prefix of `key`, are lower than `key`.
fn is_below(path: &Path, key: &B256) -> bool {
    let shared = path.shared_with_key(key.as_slice(), 0);
    shared < path.len() && path.at(shared) < nibble(key.as_slice(), shared)
}

/// Returns true if two references are equal.
fn is_same(stated: &Child, built: &Child) -> bool {
    match (stated, built) {
        (Child::Empty, Child::Empty) => true,
        (Child::Hash(stated), Child::Hash(built)) => stated == built,
        (Child::Inline(stated), Child::Inline(built)) => stated == built,
        _ => false,
    }
}
