//! Answers to the requests of other nodes.

use std::net::IpAddr;
use std::sync::Arc;

use super::Discovery;
use crate::discv4::check_relayed;
use crate::discv5::session::Contact;
use crate::discv5::{Message, RequestId, encode_ordinary};
use crate::limits::{MAX_FOUND_RECORDS, MAX_RECORDS_SIZE};
use crate::nodes::Enr;

impl Discovery {
    /// Sends a response in the session with a node.
    fn respond(&mut self, contact: &Contact, message: &Message) {
        // The session can have been ended by another one; the node will ask again.
        if let Some((key, nonce)) = self.sessions.next_nonce(contact, &mut self.random) {
            let iv = self.masking_iv();
            let content = message.encode();
            let datagram =
                encode_ordinary(&self.own_id, &contact.id, (&iv, &nonce), &key, &content);
            self.send(contact.address, datagram);
        }
    }

    pub(super) fn answer_ping(&mut self, contact: &Contact, id: RequestId) {
        let pong = Message::Pong {
            id,
            enr_seq: self.record.seq(),
            address: contact.address.ip(),
            port: contact.address.port(),
        };
        self.respond(contact, &pong);
    }

    /// Answers as for a protocol that is unknown: this node has none above discovery.
    pub(super) fn answer_talk_request(&mut self, contact: &Contact, id: RequestId) {
        let response = Message::TalkResponse {
            id,
            response: Vec::new(),
        };
        self.respond(contact, &response);
    }

    /// Answers with at least one packet, which may be empty.
    pub(super) fn answer_find_node(&mut self, contact: &Contact, id: RequestId, distances: &[u16]) {
        let records = self.records_at(distances, contact.address.ip());
        let mut packets: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
        let mut size = 0;
        for record in records {
            let encoded = record.encoded().to_vec();
            if size + encoded.len() > MAX_RECORDS_SIZE {
                packets.push(Vec::new());
                size = 0;
            }
            size += encoded.len();
            if let Some(packet) = packets.last_mut() {
                packet.push(encoded);
            }
        }
        let total = packets.len() as u64;
        for records in packets {
            self.respond(contact, &Message::Nodes { id, total, records });
        }
    }

    /// Returns the records of live nodes at some distances, which may be told to `asker`.
    fn records_at(&self, distances: &[u16], asker: IpAddr) -> Vec<Arc<Enr>> {
        let mut records = Vec::with_capacity(MAX_FOUND_RECORDS);
        if distances.contains(&0) {
            records.push(Arc::clone(&self.record));
        }
        let found = self
            .table
            .entries()
            .filter(|entry| entry.liveness_checks > 0)
            .map(|entry| entry.node)
            .filter(|node| {
                let distance = self.own_id.log_distance(&node.id);
                distances.iter().any(|it| usize::from(*it) == distance)
            })
            .filter(|node| check_relayed(asker, node.endpoint.address).is_ok())
            .filter_map(|node| self.records.get(&node.id).cloned());
        records.extend(found);
        records.truncate(MAX_FOUND_RECORDS);
        records
    }
}
