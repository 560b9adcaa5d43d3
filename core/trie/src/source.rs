//! The interface through which tries read their nodes.

use std::borrow::Cow;

use actoreum_primitives::B256;

use crate::Path;

/// An error of reading or updating a trie.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrieError {
    /// A node that its parent refers to is missing: the database needs repair.
    #[error("trie node {hash} at path {path:?} is missing")]
    Missing {
        /// Path of the missing node.
        path: Path,
        /// Hash that the parent (or the root) states.
        hash: B256,
    },
    /// A node does not have the hash that its parent states: the database needs repair.
    #[error("trie node at path {path:?} hashes to {found}, its parent states {hash}")]
    Corrupt {
        /// Path of the node.
        path: Path,
        /// Hash that the parent (or the root) states.
        hash: B256,
        /// Hash of the node that was read.
        found: B256,
    },
    /// Bytes are not a trie node. A database needs repair; a proof is invalid.
    #[error("malformed trie node: {0}")]
    Malformed(&'static str),
    /// A key has more than 32 bytes.
    #[error("trie keys hold at most 32 bytes, this one has {0}")]
    KeyTooLong(usize),
    /// Changes or entries are not sorted, or have a duplicate key: an error of the caller.
    #[error("trie keys must be sorted and distinct")]
    Unsorted,
    /// The underlying store failed.
    #[error("reading trie nodes failed: {0}")]
    Backend(String),
}

/// A node that a source returned.
#[derive(Debug, Clone)]
pub struct Fetched<'a> {
    /// The node's RLP.
    pub rlp: Cow<'a, [u8]>,
    /// Whether the source computed these bytes itself (a buffer of nodes that were just hashed), so
    /// that they need not be hashed again. Bytes read from disk are never verified.
    pub verified: bool,
}

/// A reader of trie nodes by path.
pub trait NodeSource: Sync {
    /// Returns the node at `path`, or `None` if there is none.
    fn node(&self, path: &Path) -> Result<Option<Fetched<'_>>, TrieError>;
}

/// A source without nodes, for an empty trie.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptySource;

impl NodeSource for EmptySource {
    fn node(&self, _path: &Path) -> Result<Option<Fetched<'_>>, TrieError> {
        Ok(None)
    }
}
