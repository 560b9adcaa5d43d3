//! A builder of tries from sorted entries.

use actoreum_primitives::{B256, EMPTY_ROOT_HASH, keccak256};

use crate::node::{Branch, Child, child_of, encode_branch, encode_extension, encode_leaf};
use crate::path::{nibble, shared_nibbles};
use crate::{Path, TrieError};

/// Builds a trie from sorted entries. It holds only the branches on the current path, so that its
/// memory does not grow with the number of entries.
///
/// No key may be a prefix of another (hashed keys and RLP integers never are). Each finished node
/// of 32 bytes or more, and the root, is passed to the sink with its path.
pub struct Builder<F> {
    sink: F,
    key: Vec<u8>,
    value: Vec<u8>,
    started: bool,
    open: Vec<(usize, Branch)>,
}

impl<F: FnMut(&Path, Vec<u8>)> Builder<F> {
    /// Creates a builder that passes its nodes to `sink`.
    pub fn new(sink: F) -> Self {
        Self {
            sink,
            key: Vec::new(),
            value: Vec::new(),
            started: false,
            open: Vec::new(),
        }
    }

    /// Adds an entry. The key has at most 32 bytes and must be greater than all earlier keys.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), TrieError> {
        if key.len() > 32 {
            return Err(TrieError::KeyTooLong(key.len()));
        }
        if self.started {
            if key <= self.key.as_slice() {
                return Err(TrieError::Unsorted);
            }
            let shared = shared_nibbles(&self.key, key, 0);
            if shared >= self.key.len() * 2 {
                return Err(TrieError::Malformed("a key is a prefix of another"));
            }
            self.close_down_to(shared)?;
        }
        self.started = true;
        self.key.clear();
        self.key.extend_from_slice(key);
        self.value.clear();
        self.value.extend_from_slice(value);
        Ok(())
    }

    /// Returns the root over all entries.
    pub fn finish(mut self) -> Result<B256, TrieError> {
        if !self.started {
            return Ok(EMPTY_ROOT_HASH);
        }
        let rlp = if self.open.is_empty() {
            encode_leaf(&Path::from_key(&self.key)?, &self.value)
        } else {
            let depth = self.open[0].0;
            self.close_down_to(depth)?;
            let Some((_, branch)) = self.open.pop() else {
                return Err(TrieError::Malformed("the builder has no root"));
            };
            let rlp = encode_branch(&branch);
            if depth == 0 {
                rlp
            } else {
                let path = Path::key_range(&self.key, 0, depth)?;
                let child = self.store(&path, rlp);
                encode_extension(&path, &child)
            }
        };
        let root = keccak256(&rlp);
        (self.sink)(&Path::EMPTY, rlp);
        Ok(root)
    }

    /// Attaches the pending leaf, closes every branch deeper than `depth`, and leaves a branch open
    /// at `depth`.
    fn close_down_to(&mut self, depth: usize) -> Result<(), TrieError> {
        let deepest = self.open.last().map(|(depth, _)| *depth);
        let parent = deepest.map_or(depth, |deepest| deepest.max(depth));
        let suffix = Path::key_range(&self.key, parent + 1, self.key.len() * 2)?;
        let leaf = encode_leaf(&suffix, &self.value);
        self.attach(parent, parent + 1, leaf)?;
        while let Some((at, branch)) = self.open.pop_if(|(at, _)| *at > depth) {
            let above = self
                .open
                .last()
                .map_or(depth, |(above, _)| (*above).max(depth));
            let mut rlp = encode_branch(&branch);
            if at > above + 1 {
                let child = self.store(&Path::key_range(&self.key, 0, at)?, rlp);
                rlp = encode_extension(&Path::key_range(&self.key, above + 1, at)?, &child);
            }
            self.attach(above, above + 1, rlp)?;
        }
        Ok(())
    }

    /// Attaches a node, whose path is the first `end` nibbles of the current key, to the branch at
    /// `depth`. The branch is opened if it is not open yet.
    fn attach(&mut self, depth: usize, end: usize, rlp: Vec<u8>) -> Result<(), TrieError> {
        let child = self.store(&Path::key_range(&self.key, 0, end)?, rlp);
        if self.open.last().is_none_or(|(open, _)| *open < depth) {
            self.open.push((depth, Branch::default()));
        }
        if let Some((_, branch)) = self.open.last_mut() {
            branch.children[usize::from(nibble(&self.key, depth))] = child;
        }
        Ok(())
    }

    fn store(&mut self, path: &Path, rlp: Vec<u8>) -> Child {
        let child = child_of(&rlp);
        if matches!(child, Child::Hash(_)) {
            (self.sink)(path, rlp);
        }
        child
    }
}

/// Returns the root of a list keyed by the RLP of each index: transactions, receipts or
/// withdrawals. Each item is given as it is encoded for the trie.
pub fn ordered_root<T: AsRef<[u8]>>(items: &[T]) -> Result<B256, TrieError> {
    let mut builder = Builder::new(|_: &Path, _| ());
    let one_byte = 1..items.len().min(0x80);
    let zero = 0..items.len().min(1);
    let long = 0x80..items.len().max(0x80);
    for index in one_byte.chain(zero).chain(long) {
        let key = crate::encode_uint(&index.to_be_bytes());
        builder.push(&key, items[index].as_ref())?;
    }
    builder.finish()
}
