//! Histograms of queue time and handling time by actor and message type.
//!
//! The children of a dynamic supervisor, such as the peers, are one actor here: `*` stands in place
//! of their names. With [`MAX_ROWS`] the number of series does not exceed 15,390, whatever the node
//! runs: each row has two histograms with a bucket for each of [`EDGES_NS`], one for `+Inf`, a sum
//! and a count. A node with a network has about 150 rows.

use std::collections::HashMap;

use actoreum_supervision::{
    NodeSnapshot,
    snapshot::{EDGES_NS, Latency},
};

use super::{Family, family, value};

/// Bounds the pairs of an actor and a message type. The types beyond it are counted together.
const MAX_ROWS: usize = 512;
/// Label of what is beyond [`MAX_ROWS`].
const OTHERS: &str = "others";

/// The times of one message type at one actor, or at all children of a dynamic supervisor.
struct Row<'a> {
    actor: &'a str,
    message: &'a str,
    queue: Latency,
    handling: Latency,
}

/// Renders the histograms of all messages that were handled.
pub fn render(out: &mut String, tree: &NodeSnapshot) {
    let rows = rows(tree, MAX_ROWS);
    type Read = fn(&Row<'_>) -> Latency;
    let families: [(Family, Read); 2] = [
        (
            Family(
                "actoreum_message_queue_duration_seconds",
                "histogram",
                "Time that messages wait in the mailbox.",
            ),
            |row| row.queue,
        ),
        (
            Family(
                "actoreum_message_handling_duration_seconds",
                "histogram",
                "Time that messages take in the handler.",
            ),
            |row| row.handling,
        ),
    ];
    for (head, read) in families {
        let name = head.0;
        family(out, head);
        for row in &rows {
            histogram(out, name, row, &read(row));
        }
    }
}

fn histogram(out: &mut String, name: &str, row: &Row<'_>, latency: &Latency) {
    let labels = [("actor", row.actor), ("message", row.message)];
    let bucket = format!("{name}_bucket");
    let edges = EDGES_NS.map(|edge| (edge as f64 / 1e9).to_string());
    let infinite = ("+Inf".to_owned(), latency.count);
    for (edge, count) in edges.into_iter().zip(latency.at_most).chain([infinite]) {
        let labels = [labels[0], labels[1], ("le", &edge)];
        value(out, &bucket, &labels, count as f64);
    }
    let sum = latency.sum_ns as f64 / 1e9;
    value(out, &format!("{name}_sum"), &labels, sum);
    value(out, &format!("{name}_count"), &labels, latency.count as f64);
}

/// Returns the rows in the order of the tree, at most `max` and one for all others.
fn rows(tree: &NodeSnapshot, max: usize) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut indexes: HashMap<(&str, &str), usize> = HashMap::new();
    for node in tree.walk() {
        for figures in &node.messages {
            if figures.queue.count == 0 && figures.handling.count == 0 {
                continue;
            }
            let mut key = (node.group.as_str(), figures.name.as_str());
            if rows.len() >= max && !indexes.contains_key(&key) {
                key = (OTHERS, OTHERS);
            }
            let index = *indexes.entry(key).or_insert_with(|| {
                rows.push(Row {
                    actor: key.0,
                    message: key.1,
                    queue: Latency::default(),
                    handling: Latency::default(),
                });
                rows.len() - 1
            });
            if let Some(row) = rows.get_mut(index) {
                row.queue.add(&figures.queue);
                row.handling.add(&figures.handling);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::prometheus::tests::{snapshot, with_children};

    #[test]
    fn children_of_a_dynamic_supervisor_are_one_row() {
        let tree = snapshot(with_children);
        let rows = rows(&tree, MAX_ROWS);
        let peers: Vec<_> = rows
            .iter()
            .filter(|row| row.actor == "root/peers/*")
            .collect();
        assert_eq!(peers.len(), 1);
        assert_eq!((peers[0].message, peers[0].handling.count), ("Hello", 3));
    }

    #[test]
    fn rows_beyond_the_bound_are_counted_together() {
        let tree = snapshot(with_children);
        let all = rows(&tree, MAX_ROWS);
        assert!(all.len() > 2);
        let few = rows(&tree, 1);
        assert_eq!(few.len(), 2);
        assert_eq!((few[1].actor, few[1].message), (OTHERS, OTHERS));
        let count = |rows: &[Row<'_>]| rows.iter().map(|row| row.handling.count).sum::<u64>();
        assert_eq!(count(&few), count(&all));
    }
}
