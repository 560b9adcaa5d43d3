//! Decoding of a node's references to its children, for nodes that a peer sent.

use actoreum_primitives::B256;

use crate::node::{Child, Node};
use crate::{Path, TrieError};

/// A child of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// The hash of a child node that is stored separately.
    Node(B256),
    /// The value of the key that ends at the child's path.
    Value(Vec<u8>),
}

/// Returns the children of the node at `path`, nodes and values, each with its own path. Embedded
/// nodes are traversed.
///
/// # Errors
/// Returns an error if `rlp` is not a trie node or if a child's key is longer than 32 bytes.
pub fn links(path: &Path, rlp: &[u8]) -> Result<Vec<(Path, Link)>, TrieError> {
    let mut links = Vec::new();
    let mut pending = vec![(*path, Node::decode(rlp)?)];
    while let Some((path, node)) = pending.pop() {
        let mut follow = |path: Path, child: Child| -> Result<(), TrieError> {
            match child {
                Child::Empty => {}
                Child::Hash(hash) => links.push((path, Link::Node(hash))),
                Child::Inline(rlp) => pending.push((path, Node::decode(&rlp)?)),
                Child::Virtual(node) => pending.push((path, *node)),
            }
            Ok(())
        };
        match node {
            Node::Leaf { suffix, value } => links.push((path.join(&suffix)?, Link::Value(value))),
            Node::Extension { prefix, child } => follow(path.join(&prefix)?, child)?,
            Node::Branch(branch) => {
                for (nibble, child) in (0..16).zip(branch.children) {
                    follow(path.child(nibble)?, child)?;
                }
                if let Some(value) = branch.value {
                    links.push((path, Link::Value(value)));
                }
            }
        }
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;
    use crate::Builder;
    use actoreum_primitives::keccak256;

    proptest! {
        #[test]
        fn following_links_reaches_every_entry_and_stored_node(
            entries in btree_map(any::<[u8; 3]>(), proptest::collection::vec(any::<u8>(), 1..40), 1..60),
        ) {
            let mut nodes = HashMap::new();
            let mut builder = Builder::new(|path: &Path, rlp| { nodes.insert(*path, rlp); });
            for (key, value) in &entries {
                builder.push(key, value).unwrap();
            }
            let root = builder.finish().unwrap();
            let mut found = BTreeMap::new();
            let mut visited = 0;
            let mut pending = vec![(Path::EMPTY, root)];
            while let Some((path, hash)) = pending.pop() {
                let Some(rlp) = nodes.get(&path) else {
                    // A root of less than 32 bytes is not stored.
                    prop_assert!(path.is_empty());
                    return Ok(());
                };
                visited += 1;
                prop_assert_eq!(keccak256(rlp), hash);
                for (path, link) in links(&path, rlp).unwrap() {
                    match link {
                        Link::Node(hash) => pending.push((path, hash)),
                        Link::Value(value) => {
                            found.insert(<[u8; 3]>::try_from(path.packed()).unwrap(), value);
                        }
                    }
                }
            }
            prop_assert_eq!(found, entries);
            prop_assert_eq!(visited, nodes.len());
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = links(&Path::EMPTY, &bytes);
        }
    }
}
