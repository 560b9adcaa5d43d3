//! Discovery by DNS (EIP-1459): nodes in a signed tree of TXT records.
//!
//! | record | text | name |
//! |---|---|---|
//! | root | `enrtree-root:v1 e=<hash> l=<hash> seq=<number> sig=<base64>` | the domain |
//! | branch | `enrtree-branch:<hash>,<hash>,...` | `<hash>.<domain>` |
//! | node | `enr:<base64>`, below the root's `e` | `<hash>.<domain>` |
//! | link | `enrtree://<key>@<domain>`, below the root's `l` | `<hash>.<domain>` |
//!
//! A hash is the unpadded base32 of the first bytes of the Keccak-256 hash of the entry's text. So the
//! signature of the root covers the whole tree, and an entry never changes under its name.
//!
//! - [`TreeEntry`], [`TreeRoot`], [`TreeLink`]: the texts, parsed and written.
//! - [`Tree`]: a tree that this node publishes, from its nodes to the records of a zone.
//! - [`TreeWalk`]: the walk through published trees, which returns their nodes in random order. It
//!   says which name to query; the caller queries it.
//!
//! # Example
//!
//! ```
//! use std::time::Instant;
//!
//! use actoreum_primitives::SecretKey;
//! use actoreum_wire::dns::{Step, Tree, TreeWalk};
//! use actoreum_wire::nodes::EnrBuilder;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = EnrBuilder::new().sign(1, &SecretKey::random())?;
//! let mut tree = Tree::new(1, vec![node.clone()], Vec::new())?;
//! let link = tree.sign(&SecretKey::random(), "nodes.example.org")?;
//! let zone = tree.records("nodes.example.org");
//!
//! let (mut walk, mut random) = (TreeWalk::new([link]), rand::rng());
//! let now = Instant::now();
//! let found = loop {
//!     match walk.poll(now, &mut random) {
//!         Step::Query(name) => walk.answered(&[&zone[&name]], now)?,
//!         Step::Node(found) => break found,
//!         Step::Wait(_) => unreachable!("the burst is larger than this tree"),
//!     }
//! };
//! assert_eq!(*found, node);
//! # Ok(())
//! # }
//! ```

mod entry;
mod error;
mod followed;
mod hash;
mod link;
mod rate;
mod root;
mod subtree;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub use entry::TreeEntry;
pub use error::{EntryError, WalkError};
pub use hash::EntryHash;
pub use link::TreeLink;
pub use root::TreeRoot;
pub use tree::{Tree, TreeError};
pub use walk::{Step, TreeWalk};
