//! The rules that select the nodes to dial, as a state machine without sockets.
//!
//! Static nodes come first, regardless of the limits. The missing dialled peers come, in this
//! order, from the bootnodes (where there has been no peer at all for
//! [`BOOTNODE_FALLBACK`]), half of the rest from random nodes of the table, and then from the
//! results of lookups. No node is dialled twice at a time or again within [`DIAL_HISTORY`].

use actoreum_primitives::PeerId;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use actoreum_messages::peer::Direction;
use actoreum_wire::discv4::Node;
use actoreum_wire::nodes::Enode;
use tokio::time::Instant;

use crate::net::limits::{
    BOOTNODE_FALLBACK, DIAL_HISTORY, FIRST_RESOLVE_DELAY, LOOKUP_PERIOD, MAX_RESOLVE_DELAY,
};

/// The state of the network at the time of a decision.
pub struct DialContext<'a> {
    /// Returns whether a node is a peer.
    pub is_connected: &'a dyn Fn(&PeerId) -> bool,
    /// Returns whether a node is banned.
    pub is_banned: &'a dyn Fn(&PeerId) -> bool,
    /// Returns whether communication with an address is allowed (`--netrestrict`).
    pub allows: &'a dyn Fn(IpAddr) -> bool,
    /// Returns up to this many random nodes of the table.
    pub random: &'a mut dyn FnMut(usize) -> Vec<Node>,
    /// The number of dialled peers that are not static.
    pub dynamic: usize,
    /// The number of all peers.
    pub peers: usize,
}

/// A task of the dialer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Dial a node.
    Dial {
        /// The node. A static node may have no address: it has to be looked up first.
        node: Enode,
        /// The direction of the connection: static or dynamic.
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

/// The state of the dialer's rules.
#[derive(Debug)]
pub struct DialState {
    own_id: PeerId,
    max_dynamic: usize,
    statics: BTreeMap<PeerId, StaticNode>,
    dialling: HashMap<PeerId, Direction>,
    history: HashMap<PeerId, Instant>,
    bootnodes: VecDeque<Enode>,
    /// Nodes found by lookups and in DNS, and not dialled yet.
    found: VecDeque<Node>,
    is_looking: bool,
    next_lookup: Instant,
    began: Instant,
}

impl DialState {
    /// Creates a state without dials.
    pub fn new(own_id: PeerId, max_dynamic: usize, bootnodes: &[Enode], now: Instant) -> Self {
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

    /// Replaces the bootnodes.
    pub fn set_bootnodes(&mut self, bootnodes: Vec<Enode>) {
        self.bootnodes = bootnodes.into();
    }

    /// Adds a static node. Replaces an existing entry and resets its lookup delay.
    pub fn add_static(&mut self, node: Enode) {
        let fresh = StaticNode {
            node,
            resolved_at: None,
            resolve_delay: FIRST_RESOLVE_DELAY,
        };
        self.statics.insert(node.id(), fresh);
    }

    /// Removes a static node, and its dial history.
    pub fn remove_static(&mut self, id: &PeerId) {
        self.statics.remove(id);
        self.history.remove(id);
    }

    /// Returns whether a node is static.
    pub fn is_static(&self, id: &PeerId) -> bool {
        self.statics.contains_key(id)
    }

    /// Returns the number of nodes that are being dialled.
    pub fn dialling(&self) -> usize {
        self.dialling.len()
    }

    /// Returns the tasks to start now. The end of each dial must be reported with
    /// [`DialState::dialled`], that of a lookup with [`DialState::looked_up`].
    pub fn next(&mut self, context: &mut DialContext<'_>, now: Instant) -> Vec<Task> {
        self.history.retain(|_, until| *until > now);
        let mut tasks = self.static_dials(context);
        let dynamic = |direction: &&Direction| **direction == Direction::Dynamic;
        let under_way = self.dialling.values().filter(dynamic).count();
        let mut wanted = self
            .max_dynamic
            .saturating_sub(context.dynamic)
            .saturating_sub(under_way);

        let is_alone = context.peers == 0 && now - self.began > BOOTNODE_FALLBACK;
        if wanted > 0
            && is_alone
            && let Some(bootnode) = self.bootnodes.pop_front()
        {
            self.bootnodes.push_back(bootnode);
            wanted -= usize::from(self.try_dial(bootnode, context, &mut tasks));
        }
        let at_random = wanted / 2;
        if at_random > 0 {
            for node in (context.random)(at_random) {
                wanted -= usize::from(self.try_dial(node.to_enode(), context, &mut tasks));
            }
        }
        while wanted > 0
            && let Some(node) = self.found.pop_front()
        {
            wanted -= usize::from(self.try_dial(node.to_enode(), context, &mut tasks));
        }
        if self.found.len() < wanted && !self.is_looking && now >= self.next_lookup {
            self.is_looking = true;
            self.next_lookup = now + LOOKUP_PERIOD;
            tasks.push(Task::Lookup);
        }
        tasks
    }

    fn static_dials(&mut self, context: &DialContext<'_>) -> Vec<Task> {
        let (own_id, allows) = (self.own_id, context.allows);
        self.statics.retain(|id, it| {
            let is_allowed = it.node.endpoint.is_none_or(|at| allows(at.address));
            *id != own_id && is_allowed
        });
        let nodes: Vec<Enode> = self.statics.values().map(|it| it.node).collect();
        let mut tasks = Vec::new();
        for node in nodes {
            if self.may_dial(&node, context) {
                self.dialling.insert(node.id(), Direction::Static);
                tasks.push(Task::Dial {
                    node,
                    direction: Direction::Static,
                });
            }
        }
        tasks
    }

    fn try_dial(&mut self, node: Enode, context: &DialContext<'_>, tasks: &mut Vec<Task>) -> bool {
        // A port of 0 says that the node takes no connections.
        let is_complete = node.endpoint.is_some_and(|at| at.tcp != 0);
        if !is_complete || !self.may_dial(&node, context) {
            return false;
        }
        self.dialling.insert(node.id(), Direction::Dynamic);
        tasks.push(Task::Dial {
            node,
            direction: Direction::Dynamic,
        });
        true
    }

    fn may_dial(&self, node: &Enode, context: &DialContext<'_>) -> bool {
        let id = node.id();
        let is_allowed = node.endpoint.is_none_or(|at| (context.allows)(at.address));
        !self.dialling.contains_key(&id)
            && !(context.is_connected)(&id)
            && !(context.is_banned)(&id)
            && id != self.own_id
            && is_allowed
            && !self.history.contains_key(&id)
    }

    /// Records the end of a dial, successful or not. The node is not dialled again for
    /// [`DIAL_HISTORY`] plus `jitter`.
    pub fn dialled(&mut self, id: PeerId, now: Instant, jitter: Duration) {
        self.dialling.remove(&id);
        self.history.insert(id, now + DIAL_HISTORY + jitter);
    }

    /// Records that a dial was not attempted: the node may be dialled at once.
    pub fn not_dialled(&mut self, id: &PeerId) {
        self.dialling.remove(id);
    }

    /// Records the end of a lookup and the nodes found.
    pub fn looked_up(&mut self, nodes: impl IntoIterator<Item = Node>) {
        self.is_looking = false;
        self.found.extend(nodes);
    }

    /// Adds nodes that were found elsewhere.
    pub fn found(&mut self, nodes: impl IntoIterator<Item = Node>) {
        self.found.extend(nodes);
    }

    /// Returns whether a static node may be looked up now; if so, records the lookup.
    pub fn may_resolve(&mut self, id: &PeerId, now: Instant) -> bool {
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

    /// Records the result of a static node's lookup: its new address, or `None`, after which the
    /// delay of the next lookup doubles.
    pub fn resolved(&mut self, id: &PeerId, found: Option<Enode>) {
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
