//! The engine of discovery v5: datagrams and a clock in, datagrams and events out.
//!
//! ```text
//!   datagram -> header -> session? --yes--> message -> answer, or result of a request
//!                 |         \---no----> limits -> WHOAREYOU
//!                 |-> WHOAREYOU for a request of this node -> handshake packet
//!                 \-> handshake for a challenge of this node -> session, message
//!
//!   timers (requests, revalidation, refresh)  -> requests -> outputs: Send, events
//! ```
//!
//! No answer is larger than its question before a session proves the address of the node that
//! asked: a WHOAREYOU packet is the smallest packet that exists.

mod answers;
mod incoming;
mod lookups;
mod requests;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actoreum_primitives::{PeerId, SecretKey};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use self::lookups::Refresh;
use super::calls::Calls;
use super::challenges::Challenges;
use super::records::Records;
use super::session::Sessions;
use super::{MaskingIv, MessageError, PacketError};
use crate::discv4::limiter::Limiter;
use crate::discv4::{EndpointPredictor, Lookup, Node, Table};
use crate::nodes::Enr;

/// Maximum delay between two revalidation pings; each delay is a random part of it.
const REVALIDATION_INTERVAL: Duration = Duration::from_secs(10);

/// Configuration of the engine.
pub struct DiscoveryConfig {
    /// Static key of the node.
    pub key: SecretKey,
    /// Node record of the local node.
    pub record: Enr,
    /// Bootnodes: nodes to query while no others are known.
    pub bootnodes: Vec<Node>,
    /// Addresses that may be contacted.
    pub allows: Box<dyn Fn(IpAddr) -> bool + Send>,
    /// Fresh random bytes of the operating system: keys are made from them.
    pub entropy: [u8; 32],
}

/// Id of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LookupId(u64);

/// An action or an event of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A datagram to send.
    Send {
        /// Address of the recipient.
        to: SocketAddr,
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// A lookup has ended.
    LookupFinished {
        /// Id of the lookup.
        id: LookupId,
        /// The closest nodes found, closest first, at most sixteen. [`Discovery::record`] returns
        /// their records.
        nodes: Vec<Node>,
        /// Number of nodes queried.
        queries: usize,
    },
    /// The first refresh is over: the table can be used.
    Initialised,
}

/// Reason why a datagram was not handled. The sender gets no answer; the reasons are for counters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The source, or all sources together, exceed the rate limit.
    #[error("too many packets")]
    RateLimited,
    /// Too many challenges wait for an answer.
    #[error("too many challenges")]
    TooManyChallenges,
    /// The address may not be contacted.
    #[error("address is not allowed")]
    NotAllowed,
    /// The header is invalid.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// The message is invalid.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The packet answers no pending request.
    #[error("unsolicited reply")]
    Unsolicited,
    /// The handshake answers no challenge, or too many came before it.
    #[error("unexpected auth response, not in handshake")]
    NoChallenge,
    /// The record in the handshake is missing, invalid, or another node's.
    #[error("invalid record in handshake")]
    InvalidRecord,
    /// The handshake's ephemeral key is not a point of the curve.
    #[error("invalid ephemeral pubkey")]
    InvalidKey,
    /// The handshake is not signed with the node's key.
    #[error("invalid ID nonce signature")]
    InvalidSignature,
    /// The message in the handshake is not encrypted with the new key.
    #[error("cannot decrypt message")]
    Undecryptable,
    /// The packet names the local node as its sender.
    #[error("own packet")]
    OwnPacket,
}

/// The discovery engine.
pub struct Discovery {
    key: SecretKey,
    own_id: PeerId,
    record: Arc<Enr>,
    bootnodes: Vec<Node>,
    allows: Box<dyn Fn(IpAddr) -> bool + Send>,
    random: StdRng,
    table: Table,
    records: Records,
    sessions: Sessions,
    challenges: Challenges,
    calls: Calls,
    predictor: EndpointPredictor,
    limiter: Limiter,
    lookups: HashMap<LookupId, Lookup>,
    next_lookup: u64,
    refresh: Option<Refresh>,
    next_refresh: Instant,
    /// Time of the next revalidation; `None` while a node is being revalidated.
    next_revalidation: Option<Instant>,
    initialised: bool,
    outputs: VecDeque<Output>,
}

impl Discovery {
    /// Creates an engine. Call [`Discovery::start`] once the seeds are added.
    pub fn new(config: DiscoveryConfig, now: Instant) -> Self {
        let mut random = StdRng::from_seed(config.entropy);
        let own_id = PeerId::of(&config.key.public_key());
        let table = Table::new(own_id, StdRng::from_rng(&mut random));
        Self {
            key: config.key,
            own_id,
            record: Arc::new(config.record),
            bootnodes: config.bootnodes,
            allows: config.allows,
            random,
            table,
            records: Records::new(),
            sessions: Sessions::new(),
            challenges: Challenges::default(),
            calls: Calls::default(),
            predictor: EndpointPredictor::default(),
            limiter: Limiter::new(now),
            lookups: HashMap::new(),
            next_lookup: 0,
            refresh: None,
            next_refresh: now,
            next_revalidation: Some(now + REVALIDATION_INTERVAL),
            initialised: false,
            outputs: VecDeque::new(),
        }
    }

    /// Adds nodes that were remembered across a restart. They are asked before they are returned to
    /// other nodes.
    pub fn add_seeds(&mut self, seeds: &[Node], now: Instant) {
        for seed in seeds {
            if (self.allows)(seed.endpoint.address) {
                self.table.add_seen(*seed, now);
            }
        }
    }

    /// Adds the record of a node that the configuration names.
    pub fn add_record(&mut self, record: Enr) {
        self.store_record(Arc::new(record));
    }

    /// Starts the first refresh.
    pub fn start(&mut self, now: Instant) {
        self.start_refresh(now);
    }

    /// Returns the table, for the admin page and for the dialer.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Returns the newest record of a node that this node has met or heard of.
    pub fn record(&self, id: &PeerId) -> Option<&Enr> {
        self.records.get(id).map(Arc::as_ref)
    }

    /// Returns the local endpoint as other nodes see it, if enough of them agree.
    pub fn predicted_endpoint(&self, now: Instant) -> Option<SocketAddr> {
        self.predictor.predict(now)
    }

    /// Sets the local node record. Other nodes learn of it with the next ping or pong.
    pub fn set_record(&mut self, record: Enr) {
        self.record = Arc::new(record);
    }

    /// Returns the number of requests that are pending or wait for others.
    pub fn pending_requests(&self) -> usize {
        self.calls.len()
    }

    /// Returns true if a datagram has the header of a packet for this node. Others may belong to
    /// another protocol on the same socket.
    pub fn recognises(&self, datagram: &[u8]) -> bool {
        super::is_discv5(&self.own_id, datagram)
    }

    /// Returns the next output. Call until it returns `None`, after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the time of the next call of [`Discovery::handle_timeout`].
    pub fn next_timeout(&self) -> Instant {
        self.next_revalidation
            .into_iter()
            .chain(self.calls.next_deadline())
            .chain([self.next_refresh])
            .min()
            .unwrap_or(self.next_refresh)
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_calls(now);
        if now >= self.next_refresh {
            self.start_refresh(now);
        }
        if self.next_revalidation.is_some_and(|due| now >= due) {
            self.revalidate(now);
        }
    }

    fn store_record(&mut self, record: Arc<Enr>) -> bool {
        let table = &self.table;
        self.records.insert(record, |id| table.entry(id).is_some())
    }

    fn masking_iv(&mut self) -> MaskingIv {
        let mut iv = [0; 16];
        self.random.fill_bytes(&mut iv);
        iv
    }

    fn send(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        self.outputs.push_back(Output::Send { to, datagram });
    }

    #[cfg(test)]
    pub(super) fn open_sessions(&self) -> usize {
        self.sessions.len()
    }

    #[cfg(test)]
    pub(super) fn open_challenges(&self) -> usize {
        self.challenges.len()
    }
}
