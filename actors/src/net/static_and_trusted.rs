//! The lists of static and of trusted nodes.

use actoreum_primitives::PeerId;
use std::collections::{BTreeMap, BTreeSet};

use actoreum_wire::nodes::NodeUrl;
use parking_lot::Mutex;

/// The static and the trusted nodes, from the configuration and from RPC. The lists outlive the
/// actors, so that a restarted actor finds the changes made by RPC.
#[derive(Debug, Default)]
pub struct StaticAndTrustedPeers {
    lists: Mutex<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    statics: BTreeMap<PeerId, NodeUrl>,
    trusted: BTreeSet<PeerId>,
}

impl StaticAndTrustedPeers {
    /// Creates the lists from the configuration.
    pub fn new(statics: &[NodeUrl], trusted: &[NodeUrl]) -> Self {
        let lists = Lists {
            statics: statics
                .iter()
                .map(|node| (node.id(), node.clone()))
                .collect(),
            trusted: trusted.iter().map(NodeUrl::id).collect(),
        };
        Self {
            lists: Mutex::new(lists),
        }
    }

    /// Returns the static nodes.
    pub fn statics(&self) -> Vec<NodeUrl> {
        self.lists.lock().statics.values().cloned().collect()
    }

    /// Adds a static node, or replaces the entry with the same id.
    pub fn add_static(&self, node: NodeUrl) {
        self.lists.lock().statics.insert(node.id(), node);
    }

    /// Removes a static node.
    pub fn remove_static(&self, id: &PeerId) {
        self.lists.lock().statics.remove(id);
    }

    /// Returns whether a node is trusted.
    pub fn is_trusted(&self, id: &PeerId) -> bool {
        self.lists.lock().trusted.contains(id)
    }

    /// Adds a node to the trusted ones, or removes it.
    pub fn set_trusted(&self, id: PeerId, is_trusted: bool) {
        let mut lists = self.lists.lock();
        if is_trusted {
            lists.trusted.insert(id);
        } else {
            lists.trusted.remove(&id);
        }
    }
}
