//! The table of nodes as others see it.

use actoreum_wire::discv4::{Node, Table};

/// One state of the table, published once a second.
#[derive(Debug, Clone, Default)]
pub struct TableView {
    /// The buckets, closest first; none where there is no discovery.
    pub buckets: Vec<BucketView>,
    /// Requests in flight.
    pub pending: usize,
    /// Datagrams that were handled.
    pub handled: u64,
    /// Datagrams that were refused: by limits, or because they are wrong.
    pub refused: u64,
}

/// One bucket.
#[derive(Debug, Clone, Default)]
pub struct BucketView {
    /// Its nodes, most recently heard of first, each with the pings that it has answered.
    pub nodes: Vec<(Node, u32)>,
    /// Nodes that wait for a place.
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

    /// All nodes in the buckets.
    pub fn nodes(&self) -> impl Iterator<Item = Node> {
        let nodes = self.buckets.iter().flat_map(|bucket| &bucket.nodes);
        nodes.map(|(node, _)| *node)
    }
}
