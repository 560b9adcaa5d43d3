//! A peer that a test drives packet by packet, and an engine to talk to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use actoreum_primitives::{PeerId, PublicKey, SecretKey};

use super::{key, record};
use crate::discv4::Node;
use crate::discv5::*;
use crate::nodes::{EnodeEndpoint, Enr};

/// Number of the engine's key.
pub(super) const ENGINE: u32 = 0;

pub(super) fn engine_address() -> SocketAddr {
    "7.7.7.7:30303".parse().unwrap()
}

pub(super) fn engine_id() -> PeerId {
    PeerId::of(&key(ENGINE).public_key())
}

pub(super) fn engine_with(bootnodes: Vec<Node>, now: Instant) -> Discovery {
    let config = DiscoveryConfig {
        key: key(ENGINE),
        record: record(ENGINE, 3, engine_address()),
        bootnodes,
        allows: Box::new(|address| address != "6.6.6.6".parse::<std::net::IpAddr>().unwrap()),
        entropy: [9; 32],
    };
    let mut engine = Discovery::new(config, now);
    engine.start(now);
    engine
}

pub(super) fn engine(now: Instant) -> Discovery {
    let mut engine = engine_with(Vec::new(), now);
    assert_eq!(outputs(&mut engine), [Output::Initialised]);
    engine
}

pub(super) fn outputs(engine: &mut Discovery) -> Vec<Output> {
    std::iter::from_fn(|| engine.poll_output()).collect()
}

/// Returns the datagrams that an engine sends; other outputs are dropped.
pub(super) fn sent(engine: &mut Discovery) -> Vec<(SocketAddr, Vec<u8>)> {
    outputs(engine)
        .into_iter()
        .filter_map(|output| match output {
            Output::Send { to, datagram } => Some((to, datagram)),
            _ => None,
        })
        .collect()
}

/// A packet as a peer reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    Message(Message),
    /// A message that the peer has no key for, with its nonce.
    Unreadable(Nonce),
    /// Nonce, content and challenge data.
    Challenge(Nonce, WhoAreYou, Vec<u8>),
}

/// A node under the control of a test.
pub(super) struct Peer {
    pub key: SecretKey,
    pub id: PeerId,
    pub address: SocketAddr,
    pub record: Enr,
    /// Id of the engine.
    pub engine: PeerId,
    /// Write and read key of each session.
    pub sessions: HashMap<PeerId, (Key, Key)>,
    nonces: u64,
}

impl Peer {
    pub(super) fn new(number: u32, address: &str) -> Self {
        let address = address.parse().unwrap();
        let key = key(number);
        Self {
            id: PeerId::of(&key.public_key()),
            record: record(number, 1, address),
            key,
            address,
            engine: engine_id(),
            sessions: HashMap::new(),
            nonces: u64::from(number) << 32,
        }
    }

    pub(super) fn node(&self) -> Node {
        let (ip, port) = (self.address.ip(), self.address.port());
        Node::new(self.key.public_key(), EnodeEndpoint::new(ip, port, port))
    }

    pub(super) fn nonce(&mut self) -> Nonce {
        self.nonces += 1;
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.nonces.to_be_bytes());
        nonce
    }

    pub(super) fn ping(&mut self) -> Message {
        let [.., last] = self.nonce();
        Message::Ping {
            id: RequestId::new(&[1, 2, last]).unwrap(),
            enr_seq: self.record.seq(),
        }
    }

    /// Encodes a message in the session with the engine; a random packet without one.
    pub(super) fn packet(&mut self, message: &Message) -> Vec<u8> {
        self.raw_packet(&message.encode())
    }

    pub(super) fn raw_packet(&mut self, content: &[u8]) -> Vec<u8> {
        let nonce = self.nonce();
        let engine = self.engine;
        match self.sessions.get(&engine) {
            Some((write, _)) => {
                encode_ordinary(&self.id, &engine, (&[5; 16], &nonce), write, content)
            }
            None => encode_random(&self.id, &engine, (&[5; 16], &nonce), &[6; 32]),
        }
    }

    /// Makes the answer to a challenge of the engine, and opens the session.
    pub(super) fn handshake(&mut self, challenge: &[u8], content: &[u8]) -> Vec<u8> {
        let record = Some(self.record.encoded().to_vec());
        self.handshake_with(challenge, record, content)
    }

    pub(super) fn handshake_with(
        &mut self,
        challenge: &[u8],
        record: Option<Vec<u8>>,
        content: &[u8],
    ) -> Vec<u8> {
        let static_key = key(ENGINE).public_key();
        let engine = PeerId::of(&static_key);
        let ephemeral = key(900_000);
        let ephemeral_key = ephemeral.public_key().to_compressed();
        let keys = derive_keys(&ephemeral, &static_key, &self.id, &engine, challenge);
        let handshake = Handshake {
            source: self.id,
            signature: sign_identity(&self.key, challenge, &ephemeral_key, &engine),
            ephemeral_key,
            record,
        };
        let nonce = self.nonce();
        let key = keys.initiator.clone();
        self.sessions
            .insert(engine, (keys.initiator, keys.recipient));
        encode_handshake(&engine, (&[5; 16], &nonce), &handshake, &key, content)
    }

    /// Reads a packet of the engine. A handshake packet opens a session if it answers `challenge`.
    pub(super) fn read(&mut self, datagram: &[u8], challenge: Option<&[u8]>) -> Read {
        let packet = decode_packet(&self.id, datagram).unwrap();
        let (source, read_key) = match &packet.kind {
            PacketKind::WhoAreYou(content) => {
                return Read::Challenge(packet.nonce, *content, packet.associated);
            }
            PacketKind::Ordinary { source } => match self.sessions.get(source) {
                Some((_, read)) => (*source, read.clone()),
                None => return Read::Unreadable(packet.nonce),
            },
            PacketKind::Handshake(handshake) => {
                let challenge = challenge.expect("the peer has sent a challenge");
                let source = handshake.source;
                assert!(verify_identity(
                    &key(ENGINE).public_key(),
                    challenge,
                    &handshake.ephemeral_key,
                    &self.id,
                    &handshake.signature
                ));
                let ephemeral = PublicKey::from_sec1(&handshake.ephemeral_key).unwrap();
                let keys = derive_keys(&self.key, &ephemeral, &source, &self.id, challenge);
                let read = keys.initiator.clone();
                self.sessions
                    .insert(source, (keys.recipient, keys.initiator));
                (source, read)
            }
        };
        assert_eq!(source, PeerId::of(&key(ENGINE).public_key()));
        let content = open(&read_key, &packet.nonce, &packet.associated, packet.message);
        match content {
            Some(content) => Read::Message(Message::decode(&content).unwrap()),
            None => Read::Unreadable(packet.nonce),
        }
    }

    /// Sends a random packet to an engine and returns the challenge data of its answer.
    pub(super) fn be_challenged(&mut self, engine: &mut Discovery, now: Instant) -> Vec<u8> {
        let question = self.raw_packet(&[]);
        engine
            .handle_datagram(self.address, &question, now)
            .unwrap();
        let packets = sent(engine);
        let (to, datagram) = packets.last().unwrap();
        assert_eq!(*to, self.address);
        let Read::Challenge(_, _, challenge) = self.read(datagram, None) else {
            panic!("a challenge")
        };
        challenge
    }

    /// Opens a session with an engine, and answers the ping with which it verifies the peer.
    pub(super) fn connect(&mut self, engine: &mut Discovery, now: Instant) {
        let challenge = self.be_challenged(engine, now);
        let ping = self.ping().encode();
        let handshake = self.handshake(&challenge, &ping);
        engine
            .handle_datagram(self.address, &handshake, now)
            .unwrap();
        self.answer_all(engine, now);
        assert!(engine.table().entry(&self.id).is_some());
    }

    /// Reads the messages of an engine to this peer.
    pub(super) fn messages(&mut self, engine: &mut Discovery) -> Vec<Message> {
        let address = self.address;
        sent(engine)
            .into_iter()
            .filter(|(to, _)| *to == address)
            .filter_map(|(_, datagram)| match self.read(&datagram, None) {
                Read::Message(message) => Some(message),
                Read::Unreadable(_) | Read::Challenge(..) => None,
            })
            .collect()
    }

    /// Answers the pings and requests of an engine until it has no more.
    pub(super) fn answer_all(&mut self, engine: &mut Discovery, now: Instant) {
        loop {
            let messages = self.messages(engine);
            let requests: Vec<_> = messages.iter().filter(|it| it.is_request()).collect();
            if requests.is_empty() {
                return;
            }
            for request in requests {
                let answer = self.answer_to(request);
                let datagram = self.packet(&answer);
                engine
                    .handle_datagram(self.address, &datagram, now)
                    .unwrap();
            }
        }
    }

    /// Returns a plain answer: a pong, or this peer's record.
    pub(super) fn answer_to(&self, request: &Message) -> Message {
        let id = request.request_id();
        if matches!(request, Message::Ping { .. }) {
            return Message::Pong {
                id,
                enr_seq: self.record.seq(),
                address: engine_address().ip(),
                port: engine_address().port(),
            };
        }
        Message::Nodes {
            id,
            total: 1,
            records: vec![self.record.encoded().to_vec()],
        }
    }
}
