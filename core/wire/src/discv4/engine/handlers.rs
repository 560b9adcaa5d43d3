//! Handling of received datagrams.

use actoreum_primitives::PeerId;
use std::net::SocketAddr;

use super::pending::PongOrder;
use super::{Discovery, Now, Rejected};
use crate::discv4::address::check_relayed;
use crate::discv4::limiter::Source;
use crate::discv4::packet::decode_unverified;
use crate::discv4::{
    Endpoint, EnrResponse, FindNode, NeighborNode, Neighbors, Node, Packet, PacketError, Ping,
    Pong, SignedPacket,
};
use crate::limits::{BUCKET_SIZE, MAX_EXPIRATION_AHEAD, MAX_NEIGHBORS_PER_PACKET};
use crate::nodes::EnodeEndpoint;

/// Lowest port that is contacted: those below belong to other services, and a node that reports one
/// wants packets sent to such a service.
pub(crate) const LOWEST_UDP_PORT: u16 = 1025;

/// Offset of the type in a datagram.
const TYPE_POSITION: usize = 97;

/// Type byte of a pong.
const PONG_TYPE: u8 = 2;

impl Discovery {
    /// Handles a datagram. An error is for counters only; the sender gets no answer.
    pub fn handle_datagram(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        now: Now,
    ) -> Result<(), Rejected> {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        if !(self.allows)(from.ip()) {
            return Err(Rejected::NotAllowed);
        }
        let type_byte = *datagram.get(TYPE_POSITION).ok_or(PacketError::TooSmall)?;
        if matches!(type_byte, 2 | 4 | 6) && !self.expects(from.ip(), type_byte) {
            return Err(Rejected::Unsolicited);
        }
        // The first pong for a ping of this node is exempt from the limits, so that a flood cannot
        // suppress it.
        let is_pong = type_byte == PONG_TYPE;
        if !is_pong && !self.admits(from, now) {
            return Err(Rejected::RateLimited);
        }
        let unverified = decode_unverified(datagram)?;
        if let Packet::Pong(pong) = &unverified.packet {
            match self.pending.record_pong(from.ip(), pong.ping_hash) {
                Some(PongOrder::First) => {}
                Some(PongOrder::Repeated) if self.admits(from, now) => {}
                Some(PongOrder::Repeated) => return Err(Rejected::RateLimited),
                None => return Err(Rejected::Unsolicited),
            }
        }
        let signed = unverified.verify()?;
        if let Some(expiration) = signed.packet.expiration() {
            let latest = now.unix.saturating_add(MAX_EXPIRATION_AHEAD.as_secs());
            if expiration < now.unix || expiration > latest {
                return Err(Rejected::Expired);
            }
        }
        let sender = signed.sender_id();
        if sender == self.own_id {
            return Err(Rejected::OwnPacket);
        }
        self.handle_packet(from, sender, signed, now)
    }

    /// Returns true if the limits admit a datagram. A node is known while it is in the table, or
    /// while a request to it is pending that its own ping did not cause: a ping-back makes no node
    /// known, since every packet of a flood can cause one.
    fn admits(&mut self, from: SocketAddr, now: Now) -> bool {
        let Self {
            limiter,
            pending,
            table,
            ..
        } = self;
        let is_known = || {
            let source = Source::of(from);
            let has_request = pending.to(from.ip()).iter().any(|pending| {
                !pending.expected.is_ping_back() && Source::of(pending.node.udp_address()) == source
            });
            has_request
                || table
                    .entries()
                    .any(|entry| entry.node.udp_address() == from)
        };
        limiter.admit(from, now.instant, is_known)
    }

    fn handle_packet(
        &mut self,
        from: SocketAddr,
        sender: PeerId,
        signed: SignedPacket,
        now: Now,
    ) -> Result<(), Rejected> {
        let solicited = match &signed.packet {
            Packet::Ping(ping) => {
                self.handle_ping(from, &signed, ping, now);
                true
            }
            Packet::Pong(pong) => {
                let matched = self.pong_received(sender, from.ip(), pong.ping_hash, now);
                if matched {
                    self.note_statement(from, pong.to, now);
                }
                matched
            }
            Packet::FindNode(request) => {
                self.require_proof(from, sender, now)?;
                self.handle_find_node(from, request, now);
                true
            }
            Packet::Neighbors(neighbors) => {
                let nodes: Vec<Node> = neighbors
                    .nodes
                    .iter()
                    .filter_map(|reported| self.usable_neighbor(from, reported))
                    .collect();
                let reported = neighbors.nodes.len();
                self.neighbors_received(sender, from.ip(), &nodes, reported, now)
            }
            Packet::EnrRequest(_) => {
                self.require_proof(from, sender, now)?;
                if let Some(record) = self.record.clone() {
                    let request_hash = signed.hash;
                    let response = EnrResponse {
                        request_hash,
                        record,
                    };
                    self.send(from, &Packet::EnrResponse(response));
                }
                true
            }
            Packet::EnrResponse(response) => {
                response.record.node_id() == sender
                    && self.record_received(
                        sender,
                        from.ip(),
                        response.request_hash,
                        response.record.clone(),
                    )
            }
        };
        if solicited {
            Ok(())
        } else {
            Err(Rejected::Unsolicited)
        }
    }

    fn require_proof(&self, from: SocketAddr, sender: PeerId, now: Now) -> Result<(), Rejected> {
        if self.proofs.is_proven(sender, from.ip(), now.instant) {
            Ok(())
        } else {
            Err(Rejected::UnknownNode)
        }
    }

    /// Answers a ping. The pong comes first, the ping-back second: some nodes rely on that order.
    fn handle_ping(&mut self, from: SocketAddr, signed: &SignedPacket, ping: &Ping, now: Now) {
        let pong = Packet::Pong(Pong {
            to: Endpoint::new(from, ping.from.tcp),
            ping_hash: signed.hash,
            expiration: self.expiration(now),
            enr_seq: self.record_seq(),
        });
        self.send(from, &pong);

        let endpoint = EnodeEndpoint::new(from.ip(), ping.from.tcp, from.port());
        let node = Node::new(signed.sender, endpoint);
        if self.proofs.is_proven(node.id, from.ip(), now.instant) {
            if self.initialised {
                self.table.add_verified(node, now.instant);
            }
        } else {
            self.ping_back(node, now);
        }
        self.proofs.ping_received(node.id, from.ip(), now.instant);
        self.proven_to(node.id, now);
        self.note_statement(from, ping.to, now);
    }

    fn note_statement(&mut self, from: SocketAddr, stated: Endpoint, now: Now) {
        if let Some(address) = stated.address.filter(|address| !address.is_unspecified()) {
            let endpoint = SocketAddr::new(address, stated.udp);
            self.predictor
                .add_statement(from.ip(), endpoint, now.instant);
        }
    }

    /// Answers with at least one packet, which may be empty.
    fn handle_find_node(&mut self, from: SocketAddr, request: &FindNode, now: Now) {
        let target = PeerId(actoreum_primitives::keccak256(request.target));
        let nodes: Vec<NeighborNode> = self
            .table
            .closest(&target, BUCKET_SIZE, true)
            .into_iter()
            .filter(|node| check_relayed(from.ip(), node.endpoint.address).is_ok())
            .map(Node::to_neighbor)
            .collect();
        let expiration = self.expiration(now);
        let mut chunks: Vec<&[NeighborNode]> = nodes.chunks(MAX_NEIGHBORS_PER_PACKET).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        for chunk in chunks {
            let packet = Packet::Neighbors(Neighbors {
                nodes: chunk.to_vec(),
                expiration,
            });
            self.send(from, &packet);
        }
    }

    fn usable_neighbor(&self, from: SocketAddr, reported: &NeighborNode) -> Option<Node> {
        let usable = reported.udp >= LOWEST_UDP_PORT
            && check_relayed(from.ip(), reported.address).is_ok()
            && (self.allows)(reported.address);
        let endpoint = EnodeEndpoint::new(reported.address, reported.tcp, reported.udp);
        usable
            .then(|| Node::new(reported.public_key, endpoint))
            .filter(|node| node.id != self.own_id)
    }
}
