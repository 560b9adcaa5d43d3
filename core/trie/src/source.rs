//! Where the nodes of a trie come from.

use std::borrow::Cow;

use actoreum_primitives::B256;

use crate::Path;

/// Why a trie could not be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrieError {
    /// A node that its parent names is not there: the database needs repair.
    #[error("trie node {hash} at path {path:?} is missing")]
    Missing {
        /// Where the node should be.
        path: Path,
        /// The hash that its parent (or the root) states.
        hash: B256,
    },
    /// A node is there, but is not the one that its parent names: repair.
    #[error("trie node at path {path:?} hashes to {found}, its parent states {hash}")]
    Corrupt {
        /// Where the node lies.
        path: Path,
        /// The hash that its parent (or the root) states.
        hash: B256,
        /// The hash of what was found.
        found: B256,
    },
    /// Bytes that are no trie node: repair, or refuse the proof they came in.
    #[error("malformed trie node: {0}")]
    Malformed(&'static str),
    /// A key of more bytes than a path can hold.
    #[error("trie keys hold at most 32 bytes, this one has {0}")]
    KeyTooLong(usize),
    /// Changes or entries out of order, or twice the same key: the caller's mistake.
    #[error("trie keys must be sorted and distinct")]
    Unsorted,
    /// The store below failed.
    #[error("reading trie nodes failed: {0}")]
    Backend(String),
}

/// A node as a source hands it out.
#[derive(Debug, Clone)]
pub struct Fetched<'a> {
    /// The node's RLP.
    pub rlp: Cow<'a, [u8]>,
    /// Whether the source itself made these bytes (a buffer of nodes just hashed), so
    /// that they need not be hashed again. Bytes from a disk are never verified.
    pub verified: bool,
}

/// A store of trie nodes by path.
pub trait NodeSource: Sync {
    /// The node at `path`, or `None` where there is none.
    fn node(&self, path: &Path) -> Result<Option<Fetched<'_>>, TrieError>;
}

/// The source of a trie that starts empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptySource;

impl NodeSource for EmptySource {
    fn node(&self, _path: &Path) -> Result<Option<Fetched<'_>>, TrieError> {
        Ok(None)
    }
}
