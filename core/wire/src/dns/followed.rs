//! The state of one tree in the walk.

use std::time::{Duration, Instant};

use rand::Rng;

use super::subtree::Subtree;
use super::{EntryHash, TreeEntry, TreeLink, TreeRoot, WalkError};
use crate::limits::{EMPTY_WALK_PAUSE, MAX_ENTRY_FAILURES, MAX_TREES, ROOT_RECHECK};

/// The next thing to get of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// The root.
    Root,
    /// The entry with a hash.
    Entry(EntryPlace, EntryHash),
}

/// The place of an entry that is being queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryPlace {
    /// Whether it belongs to the subtree of links.
    is_link: bool,
    position: usize,
}

/// A tree in the walk.
#[derive(Debug)]
pub(super) struct FollowedTree {
    pub(super) link: TreeLink,
    /// The links of the tree: those of the last complete walk, and those found since.
    pub(super) links: Vec<TreeLink>,
    subtrees: Option<Subtrees>,
    checked: Option<Instant>,
    root_failures: u32,
    entry_failures: u32,
    /// Time before which the subtree of nodes is not walked again.
    resume: Option<Instant>,
}

/// The two subtrees below a root.
#[derive(Debug)]
struct Subtrees {
    seq: u64,
    nodes: Subtree,
    links: Subtree,
    /// The links that were found in the walk through `links`.
    found: Vec<TreeLink>,
}

/// Returns the pause before another query for a root that failed: geth's.
fn root_pause(failures: u32) -> Duration {
    match failures {
        0..=5 => Duration::ZERO,
        6..=20 => Duration::from_secs(5),
        _ => Duration::from_secs(10),
    }
}

impl FollowedTree {
    pub(super) fn new(link: TreeLink) -> Self {
        Self {
            link,
            links: Vec::new(),
            subtrees: None,
            checked: None,
            root_failures: 0,
            entry_failures: 0,
            resume: None,
        }
    }

    /// Returns whether the root is to be queried now, apart from the pause after failures.
    fn is_root_due(&self, now: Instant) -> bool {
        let is_old = self
            .checked
            .is_none_or(|checked| now.duration_since(checked) >= ROOT_RECHECK);
        self.subtrees.is_none() || self.entry_failures > MAX_ENTRY_FAILURES || is_old
    }

    /// Returns the time at which there is something to get.
    pub(super) fn due(&self, now: Instant) -> Instant {
        let Some(checked) = self.checked else {
            return now;
        };
        if self.is_root_due(now) {
            return now.max(checked + root_pause(self.root_failures));
        }
        let has_work = self.subtrees.as_ref().is_some_and(|subtrees| {
            let nodes = &subtrees.nodes;
            !subtrees.links.is_done() || !nodes.is_done() || nodes.is_worth_a_restart()
        });
        let recheck = checked + ROOT_RECHECK;
        if has_work {
            self.resume.map_or(now, |at| at.max(now).min(recheck))
        } else {
            recheck
        }
    }

    /// Returns what to get, where [`Self::due`] has come. The subtree of links comes first, so that
    /// linked trees are known soon.
    pub(super) fn next(&mut self, now: Instant, random: &mut impl Rng) -> Task {
        if self.is_root_due(now) {
            return Task::Root;
        }
        let Some(Subtrees { nodes, links, .. }) = &mut self.subtrees else {
            return Task::Root;
        };
        self.resume = None;
        let is_link = !links.is_done();
        if !is_link && nodes.is_done() {
            nodes.restart();
        }
        let subtree = if is_link { links } else { nodes };
        let chosen = subtree.choose(random);
        chosen.map_or(Task::Root, |(position, hash)| {
            Task::Entry(EntryPlace { is_link, position }, hash)
        })
    }

    /// Counts an attempt to get the root.
    pub(super) fn asked_for_root(&mut self, now: Instant) {
        self.checked = Some(now);
    }

    pub(super) fn root_failed(&mut self) {
        self.root_failures = self.root_failures.saturating_add(1);
    }

    /// Takes a root on. Subtrees that have not changed keep their state.
    pub(super) fn got_root(&mut self, root: &TreeRoot) -> Result<(), WalkError> {
        let before = self.subtrees.take();
        if let Some(seen) = before.as_ref().map(|it| it.seq).filter(|it| root.seq < *it) {
            self.subtrees = before;
            self.root_failed();
            let name = self.link.domain().to_owned();
            let seq = root.seq;
            return Err(WalkError::OldRoot { name, seq, seen });
        }
        (self.root_failures, self.entry_failures) = (0, 0);
        let (nodes, links, found) = match before {
            Some(old) => (Some(old.nodes), Some(old.links), old.found),
            None => (None, None, Vec::new()),
        };
        let same = |old: Option<Subtree>, root| old.filter(|old| old.root() == root);
        // A walk that had to leave out links is repeated.
        let links = same(links, root.links).filter(|it| !it.is_done() || it.is_complete());
        self.subtrees = Some(Subtrees {
            seq: root.seq,
            nodes: same(nodes, root.nodes).unwrap_or_else(|| Subtree::new(root.nodes)),
            found: if links.is_some() { found } else { Vec::new() },
            links: links.unwrap_or_else(|| Subtree::new(root.links)),
        });
        Ok(())
    }

    /// Takes an entry on. Returns whether the links of the tree have changed.
    ///
    /// # Errors
    /// A node in the subtree of links, or a link in that of nodes.
    pub(super) fn got_entry(
        &mut self,
        place: EntryPlace,
        entry: &TreeEntry,
    ) -> Result<bool, WalkError> {
        let EntryPlace { is_link, position } = place;
        let Some(subtrees) = &mut self.subtrees else {
            return Ok(false);
        };
        let subtree = subtrees.of(is_link);
        let mut is_changed = false;
        match entry {
            TreeEntry::Branch(children) => subtree.visited_branch(position, children),
            TreeEntry::Node(_) if !is_link => subtree.visited_leaf(position),
            TreeEntry::Link(link) if is_link => {
                subtree.visited_leaf(position);
                add(&mut subtrees.found, link);
                is_changed = add(&mut self.links, link);
            }
            TreeEntry::Node(_) | TreeEntry::Link(_) => {
                subtree.invalid(position);
                let name = self.link.domain().to_owned();
                return Err(if is_link {
                    WalkError::NodeInLinks(name)
                } else {
                    WalkError::LinkInNodes(name)
                });
            }
        }
        Ok(self.forget_old_links() || is_changed)
    }

    /// Removes the links that a complete walk through the links has not found any more.
    fn forget_old_links(&mut self) -> bool {
        let subtrees = self.subtrees.as_ref();
        let Some(subtrees) = subtrees.filter(|it| it.links.is_complete()) else {
            return false;
        };
        let before = self.links.len();
        self.links.retain(|link| subtrees.found.contains(link));
        self.links.len() != before
    }

    /// Removes an entry that is invalid for ever. Returns whether the links of the tree have changed.
    pub(super) fn entry_invalid(&mut self, place: EntryPlace) -> bool {
        if let Some(subtrees) = &mut self.subtrees {
            subtrees.of(place.is_link).invalid(place.position);
        }
        self.forget_old_links()
    }

    /// Counts an entry for which no server gave an answer.
    pub(super) fn entry_failed(&mut self, place: EntryPlace, now: Instant) {
        self.entry_failures = self.entry_failures.saturating_add(1);
        let Some(subtrees) = &mut self.subtrees else {
            return;
        };
        subtrees.of(place.is_link).failed(place.position);
        if subtrees.nodes.is_done() && !subtrees.nodes.has_leaves() {
            self.resume = Some(now + EMPTY_WALK_PAUSE);
        }
    }
}

impl Subtrees {
    fn of(&mut self, is_link: bool) -> &mut Subtree {
        if is_link {
            &mut self.links
        } else {
            &mut self.nodes
        }
    }
}

/// Adds a link, up to [`MAX_TREES`]: no more are followed. Returns whether it is new.
fn add(links: &mut Vec<TreeLink>, link: &TreeLink) -> bool {
    let is_new = links.len() < MAX_TREES && !links.contains(link);
    if is_new {
        links.push(link.clone());
    }
    is_new
}
