//! Incremental update of a trie: applies sorted changes to an old root.

mod insert;

use std::borrow::Cow;

use actoreum_primitives::{B256, EMPTY_ROOT_HASH, keccak256};
use rayon::prelude::*;

use self::insert::{insert_all, leaf};
use crate::limits::PARALLEL_CHANGES;
use crate::node::{Branch, Child, Node, child_of};
use crate::path::nibble;
use crate::source::NodeSource;
use crate::{EmptySource, Path, TrieError};

/// A path with the node's new RLP, or with `None` if no node is stored there any more.
pub type NodeChange = (Path, Option<Vec<u8>>);

/// The result of [`update`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrieUpdate {
    /// New root; [`EMPTY_ROOT_HASH`] if the trie is empty.
    pub root: B256,
    /// Nodes that were written or removed, each path once.
    pub nodes: Vec<NodeChange>,
}

/// Applies changes to the trie below `root`.
///
/// `changes` are sorted by key, each key once. A change has a value (an RLP item, never empty), or
/// `None` to remove the key; removing an absent key changes nothing. Nodes are read from `source`
/// only along the changed paths, and each is checked against the hash that its parent states. Large
/// updates are hashed on all cores.
pub fn update<S: NodeSource>(
    source: &S,
    root: B256,
    changes: &[(B256, Option<Vec<u8>>)],
) -> Result<TrieUpdate, TrieError> {
    let changes: Vec<_> = changes
        .iter()
        .map(|(key, value)| Change {
            key: key.as_slice(),
            value: value.as_deref(),
        })
        .collect();
    apply(source, root, &changes)
}

/// Returns the root of a trie whose keys are not hashed and may differ in length (up to 32 bytes):
/// the plain trie of the yellow paper. `entries` are sorted, each key once.
pub fn plain_root<K: AsRef<[u8]>, V: AsRef<[u8]>>(entries: &[(K, V)]) -> Result<B256, TrieError> {
    let changes: Vec<_> = entries
        .iter()
        .map(|(key, value)| Change {
            key: key.as_ref(),
            value: Some(value.as_ref()),
        })
        .collect();
    if let Some(long) = changes.iter().find(|change| change.key.len() > 32) {
        return Err(TrieError::KeyTooLong(long.key.len()));
    }
    Ok(apply(&EmptySource, EMPTY_ROOT_HASH, &changes)?.root)
}

/// Returns the reference to a subtree at `path` of these entries, which are sorted, distinct, and all
/// below the path.
pub(crate) fn subtree(path: &Path, entries: &[(&[u8], &[u8])]) -> Result<Child, TrieError> {
    let changes: Vec<_> = entries
        .iter()
        .map(|(key, value)| Change {
            key,
            value: Some(value),
        })
        .collect();
    Ok(match insert_all(path, &changes, &mut Vec::new())? {
        Outcome::Empty => Child::Empty,
        Outcome::Short(node, _) => child_of(&node.encode()),
        Outcome::Branch(child) => child,
    })
}

fn apply<S: NodeSource>(
    source: &S,
    root: B256,
    changes: &[Change<'_>],
) -> Result<TrieUpdate, TrieError> {
    if !changes.is_sorted_by(|left, right| left.key < right.key) {
        return Err(TrieError::Unsorted);
    }
    if changes.is_empty() {
        return Ok(TrieUpdate {
            root,
            nodes: Vec::new(),
        });
    }
    let old = if root == EMPTY_ROOT_HASH {
        Child::Empty
    } else {
        Child::Hash(root)
    };
    let mut nodes = Vec::with_capacity(changes.len() * 2);
    let root = match (Updater { source }).child(&Path::EMPTY, old, changes, &mut nodes)? {
        Outcome::Empty => EMPTY_ROOT_HASH,
        Outcome::Short(node, _) => store_root(&node, &mut nodes),
        Outcome::Branch(Child::Hash(root)) => root,
        Outcome::Branch(Child::Inline(rlp)) => {
            let root = keccak256(&rlp);
            nodes.retain(|(path, _)| !path.is_empty());
            nodes.push((Path::EMPTY, Some(rlp.to_vec())));
            root
        }
        Outcome::Branch(Child::Empty | Child::Virtual(_)) => {
            return Err(TrieError::Malformed("a branch has an empty outcome"));
        }
    };
    Ok(TrieUpdate { root, nodes })
}

/// Stores and hashes the root, which happens however short it is.
fn store_root(node: &Node, nodes: &mut Vec<NodeChange>) -> B256 {
    let rlp = node.encode();
    let root = keccak256(&rlp);
    nodes.push((Path::EMPTY, Some(rlp)));
    root
}

/// A key with its new value; `None` removes the key.
#[derive(Clone, Copy)]
struct Change<'a> {
    key: &'a [u8],
    value: Option<&'a [u8]>,
}

/// The result of updating a subtree.
enum Outcome {
    /// The subtree is empty.
    Empty,
    /// A leaf or an extension, with a flag that tells whether a node was stored at its path before.
    /// It is not stored yet, because its parent may have to merge it.
    Short(Node, bool),
    /// A branch, which is already stored.
    Branch(Child),
}

/// The outcome of each child of a branch; `None` for a child without changes.
type UpdatedChildren = [Option<Outcome>; 16];

struct Updater<'s, S> {
    source: &'s S,
}

impl<S: NodeSource> Updater<'_, S> {
    /// Applies changes to the child at `path`.
    fn child(
        &self,
        path: &Path,
        child: Child,
        changes: &[Change<'_>],
        nodes: &mut Vec<NodeChange>,
    ) -> Result<Outcome, TrieError> {
        let (node, was_stored) = match child {
            Child::Empty => return insert_all(path, changes, nodes),
            Child::Hash(hash) => (load(self.source, path, &hash)?, true),
            Child::Inline(rlp) => (Node::decode(&rlp)?, false),
            Child::Virtual(node) => (*node, false),
        };
        match node {
            Node::Leaf { suffix, value } => {
                let outcome = leaf(path, &suffix, &value, changes, nodes)?;
                Ok(replaced(path, outcome, was_stored, nodes))
            }
            Node::Extension { prefix, child } => {
                self.extension(path, prefix, child, was_stored, changes, nodes)
            }
            Node::Branch(branch) => self.branch(path, branch, was_stored, changes, nodes),
        }
    }

    fn extension(
        &self,
        path: &Path,
        prefix: Path,
        child: Child,
        was_stored: bool,
        changes: &[Change<'_>],
        nodes: &mut Vec<NodeChange>,
    ) -> Result<Outcome, TrieError> {
        let shared = [changes.first(), changes.last()]
            .into_iter()
            .flatten()
            .map(|change| prefix.shared_with_key(change.key, path.len()))
            .min()
            .unwrap_or(prefix.len());
        let end = path.join(&prefix.range(0, shared))?;
        let outcome = if shared == prefix.len() {
            self.child(&end, child, changes, nodes)?
        } else {
            let rest = prefix.range(shared + 1, prefix.len());
            let below = if rest.is_empty() {
                child
            } else {
                Child::Virtual(Box::new(Node::Extension {
                    prefix: rest,
                    child,
                }))
            };
            let mut split = Box::new(Branch::default());
            split.children[usize::from(prefix.at(shared))] = below;
            let split_was_stored = shared == 0 && was_stored;
            let outcome = self.branch(&end, split, split_was_stored, changes, nodes)?;
            if shared == 0 {
                return Ok(outcome);
            }
            outcome
        };
        let outcome = match outcome {
            Outcome::Empty => Outcome::Empty,
            Outcome::Branch(child) => {
                let prefix = prefix.range(0, shared);
                Outcome::Short(Node::Extension { prefix, child }, false)
            }
            Outcome::Short(node, was_stored) => {
                record_removal(&end, was_stored, nodes);
                Outcome::Short(prepend(&prefix.range(0, shared), node)?, false)
            }
        };
        Ok(replaced(path, outcome, was_stored, nodes))
    }

    fn branch(
        &self,
        path: &Path,
        mut branch: Box<Branch>,
        was_stored: bool,
        changes: &[Change<'_>],
        nodes: &mut Vec<NodeChange>,
    ) -> Result<Outcome, TrieError> {
        let mut changes = changes;
        if let Some((first, rest)) = changes.split_first()
            && first.key.len() * 2 == path.len()
        {
            branch.value = first.value.map(<[u8]>::to_vec);
            changes = rest;
        }
        let mut updated = self.update_children(path, &mut branch, changes, nodes)?;
        let mut is_rebuilt = [false; 16];
        for (nibble, child) in branch.children.iter_mut().enumerate() {
            if let Some(Outcome::Branch(done)) = &mut updated[nibble] {
                *child = std::mem::take(done);
                is_rebuilt[nibble] = true;
                updated[nibble] = None;
            }
        }
        let is_left = |nibble: &usize| {
            !branch.children[*nibble].is_empty()
                || matches!(updated[*nibble], Some(Outcome::Short(..)))
        };
        let mut left = (0..16_usize).filter(is_left);
        let outcome = match (left.next(), left.next(), branch.value.take()) {
            (None, _, None) => Outcome::Empty,
            (None, _, Some(value)) => Outcome::Short(
                Node::Leaf {
                    suffix: Path::EMPTY,
                    value,
                },
                false,
            ),
            (Some(only), None, None) if is_rebuilt[only] => {
                let child = std::mem::take(&mut branch.children[only]);
                let prefix = Path::EMPTY.child(only as u8)?;
                Outcome::Short(Node::Extension { prefix, child }, false)
            }
            (Some(only), None, None) => {
                let child = std::mem::take(&mut branch.children[only]);
                self.collapse(path, only as u8, child, updated[only].take(), nodes)?
            }
            (_, _, value) => {
                branch.value = value;
                for (nibble, child) in branch.children.iter_mut().enumerate() {
                    let path = || path.child(nibble as u8);
                    if let Some(Outcome::Short(node, was_stored)) = updated[nibble].take() {
                        *child = store(&path()?, &node, was_stored, nodes);
                    } else if let Child::Virtual(node) = child {
                        *child = store(&path()?, node, false, nodes);
                    }
                }
                let child = store(path, &Node::Branch(branch), was_stored, nodes);
                return Ok(Outcome::Branch(child));
            }
        };
        Ok(replaced(path, outcome, was_stored, nodes))
    }

    /// Takes each child that has changes out of the branch and updates it.
    fn update_children(
        &self,
        path: &Path,
        branch: &mut Branch,
        changes: &[Change<'_>],
        nodes: &mut Vec<NodeChange>,
    ) -> Result<UpdatedChildren, TrieError> {
        let mut updated = UpdatedChildren::default();
        let depth = path.len();
        let groups =
            changes.chunk_by(|left, right| nibble(left.key, depth) == nibble(right.key, depth));
        let tasks = groups.map(|group| {
            let nibble = nibble(group[0].key, depth);
            (
                nibble,
                std::mem::take(&mut branch.children[usize::from(nibble)]),
                group,
            )
        });
        if changes.len() < PARALLEL_CHANGES {
            for (nibble, child, group) in tasks {
                let outcome = self.child(&path.child(nibble)?, child, group, nodes)?;
                updated[usize::from(nibble)] = Some(outcome);
            }
            return Ok(updated);
        }
        let tasks: Vec<_> = tasks.collect();
        let results: Vec<_> = tasks
            .into_par_iter()
            .map(|(nibble, child, group)| {
                let mut nodes = Vec::with_capacity(group.len() * 2);
                let outcome = self.child(&path.child(nibble)?, child, group, &mut nodes)?;
                Ok((nibble, outcome, nodes))
            })
            .collect::<Result<_, TrieError>>()?;
        for (nibble, outcome, mut more) in results {
            updated[usize::from(nibble)] = Some(outcome);
            nodes.append(&mut more);
        }
        Ok(updated)
    }

    /// Replaces a branch that has only one child left by a leaf or an extension.
    fn collapse(
        &self,
        path: &Path,
        nibble: u8,
        child: Child,
        updated: Option<Outcome>,
        nodes: &mut Vec<NodeChange>,
    ) -> Result<Outcome, TrieError> {
        let child_path = path.child(nibble)?;
        let prefix = Path::EMPTY.child(nibble)?;
        let (node, was_stored) = match (updated, child) {
            (Some(Outcome::Short(node, was_stored)), _) => (node, was_stored),
            (_, Child::Hash(hash)) => match load(self.source, &child_path, &hash)? {
                Node::Branch(_) => {
                    let child = Child::Hash(hash);
                    return Ok(Outcome::Short(Node::Extension { prefix, child }, false));
                }
                node => (node, true),
            },
            (_, Child::Inline(rlp)) => match Node::decode(&rlp)? {
                Node::Branch(_) => {
                    let child = Child::Inline(rlp);
                    return Ok(Outcome::Short(Node::Extension { prefix, child }, false));
                }
                node => (node, false),
            },
            (_, Child::Virtual(node)) => (*node, false),
            (_, Child::Empty) => return Ok(Outcome::Empty),
        };
        record_removal(&child_path, was_stored, nodes);
        Ok(Outcome::Short(prepend(&prefix, node)?, false))
    }
}

/// Loads a node and checks it against the hash that its parent states.
pub(crate) fn load<S: NodeSource>(source: &S, path: &Path, hash: &B256) -> Result<Node, TrieError> {
    Node::decode(&load_rlp(source, path, hash)?)
}

pub(crate) fn load_rlp<'s, S: NodeSource>(
    source: &'s S,
    path: &Path,
    hash: &B256,
) -> Result<Cow<'s, [u8]>, TrieError> {
    let missing = TrieError::Missing {
        path: *path,
        hash: *hash,
    };
    let fetched = source.node(path)?.ok_or(missing)?;
    if !fetched.verified {
        let found = keccak256(&fetched.rlp);
        if found != *hash {
            return Err(TrieError::Corrupt {
                path: *path,
                hash: *hash,
                found,
            });
        }
    }
    Ok(fetched.rlp)
}

/// Prepends nibbles to the path of a leaf or an extension.
fn prepend(prefix: &Path, node: Node) -> Result<Node, TrieError> {
    Ok(match node {
        Node::Leaf { suffix, value } => Node::Leaf {
            suffix: prefix.join(&suffix)?,
            value,
        },
        Node::Extension {
            prefix: more,
            child,
        } => Node::Extension {
            prefix: prefix.join(&more)?,
            child,
        },
        Node::Branch(_) => return Err(TrieError::Malformed("a branch cannot have a prefix")),
    })
}

/// Encodes a finished node and records it if it is long enough to be stored.
fn store(path: &Path, node: &Node, was_stored: bool, nodes: &mut Vec<NodeChange>) -> Child {
    let rlp = node.encode();
    let child = child_of(&rlp);
    match child {
        Child::Hash(_) => nodes.push((*path, Some(rlp))),
        _ => record_removal(path, was_stored, nodes),
    }
    child
}

fn record_removal(path: &Path, was_stored: bool, nodes: &mut Vec<NodeChange>) {
    if was_stored {
        nodes.push((*path, None));
    }
}

/// Adds to the outcome that a node was stored at `path`, or records its removal.
fn replaced(
    path: &Path,
    outcome: Outcome,
    was_stored: bool,
    nodes: &mut Vec<NodeChange>,
) -> Outcome {
    match outcome {
        Outcome::Empty => {
            record_removal(path, was_stored, nodes);
            Outcome::Empty
        }
        Outcome::Short(node, earlier) => Outcome::Short(node, was_stored || earlier),
        Outcome::Branch(child) => {
            if matches!(child, Child::Inline(_)) {
                record_removal(path, was_stored, nodes);
            }
            Outcome::Branch(child)
        }
    }
}
