//! The last fifteen minutes, for the sparklines.

use std::collections::{HashMap, VecDeque};

use actoreum_actors::supervision::NodeSnapshot;
use serde::Serialize;

/// Seconds between two samples.
pub const SAMPLE_SECONDS: u64 = 5;
/// Samples kept: fifteen minutes.
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
        // A thousandth is finer than any line that is drawn of it, and short on the wire.
        self.0.push_back((value * 1e3).round() / 1e3);
    }
}

/// What is kept of one actor.
#[derive(Debug, Default, Clone, Serialize)]
pub struct ActorHistory {
    rate: Series,
    depth: Series,
}

/// What is sampled of the whole node.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Resident memory, in bytes.
    pub memory: f64,
    /// On disk, in bytes.
    pub disk: f64,
    /// RPC requests a second.
    pub requests: f64,
    /// Transactions in the pool that can be executed.
    pub pending: f64,
    /// Transactions in the pool that wait.
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

/// Samples by the actor's path, and of the node.
#[derive(Debug, Default, Clone, Serialize)]
pub struct History {
    actors: HashMap<String, ActorHistory>,
    node: NodeHistory,
}

impl History {
    /// Takes a sample. What is no longer in the tree is forgotten.
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
