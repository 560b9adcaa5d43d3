//! Traversal of all entries of a stored trie.

use actoreum_primitives::{B256, EMPTY_ROOT_HASH};

use crate::node::{Child, Node};
use crate::source::NodeSource;
use crate::update::load_rlp;
use crate::{Path, TrieError};

/// Calls `visitor` with each key and value of the trie below `root`, in ascending order. Each
/// stored node is checked against the hash that its parent states. If the function returns an
/// error, the entries visited before it are in the trie, and the later ones are unknown.
pub fn leaves<S: NodeSource>(
    source: &S,
    root: B256,
    visitor: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), TrieError> {
    if root == EMPTY_ROOT_HASH {
        return Ok(());
    }
    // A depth-first stack whose last element is visited next. Its size is bounded by the trie's
    // depth times its width.
    let mut pending = vec![(Path::EMPTY, Child::Hash(root))];
    while let Some((path, child)) = pending.pop() {
        let node = match child {
            Child::Empty => continue,
            Child::Hash(hash) => Node::decode(&load_rlp(source, &path, &hash)?)?,
            Child::Inline(rlp) => Node::decode(&rlp)?,
            Child::Virtual(node) => *node,
        };
        match node {
            Node::Leaf { suffix, value } => visitor(path.join(&suffix)?.packed(), &value),
            Node::Extension { prefix, child } => pending.push((path.join(&prefix)?, child)),
            Node::Branch(branch) => {
                if let Some(value) = &branch.value {
                    visitor(path.packed(), value);
                }
                for (nibble, child) in (0..16).zip(branch.children).rev() {
                    pending.push((path.child(nibble)?, child));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::{BTreeMap, HashMap};

    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;
    use crate::{Builder, Fetched};

    struct Nodes(HashMap<Path, Vec<u8>>);

    impl NodeSource for Nodes {
        fn node(&self, path: &Path) -> Result<Option<Fetched<'_>>, TrieError> {
            Ok(self.0.get(path).map(|rlp| Fetched {
                rlp: Cow::Borrowed(rlp),
                verified: false,
            }))
        }
    }

    proptest! {
        #[test]
        fn prop_all_leaves_are_visited_and_a_missing_node_is_an_error(
            entries in btree_map(any::<[u8; 3]>(), proptest::collection::vec(any::<u8>(), 1..40), 0..60),
            damaged: prop::sample::Index,
        ) {
            let mut nodes = HashMap::new();
            let mut builder = Builder::new(|path: &Path, rlp| { nodes.insert(*path, rlp); });
            for (key, value) in &entries {
                builder.push(key, value).unwrap();
            }
            let root = builder.finish().unwrap();
            let mut source = Nodes(nodes);
            let mut visited = BTreeMap::new();
            leaves(&source, root, &mut |key, value| {
                visited.insert(<[u8; 3]>::try_from(key).unwrap(), value.to_vec());
            }).unwrap();
            prop_assert_eq!(&visited, &entries);
            if source.0.is_empty() {
                return Ok(());
            }
            let path = *source.0.keys().nth(damaged.index(source.0.len())).unwrap();
            source.0.remove(&path);
            let walked = leaves(&source, root, &mut |_, _| {});
            prop_assert!(walked.is_err(), "a node is missing");
        }
    }
}
