//! The Merkle-Patricia trie: state roots, incremental updates, proofs.
//!
//! Nodes are keyed by path: a node is stored under the nibbles that lead to it (for a storage trie,
//! below the account's hashed key). A new version of a node overwrites the old one, so that no
//! garbage collection is needed.
//!
//! ```text
//!   sorted changes ──> update(source, root, changes) ──> new root, changed nodes by path
//!                          │ loads only the nodes on the changed paths,
//!                          v each checked against the hash that its parent states
//!                      NodeSource (the store, a buffer over it, a map)
//!
//!   sorted entries ──> Builder ──> root (nodes to a callback, nothing held)
//!   list of items  ──> ordered_root   (transactions, receipts, withdrawals)
//!   key            ──> prove / verify (eth_getProof)
//!   range of keys  ──> verify_range   (snap)
//! ```
//!
//! ```
//! use actoreum_trie::{EmptySource, update};
//! use actoreum_primitives::{B256, EMPTY_ROOT_HASH};
//!
//! let key = B256::repeat_byte(7);
//! let change = [(key, Some(vec![1, 2, 3]))];
//! let update = update(&EmptySource, EMPTY_ROOT_HASH, &change)?;
//! assert_ne!(update.root, EMPTY_ROOT_HASH);
//! # Ok::<(), actoreum_trie::TrieError>(())
//! ```

mod builder;
mod leaves;
mod limits;
mod links;
mod node;
mod path;
mod proof;
mod range;
mod rlp;
mod source;
mod update;

pub use builder::{Builder, ordered_root};
pub use leaves::leaves;
pub use links::{Link, links};
pub use path::Path;
pub use proof::{get, prove, verify};
pub use range::{RangeError, verify_range};
pub use rlp::encode_uint;
pub use source::{EmptySource, Fetched, NodeSource, TrieError};
pub use update::{NodeChange, TrieUpdate, plain_root, update};
