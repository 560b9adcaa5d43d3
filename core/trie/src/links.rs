//! What a node that somebody else sent names below itself.

use actoreum_primitives::B256;

use crate::node::{Child, Node};
use crate::{Path, TrieError};

/// Something below a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// A node that is stored by itself, by its hash.
    Node(B256),
    /// The value of the key that ends here.
    Value(Vec<u8>),
}

/// Everything that a node at `path` names: nodes and values, each with its own path. Nodes that
/// lie inside it are gone through.
///
/// # Errors
/// Where it is no node, or leads to keys of more than 32 bytes.
pub fn links(path: &Path, rlp: &[u8]) -> Result<Vec<(Path, Link)>, TrieError> {
    let mut links = Vec::new();
    let mut waiting = vec![(*path, Node::decode(rlp)?)];
    while let Some((path, node)) = waiting.pop() {
        let mut follow = |path: Path, child: Child| -> Result<(), TrieError> {
            match child {
                Child::Empty => {}
                Child::Hash(hash) => links.push((path, Link::Node(hash))),
                Child::Inline(rlp) => waiting.push((path, Node::decode(&rlp)?)),
                Child::Virtual(node) => waiting.push((path, *node)),
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
        fn links_from_the_root_lead_to_every_entry_and_every_stored_node(
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
            let mut waiting = vec![(Path::EMPTY, root)];
            while let Some((path, hash)) = waiting.pop() {
                let Some(rlp) = nodes.get(&path) else {
                    // A root of less than 32 bytes is stored nowhere.
                    prop_assert!(path.is_empty());
                    return Ok(());
                };
                visited += 1;
                prop_assert_eq!(keccak256(rlp), hash);
                for (path, link) in links(&path, rlp).unwrap() {
                    match link {
                        Link::Node(hash) => waiting.push((path, hash)),
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
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = links(&Path::EMPTY, &bytes);
        }
    }
}
