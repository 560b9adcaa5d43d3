//! The Kademlia table of known nodes, by distance.
//!
//! Seventeen buckets of sixteen nodes: one for each of the sixteen furthest distances and one for
//! everything closer, which random ids hardly ever are. A full bucket has ten more nodes as
//! replacements. Within a bucket the node that was seen last comes first; revalidation pings the
//! last node.

use actoreum_primitives::PeerId;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IteratorRandom, SliceRandom};

use super::Node;
use super::address::{Subnet, is_lan};
use crate::limits::{
    BUCKET_SIZE, BUCKET_SUBNET_LIMIT, MAX_FINDNODE_FAILURES, MAX_REPLACEMENTS, REVALIDATION_PAUSE,
    TABLE_SUBNET_LIMIT,
};

/// Number of buckets in a table.
pub const BUCKET_COUNT: usize = 17;

/// Log distance with which the first bucket ends.
const FIRST_BUCKET_DISTANCE: usize = 256 - BUCKET_COUNT + 1;

/// A node in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableEntry {
    /// The node.
    pub node: Node,
    /// Number of pings that the node answered since it was added. Only nodes with at least one are
    /// returned to other nodes.
    pub liveness_checks: u32,
    /// Time at which the node was added.
    pub added_at: Instant,
    /// Time of the node's last sign of life; `None` if it is only known from other nodes.
    pub last_seen_at: Option<Instant>,
    /// Number of find-node requests in a row that the node did not answer.
    pub failures: u32,
}

/// Number of nodes of each network.
#[derive(Debug, Default)]
struct SubnetCounts {
    counts: HashMap<Subnet, u32>,
}

impl SubnetCounts {
    fn has_room(&self, address: IpAddr, limit: u32) -> bool {
        self.counts
            .get(&Subnet::of(address))
            .is_none_or(|&count| count < limit)
    }

    fn add(&mut self, address: IpAddr) {
        *self.counts.entry(Subnet::of(address)).or_insert(0) += 1;
    }

    fn remove(&mut self, address: IpAddr) {
        let subnet = Subnet::of(address);
        if let Some(count) = self.counts.get_mut(&subnet) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&subnet);
            }
        }
    }
}

/// A bucket: the nodes of a range of distances.
#[derive(Debug, Default)]
pub struct Bucket {
    /// Most recently seen first.
    entries: Vec<TableEntry>,
    /// Newest first.
    replacements: Vec<Node>,
    subnets: SubnetCounts,
}

impl Bucket {
    /// Returns the nodes, the most recently seen first.
    pub fn entries(&self) -> &[TableEntry] {
        &self.entries
    }

    /// Returns the replacements, the newest first.
    pub fn replacements(&self) -> &[Node] {
        &self.replacements
    }

    fn position(&self, id: &PeerId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.node.id == *id)
    }
}

/// The table. It sends nothing: its owner pings the nodes that [`Table::next_to_revalidate`]
/// returns.
#[derive(Debug)]
pub struct Table {
    own_id: PeerId,
    buckets: [Bucket; BUCKET_COUNT],
    subnets: SubnetCounts,
    random: StdRng,
}

impl Table {
    /// Creates an empty table of the node `own_id`.
    pub fn new(own_id: PeerId, random: StdRng) -> Self {
        let buckets = std::array::from_fn(|_| Bucket::default());
        Self {
            own_id,
            buckets,
            subnets: SubnetCounts::default(),
            random,
        }
    }

    /// Returns the buckets, the closest first.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Returns the number of nodes in the buckets.
    pub fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.entries.len()).sum()
    }

    /// Returns true if no node is in the buckets.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns all nodes in the buckets.
    pub fn entries(&self) -> impl Iterator<Item = &TableEntry> {
        self.buckets.iter().flat_map(|bucket| &bucket.entries)
    }

    /// Returns the entry of a node, if it is in a bucket.
    pub fn entry(&self, id: &PeerId) -> Option<&TableEntry> {
        let bucket = self.buckets.get(self.bucket_index(id))?;
        bucket.entries.get(bucket.position(id)?)
    }

    /// Returns the index of the bucket of a node.
    pub fn bucket_index(&self, id: &PeerId) -> usize {
        self.own_id
            .log_distance(id)
            .saturating_sub(FIRST_BUCKET_DISTANCE)
    }

    /// Adds a node that another node reported, at the end of its bucket, or among the replacements
    /// of a full one. A node that is in the bucket stays as it is.
    pub fn add_seen(&mut self, node: Node, now: Instant) {
        let Some(slot) = self.slot_for(&node) else {
            return;
        };
        let entry = TableEntry {
            node,
            liveness_checks: 0,
            added_at: now,
            last_seen_at: None,
            failures: 0,
        };
        if let Some(bucket) = self.buckets.get_mut(slot) {
            bucket.entries.push(entry);
        }
    }

    /// Adds a node that has just answered a ping, or moves it to the front of its bucket. The
    /// endpoint is that of the answer.
    pub fn add_verified(&mut self, node: Node, now: Instant) {
        if self.bump(&node, now) {
            return;
        }
        let Some(slot) = self.slot_for(&node) else {
            return;
        };
        let entry = TableEntry {
            node,
            liveness_checks: 1,
            added_at: now,
            last_seen_at: Some(now),
            failures: 0,
        };
        if let Some(bucket) = self.buckets.get_mut(slot) {
            bucket.entries.insert(0, entry);
        }
    }

    /// Returns the bucket with room for a node that is not in it, and counts the node's network. A
    /// node without room may become a replacement.
    fn slot_for(&mut self, node: &Node) -> Option<usize> {
        if node.id == self.own_id {
            return None;
        }
        let slot = self.bucket_index(&node.id);
        let bucket = self.buckets.get_mut(slot)?;
        if bucket.position(&node.id).is_some() {
            return None;
        }
        if bucket.entries.len() >= BUCKET_SIZE {
            self.add_replacement(slot, *node);
            return None;
        }
        let waiting = bucket
            .replacements
            .iter()
            .position(|other| other.id == node.id);
        if let Some(position) = waiting {
            let replacement = bucket.replacements.remove(position);
            self.release(slot, replacement.endpoint.address);
        }
        self.claim(slot, node.endpoint.address).then_some(slot)
    }

    fn add_replacement(&mut self, slot: usize, node: Node) {
        let waits = |bucket: &Bucket| bucket.replacements.iter().any(|other| other.id == node.id);
        if self.buckets.get(slot).is_none_or(waits) || !self.claim(slot, node.endpoint.address) {
            return;
        }
        let Some(bucket) = self.buckets.get_mut(slot) else {
            return;
        };
        bucket.replacements.insert(0, node);
        if bucket.replacements.len() > MAX_REPLACEMENTS
            && let Some(oldest) = bucket.replacements.pop()
        {
            self.release(slot, oldest.endpoint.address);
        }
    }

    /// Counts an address, or refuses it. Local networks are not limited.
    fn claim(&mut self, slot: usize, address: IpAddr) -> bool {
        if is_lan(address) {
            return true;
        }
        let Some(bucket) = self.buckets.get_mut(slot) else {
            return false;
        };
        if !self.subnets.has_room(address, TABLE_SUBNET_LIMIT)
            || !bucket.subnets.has_room(address, BUCKET_SUBNET_LIMIT)
        {
            return false;
        }
        self.subnets.add(address);
        bucket.subnets.add(address);
        true
    }

    fn release(&mut self, slot: usize, address: IpAddr) {
        if is_lan(address) {
            return;
        }
        self.subnets.remove(address);
        if let Some(bucket) = self.buckets.get_mut(slot) {
            bucket.subnets.remove(address);
        }
    }

    /// Moves a node to the front of its bucket, as one that answered a ping. Returns false if it is
    /// not in the bucket.
    fn bump(&mut self, node: &Node, now: Instant) -> bool {
        let slot = self.bucket_index(&node.id);
        let Some(bucket) = self.buckets.get(slot) else {
            return false;
        };
        let Some(position) = bucket.position(&node.id) else {
            return false;
        };
        let Some(old) = bucket.entries.get(position).copied() else {
            return false;
        };
        let (old_address, new_address) = (old.node.endpoint.address, node.endpoint.address);
        let mut endpoint = node.endpoint;
        if old_address != new_address {
            self.release(slot, old_address);
            if !self.claim(slot, new_address) {
                // The new address has no room: the node keeps its old endpoint.
                self.claim(slot, old_address);
                endpoint = old.node.endpoint;
            }
        }
        if let Some(bucket) = self.buckets.get_mut(slot) {
            bucket.entries.remove(position);
            let entry = TableEntry {
                node: Node {
                    endpoint,
                    ..old.node
                },
                liveness_checks: old.liveness_checks.saturating_add(1),
                last_seen_at: Some(now),
                failures: 0,
                ..old
            };
            bucket.entries.insert(0, entry);
        }
        true
    }

    /// Removes a node. A replacement takes its place.
    pub fn remove(&mut self, id: &PeerId, now: Instant) {
        let slot = self.bucket_index(id);
        let Some(bucket) = self.buckets.get_mut(slot) else {
            return;
        };
        let Some(position) = bucket.position(id) else {
            return;
        };
        let dead = bucket.entries.remove(position);
        let promoted = (0..bucket.replacements.len())
            .choose(&mut self.random)
            .map(|chosen| bucket.replacements.remove(chosen));
        if let Some(node) = promoted {
            let entry = TableEntry {
                node,
                liveness_checks: 0,
                added_at: now,
                last_seen_at: None,
                failures: 0,
            };
            bucket.entries.push(entry);
        }
        self.release(slot, dead.node.endpoint.address);
    }

    /// Returns the last node of a random bucket, to be pinged next. A node that was seen within
    /// [`REVALIDATION_PAUSE`] needs no ping.
    pub fn next_to_revalidate(&mut self, now: Instant) -> Option<Node> {
        let is_due = |entry: &&TableEntry| {
            let silence = entry
                .last_seen_at
                .map(|at| now.saturating_duration_since(at));
            silence.is_none_or(|silence| silence >= REVALIDATION_PAUSE)
        };
        let random = &mut self.random;
        let last = self
            .buckets
            .iter()
            .filter_map(|bucket| bucket.entries.last());
        last.filter(is_due).map(|entry| entry.node).choose(random)
    }

    /// Takes the result of the ping to a node that [`Table::next_to_revalidate`] returned. A dead
    /// one that was seen meanwhile stays.
    pub fn revalidated(&mut self, node: &Node, alive: bool, now: Instant) {
        if alive {
            self.bump(node, now);
            return;
        }
        let last = self
            .buckets
            .get(self.bucket_index(&node.id))
            .and_then(|b| b.entries.last());
        if last.is_some_and(|last| last.node.id == node.id) {
            self.remove(&node.id, now);
        }
    }

    /// Counts a find-node request that a node did or did not answer. The fifth in a row without an
    /// answer removes the node.
    pub fn count_findnode(&mut self, id: &PeerId, answered: bool, now: Instant) {
        let slot = self.bucket_index(id);
        let Some(bucket) = self.buckets.get_mut(slot) else {
            return;
        };
        let Some(entry) = bucket.entries.iter_mut().find(|entry| entry.node.id == *id) else {
            return;
        };
        entry.failures = if answered { 0 } else { entry.failures + 1 };
        if entry.failures >= MAX_FINDNODE_FAILURES {
            self.remove(id, now);
        }
    }

    /// Returns the nodes closest to `target`, the closest first; with `only_live` only those that
    /// have answered a ping.
    pub fn closest(&self, target: &PeerId, count: usize, only_live: bool) -> Vec<Node> {
        let mut nodes: Vec<Node> = self
            .entries()
            .filter(|entry| !only_live || entry.liveness_checks > 0)
            .map(|entry| entry.node)
            .collect();
        nodes.sort_unstable_by(|left, right| target.compare_distance(&left.id, &right.id));
        nodes.truncate(count);
        nodes
    }

    /// Returns up to `count` different nodes, evenly from all buckets.
    pub fn random_nodes(&mut self, count: usize) -> Vec<Node> {
        let mut slots: Vec<usize> = (0..BUCKET_COUNT).collect();
        slots.shuffle(&mut self.random);
        let mut chosen = Vec::new();
        for depth in 0..BUCKET_SIZE {
            for slot in &slots {
                if chosen.len() == count {
                    return chosen;
                }
                let bucket = self.buckets.get(*slot);
                if let Some(entry) = bucket.and_then(|bucket| bucket.entries.get(depth)) {
                    chosen.push(entry.node);
                }
            }
        }
        chosen
    }

    /// Returns the nodes that have been alive in the table for at least `age`: those worth
    /// remembering across restarts.
    pub fn settled(&self, age: Duration, now: Instant) -> impl Iterator<Item = &TableEntry> {
        self.entries().filter(move |entry| {
            entry.liveness_checks > 0 && now.saturating_duration_since(entry.added_at) >= age
        })
    }

    /// Returns a random delay below `limit`, for the owner's timers.
    pub(crate) fn random_delay(&mut self, limit: Duration) -> Duration {
        limit.mul_f64(self.random.random_range(0.0..1.0))
    }
}
