//! Whom to dial next: the rules, without a socket.
//!
//! Static nodes come first, whatever the limits. What is missing to the wanted number of dialled
//! peers comes, in this order, from the bootnodes (when there has been no peer at all for a
//! while), half of it from the table at random, and the rest from the results of lookups. Nobody
//! is dialled twice at a time or again within [`DIAL_HISTORY`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use actoreum_wire::discv4::Node;
use actoreum_wire::nodes::{Enode, NodeId};
use tokio::time::Instant;

use crate::net::limits::{
    BOOTNODE_FALLBACK, DIAL_HISTORY, FIRST_RESOLVE_DELAY, LOOKUP_PERIOD, MAX_RESOLVE_DELAY,
};
use crate::net::peer::Direction;

/// The network around the dialer, as it is when it decides.
pub struct Surroundings<'a> {
    /// Whether a node is a peer.
    pub is_connected: &'a dyn Fn(&NodeId) -> bool,
    /// Whether a node was sent away, and is not to come back yet.
    pub is_kept_away: &'a dyn Fn(&NodeId) -> bool,
    /// Whether an address may be talked to.
    pub allows: &'a dyn Fn(IpAddr) -> bool,
    /// So many nodes of the table, at random.
    pub random: &'a mut dyn FnMut(usize) -> Vec<Node>,
    /// Peers that we dialled without being static.
    pub dynamic: usize,
    /// All peers.
    pub peers: usize,
}

/// Something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Dial a node.
    Dial {
        /// Whom. A static node may have no address: it is to be looked up first.
        node: Enode,
        /// As what.
        direction: Direction,
    },
    /// Look for nodes.
    Lookup,
}

#[derive(Debug, Clone, Copy)]
struct StaticNode {
    node: Enode,
    resolved_at: Option<Instant>,
    resolve_delay: Duration,
}

/// The state behind the decisions.
#[derive(Debug)]
pub struct DialState {
    own_id: NodeId,
    max_dynamic: usize,
    statics: BTreeMap<NodeId, StaticNode>,
    dialling: HashMap<NodeId, Direction>,
    history: HashMap<NodeId, Instant>,
    bootnodes: VecDeque<Enode>,
    /// Found, not yet dialled.
    found: VecDeque<Node>,
    is_looking: bool,
    next_lookup: Instant,
    began: Instant,
}

impl DialState {
    /// A state in which nobody was dialled.
    pub fn new(own_id: NodeId, max_dynamic: usize, bootnodes: &[Enode], now: Instant) -> Self {
        Self {
            own_id,
            max_dynamic,
            statics: BTreeMap::new(),
            dialling: HashMap::new(),
            history: HashMap::new(),
            bootnodes: bootnodes.iter().copied().collect(),
            found: VecDeque::new(),
            is_looking: false,
            next_lookup: now,
            began: now,
        }
    }

    /// Adds a static node. One that is there begins anew.
    pub fn add_static(&mut self, node: Enode) {
        let fresh = StaticNode {
            node,
            resolved_at: None,
            resolve_delay: FIRST_RESOLVE_DELAY,
        };
        self.statics.insert(node.id(), fresh);
    }

    /// Removes a static node, and forgets when it was dialled.
    pub fn remove_static(&mut self, id: &NodeId) {
        self.statics.remove(id);
        self.history.remove(id);
    }

    /// Whether this node is in the list of static ones.
    pub fn is_static(&self, id: &NodeId) -> bool {
        self.statics.contains_key(id)
    }

    /// Nodes that are being dialled.
    pub fn dialling(&self) -> usize {
        self.dialling.len()
    }

    /// What to do now. Each dial is to be ended with [`DialState::dialled`], a lookup with
    /// [`DialState::looked_up`].
    pub fn next(&mut self, around: &mut Surroundings<'_>, now: Instant) -> Vec<Task> {
        self.history.retain(|_, until| *until > now);
        let mut tasks = self.static_dials(around);
        let dynamic = |direction: &&Direction| **direction == Direction::Dynamic;
        let under_way = self.dialling.values().filter(dynamic).count();
        let mut wanted = self
            .max_dynamic
            .saturating_sub(around.dynamic)
            .saturating_sub(under_way);

        let is_alone = around.peers == 0 && now - self.began > BOOTNODE_FALLBACK;
        if wanted > 0
            && is_alone
            && let Some(bootnode) = self.bootnodes.pop_front()
        {
            self.bootnodes.push_back(bootnode);
            wanted -= usize::from(self.try_dial(bootnode, around, &mut tasks));
        }
        let at_random = wanted / 2;
        if at_random > 0 {
            for node in (around.random)(at_random) {
                wanted -= usize::from(self.try_dial(node.to_enode(), around, &mut tasks));
            }
        }
        while wanted > 0
            && let Some(node) = self.found.pop_front()
        {
            wanted -= usize::from(self.try_dial(node.to_enode(), around, &mut tasks));
        }
        if self.found.len() < wanted && !self.is_looking && now >= self.next_lookup {
            self.is_looking = true;
            self.next_lookup = now + LOOKUP_PERIOD;
            tasks.push(Task::Lookup);
        }
        tasks
    }

    fn static_dials(&mut self, around: &Surroundings<'_>) -> Vec<Task> {
        let (own_id, allows) = (self.own_id, around.allows);
        self.statics.retain(|id, it| {
            let is_allowed = it.node.endpoint.is_none_or(|at| allows(at.address));
            *id != own_id && is_allowed
        });
        let nodes: Vec<Enode> = self.statics.values().map(|it| it.node).collect();
        let mut tasks = Vec::new();
        for node in nodes {
            if self.may_dial(&node, around) {
                self.dialling.insert(node.id(), Direction::Static);
                tasks.push(Task::Dial {
                    node,
                    direction: Direction::Static,
                });
            }
        }
        tasks
    }

    fn try_dial(&mut self, node: Enode, around: &Surroundings<'_>, tasks: &mut Vec<Task>) -> bool {
        // A port of 0 says that the node takes no connections.
        let is_complete = node.endpoint.is_some_and(|at| at.tcp != 0);
        if !is_complete || !self.may_dial(&node, around) {
            return false;
        }
        self.dialling.insert(node.id(), Direction::Dynamic);
        tasks.push(Task::Dial {
            node,
            direction: Direction::Dynamic,
        });
        true
    }

    fn may_dial(&self, node: &Enode, around: &Surroundings<'_>) -> bool {
        let id = node.id();
        let is_allowed = node.endpoint.is_none_or(|at| (around.allows)(at.address));
        !self.dialling.contains_key(&id)
            && !(around.is_connected)(&id)
            && !(around.is_kept_away)(&id)
            && id != self.own_id
            && is_allowed
            && !self.history.contains_key(&id)
    }

    /// A dial has ended, one way or the other; the node is left alone for [`DIAL_HISTORY`] and
    /// `jitter`.
    pub fn dialled(&mut self, id: NodeId, now: Instant, jitter: Duration) {
        self.dialling.remove(&id);
        self.history.insert(id, now + DIAL_HISTORY + jitter);
    }

    /// A dial that was not tried: it may be asked for again at once.
    pub fn not_dialled(&mut self, id: &NodeId) {
        self.dialling.remove(id);
    }

    /// A lookup has ended.
    pub fn looked_up(&mut self, nodes: impl IntoIterator<Item = Node>) {
        self.is_looking = false;
        self.found.extend(nodes);
    }

    /// Whether a static node may be looked up now; if so, that counts as done.
    pub fn may_resolve(&mut self, id: &NodeId, now: Instant) -> bool {
        let Some(it) = self.statics.get_mut(id) else {
            return false;
        };
        let is_due = it
            .resolved_at
            .is_none_or(|at| now.saturating_duration_since(at) >= it.resolve_delay);
        if is_due {
            it.resolved_at = Some(now);
        }
        is_due
    }

    /// What came of looking a static node up: where it is now, or nothing, after which the next
    /// attempt waits twice as long.
    pub fn resolved(&mut self, id: &NodeId, found: Option<Enode>) {
        let Some(it) = self.statics.get_mut(id) else {
            return;
        };
        match found {
            Some(node) => {
                it.node = node;
                it.resolve_delay = FIRST_RESOLVE_DELAY;
            }
            None => it.resolve_delay = (it.resolve_delay * 2).min(MAX_RESOLVE_DELAY),
        }
    }
}

#[cfg(test)]
mod tests;
