//! A search for the nodes closest to a target.

use std::collections::HashSet;

use super::Node;
use crate::limits::{BUCKET_SIZE, LOOKUP_CONCURRENCY, MAX_LOOKUP_QUERIES};
use crate::nodes::NodeId;

/// A lookup: asks the closest nodes known for closer ones, three at a time, until the sixteen
/// closest were all asked. It sends nothing: its owner asks whom [`Lookup::next_query`] names
/// and reports every end with [`Lookup::answered`].
#[derive(Debug)]
pub struct Lookup {
    target: NodeId,
    /// Closest first.
    closest: Vec<Node>,
    seen: HashSet<NodeId>,
    asked: HashSet<NodeId>,
    in_flight: HashSet<NodeId>,
}

impl Lookup {
    /// A lookup that starts from `known`. The own node is never asked or found.
    pub fn new(target: NodeId, own_id: NodeId, known: &[Node]) -> Self {
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

    /// What is searched.
    pub fn target(&self) -> NodeId {
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

    /// Whom to ask now; `None` while enough are in flight, or when all were asked.
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

    /// A query ended: with the nodes that were told, or none for a failure.
    pub fn answered(&mut self, from: &NodeId, nodes: &[Node]) {
        if self.in_flight.remove(from) {
            nodes.iter().for_each(|node| self.insert(*node));
        }
    }

    /// Whether nobody is left to ask and nothing is in flight.
    pub fn is_finished(&self) -> bool {
        let exhausted = self.asked.len() >= MAX_LOOKUP_QUERIES;
        let all_asked = self
            .closest
            .iter()
            .all(|node| self.asked.contains(&node.id));
        self.in_flight.is_empty() && (exhausted || all_asked)
    }

    /// How many nodes were asked so far.
    pub fn queries(&self) -> usize {
        self.asked.len()
    }

    /// The closest nodes so far, closest first.
    pub fn closest(&self) -> &[Node] {
        &self.closest
    }
}
