//! Peers and the node table of discovery, as the page shows them.

use actoreum_actors::net::NetworkHandle;
use actoreum_actors::net::ban_list::DroppedPeer;
use actoreum_actors::net::discovery::TableView;
use actoreum_actors::net::record::{Direction, PeerRecord};
use serde::Serialize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Bounds the dropped peers that the page shows; their number is shown too.
const MAX_DROPPED_SHOWN: usize = 32;

/// Status of the network.
#[derive(Debug, Serialize)]
pub struct NetworkStatus {
    enode: String,
    max_peers: usize,
    /// Connections that are established or in their handshake.
    connections: usize,
    peers: Vec<PeerStatus>,
    /// The peers that were dropped most recently, newest first.
    dropped: Vec<DroppedStatus>,
    /// Number of dropped peers that are remembered.
    dropped_count: usize,
    /// The node tables of the versions of discovery that are on.
    tables: Vec<TableStatus>,
}

/// The node table of a version of discovery.
#[derive(Debug, Serialize)]
struct TableStatus {
    /// The version: `v4` or `v5`.
    version: &'static str,
    /// The buckets, closest first.
    buckets: Vec<BucketStatus>,
    /// Pending requests.
    pending: usize,
    /// Datagrams that were handled and refused.
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
    /// The most recent reasons for which the score was lowered.
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
    /// Remaining time of the ban; `None` if the peer may reconnect.
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
    /// Number of pings that the node has answered.
    checks: u32,
}

impl NetworkStatus {
    /// Returns the current status of the network.
    pub fn of(network: &NetworkHandle) -> Self {
        let dropped = network.dropped();
        let tables = [("v4", network.table()), ("v5", network.table_v5())];
        Self {
            enode: network.local().enode.to_string(),
            max_peers: network.settings().max_peers,
            connections: network.connections(),
            peers: network.peers().iter().map(|it| peer_status(it)).collect(),
            dropped: dropped
                .iter()
                .take(MAX_DROPPED_SHOWN)
                .map(dropped_status)
                .collect(),
            dropped_count: dropped.len(),
            tables: tables
                .iter()
                .filter(|(_, table)| !table.buckets.is_empty())
                .map(|(version, table)| table_status(version, table))
                .collect(),
        }
    }
}

fn table_status(version: &'static str, table: &TableView) -> TableStatus {
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
    TableStatus {
        version,
        buckets: buckets.collect(),
        pending: table.pending,
        handled: table.handled,
        refused: table.refused,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn dropped_status(peer: &DroppedPeer) -> DroppedStatus {
    let summary = peer.summary.as_ref();
    DroppedStatus {
        id: format!("{:?}", peer.id),
        client: summary.map_or_else(String::new, |it| it.client_name.clone()),
        remote: summary.map_or_else(String::new, |it| it.remote.to_string()),
        why: peer.reason.clone(),
        times: peer.times,
        ago_ms: millis(peer.at.elapsed()),
        left_ms: peer.left().map(millis),
    }
}

fn peer_status(peer: &PeerRecord) -> PeerStatus {
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
