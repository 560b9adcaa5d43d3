//! Lookups and the refresh of the table.

use std::time::{Duration, Instant};

use actoreum_primitives::{B256, PeerId};
use rand::RngCore;

use super::{Discovery, LookupId, Output};
use crate::discv4::{Lookup, Node};
use crate::discv5::calls::{Purpose, Request};
use crate::limits::{BUCKET_SIZE, LOOKUP_DISTANCES, MAX_LOOKUPS};

/// Time between two refreshes of the table.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Time between two refreshes while the table holds less than a bucket: the network is new, or a
/// first request was lost.
const SHORT_REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// Number of lookups for random targets in a refresh, after the one for the local node.
const RANDOM_LOOKUPS: usize = 3;

/// A running refresh: its current lookup and how many follow.
pub(super) struct Refresh {
    current: LookupId,
    random_lookups_left: usize,
}

/// Returns the distances to ask a node at `distance` from the target for: that one, and those next
/// to it.
fn lookup_distances(distance: usize) -> Vec<u16> {
    let distance = u16::try_from(distance).unwrap_or(0);
    let mut distances = vec![distance];
    for step in 1..256 {
        let neighbours = [distance.checked_add(step), distance.checked_sub(step)];
        let neighbours = neighbours.into_iter().flatten();
        distances.extend(neighbours.filter(|it| (1..=256).contains(it)));
        if distances.len() >= LOOKUP_DISTANCES {
            break;
        }
    }
    distances.truncate(LOOKUP_DISTANCES);
    distances
}

impl Discovery {
    /// Replaces the bootnodes, and contacts them where there is a new one.
    pub fn set_bootnodes(&mut self, bootnodes: Vec<Node>, now: Instant) {
        let has_new = bootnodes.iter().any(|node| !self.bootnodes.contains(node));
        self.bootnodes = bootnodes;
        if has_new {
            self.contact_bootnodes(now);
        }
    }

    /// Starts a refresh with the bootnodes. A running one would not query them: they are added to
    /// the table for the next lookup.
    fn contact_bootnodes(&mut self, now: Instant) {
        if self.refresh.is_some() {
            self.add_seeds(&self.bootnodes.clone(), now);
        } else {
            self.start_refresh(now);
        }
    }

    /// Starts a search for the nodes closest to `target`. If the table is empty, it is filled from
    /// the bootnodes again. Returns `None` if [`MAX_LOOKUPS`] are running: retry later.
    pub fn start_lookup(&mut self, target: PeerId, now: Instant) -> Option<LookupId> {
        if self.table.is_empty() && !self.bootnodes.is_empty() {
            self.contact_bootnodes(now);
        }
        self.begin_lookup(target, now)
    }

    /// Returns a target that no other node can foresee, for lookups that only want to meet nodes.
    pub fn random_target(&mut self) -> PeerId {
        let mut target = B256::ZERO;
        self.random.fill_bytes(target.as_mut_slice());
        PeerId(target)
    }

    fn begin_lookup(&mut self, target: PeerId, now: Instant) -> Option<LookupId> {
        if self.lookups.len() >= MAX_LOOKUPS {
            return None;
        }
        let mut known = self.table.closest(&target, BUCKET_SIZE, true);
        if known.len() < BUCKET_SIZE {
            // Nodes that have not answered yet are better than none.
            known.extend(self.table.closest(&target, BUCKET_SIZE, false));
        }
        let id = LookupId(self.next_lookup);
        self.next_lookup += 1;
        let lookup = Lookup::new(target, self.own_id, &known);
        self.lookups.insert(id, lookup);
        self.advance_lookup(id, now);
        Some(id)
    }

    /// Queries as many nodes as the lookup may query now; ends it when it is finished.
    fn advance_lookup(&mut self, id: LookupId, now: Instant) {
        while let Some(lookup) = self.lookups.get_mut(&id) {
            let Some(node) = lookup.next_query() else {
                break;
            };
            let distances = lookup_distances(lookup.target().log_distance(&node.id));
            let request = Request {
                node,
                purpose: Purpose::Query(id),
                distances,
            };
            if !self.request(request, now)
                && let Some(lookup) = self.lookups.get_mut(&id)
            {
                lookup.answered(&node.id, &[]);
            }
        }
        if self.lookups.get(&id).is_some_and(Lookup::is_finished)
            && let Some(lookup) = self.lookups.remove(&id)
        {
            self.finish_lookup(id, &lookup, now);
        }
    }

    /// Ends a query with the nodes that were returned.
    pub(super) fn end_query(&mut self, id: LookupId, node: &Node, found: &[Node], now: Instant) {
        for found in found {
            self.table.add_seen(*found, now);
        }
        if let Some(running) = self.lookups.get_mut(&id) {
            running.answered(&node.id, found);
        }
        self.advance_lookup(id, now);
    }

    fn finish_lookup(&mut self, id: LookupId, lookup: &Lookup, now: Instant) {
        let is_refresh = self
            .refresh
            .as_ref()
            .is_some_and(|refresh| refresh.current == id);
        if is_refresh {
            self.continue_refresh(now);
            return;
        }
        let (nodes, queries) = (lookup.closest().to_vec(), lookup.queries());
        self.outputs
            .push_back(Output::LookupFinished { id, nodes, queries });
    }

    pub(super) fn start_refresh(&mut self, now: Instant) {
        self.next_refresh = now + SHORT_REFRESH_INTERVAL;
        if self.refresh.is_some() {
            return;
        }
        self.add_seeds(&self.bootnodes.clone(), now);
        self.run_refresh_lookup(self.own_id, RANDOM_LOOKUPS, now);
    }

    fn run_refresh_lookup(&mut self, target: PeerId, random_lookups_left: usize, now: Instant) {
        // The lookup may end at once, so that the refresh must refer to it before it starts.
        self.refresh = Some(Refresh {
            current: LookupId(self.next_lookup),
            random_lookups_left,
        });
        if self.begin_lookup(target, now).is_none() {
            self.end_refresh(now);
        }
    }

    fn continue_refresh(&mut self, now: Instant) {
        let Some(refresh) = self.refresh.take() else {
            return;
        };
        let Some(left) = refresh.random_lookups_left.checked_sub(1) else {
            self.end_refresh(now);
            return;
        };
        let target = self.random_target();
        self.run_refresh_lookup(target, left, now);
    }

    fn end_refresh(&mut self, now: Instant) {
        self.refresh = None;
        let few = self.table.len() < BUCKET_SIZE;
        let interval = if few {
            SHORT_REFRESH_INTERVAL
        } else {
            REFRESH_INTERVAL
        };
        self.next_refresh = now + interval;
        if !self.initialised {
            self.initialised = true;
            self.outputs.push_back(Output::Initialised);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_lie_around_that_of_the_target() {
        assert_eq!(lookup_distances(255), [255, 256, 254]);
        assert_eq!(lookup_distances(256), [256, 255, 254]);
        assert_eq!(lookup_distances(1), [1, 2, 3]);
        assert_eq!(lookup_distances(0), [0, 1, 2], "the target's own record");
    }
}
