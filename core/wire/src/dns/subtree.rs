//! The walk through one of a tree's two subtrees.

use std::collections::HashSet;

use rand::Rng;

use super::EntryHash;
use crate::limits::{MAX_ENTRY_ATTEMPTS, MAX_TREE_DEPTH, MAX_TREE_ENTRIES};

/// An entry that was not visited yet in this walk.
#[derive(Debug, Clone, Copy)]
struct Missing {
    hash: EntryHash,
    depth: u8,
    attempts: u8,
}

/// The entries of a subtree that are to be visited. Each is visited once, however often branches name
/// it.
#[derive(Debug)]
pub(super) struct Subtree {
    root: EntryHash,
    missing: Vec<Missing>,
    seen: HashSet<EntryHash>,
    /// Number of nodes or links that were found in this walk.
    leaves: usize,
    /// Number of entries that were left out because no server gave them.
    failed: usize,
}

impl Subtree {
    pub(super) fn new(root: EntryHash) -> Self {
        let mut subtree = Self {
            root,
            missing: Vec::new(),
            seen: HashSet::new(),
            leaves: 0,
            failed: 0,
        };
        subtree.restart();
        subtree
    }

    pub(super) fn root(&self) -> EntryHash {
        self.root
    }

    /// Begins the walk anew.
    pub(super) fn restart(&mut self) {
        self.missing.clear();
        self.seen.clear();
        (self.leaves, self.failed) = (0, 0);
        self.add(self.root, 0);
    }

    fn add(&mut self, hash: EntryHash, depth: u8) {
        if depth > MAX_TREE_DEPTH || self.seen.len() >= MAX_TREE_ENTRIES {
            return;
        }
        if self.seen.insert(hash) {
            self.missing.push(Missing {
                hash,
                depth,
                attempts: 0,
            });
        }
    }

    /// Returns whether all entries were visited.
    pub(super) fn is_done(&self) -> bool {
        self.missing.is_empty()
    }

    /// Returns whether all entries were visited and none left out for want of an answer.
    pub(super) fn is_complete(&self) -> bool {
        self.is_done() && self.failed == 0
    }

    /// Returns whether the walk is done and found nodes or links.
    pub(super) fn has_leaves(&self) -> bool {
        self.leaves > 0
    }

    /// Returns whether another walk through the subtree could find something.
    pub(super) fn is_worth_a_restart(&self) -> bool {
        self.leaves > 0 || self.failed > 0
    }

    /// Returns a random entry to visit, and its position.
    pub(super) fn choose(&self, random: &mut impl Rng) -> Option<(usize, EntryHash)> {
        if self.missing.is_empty() {
            return None;
        }
        let position = random.random_range(..self.missing.len());
        let missing = self.missing.get(position)?;
        Some((position, missing.hash))
    }

    /// Removes the visited entry at a position and adds its children.
    pub(super) fn visited_branch(&mut self, position: usize, children: &[EntryHash]) {
        let depth = self.take(position).map_or(0, |missing| missing.depth);
        for child in children {
            self.add(*child, depth.saturating_add(1));
        }
    }

    /// Removes the visited node or link at a position.
    pub(super) fn visited_leaf(&mut self, position: usize) {
        self.take(position);
        self.leaves += 1;
    }

    /// Removes an entry that is invalid for ever: its hash names just this text.
    pub(super) fn invalid(&mut self, position: usize) {
        self.take(position);
    }

    /// Counts a failed attempt; after the last one the entry is left out.
    pub(super) fn failed(&mut self, position: usize) {
        let Some(missing) = self.missing.get_mut(position) else {
            return;
        };
        missing.attempts = missing.attempts.saturating_add(1);
        if missing.attempts >= MAX_ENTRY_ATTEMPTS {
            self.take(position);
            self.failed += 1;
        }
    }

    fn take(&mut self, position: usize) -> Option<Missing> {
        (position < self.missing.len()).then(|| self.missing.swap_remove(position))
    }
}
