//! The published view of discovery's node table.

use actoreum_wire::discv4::{Node, Table};

/// A view of the node table, published once a second.
#[derive(Debug, Clone, Default)]
pub struct TableView {
    /// The buckets, closest first; none where there is no discovery.
    pub buckets: Vec<BucketView>,
    /// Requests in flight.
    pub pending: usize,
    /// Datagrams that were handled.
    pub handled: u64,
    /// Datagrams that were refused: by limits, or as invalid.
    pub refused: u64,
}

/// A view of one bucket of the table.
#[derive(Debug, Clone, Default)]
pub struct BucketView {
    /// The nodes, most recently seen first, each with the number of its answered pings.
    pub nodes: Vec<(Node, u32)>,
    /// The number of replacement nodes.
    pub replacements: usize,
}

impl TableView {
    pub(super) fn of(table: &Table) -> Vec<BucketView> {
        let buckets = table.buckets().iter();
        buckets
            .map(|bucket| BucketView {
                nodes: bucket
                    .entries()
                    .iter()
                    .map(|entry| (entry.node, entry.liveness_checks))
                    .collect(),
                replacements: bucket.replacements().len(),
            })
            .collect()
    }

    /// Returns all nodes in the buckets.
    pub fn nodes(&self) -> impl Iterator<Item = Node> {
        let nodes = self.buckets.iter().flat_map(|bucket| &bucket.nodes);
        nodes.map(|(node, _)| *node)
    }
}
