//! The discovery engine: one state machine with datagrams and a clock in, datagrams and events out.
//!
//! ```text
//!   datagram -> solicited? -> limits -> hash -> signature -> expiry -> handler
//!               (the first pong for a ping passes no limits)            |
//!       table, proofs, pending requests, lookups  <---------------------+
//!                                                                       |
//!   timers (replies, revalidation, refresh, lookups)  -> requests       v
//!                                                          outputs: Send, events
//! ```

mod handlers;
mod pending;
mod requests;

pub(crate) use self::handlers::LOWEST_UDP_PORT;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use actoreum_primitives::{PeerId, PublicKey, SecretKey, keccak256};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use self::pending::PendingRequests;
use self::requests::{Delayed, Purpose};
use super::limiter::Limiter;
use super::{
    EndpointPredictor, EndpointProofs, Lookup, Node, Packet, PacketError, Table, encode_packet,
};
use crate::limits::{BUCKET_SIZE, MAX_LOOKUPS, PACKET_EXPIRATION};
use crate::nodes::{EnodeEndpoint, Enr};

/// Time between two refreshes of the table.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Time between two refreshes while the table holds less than a bucket: the network is new, or a
/// first ping was lost.
const SHORT_REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// Maximum delay between two revalidation pings; each delay is a random part of it.
const REVALIDATION_INTERVAL: Duration = Duration::from_secs(10);

/// Number of lookups for random targets in a refresh, after the one for the local node.
const RANDOM_LOOKUPS: usize = 3;

/// The two clocks: a monotonic one for timers, and the time of day, which packets carry.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Monotonic time, for timers.
    pub instant: Instant,
    /// Time of day, in seconds since 1970.
    pub unix: u64,
}

/// Configuration of the engine.
pub struct DiscoveryConfig {
    /// Static key of the node.
    pub key: SecretKey,
    /// Endpoint of the local node, as far as it is known. It is written into pings; receivers do
    /// not verify it.
    pub endpoint: EnodeEndpoint,
    /// Node record of the local node, sent to nodes that request it and have proven their endpoint.
    pub record: Option<Enr>,
    /// Bootnodes: nodes to query while no others are known.
    pub bootnodes: Vec<Node>,
    /// Addresses that may be contacted.
    pub allows: Box<dyn Fn(IpAddr) -> bool + Send>,
    /// Fresh random bytes.
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
    /// A node answered a ping: it is alive at this endpoint.
    NodeVerified(Node),
    /// A lookup has ended.
    LookupFinished {
        /// Id of the lookup.
        id: LookupId,
        /// The closest nodes found, closest first, at most sixteen.
        nodes: Vec<Node>,
        /// Number of nodes queried.
        queries: usize,
    },
    /// A node sent its record, which [`Discovery::request_record`] had requested.
    RecordReceived {
        /// The node.
        node: Node,
        /// The record, verified to be of that node.
        record: Enr,
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
    /// The address may not be contacted.
    #[error("address is not allowed")]
    NotAllowed,
    /// The envelope or the data is invalid.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// The packet has expired, or is valid for too long.
    #[error("expired")]
    Expired,
    /// The packet answers no pending request.
    #[error("unsolicited reply")]
    Unsolicited,
    /// The packet is a request of a node that has not proven its endpoint.
    #[error("unknown node")]
    UnknownNode,
    /// The packet is signed with the local node's key.
    #[error("own packet")]
    OwnPacket,
}

/// The discovery engine.
pub struct Discovery {
    key: SecretKey,
    own_id: PeerId,
    endpoint: EnodeEndpoint,
    record: Option<Enr>,
    bootnodes: Vec<Node>,
    allows: Box<dyn Fn(IpAddr) -> bool + Send>,
    random: StdRng,
    table: Table,
    proofs: EndpointProofs,
    predictor: EndpointPredictor,
    limiter: Limiter,
    pending: PendingRequests,
    /// Find-node requests that wait for a node to notice the local node's pong.
    delayed: Vec<Delayed>,
    lookups: HashMap<LookupId, Lookup>,
    /// The content of a lookup's requests: the preimage of its target.
    targets: HashMap<LookupId, [u8; 64]>,
    next_lookup: u64,
    refresh: Option<Refresh>,
    next_refresh: Instant,
    /// Time of the next revalidation; `None` while a node is being revalidated.
    next_revalidation: Option<Instant>,
    initialised: bool,
    consecutive_timeouts: u32,
    outputs: VecDeque<Output>,
}

/// A running refresh: its current lookup and how many follow.
struct Refresh {
    current: LookupId,
    random_lookups_left: usize,
}

impl Discovery {
    /// Creates an engine. Call [`Discovery::start`] once the seeds are added.
    pub fn new(config: DiscoveryConfig, now: Now) -> Self {
        let mut random = StdRng::from_seed(config.entropy);
        let own_id = PeerId::of(&config.key.public_key());
        let table = Table::new(own_id, StdRng::from_rng(&mut random));
        Self {
            key: config.key,
            own_id,
            endpoint: config.endpoint,
            record: config.record,
            bootnodes: config.bootnodes,
            allows: config.allows,
            random,
            table,
            proofs: EndpointProofs::default(),
            predictor: EndpointPredictor::default(),
            limiter: Limiter::new(now.instant),
            pending: PendingRequests::default(),
            delayed: Vec::new(),
            lookups: HashMap::new(),
            targets: HashMap::new(),
            next_lookup: 0,
            refresh: None,
            next_refresh: now.instant,
            next_revalidation: Some(now.instant + REVALIDATION_INTERVAL),
            initialised: false,
            consecutive_timeouts: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Adds nodes that were remembered across a restart. They are pinged before they are returned
    /// to other nodes.
    pub fn add_seeds(&mut self, seeds: &[Node], now: Now) {
        for seed in seeds {
            if (self.allows)(seed.endpoint.address) {
                self.table.add_seen(*seed, now.instant);
            }
        }
    }

    /// Starts the first refresh.
    pub fn start(&mut self, now: Now) {
        self.start_refresh(now);
    }

    /// Returns the table, for the admin page and for the dialer.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Returns up to `count` random nodes; none before the first refresh has ended.
    pub fn random_nodes(&mut self, count: usize) -> Vec<Node> {
        if self.initialised {
            self.table.random_nodes(count)
        } else {
            Vec::new()
        }
    }

    /// Returns the local endpoint as other nodes see it, if enough of them agree.
    pub fn predicted_endpoint(&self, now: Now) -> Option<SocketAddr> {
        self.predictor.predict(now.instant)
    }

    /// Sets the local endpoint that pings state.
    pub fn set_endpoint(&mut self, endpoint: EnodeEndpoint) {
        self.endpoint = endpoint;
    }

    /// Sets the local node record.
    pub fn set_record(&mut self, record: Enr) {
        self.record = Some(record);
    }

    /// Returns the number of requests in a row that were not answered. Many may mean that the local
    /// clock is wrong.
    pub fn consecutive_timeouts(&self) -> u32 {
        self.consecutive_timeouts
    }

    /// Returns the number of pending requests.
    pub fn pending_requests(&self) -> usize {
        self.pending.len() + self.delayed.len()
    }

    /// Returns the next output. Call until it returns `None`, after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Replaces the bootnodes, and contacts them where there is a new one.
    pub fn set_bootnodes(&mut self, bootnodes: Vec<Node>, now: Now) {
        let has_new = bootnodes.iter().any(|node| !self.bootnodes.contains(node));
        self.bootnodes = bootnodes;
        match self.refresh {
            _ if !has_new => {}
            // A running refresh would not query the bootnodes again.
            Some(_) => self.add_seeds(&self.bootnodes.clone(), now),
            None => self.start_refresh(now),
        }
    }

    /// Starts a search for the nodes closest to the hash of `target` (a public key, or any bytes).
    /// If the table is empty, it is filled from the bootnodes again, as in geth. Returns `None` if
    /// [`MAX_LOOKUPS`] are running: retry later.
    pub fn start_lookup(&mut self, target: [u8; 64], now: Now) -> Option<LookupId> {
        if self.table.is_empty() && !self.bootnodes.is_empty() {
            match self.refresh {
                // A running refresh would not query the bootnodes again.
                Some(_) => self.add_seeds(&self.bootnodes.clone(), now),
                None => self.start_refresh(now),
            }
        }
        self.begin_lookup(target, now)
    }

    fn begin_lookup(&mut self, target: [u8; 64], now: Now) -> Option<LookupId> {
        if self.lookups.len() >= MAX_LOOKUPS {
            return None;
        }
        let target_id = PeerId(keccak256(target));
        let mut known = self.table.closest(&target_id, BUCKET_SIZE, true);
        if known.len() < BUCKET_SIZE {
            // Nodes that have not answered yet are better than none.
            known.extend(self.table.closest(&target_id, BUCKET_SIZE, false));
        }
        let id = LookupId(self.next_lookup);
        self.next_lookup += 1;
        self.lookups
            .insert(id, Lookup::new(target_id, self.own_id, &known));
        self.targets.insert(id, target);
        self.advance_lookup(id, now);
        Some(id)
    }

    /// Starts a search for a node by its public key. The result with the same id, if any, is the
    /// node.
    pub fn resolve(&mut self, key: &PublicKey, now: Now) -> Option<LookupId> {
        self.start_lookup(key.to_uncompressed(), now)
    }

    /// Queries as many nodes as the lookup may query now; ends it when it is finished.
    fn advance_lookup(&mut self, id: LookupId, now: Now) {
        let Some(target) = self.targets.get(&id).copied() else {
            return;
        };
        while let Some(node) = self.lookups.get_mut(&id).and_then(Lookup::next_query) {
            self.query(id, node, target, now);
        }
        if self.lookups.get(&id).is_some_and(Lookup::is_finished)
            && let Some(lookup) = self.lookups.remove(&id)
        {
            self.targets.remove(&id);
            self.finish_lookup(id, &lookup, now);
        }
    }

    fn finish_lookup(&mut self, id: LookupId, lookup: &Lookup, now: Now) {
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

    fn start_refresh(&mut self, now: Now) {
        self.next_refresh = now.instant + SHORT_REFRESH_INTERVAL;
        if self.refresh.is_some() {
            return;
        }
        self.add_seeds(&self.bootnodes.clone(), now);
        let own_key = self.key.public_key().to_uncompressed();
        self.run_refresh_lookup(own_key, RANDOM_LOOKUPS, now);
    }

    fn run_refresh_lookup(&mut self, target: [u8; 64], random_lookups_left: usize, now: Now) {
        // The lookup may end at once, so that the refresh must refer to it before it starts.
        self.refresh = Some(Refresh {
            current: LookupId(self.next_lookup),
            random_lookups_left,
        });
        if self.begin_lookup(target, now).is_none() {
            self.end_refresh(now);
        }
    }

    fn continue_refresh(&mut self, now: Now) {
        let Some(refresh) = self.refresh.take() else {
            return;
        };
        let Some(left) = refresh.random_lookups_left.checked_sub(1) else {
            self.end_refresh(now);
            return;
        };
        let mut target = [0; 64];
        self.random.fill_bytes(&mut target);
        self.run_refresh_lookup(target, left, now);
    }

    fn end_refresh(&mut self, now: Now) {
        self.refresh = None;
        let few = self.table.len() < BUCKET_SIZE;
        let interval = if few {
            SHORT_REFRESH_INTERVAL
        } else {
            REFRESH_INTERVAL
        };
        self.next_refresh = now.instant + interval;
        if !self.initialised {
            self.initialised = true;
            self.outputs.push_back(Output::Initialised);
        }
    }

    /// Returns the time of the next call of [`Discovery::handle_timeout`].
    pub fn next_timeout(&self) -> Instant {
        let delays = self.delayed.iter().map(|delayed| delayed.send_at);
        let timers = self
            .next_revalidation
            .into_iter()
            .chain([self.next_refresh]);
        delays
            .chain(timers)
            .chain(self.pending.next_deadline())
            .min()
            .unwrap_or(self.next_refresh)
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.expire_requests(now);
        self.send_delayed(now);
        if now.instant >= self.next_refresh {
            self.start_refresh(now);
        }
        if self.next_revalidation.is_some_and(|due| now.instant >= due) {
            self.revalidate(now);
        }
    }

    fn revalidate(&mut self, now: Now) {
        self.next_revalidation = None;
        let sent = self
            .table
            .next_to_revalidate(now.instant)
            .is_some_and(|node| self.ping(node, Purpose::Revalidation, now));
        if !sent {
            self.schedule_revalidation(now);
        }
    }

    fn schedule_revalidation(&mut self, now: Now) {
        let delay = self.table.random_delay(REVALIDATION_INTERVAL);
        self.next_revalidation = Some(now.instant + delay);
    }

    fn send(&mut self, to: SocketAddr, packet: &Packet) -> actoreum_primitives::B256 {
        let (datagram, hash) = encode_packet(packet, &self.key);
        self.outputs.push_back(Output::Send { to, datagram });
        hash
    }

    fn expiration(&self, now: Now) -> u64 {
        now.unix.saturating_add(PACKET_EXPIRATION.as_secs())
    }

    fn record_seq(&self) -> Option<u64> {
        self.record.as_ref().map(Enr::seq)
    }

    /// Returns a target that no other node can foresee, for lookups that only want to meet nodes.
    pub fn random_target(&mut self) -> [u8; 64] {
        let mut target = [0; 64];
        self.random.fill(&mut target);
        target
    }
}
