//! Requests to other nodes, and their results.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use actoreum_primitives::PeerId;
use rand::RngCore;

use super::{Discovery, REVALIDATION_INTERVAL, Rejected};
use crate::discv4::{LOWEST_UDP_PORT, Node, check_relayed};
use crate::discv5::calls::{Call, Purpose, Request};
use crate::discv5::session::Contact;
use crate::discv5::{
    Handshake, Message, Nonce, Packet, RequestId, WhoAreYou, derive_keys, encode_handshake,
    encode_ordinary, encode_random, sign_identity,
};
use crate::keys::generate_key;
use crate::limits::{
    DISCV5_RESPONSE_TIMEOUT, MAX_FOUND_RECORDS, MAX_NODES_PACKETS, MAX_PENDING_REQUESTS,
    MAX_REQUEST_ID,
};
use crate::nodes::Enr;

/// Length of the random content of a packet that asks for a challenge: that of a short message.
const RANDOM_MESSAGE_LENGTH: usize = 32;

fn contact_of(node: &Node) -> Contact {
    Contact {
        id: node.id,
        address: node.udp_address(),
    }
}

impl Discovery {
    /// Sends a request, or queues it behind another to the same node. Returns false if too many are
    /// pending.
    pub(super) fn request(&mut self, request: Request, now: Instant) -> bool {
        let id = request.node.id;
        if !self.calls.has_room(&id) {
            return false;
        }
        if self.calls.get(&id).is_some() {
            self.calls.enqueue(request);
        } else {
            self.start_call(request, now);
        }
        true
    }

    fn start_call(&mut self, request: Request, now: Instant) {
        let mut id = [0; MAX_REQUEST_ID];
        self.random.fill_bytes(&mut id);
        let id = RequestId::new(&id).unwrap_or_default();
        let message = self.message_of(id, &request);
        let nonce = self.send_request(&contact_of(&request.node), &message);
        self.calls.insert(Call {
            request,
            id,
            nonce,
            deadline: now + DISCV5_RESPONSE_TIMEOUT,
            has_handshake: false,
            packets: 0,
            records: 0,
            found: Vec::new(),
        });
    }

    fn message_of(&self, id: RequestId, request: &Request) -> Message {
        match request.purpose {
            Purpose::Revalidation { .. } | Purpose::Verification => Message::Ping {
                id,
                enr_seq: self.record.seq(),
            },
            Purpose::Query(_) | Purpose::Record => Message::FindNode {
                id,
                distances: request.distances.clone(),
            },
        }
    }

    /// Sends a request in the session with a node, or a random packet without one. Returns the
    /// nonce of the packet.
    fn send_request(&mut self, contact: &Contact, message: &Message) -> Nonce {
        let iv = self.masking_iv();
        let (nonce, datagram) = match self.sessions.next_nonce(contact, &mut self.random) {
            Some((key, nonce)) => {
                let content = message.encode();
                let ids = (&self.own_id, &contact.id);
                let datagram = encode_ordinary(ids.0, ids.1, (&iv, &nonce), &key, &content);
                (nonce, datagram)
            }
            None => {
                let (mut nonce, mut content) = ([0; 12], [0; RANDOM_MESSAGE_LENGTH]);
                self.random.fill_bytes(&mut nonce);
                self.random.fill_bytes(&mut content);
                let datagram = encode_random(&self.own_id, &contact.id, (&iv, &nonce), &content);
                (nonce, datagram)
            }
        };
        self.send(contact.address, datagram);
        nonce
    }

    /// Answers a challenge of a node to which a request is pending: sends the request again in a
    /// handshake packet. Each request has one handshake.
    pub(super) fn who_are_you_received(
        &mut self,
        from: SocketAddr,
        packet: &Packet<'_>,
        content: &WhoAreYou,
        now: Instant,
    ) -> Result<(), Rejected> {
        let call = self
            .calls
            .by_nonce(&packet.nonce)
            .filter(|call| call.request.node.udp_address() == from && !call.has_handshake)
            .ok_or(Rejected::Unsolicited)?;
        let (node, message) = (
            call.request.node,
            self.message_of(call.id, &call.request).encode(),
        );
        let challenge = &packet.associated;
        let ephemeral = generate_key(&mut self.random);
        let ephemeral_key = ephemeral.public_key().to_compressed();
        let keys = derive_keys(
            &ephemeral,
            &node.public_key,
            &self.own_id,
            &node.id,
            challenge,
        );
        let has_newer = content.enr_seq < self.record.seq();
        let handshake = Handshake {
            source: self.own_id,
            signature: sign_identity(&self.key, challenge, &ephemeral_key, &node.id),
            ephemeral_key,
            record: has_newer.then(|| self.record.encoded().to_vec()),
        };
        let contact = contact_of(&node);
        self.sessions
            .insert(contact, keys.initiator, keys.recipient);
        let (key, nonce) = self
            .sessions
            .next_nonce(&contact, &mut self.random)
            .ok_or(Rejected::Unsolicited)?;
        let iv = self.masking_iv();
        let datagram = encode_handshake(&node.id, (&iv, &nonce), &handshake, &key, &message);
        self.send(from, datagram);
        let deadline = now + DISCV5_RESPONSE_TIMEOUT;
        self.calls.handshake_sent(&node.id, nonce, deadline);
        Ok(())
    }

    /// Takes the call that a response belongs to.
    fn call_of(&mut self, contact: &Contact, id: RequestId) -> Result<&mut Call, Rejected> {
        self.calls
            .get_mut(&contact.id)
            .filter(|call| call.id == id && call.request.node.udp_address() == contact.address)
            .ok_or(Rejected::Unsolicited)
    }

    /// Takes a pong.
    pub(super) fn pong_received(
        &mut self,
        contact: &Contact,
        (id, enr_seq): (RequestId, u64),
        stated: SocketAddr,
        now: Instant,
    ) -> Result<(), Rejected> {
        let call = self.call_of(contact, id)?;
        let Request { node, purpose, .. } = call.request;
        match purpose {
            Purpose::Revalidation { .. } => {
                self.table.revalidated(&node, true, now);
                self.schedule_revalidation(now);
            }
            // Before the first refresh has ended, the nodes that ask most would fill the table.
            Purpose::Verification if !self.initialised => {}
            Purpose::Verification => self.table.add_verified(node, now),
            Purpose::Query(_) | Purpose::Record => return Err(Rejected::Unsolicited),
        }
        if !stated.ip().is_unspecified() {
            self.predictor
                .add_statement(contact.address.ip(), stated, now);
        }
        self.end_call(&node.id, now);
        self.record_announced(node, enr_seq, now);
        Ok(())
    }

    /// Requests a node's record if the node has a newer one than is known.
    pub(super) fn record_announced(&mut self, node: Node, enr_seq: u64, now: Instant) {
        if enr_seq > self.records.seq(&node.id) && !self.calls.has(&node.id, Purpose::Record) {
            let request = Request {
                node,
                purpose: Purpose::Record,
                distances: vec![0],
            };
            self.request(request, now);
        }
    }

    /// Takes a part of the answer to a FINDNODE request.
    pub(super) fn nodes_received(
        &mut self,
        contact: &Contact,
        id: RequestId,
        total: u64,
        records: &[Vec<u8>],
        now: Instant,
    ) -> Result<(), Rejected> {
        let call = self.call_of(contact, id)?;
        if call.request.distances.is_empty() {
            return Err(Rejected::Unsolicited);
        }
        call.deadline = now + DISCV5_RESPONSE_TIMEOUT;
        call.packets += 1;
        let is_last = call.packets >= total.min(MAX_NODES_PACKETS);
        let unread = MAX_FOUND_RECORDS.saturating_sub(call.records);
        call.records += records.len();
        let is_complete = is_last || call.records >= MAX_FOUND_RECORDS;
        let distances = call.request.distances.clone();
        for encoded in records.iter().take(unread) {
            if let Ok(record) = self.records.decode(encoded) {
                self.record_found(contact, &distances, record, now);
            }
        }
        if is_complete && let Some(call) = self.end_call(&contact.id, now) {
            self.find_node_answered(call, now);
        }
        Ok(())
    }

    /// Takes a record of an answer, if it is what was asked for.
    fn record_found(
        &mut self,
        contact: &Contact,
        distances: &[u16],
        record: Arc<Enr>,
        now: Instant,
    ) {
        let id = record.node_id();
        let distance = contact.id.log_distance(&id);
        let is_asked = distances
            .iter()
            .any(|asked| usize::from(*asked) == distance);
        if !is_asked || id == self.own_id {
            return;
        }
        let node = self.node_of(&record, contact.address);
        let is_new = self.store_record(record);
        let Some(node) = node else { return };
        if is_new {
            self.endpoint_stated(node, now);
        }
        if let Some(call) = self.calls.get_mut(&contact.id)
            && call.found.iter().all(|found| found.id != id)
        {
            call.found.push(node);
        }
    }

    /// Returns the node of a record that the node at `from` sent, if it may be contacted.
    pub(super) fn node_of(&self, record: &Enr, from: SocketAddr) -> Option<Node> {
        let endpoint = record.endpoint()?;
        let is_usable = endpoint.udp >= LOWEST_UDP_PORT
            && check_relayed(from.ip(), endpoint.address).is_ok()
            && (self.allows)(endpoint.address);
        is_usable.then(|| Node::new(record.public_key(), endpoint))
    }

    /// Replaces a node of the table whose newer record states another endpoint. It counts as not
    /// seen there until it answers.
    fn endpoint_stated(&mut self, node: Node, now: Instant) {
        let known = self.table.entry(&node.id).map(|entry| entry.node);
        if known.is_some_and(|known| known.endpoint != node.endpoint) {
            self.table.remove(&node.id, now);
            self.table.add_seen(node, now);
            self.verify_node(node, now);
        }
    }

    /// Pings a node that is not known to be alive. Half of the requests are left for lookups.
    pub(super) fn verify_node(&mut self, node: Node, now: Instant) {
        let is_live = self
            .table
            .entry(&node.id)
            .is_some_and(|entry| entry.liveness_checks > 0);
        let has_room = self.calls.len() < MAX_PENDING_REQUESTS / 2;
        if !is_live && has_room && !self.calls.has(&node.id, Purpose::Verification) {
            let request = Request {
                node,
                purpose: Purpose::Verification,
                distances: Vec::new(),
            };
            self.request(request, now);
        }
    }

    /// Ends a call and starts the next one to the same node.
    fn end_call(&mut self, id: &PeerId, now: Instant) -> Option<Call> {
        let call = self.calls.remove(id)?;
        self.start_queued(id, now);
        Some(call)
    }

    fn start_queued(&mut self, id: &PeerId, now: Instant) {
        if self.calls.get(id).is_none()
            && let Some(request) = self.calls.next_queued(id)
        {
            self.start_call(request, now);
        }
    }

    fn find_node_answered(&mut self, call: Call, now: Instant) {
        let node = call.request.node;
        if let Purpose::Query(lookup) = call.request.purpose {
            self.table.count_findnode(&node.id, true, now);
            self.table.add_verified(node, now);
            // A bootnode may be known without a record.
            self.record_announced(node, 1, now);
            self.end_query(lookup, &node, &call.found, now);
        }
    }

    /// Ends the calls whose time is over.
    pub(super) fn expire_calls(&mut self, now: Instant) {
        for call in self.calls.take_expired(now) {
            let node = call.request.node;
            self.start_queued(&node.id, now);
            match call.request.purpose {
                // A part of the answer is better than none.
                Purpose::Query(_) if call.packets > 0 => self.find_node_answered(call, now),
                Purpose::Query(lookup) => {
                    self.table.count_findnode(&node.id, false, now);
                    self.end_query(lookup, &node, &[], now);
                }
                Purpose::Revalidation { is_second } => {
                    if is_second || !self.send_revalidation(node, true, now) {
                        self.table.revalidated(&node, false, now);
                        self.schedule_revalidation(now);
                    }
                }
                Purpose::Verification | Purpose::Record => {}
            }
        }
    }

    pub(super) fn revalidate(&mut self, now: Instant) {
        self.next_revalidation = None;
        let node = self.table.next_to_revalidate(now);
        let sent = node.is_some_and(|node| self.send_revalidation(node, false, now));
        if !sent {
            self.schedule_revalidation(now);
        }
    }

    fn send_revalidation(&mut self, node: Node, is_second: bool, now: Instant) -> bool {
        let request = Request {
            node,
            purpose: Purpose::Revalidation { is_second },
            distances: Vec::new(),
        };
        self.request(request, now)
    }

    fn schedule_revalidation(&mut self, now: Instant) {
        let delay = self.table.random_delay(REVALIDATION_INTERVAL);
        self.next_revalidation = Some(now + delay);
    }
}
