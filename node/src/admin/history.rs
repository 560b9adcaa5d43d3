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
        self.0.push_back(value);
    }
}

/// What is kept of one actor.
#[derive(Debug, Default, Clone, Serialize)]
pub struct ActorHistory {
    rate: Series,
    depth: Series,
}

/// Samples by the actor's path, and of the process.
#[derive(Debug, Default, Clone, Serialize)]
pub struct History {
    #[serde(flatten)]
    actors: HashMap<String, ActorHistory>,
    memory: Series,
}

impl History {
    /// Takes a sample. What is no longer in the tree is forgotten.
    pub fn sample(&mut self, tree: &NodeSnapshot, memory_bytes: u64) {
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
        self.memory.push(memory_bytes as f64);
    }
}
