//! The requests of this node: one at a time to each node, the others in a queue, so that one
//! handshake at a time runs with a node.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use actoreum_primitives::PeerId;

use super::engine::LookupId;
use super::{Nonce, RequestId};
use crate::discv4::Node;
use crate::limits::{MAX_PENDING_REQUESTS, MAX_QUEUED_REQUESTS};

/// Purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A ping: checks whether a node of the table is alive.
    Revalidation {
        /// Whether it follows one without an answer: a node is not removed for a lost datagram.
        is_second: bool,
    },
    /// A ping: checks whether a node that opened a session can be reached.
    Verification,
    /// A request for nodes.
    Query(LookupId),
    /// A request for the node's record.
    Record,
}

/// A request that is not sent yet.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub node: Node,
    pub purpose: Purpose,
    /// Distances of a FINDNODE request; none for a ping.
    pub distances: Vec<u16>,
}

/// A request that waits for its response.
#[derive(Debug)]
pub(super) struct Call {
    pub request: Request,
    pub id: RequestId,
    /// Nonce of the last packet that carried the request.
    pub nonce: Nonce,
    pub deadline: Instant,
    /// Whether a WHOAREYOU packet was answered: a second one ends nothing and is ignored.
    pub has_handshake: bool,
    /// Number of NODES packets received.
    pub packets: u64,
    /// Number of records received, valid or not.
    pub records: usize,
    /// Usable nodes of the answer.
    pub found: Vec<Node>,
}

/// The calls of this node.
#[derive(Default)]
pub(super) struct Calls {
    active: HashMap<PeerId, Call>,
    by_nonce: HashMap<Nonce, PeerId>,
    queues: HashMap<PeerId, VecDeque<Request>>,
    queued: usize,
    /// Lower bound of the deadlines, so that setting the timer does not walk through all calls.
    next_deadline: Option<Instant>,
}

impl Calls {
    /// Returns the number of active and queued requests.
    pub(super) fn len(&self) -> usize {
        self.active.len() + self.queued
    }

    pub(super) fn active(&self) -> impl Iterator<Item = &Call> {
        self.active.values()
    }

    pub(super) fn get(&self, id: &PeerId) -> Option<&Call> {
        self.active.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &PeerId) -> Option<&mut Call> {
        self.active.get_mut(id)
    }

    /// Returns true if a request with this purpose to a node is active or queued.
    pub(super) fn has(&self, id: &PeerId, purpose: Purpose) -> bool {
        let is_active = self
            .active
            .get(id)
            .is_some_and(|call| call.request.purpose == purpose);
        let queue = self.queues.get(id);
        is_active || queue.is_some_and(|queue| queue.iter().any(|it| it.purpose == purpose))
    }

    /// Returns true if a request may be sent or queued.
    pub(super) fn has_room(&self, id: &PeerId) -> bool {
        let queue = self.queues.get(id);
        self.len() < MAX_PENDING_REQUESTS
            && queue.is_none_or(|queue| queue.len() < MAX_QUEUED_REQUESTS)
    }

    pub(super) fn enqueue(&mut self, request: Request) {
        self.queued += 1;
        let queue = self.queues.entry(request.node.id).or_default();
        queue.push_back(request);
    }

    /// Takes the next queued request to a node.
    pub(super) fn next_queued(&mut self, id: &PeerId) -> Option<Request> {
        let queue = self.queues.get_mut(id)?;
        let request = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(id);
        }
        self.queued -= usize::from(request.is_some());
        request
    }

    pub(super) fn insert(&mut self, call: Call) {
        let next = self.next_deadline.unwrap_or(call.deadline);
        self.next_deadline = Some(next.min(call.deadline));
        let id = call.request.node.id;
        self.by_nonce.insert(call.nonce, id);
        self.active.insert(id, call);
    }

    /// Returns the call whose last packet had this nonce.
    pub(super) fn by_nonce(&self, nonce: &Nonce) -> Option<&Call> {
        self.active.get(self.by_nonce.get(nonce)?)
    }

    /// Notes that the request was sent again in a handshake packet.
    pub(super) fn handshake_sent(&mut self, id: &PeerId, nonce: Nonce, deadline: Instant) {
        if let Some(call) = self.active.get_mut(id) {
            self.by_nonce.remove(&call.nonce);
            self.by_nonce.insert(nonce, *id);
            (call.nonce, call.deadline, call.has_handshake) = (nonce, deadline, true);
        }
    }

    pub(super) fn remove(&mut self, id: &PeerId) -> Option<Call> {
        let call = self.active.remove(id)?;
        self.by_nonce.remove(&call.nonce);
        Some(call)
    }

    /// Removes and returns the calls whose deadline has passed.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Call> {
        if self.next_deadline.is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        let expired: Vec<Call> = self
            .active
            .extract_if(|_, call| now >= call.deadline)
            .map(|(_, call)| call)
            .collect();
        for call in &expired {
            self.by_nonce.remove(&call.nonce);
        }
        self.next_deadline = self.active.values().map(|call| call.deadline).min();
        expired
    }

    /// Returns the time at which [`Self::take_expired`] must be called next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }
}
