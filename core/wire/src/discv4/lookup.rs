//! A search for the nodes closest to a target.

use actoreum_primitives::PeerId;
use std::collections::HashSet;

use super::Node;
use crate::limits::{BUCKET_SIZE, LOOKUP_CONCURRENCY, MAX_LOOKUP_QUERIES};

/// A lookup: queries the closest known nodes for closer ones, three at a time, until the sixteen
/// closest were all queried. It sends nothing: its owner queries the nodes that
/// [`Lookup::next_query`] returns, and reports every result to [`Lookup::answered`].
#[derive(Debug)]
pub struct Lookup {
    target: PeerId,
    /// Closest first.
    closest: Vec<Node>,
    seen: HashSet<PeerId>,
    asked: HashSet<PeerId>,
    in_flight: HashSet<PeerId>,
}

impl Lookup {
    /// Creates a lookup that starts from `known`. The local node (`own_id`) is never queried or
    /// found.
    pub fn new(target: PeerId, own_id: PeerId, known: &[Node]) -> Self {
        let mut lookup = Self {
            target,
            closest: Vec::with_capacity(BUCKET_SIZE),
            seen: HashSet::from([own_id]),
            asked: HashSet::new(),
            in_flight: HashSet::new(),
        };
        known.iter().for_each(|node| lookup.insert(*node));
        lookup
    }

    /// Returns the target.
    pub fn target(&self) -> PeerId {
        self.target
    }

    fn insert(&mut self, node: Node) {
        if !self.seen.insert(node.id) {
            return;
        }
        let position = self
            .closest
            .partition_point(|other| self.target.compare_distance(&other.id, &node.id).is_lt());
        if position < BUCKET_SIZE {
            self.closest.insert(position, node);
            self.closest.truncate(BUCKET_SIZE);
        }
    }

    /// Returns the next node to query; `None` while enough queries are pending, or if all nodes
    /// were queried.
    pub fn next_query(&mut self) -> Option<Node> {
        if self.in_flight.len() >= LOOKUP_CONCURRENCY || self.asked.len() >= MAX_LOOKUP_QUERIES {
            return None;
        }
        let node = *self
            .closest
            .iter()
            .find(|node| !self.asked.contains(&node.id))?;
        self.asked.insert(node.id);
        self.in_flight.insert(node.id);
        Some(node)
    }

    /// Ends a query with the nodes of its answer, or none for a failure.
    pub fn answered(&mut self, from: &PeerId, nodes: &[Node]) {
        if self.in_flight.remove(from) {
            nodes.iter().for_each(|node| self.insert(*node));
        }
    }

    /// Returns true if no node is left to query and no query is pending.
    pub fn is_finished(&self) -> bool {
        let exhausted = self.asked.len() >= MAX_LOOKUP_QUERIES;
        let all_asked = self
            .closest
            .iter()
            .all(|node| self.asked.contains(&node.id));
        self.in_flight.is_empty() && (exhausted || all_asked)
    }

    /// Returns the number of nodes queried so far.
    pub fn queries(&self) -> usize {
        self.asked.len()
    }

    /// Returns the closest nodes so far, the closest first.
    pub fn closest(&self) -> &[Node] {
        &self.closest
    }
}
