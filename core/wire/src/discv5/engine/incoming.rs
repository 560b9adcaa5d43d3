//! Handling of received datagrams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use actoreum_primitives::{PeerId, PublicKey};
use rand::RngCore;

use super::{Discovery, Rejected};
use crate::discv4::limiter::Source;
use crate::discv5::challenges::Challenge;
use crate::discv5::session::Contact;
use crate::discv5::{
    Handshake, Message, Packet, PacketKind, WhoAreYou, decode_packet, derive_keys,
    encode_who_are_you, open, verify_identity,
};
use crate::nodes::Enr;

impl Discovery {
    /// Handles a datagram. An error is for counters only; the sender gets no answer.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn handle_datagram(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(), Rejected> {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        if !(self.allows)(from.ip()) {
            return Err(Rejected::NotAllowed);
        }
        let packet = decode_packet(&self.own_id, datagram)?;
        match &packet.kind {
            PacketKind::Ordinary { source } => {
                let contact = self.contact(*source, from)?;
                self.ordinary_received(contact, &packet, now)
            }
            // Only the recipient of a request knows its nonce: no limit is needed.
            PacketKind::WhoAreYou(content) => {
                self.who_are_you_received(from, &packet, content, now)
            }
            PacketKind::Handshake(handshake) => {
                let contact = self.contact(handshake.source, from)?;
                self.handshake_received(contact, &packet, handshake, now)
            }
        }
    }

    fn contact(&self, id: PeerId, address: SocketAddr) -> Result<Contact, Rejected> {
        if id == self.own_id {
            return Err(Rejected::OwnPacket);
        }
        Ok(Contact { id, address })
    }

    fn ordinary_received(
        &mut self,
        contact: Contact,
        packet: &Packet<'_>,
        now: Instant,
    ) -> Result<(), Rejected> {
        if let Some(content) = self.sessions.open(&contact, packet) {
            let message = Message::decode(&content)?;
            // Responses are limited by the requests of this node.
            if message.is_request() && !self.limiter.admit(contact.address, now, || true) {
                return Err(Rejected::RateLimited);
            }
            return self.message_received(&contact, message, now);
        }
        if !self.admits(&contact, now) {
            return Err(Rejected::RateLimited);
        }
        self.send_challenge(contact, packet, now)
    }

    /// Returns true if the limits admit a packet that is not authenticated. A node is known while
    /// it has a session, a request to it is pending, or it is in the table.
    fn admits(&mut self, contact: &Contact, now: Instant) -> bool {
        let Self {
            limiter,
            calls,
            sessions,
            table,
            ..
        } = self;
        let is_known = || {
            let source = Source::of(contact.address);
            sessions.contains(contact)
                || calls
                    .active()
                    .any(|call| Source::of(call.request.node.udp_address()) == source)
                || table
                    .entries()
                    .any(|entry| entry.node.udp_address() == contact.address)
        };
        limiter.admit(contact.address, now, is_known)
    }

    /// Challenges the sender of a message that cannot be read, or repeats the challenge that it has
    /// not answered yet.
    fn send_challenge(
        &mut self,
        contact: Contact,
        packet: &Packet<'_>,
        now: Instant,
    ) -> Result<(), Rejected> {
        if let Some(current) = self.challenges.current(&contact, now) {
            let datagram = current.datagram.clone();
            self.send(contact.address, datagram);
            return Ok(());
        }
        if !self.challenges.has_room(&contact, now) {
            return Err(Rejected::TooManyChallenges);
        }
        let mut id_nonce = [0; 16];
        self.random.fill_bytes(&mut id_nonce);
        let content = WhoAreYou {
            id_nonce,
            enr_seq: self.records.seq(&contact.id),
        };
        let iv = self.masking_iv();
        let (datagram, data) = encode_who_are_you(&contact.id, (&iv, &packet.nonce), &content);
        let challenge = Challenge {
            data,
            datagram: datagram.clone(),
            key: self.records.get(&contact.id).map(|it| it.public_key()),
        };
        self.challenges.insert(contact, challenge, now);
        self.send(contact.address, datagram);
        Ok(())
    }

    /// Opens the session that a handshake packet asks for, and handles its message.
    fn handshake_received(
        &mut self,
        contact: Contact,
        packet: &Packet<'_>,
        handshake: &Handshake,
        now: Instant,
    ) -> Result<(), Rejected> {
        let (challenge, attempts) = self
            .challenges
            .attempt(&contact, now)
            .ok_or(Rejected::NoChallenge)?;
        // The first attempt is solicited; further ones come from someone else, or are repeated.
        if !self.limiter.admit(contact.address, now, || attempts == 1) {
            return Err(Rejected::RateLimited);
        }
        let record = self.record_of(&contact.id, handshake)?;
        let key = record
            .as_ref()
            .map(|record| record.public_key())
            .or(challenge.key)
            .ok_or(Rejected::InvalidRecord)?;
        let content = self.authenticate(&contact, packet, handshake, (&challenge, &key))?;
        self.challenges.remove(&contact);
        if let Some(record) = record {
            self.store_record(record);
        }
        let handled = match Message::decode(&content) {
            Ok(message) => self.message_received(&contact, message, now),
            Err(error) => Err(error.into()),
        };
        self.session_opened(&contact, now);
        handled
    }

    /// Verifies a handshake, opens the session and returns the decrypted message.
    fn authenticate(
        &mut self,
        contact: &Contact,
        packet: &Packet<'_>,
        handshake: &Handshake,
        (challenge, key): (&Challenge, &PublicKey),
    ) -> Result<Vec<u8>, Rejected> {
        let is_signed = verify_identity(
            key,
            &challenge.data,
            &handshake.ephemeral_key,
            &self.own_id,
            &handshake.signature,
        );
        if !is_signed {
            return Err(Rejected::InvalidSignature);
        }
        let ephemeral =
            PublicKey::from_sec1(&handshake.ephemeral_key).map_err(|_| Rejected::InvalidKey)?;
        let keys = derive_keys(
            &self.key,
            &ephemeral,
            &contact.id,
            &self.own_id,
            &challenge.data,
        );
        let content = open(
            &keys.initiator,
            &packet.nonce,
            &packet.associated,
            packet.message,
        )
        .ok_or(Rejected::Undecryptable)?;
        self.sessions
            .insert(*contact, keys.recipient, keys.initiator);
        Ok(content)
    }

    /// Adds a node that opened a session to the table. It is pinged if its record states the
    /// address that it has proven; otherwise it waits for its revalidation.
    fn session_opened(&mut self, contact: &Contact, now: Instant) {
        let Some(record) = self.records.get(&contact.id).cloned() else {
            return;
        };
        let Some(node) = self.node_of(&record, contact.address) else {
            return;
        };
        if self.initialised {
            self.table.add_seen(node, now);
        }
        if node.udp_address() == contact.address {
            self.verify_node(node, now);
        }
    }

    fn message_received(
        &mut self,
        contact: &Contact,
        message: Message,
        now: Instant,
    ) -> Result<(), Rejected> {
        match message {
            Message::Ping { id, enr_seq } => {
                self.answer_ping(contact, id);
                let known = self.table.entry(&contact.id).map(|entry| entry.node);
                if let Some(node) = known {
                    self.record_announced(node, enr_seq, now);
                }
                Ok(())
            }
            Message::FindNode { id, distances } => {
                self.answer_find_node(contact, id, &distances);
                Ok(())
            }
            Message::TalkRequest { id, .. } => {
                self.answer_talk_request(contact, id);
                Ok(())
            }
            Message::Pong {
                id,
                enr_seq,
                address,
                port,
            } => {
                let stated = SocketAddr::new(address, port);
                self.pong_received(contact, (id, enr_seq), stated, now)
            }
            Message::Nodes { id, total, records } => {
                self.nodes_received(contact, id, total, &records, now)
            }
            // This node sends no talk requests.
            Message::TalkResponse { .. } => Err(Rejected::Unsolicited),
        }
    }

    /// Returns the verified record of a handshake, if it has one.
    fn record_of(&self, id: &PeerId, handshake: &Handshake) -> Result<Option<Arc<Enr>>, Rejected> {
        let Some(encoded) = &handshake.record else {
            return Ok(None);
        };
        self.records
            .decode(encoded)
            .ok()
            .filter(|record| record.node_id() == *id)
            .map(Some)
            .ok_or(Rejected::InvalidRecord)
    }
}
