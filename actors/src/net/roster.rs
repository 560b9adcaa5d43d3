//! The nodes that the operator named: those to stay connected with, and those to let in always.

use std::collections::{BTreeMap, BTreeSet};

use actoreum_wire::nodes::{Enode, NodeId};
use parking_lot::Mutex;

/// From the configuration and from RPC. It outlives the actors, as a configuration does: an actor
/// that is made anew finds what the operator has said since.
#[derive(Debug, Default)]
pub struct Roster {
    lists: Mutex<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    statics: BTreeMap<NodeId, Enode>,
    trusted: BTreeSet<NodeId>,
}

impl Roster {
    /// The lists of the configuration.
    pub fn new(statics: &[Enode], trusted: &[Enode]) -> Self {
        let lists = Lists {
            statics: statics.iter().map(|node| (node.id(), *node)).collect(),
            trusted: trusted.iter().map(Enode::id).collect(),
        };
        Self {
            lists: Mutex::new(lists),
        }
    }

    /// The static nodes.
    pub fn statics(&self) -> Vec<Enode> {
        self.lists.lock().statics.values().copied().collect()
    }

    /// Adds a static node, or replaces what was known of it.
    pub fn add_static(&self, node: Enode) {
        self.lists.lock().statics.insert(node.id(), node);
    }

    /// Removes a static node.
    pub fn remove_static(&self, id: &NodeId) {
        self.lists.lock().statics.remove(id);
    }

    /// Whether a node is let in always.
    pub fn is_trusted(&self, id: &NodeId) -> bool {
        self.lists.lock().trusted.contains(id)
    }

    /// Lets a node in always, or as any other.
    pub fn set_trusted(&self, id: NodeId, is_trusted: bool) {
        let mut lists = self.lists.lock();
        if is_trusted {
            lists.trusted.insert(id);
        } else {
            lists.trusted.remove(&id);
        }
    }
}
