//! Samples of the last fifteen minutes, for the sparklines.

use std::collections::{HashMap, VecDeque};

use actoreum_supervision::NodeSnapshot;
use serde::Serialize;

/// Interval between two samples, in seconds.
pub const SAMPLE_SECONDS: u64 = 5;
/// Number of samples in a series: fifteen minutes.
const SAMPLES: usize = 180;

/// A series of samples, oldest first.
#[derive(Debug, Default, Clone, Serialize)]
#[serde(transparent)]
pub struct Series(VecDeque<f64>);

impl Series {
    fn push(&mut self, value: f64) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        // Three decimals are finer than the line that is drawn of them, and short in the JSON.
        self.0.push_back((value * 1e3).round() / 1e3);
    }
}

/// Samples of one actor.
#[derive(Debug, Default, Clone, Serialize)]
pub struct ActorHistory {
    rate: Series,
    depth: Series,
}

/// One sample of the whole node.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Resident memory, in bytes.
    pub memory: f64,
    /// Size of the database and the ancient files, in bytes.
    pub disk: f64,
    /// RPC requests per second.
    pub requests: f64,
    /// Executable transactions in the pool.
    pub pending: f64,
    /// Queued (not yet executable) transactions in the pool.
    pub queued: f64,
}

/// Samples of the whole node.
#[derive(Debug, Default, Clone, Serialize)]
struct NodeHistory {
    memory: Series,
    disk: Series,
    requests: Series,
    pending: Series,
    queued: Series,
}

/// Samples of each actor, by its path, and of the node.
#[derive(Debug, Default, Clone, Serialize)]
pub struct History {
    actors: HashMap<String, ActorHistory>,
    node: NodeHistory,
}

impl History {
    /// Adds a sample. The samples of actors that are no longer in the tree are removed.
    pub fn add(&mut self, tree: &NodeSnapshot, sample: Sample) {
        let nodes = tree.walk();
        self.actors
            .retain(|path, _| nodes.iter().any(|node| node.path == *path));
        for node in nodes {
            let history = self.actors.entry(node.path.clone()).or_default();
            history
                .rate
                .push(node.messages.iter().map(|message| message.per_second).sum());
            history
                .depth
                .push(node.mailbox.map_or(0.0, |mailbox| mailbox.depth as f64));
        }
        self.node.memory.push(sample.memory);
        self.node.disk.push(sample.disk);
        self.node.requests.push(sample.requests);
        self.node.pending.push(sample.pending);
        self.node.queued.push(sample.queued);
    }
}
