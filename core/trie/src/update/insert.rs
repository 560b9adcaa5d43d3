//! Insertion into an empty subtree or one that is a single leaf.

use rayon::prelude::*;

use super::{Change, NodeChange, Outcome, store};
use crate::limits::PARALLEL_CHANGES;
use crate::node::{Branch, Child, Node};
use crate::path::{nibble, shared_nibbles};
use crate::{Path, TrieError};

/// Builds a new subtree from the changes that have a value.
pub(super) fn insert_all(
    path: &Path,
    changes: &[Change<'_>],
    nodes: &mut Vec<NodeChange>,
) -> Result<Outcome, TrieError> {
    if changes.iter().all(|change| change.value.is_some()) {
        return build(path, changes, nodes);
    }
    let inserts: Vec<_> = changes
        .iter()
        .filter(|change| change.value.is_some())
        .copied()
        .collect();
    build(path, &inserts, nodes)
}

/// Builds a new subtree from the changes and the existing leaf.
pub(super) fn leaf(
    path: &Path,
    suffix: &Path,
    value: &[u8],
    changes: &[Change<'_>],
    nodes: &mut Vec<NodeChange>,
) -> Result<Outcome, TrieError> {
    let full = path.join(suffix)?;
    if full.len() % 2 != 0 {
        return Err(TrieError::Malformed(
            "a leaf's key has an odd number of nibbles",
        ));
    }
    let position = changes.partition_point(|change| change.key < full.packed());
    if changes
        .get(position)
        .is_some_and(|change| change.key == full.packed())
    {
        return insert_all(path, changes, nodes);
    }
    let mut all = Vec::with_capacity(changes.len() + 1);
    all.extend_from_slice(&changes[..position]);
    all.push(Change {
        key: full.packed(),
        value: Some(value),
    });
    all.extend_from_slice(&changes[position..]);
    insert_all(path, &all, nodes)
}

/// Builds a new subtree; every change has a value.
fn build(
    path: &Path,
    inserts: &[Change<'_>],
    nodes: &mut Vec<NodeChange>,
) -> Result<Outcome, TrieError> {
    let (Some(first), Some(last)) = (inserts.first(), inserts.last()) else {
        return Ok(Outcome::Empty);
    };
    let depth = path.len();
    if inserts.len() == 1 {
        let suffix = Path::key_range(first.key, depth, first.key.len() * 2)?;
        let value = first.value.unwrap_or_default().to_vec();
        return Ok(Outcome::Short(Node::Leaf { suffix, value }, false));
    }
    let shared = shared_nibbles(first.key, last.key, depth);
    let prefix = Path::key_range(first.key, depth, depth + shared)?;
    let path = path.join(&prefix)?;
    let depth = path.len();
    let mut branch = Box::new(Branch::default());
    let mut inserts = inserts;
    if first.key.len() * 2 == depth {
        branch.value = first.value.map(<[u8]>::to_vec);
        inserts = &inserts[1..];
    }
    let groups =
        inserts.chunk_by(|left, right| nibble(left.key, depth) == nibble(right.key, depth));
    if inserts.len() < PARALLEL_CHANGES {
        for group in groups {
            let nibble = nibble(group[0].key, depth);
            branch.children[usize::from(nibble)] = build_child(&path, nibble, group, nodes)?;
        }
    } else {
        let groups: Vec<_> = groups.collect();
        let results: Vec<_> = groups
            .into_par_iter()
            .map(|group| {
                let mut nodes = Vec::with_capacity(group.len() * 2);
                let nibble = nibble(group[0].key, depth);
                Ok((
                    nibble,
                    build_child(&path, nibble, group, &mut nodes)?,
                    nodes,
                ))
            })
            .collect::<Result<_, TrieError>>()?;
        for (nibble, child, mut more) in results {
            branch.children[usize::from(nibble)] = child;
            nodes.append(&mut more);
        }
    }
    let child = store(&path, &Node::Branch(branch), false, nodes);
    if prefix.is_empty() {
        return Ok(Outcome::Branch(child));
    }
    Ok(Outcome::Short(Node::Extension { prefix, child }, false))
}

fn build_child(
    parent: &Path,
    nibble: u8,
    inserts: &[Change<'_>],
    nodes: &mut Vec<NodeChange>,
) -> Result<Child, TrieError> {
    let path = parent.child(nibble)?;
    match build(&path, inserts, nodes)? {
        Outcome::Empty => Ok(Child::Empty),
        Outcome::Short(node, was_stored) => Ok(store(&path, &node, was_stored, nodes)),
        Outcome::Branch(child) => Ok(child),
    }
}
