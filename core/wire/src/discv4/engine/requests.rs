//! Requests to other nodes, and their results.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use actoreum_primitives::{B256, PeerId};

use super::{Discovery, LookupId, Now, Output};
use crate::discv4::limiter::Source;
use crate::discv4::{Endpoint, EnrRequest, FindNode, Node, Packet, Ping};
use crate::limits::{
    MAX_PENDING_PING_BACKS, MAX_PENDING_PING_BACKS_PER_SOURCE, MAX_PENDING_REQUESTS,
    RESPONSE_TIMEOUT,
};
use crate::nodes::Enr;

/// Time that a node gets to notice the local node's pong before a request that needs it.
const PONG_SETTLE_TIME: Duration = Duration::from_millis(50);

/// Purpose of a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Revalidation: checks whether the node is alive.
    Revalidation,
    /// Ping-back: the node pinged, and its endpoint is not proven.
    PingBack,
    /// Makes the node ping back before it is asked for nodes.
    Query { lookup: LookupId, target: [u8; 64] },
    /// Makes the node ping back before it is asked for its record.
    Record,
}

/// The answer that a request waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    Pong {
        ping_hash: B256,
        purpose: Purpose,
        /// Whether a pong with this ping's hash has arrived, whether or not its signature is valid.
        has_pong: bool,
    },
    Neighbors {
        lookup: LookupId,
        received: Vec<Node>,
        count: usize,
    },
    Record {
        request_hash: B256,
    },
}

impl Expected {
    /// Returns true if the request was caused by an unknown node's ping.
    pub(super) fn is_ping_back(&self) -> bool {
        matches!(
            self,
            Self::Pong {
                purpose: Purpose::PingBack,
                ..
            }
        )
    }

    fn is_pong_for(&self, hash: B256) -> bool {
        matches!(self, Self::Pong { ping_hash, .. } if *ping_hash == hash)
    }
}

/// A pending request.
#[derive(Debug)]
pub(super) struct Pending {
    pub node: Node,
    pub deadline: Instant,
    pub expected: Expected,
}

/// A request that is sent once a node has had time to notice the endpoint proof.
#[derive(Debug)]
pub(super) struct Delayed {
    pub node: Node,
    pub send_at: Instant,
    /// Target of a find-node request; `None` for a request for the node's record.
    pub query: Option<(LookupId, [u8; 64])>,
}

impl Discovery {
    /// Sends a ping. Returns false if too many requests are pending.
    pub(super) fn ping(&mut self, node: Node, purpose: Purpose, now: Now) -> bool {
        if purpose != Purpose::PingBack && self.pending.own() >= MAX_PENDING_REQUESTS {
            return false;
        }
        let to = node.udp_address();
        let packet = Packet::Ping(Ping {
            from: Endpoint {
                address: Some(self.endpoint.address),
                udp: self.endpoint.udp,
                tcp: self.endpoint.tcp,
            },
            to: Endpoint::new(to, 0),
            expiration: self.expiration(now),
            enr_seq: self.record_seq(),
        });
        let ping_hash = self.send(to, &packet);
        let deadline = now.instant + RESPONSE_TIMEOUT;
        let expected = Expected::Pong {
            ping_hash,
            purpose,
            has_pong: false,
        };
        self.pending.push(Pending {
            node,
            deadline,
            expected,
        });
        true
    }

    /// Pings a node that pinged, unless a ping to it is pending, or too many ping-backs are.
    pub(super) fn ping_back(&mut self, node: Node, now: Now) {
        let requests = self.pending.to(node.endpoint.address);
        let has_ping = requests.iter().any(|pending| {
            pending.node.id == node.id && matches!(pending.expected, Expected::Pong { .. })
        });
        let to_source = self.pending.ping_backs_to(&Source::of(node.udp_address()));
        if !has_ping
            && to_source < MAX_PENDING_PING_BACKS_PER_SOURCE
            && self.pending.ping_backs() < MAX_PENDING_PING_BACKS
        {
            self.ping(node, Purpose::PingBack, now);
        }
    }

    /// Queries a node for a lookup. A node to which the local endpoint is not proven would not
    /// answer: it is pinged first, and pings back.
    pub(super) fn query(&mut self, lookup: LookupId, node: Node, target: [u8; 64], now: Now) {
        let sent = if self
            .proofs
            .is_proven_to(node.id, node.endpoint.address, now.instant)
        {
            self.find_node(lookup, node, target, now)
        } else {
            self.ping(node, Purpose::Query { lookup, target }, now)
        };
        if !sent {
            self.end_query(lookup, &node, &[], now);
        }
    }

    fn find_node(&mut self, lookup: LookupId, node: Node, target: [u8; 64], now: Now) -> bool {
        if self.pending.own() >= MAX_PENDING_REQUESTS {
            return false;
        }
        let packet = Packet::FindNode(FindNode {
            target,
            expiration: self.expiration(now),
        });
        self.send(node.udp_address(), &packet);
        let deadline = now.instant + RESPONSE_TIMEOUT;
        let expected = Expected::Neighbors {
            lookup,
            received: Vec::new(),
            count: 0,
        };
        self.pending.push(Pending {
            node,
            deadline,
            expected,
        });
        true
    }

    /// Requests a node's record (EIP-868). Returns false if too many requests are pending.
    pub fn request_record(&mut self, node: Node, now: Now) -> bool {
        if self
            .proofs
            .is_proven_to(node.id, node.endpoint.address, now.instant)
        {
            self.send_record_request(node, now)
        } else {
            self.ping(node, Purpose::Record, now)
        }
    }

    fn send_record_request(&mut self, node: Node, now: Now) -> bool {
        if self.pending.own() >= MAX_PENDING_REQUESTS {
            return false;
        }
        let packet = Packet::EnrRequest(EnrRequest {
            expiration: self.expiration(now),
        });
        let request_hash = self.send(node.udp_address(), &packet);
        let deadline = now.instant + RESPONSE_TIMEOUT;
        self.pending.push(Pending {
            node,
            deadline,
            expected: Expected::Record { request_hash },
        });
        true
    }

    /// Returns true if an answer of this packet type from this address may belong to a pending
    /// request. Called before the signature is verified.
    pub(super) fn expects(&self, address: IpAddr, type_byte: u8) -> bool {
        self.pending.to(address).iter().any(|pending| {
            matches!(
                (&pending.expected, type_byte),
                (Expected::Pong { .. }, 2)
                    | (Expected::Neighbors { .. }, 4)
                    | (Expected::Record { .. }, 6)
            )
        })
    }

    fn take_pending(
        &mut self,
        id: PeerId,
        address: IpAddr,
        matches: impl Fn(&Expected) -> bool,
    ) -> Option<Pending> {
        let taken = self.pending.take(id, address, matches)?;
        self.consecutive_timeouts = 0;
        Some(taken)
    }

    /// Takes a pong. Returns false if no request waits for it.
    pub(super) fn pong_received(
        &mut self,
        id: PeerId,
        address: IpAddr,
        ping_hash: B256,
        now: Now,
    ) -> bool {
        let taken = self.take_pending(id, address, |expected| expected.is_pong_for(ping_hash));
        let Some(Pending {
            node,
            expected: Expected::Pong { purpose, .. },
            ..
        }) = taken
        else {
            return false;
        };
        self.proofs.pong_received(id, address, now.instant);
        match purpose {
            Purpose::Revalidation => {
                self.table.revalidated(&node, true, now.instant);
                self.schedule_revalidation(now);
            }
            // Before the first refresh has ended, the nodes that ping most would fill the table.
            Purpose::PingBack if !self.initialised => {}
            Purpose::PingBack | Purpose::Query { .. } | Purpose::Record => {
                self.table.add_verified(node, now.instant);
            }
        }
        let query = match purpose {
            Purpose::Query { lookup, target } => Some(Some((lookup, target))),
            Purpose::Record => Some(None),
            Purpose::Revalidation | Purpose::PingBack => None,
        };
        if let Some(query) = query {
            // The node pinged before this ping reached it, or pings now. A node that remembers the
            // local node from before a restart does neither, so this does not wait for it.
            let pinged = self.proofs.is_proven_to(id, address, now.instant);
            let delay = if pinged {
                PONG_SETTLE_TIME
            } else {
                RESPONSE_TIMEOUT
            };
            self.delayed.push(Delayed {
                node,
                send_at: now.instant + delay,
                query,
            });
        }
        self.outputs.push_back(Output::NodeVerified(node));
        true
    }

    /// Notes that a node has pinged and has the local node's pong: the requests that waited for
    /// that are sent soon.
    pub(super) fn proven_to(&mut self, id: PeerId, now: Now) {
        let soon = now.instant + PONG_SETTLE_TIME;
        for delayed in self
            .delayed
            .iter_mut()
            .filter(|delayed| delayed.node.id == id)
        {
            delayed.send_at = delayed.send_at.min(soon);
        }
    }

    /// Takes neighbors. Returns false if no request waits for them.
    pub(super) fn neighbors_received(
        &mut self,
        id: PeerId,
        address: IpAddr,
        nodes: &[Node],
        reported: usize,
        now: Now,
    ) -> bool {
        let is_neighbors = |expected: &Expected| matches!(expected, Expected::Neighbors { .. });
        let Some(mut pending) = self.take_pending(id, address, is_neighbors) else {
            return false;
        };
        let Expected::Neighbors {
            lookup,
            received,
            count,
        } = &mut pending.expected
        else {
            return false;
        };
        let lookup = *lookup;
        received.extend_from_slice(nodes);
        *count += reported;
        // One answer is at most one bucket; an empty packet means that there are no more nodes.
        if *count >= crate::limits::BUCKET_SIZE || reported == 0 {
            let received = std::mem::take(received);
            // An empty answer counts as an answer: the node may know no others yet.
            self.table.count_findnode(&id, true, now.instant);
            self.end_query(lookup, &pending.node, &received, now);
        } else {
            self.pending.push(pending);
        }
        true
    }

    /// Takes a record. Returns false if no request waits for it.
    pub(super) fn record_received(
        &mut self,
        id: PeerId,
        address: IpAddr,
        request_hash: B256,
        record: Enr,
    ) -> bool {
        let taken = self.take_pending(id, address, |expected| {
            matches!(expected, Expected::Record { request_hash: sent } if *sent == request_hash)
        });
        let Some(pending) = taken else { return false };
        self.outputs.push_back(Output::RecordReceived {
            node: pending.node,
            record,
        });
        true
    }

    /// Ends a query with the nodes that were returned.
    fn end_query(&mut self, lookup: LookupId, node: &Node, found: &[Node], now: Now) {
        for found in found {
            self.table.add_seen(*found, now.instant);
        }
        if let Some(running) = self.lookups.get_mut(&lookup) {
            running.answered(&node.id, found);
        }
        self.advance_lookup(lookup, now);
    }

    /// Ends the requests whose time is over.
    pub(super) fn expire_requests(&mut self, now: Now) {
        for Pending { node, expected, .. } in self.pending.take_expired(now.instant) {
            match expected {
                Expected::Neighbors {
                    lookup,
                    received,
                    count,
                } => {
                    if count == 0 {
                        self.consecutive_timeouts = self.consecutive_timeouts.saturating_add(1);
                    }
                    self.table.count_findnode(&node.id, count > 0, now.instant);
                    self.end_query(lookup, &node, &received, now);
                }
                Expected::Pong { purpose, .. } => {
                    // An unknown node that does not answer does not indicate a wrong local clock.
                    if purpose != Purpose::PingBack {
                        self.consecutive_timeouts = self.consecutive_timeouts.saturating_add(1);
                    }
                    match purpose {
                        Purpose::Revalidation => {
                            self.table.revalidated(&node, false, now.instant);
                            self.schedule_revalidation(now);
                        }
                        Purpose::Query { lookup, .. } => {
                            self.table.count_findnode(&node.id, false, now.instant);
                            self.end_query(lookup, &node, &[], now);
                        }
                        Purpose::PingBack | Purpose::Record => {}
                    }
                }
                Expected::Record { .. } => {
                    self.consecutive_timeouts = self.consecutive_timeouts.saturating_add(1);
                }
            }
        }
    }

    /// Sends the delayed requests that are due.
    pub(super) fn send_delayed(&mut self, now: Now) {
        let (due, delayed) = std::mem::take(&mut self.delayed)
            .into_iter()
            .partition(|delayed| now.instant >= delayed.send_at);
        self.delayed = delayed;
        let due: Vec<Delayed> = due;
        for Delayed { node, query, .. } in due {
            match query {
                Some((lookup, target)) => {
                    if !self.find_node(lookup, node, target, now) {
                        self.end_query(lookup, &node, &[], now);
                    }
                }
                None => {
                    self.send_record_request(node, now);
                }
            }
        }
    }
}
