//! Peers and the table of nodes in the status.

use actoreum_actors::net::dropped::DroppedPeer;
use actoreum_actors::net::{NetworkHandle, peer::Direction, peer::PeerRecord};
use serde::Serialize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Peers that were sent away and are drawn: the page is for a glance, `admin_peers` has all.
const DROPPED_DRAWN: usize = 32;

/// What the page says of the network.
#[derive(Debug, Serialize)]
pub struct NetworkStatus {
    enode: String,
    max_peers: usize,
    /// Connections that stand or are being set up.
    connections: usize,
    peers: Vec<PeerStatus>,
    /// The last ones that were sent away, the newest first, and how many are remembered.
    dropped: Vec<DroppedStatus>,
    dropped_count: usize,
    /// Closest first; none without discovery.
    buckets: Vec<BucketStatus>,
    /// Discovery's requests in flight, and its datagrams.
    pending: usize,
    handled: u64,
    refused: u64,
}

#[derive(Debug, Serialize)]
struct PeerStatus {
    id: String,
    client: String,
    remote: String,
    direction: &'static str,
    is_trusted: bool,
    capabilities: Vec<String>,
    bytes_in: u64,
    bytes_out: u64,
    messages_in: u64,
    messages_out: u64,
    latency_us: Option<u64>,
    score: i64,
    /// The last things that were counted against it.
    notes: Vec<String>,
    up_ms: u64,
}

#[derive(Debug, Serialize)]
struct DroppedStatus {
    id: String,
    client: String,
    remote: String,
    why: String,
    times: u64,
    ago_ms: u64,
    /// `None`: it may come back.
    left_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct BucketStatus {
    nodes: Vec<NodeStatus>,
    replacements: usize,
}

#[derive(Debug, Serialize)]
struct NodeStatus {
    id: String,
    address: String,
    /// Pings that it has answered.
    checks: u32,
}

impl NetworkStatus {
    /// The network at this moment.
    pub fn of(network: &NetworkHandle) -> Self {
        let table = network.table();
        let dropped = network.dropped();
        let buckets = table.buckets.iter().map(|bucket| BucketStatus {
            nodes: bucket
                .nodes
                .iter()
                .map(|(node, checks)| NodeStatus {
                    id: format!("{:?}", node.id),
                    address: node.udp_address().to_string(),
                    checks: *checks,
                })
                .collect(),
            replacements: bucket.replacements,
        });
        Self {
            enode: network.local().enode.to_string(),
            max_peers: network.settings().max_peers,
            connections: network.connections(),
            peers: network.peers().iter().map(|it| describe(it)).collect(),
            dropped: dropped.iter().take(DROPPED_DRAWN).map(sent_away).collect(),
            dropped_count: dropped.len(),
            buckets: buckets.collect(),
            pending: table.pending,
            handled: table.handled,
            refused: table.refused,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn sent_away(peer: &DroppedPeer) -> DroppedStatus {
    let seen = peer.seen.as_ref();
    DroppedStatus {
        id: format!("{:?}", peer.id),
        client: seen.map_or_else(String::new, |it| it.client_name.clone()),
        remote: seen.map_or_else(String::new, |it| it.remote.to_string()),
        why: peer.why.clone(),
        times: peer.times,
        ago_ms: millis(peer.at.elapsed()),
        left_ms: peer.left().map(millis),
    }
}

fn describe(peer: &PeerRecord) -> PeerStatus {
    let traffic = &peer.traffic;
    PeerStatus {
        id: format!("{:?}", peer.id),
        client: peer.client_name.clone(),
        remote: peer.remote.to_string(),
        direction: match peer.direction {
            Direction::Inbound => "inbound",
            Direction::Dynamic => "dialled",
            Direction::Static => "static",
        },
        is_trusted: peer.is_trusted(),
        capabilities: peer.shared.iter().map(ToString::to_string).collect(),
        bytes_in: traffic.bytes_in.load(Relaxed),
        bytes_out: traffic.bytes_out.load(Relaxed),
        messages_in: traffic.messages_in.load(Relaxed),
        messages_out: traffic.messages_out.load(Relaxed),
        latency_us: traffic
            .latency()
            .map(|it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX)),
        score: traffic.score(),
        notes: peer.notes(),
        up_ms: millis(peer.since.elapsed()),
    }
}
