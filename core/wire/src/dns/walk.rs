//! The walk through trees.

use std::num::NonZeroUsize;
use std::time::Instant;

use lru::LruCache;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::followed::{EntryPlace, FollowedTree, Task};
use super::rate::QueryRate;
use super::root::ROOT_PREFIX;
use super::{EntryHash, TreeEntry, TreeLink, TreeRoot, WalkError};
use crate::limits::{MAX_TREES, MAX_TXT_RECORDS, TREE_CACHE};
use crate::nodes::Enr;

/// The next step of a walk, as [`TreeWalk::poll`] requests it of its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Query the TXT records of this name, and report them by [`TreeWalk::answered`] or
    /// [`TreeWalk::failed`].
    Query(String),
    /// A node was found.
    Node(Box<Enr>),
    /// There is nothing to do before this time; `None`: before the answer to the running query, or
    /// ever where there is no tree.
    Wait(Option<Instant>),
}

/// The walk through the configured trees and those that they link to. Runs for ever: each tree is
/// walked in random order, and then anew; its root is checked in [`crate::limits::ROOT_RECHECK`].
///
/// One query runs at a time.
#[derive(Debug)]
pub struct TreeWalk {
    configured: Vec<TreeLink>,
    trees: Vec<FollowedTree>,
    cache: LruCache<EntryHash, TreeEntry>,
    rate: QueryRate,
    pending: Option<Pending>,
    found: Option<Box<Enr>>,
}

/// The running query.
#[derive(Debug)]
struct Pending {
    link: TreeLink,
    task: Task,
}

impl TreeWalk {
    /// Creates a walk through these trees; the first [`MAX_TREES`] are followed.
    pub fn new(trees: impl IntoIterator<Item = TreeLink>) -> Self {
        let capacity = NonZeroUsize::new(TREE_CACHE).unwrap_or(NonZeroUsize::MIN);
        let mut walk = Self {
            configured: trees.into_iter().take(MAX_TREES).collect(),
            trees: Vec::new(),
            cache: LruCache::new(capacity),
            rate: QueryRate::default(),
            pending: None,
            found: None,
        };
        walk.follow_links();
        walk
    }

    /// Returns the trees that are followed: the configured ones and those that they link to.
    pub fn trees(&self) -> impl Iterator<Item = &TreeLink> {
        self.trees.iter().map(|tree| &tree.link)
    }

    /// Returns the next step. `random` decides on the order.
    pub fn poll(&mut self, now: Instant, random: &mut impl Rng) -> Step {
        loop {
            if let Some(node) = self.found.take() {
                return Step::Node(node);
            }
            if self.pending.is_some() {
                return Step::Wait(None);
            }
            let first = self.trees.iter().map(|tree| tree.due(now)).min();
            if first.is_none_or(|first| first > now) {
                return Step::Wait(first);
            }
            if let Err(allowed) = self.rate.take(now) {
                return Step::Wait(Some(allowed));
            }
            if let Some(name) = self.begin(now, random) {
                return Step::Query(name);
            }
        }
    }

    /// Visits an entry of a random tree that is due. Returns the name to query where the entry is not
    /// in the cache.
    fn begin(&mut self, now: Instant, random: &mut impl Rng) -> Option<String> {
        let trees = self.trees.iter().enumerate();
        let due = trees.filter(|(_, tree)| tree.due(now) <= now);
        let due: Vec<usize> = due.map(|(position, _)| position).collect();
        let tree = self.trees.get_mut(*due.choose(random)?)?;
        let (task, link) = (tree.next(now, random), tree.link.clone());
        let name = match task {
            Task::Root => {
                tree.asked_for_root(now);
                link.domain().to_owned()
            }
            Task::Entry(place, hash) => {
                if let Some(entry) = self.cache.get(&hash).cloned() {
                    // The cache has no entry of the wrong kind for its tree: an error needs no report,
                    // because it was reported when the entry was queried.
                    let _ = self.got_entry(&link, place, entry);
                    return None;
                }
                link.name_of(&hash)
            }
        };
        self.pending = Some(Pending { link, task });
        Some(name)
    }

    /// Reports the TXT records of the name that [`Step::Query`] named, each with its character strings
    /// joined. Without a running query they are ignored.
    ///
    /// # Errors
    /// Records that are not as the tree must have them. The walk goes on; the error is for the log.
    pub fn answered(&mut self, texts: &[impl AsRef<str>], now: Instant) -> Result<(), WalkError> {
        let Some(Pending { link, task }) = self.pending.take() else {
            return Ok(());
        };
        let texts = texts.iter().take(MAX_TXT_RECORDS).map(AsRef::as_ref);
        match task {
            Task::Root => self.got_root(&link, texts),
            Task::Entry(place, hash) => match find_entry(&link, hash, texts) {
                Ok(entry) => {
                    self.cache.put(hash, entry.clone());
                    self.got_entry(&link, place, entry)
                }
                Err(error) => {
                    if matches!(error, WalkError::Entry(..)) {
                        let tree = self.tree(&link);
                        let is_changed = tree.is_some_and(|tree| tree.entry_invalid(place));
                        self.links_changed(is_changed);
                    } else {
                        self.entry_failed(&link, place, now);
                    }
                    Err(error)
                }
            },
        }
    }

    /// Reports that the name that [`Step::Query`] named has no TXT records, or that no server
    /// answered.
    pub fn failed(&mut self, now: Instant) {
        let Some(Pending { link, task }) = self.pending.take() else {
            return;
        };
        match task {
            Task::Root => {
                if let Some(tree) = self.tree(&link) {
                    tree.root_failed();
                }
            }
            Task::Entry(place, _) => self.entry_failed(&link, place, now),
        }
    }

    fn tree(&mut self, link: &TreeLink) -> Option<&mut FollowedTree> {
        self.trees.iter_mut().find(|tree| tree.link == *link)
    }

    fn entry_failed(&mut self, link: &TreeLink, place: EntryPlace, now: Instant) {
        if let Some(tree) = self.tree(link) {
            tree.entry_failed(place, now);
        }
    }

    fn got_root<'a>(
        &mut self,
        link: &TreeLink,
        texts: impl Iterator<Item = &'a str>,
    ) -> Result<(), WalkError> {
        let found = find_root(link, texts);
        let Some(tree) = self.tree(link) else {
            return Ok(());
        };
        match found {
            Ok(root) => tree.got_root(&root),
            Err(error) => {
                tree.root_failed();
                Err(error)
            }
        }
    }

    fn got_entry(
        &mut self,
        link: &TreeLink,
        place: EntryPlace,
        entry: TreeEntry,
    ) -> Result<(), WalkError> {
        let Some(tree) = self.tree(link) else {
            return Ok(());
        };
        let is_changed = tree.got_entry(place, &entry)?;
        if let TreeEntry::Node(node) = entry {
            self.found = Some(node);
        }
        self.links_changed(is_changed);
        Ok(())
    }

    fn links_changed(&mut self, is_changed: bool) {
        if is_changed {
            self.follow_links();
        }
    }

    /// Begins and ends trees, so that those are followed that can be reached from the configured ones
    /// by links: the nearest [`MAX_TREES`].
    fn follow_links(&mut self) {
        let mut old = std::mem::take(&mut self.trees);
        let mut queue: Vec<TreeLink> = self.configured.clone();
        let mut next = 0;
        while let Some(link) = queue.get(next).cloned() {
            next += 1;
            if self.trees.len() >= MAX_TREES {
                break;
            }
            if self.trees.iter().any(|tree| tree.link == link) {
                continue;
            }
            let position = old.iter().position(|tree| tree.link == link);
            let known = position.map(|position| old.swap_remove(position));
            let tree = known.unwrap_or_else(|| FollowedTree::new(link));
            queue.extend(tree.links.iter().cloned());
            self.trees.push(tree);
        }
    }
}

/// Returns the first valid root.
fn find_root<'a>(
    link: &TreeLink,
    texts: impl Iterator<Item = &'a str>,
) -> Result<TreeRoot, WalkError> {
    let name = || link.domain().to_owned();
    let mut first_error = None;
    for text in texts.filter(|text| text.starts_with(ROOT_PREFIX)) {
        match TreeRoot::parse(text, &link.public_key()) {
            Ok(root) => return Ok(root),
            Err(error) => first_error = first_error.or(Some(WalkError::Entry(name(), error))),
        }
    }
    Err(first_error.unwrap_or_else(|| WalkError::NoRoot(name())))
}

/// Returns the entry that has the hash.
fn find_entry<'a>(
    link: &TreeLink,
    hash: EntryHash,
    texts: impl Iterator<Item = &'a str>,
) -> Result<TreeEntry, WalkError> {
    let name = || link.name_of(&hash);
    let mut has_entry = false;
    for text in texts {
        if hash.is_of(text) {
            let entry = text.parse();
            return entry.map_err(|error| WalkError::Entry(name(), error));
        }
        has_entry |= TreeEntry::is_entry(text);
    }
    Err(if has_entry {
        WalkError::HashMismatch(name())
    } else {
        WalkError::NoEntry(name())
    })
}
