//! The published record of a connected peer.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub use actoreum_messages::peer::{ConnectionId, Direction};
use actoreum_primitives::{PeerId, PublicKey};
use actoreum_wire::nodes::{Enode, EnodeEndpoint};
use actoreum_wire::p2p::Capability;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::limits::{BAN_SCORE, MAX_NOTE_CHARS, MAX_NOTES};

/// The record of a connected peer: identity, connection and counters. Readable without a mailbox.
#[derive(Debug)]
pub struct PeerRecord {
    /// The connection's id.
    pub connection: ConnectionId,
    /// The node id.
    pub id: PeerId,
    /// The public key.
    pub public_key: PublicKey,
    /// The client name, shortened and sanitised.
    pub client_name: String,
    /// The capabilities that the peer offers.
    pub capabilities: Vec<Capability>,
    /// The negotiated capabilities.
    pub shared: Vec<Capability>,
    /// The direction of the connection.
    pub direction: Direction,
    /// Whether the peer is trusted. Changes with the list of trusted nodes.
    pub is_trusted: AtomicBool,
    /// The local address.
    pub local: SocketAddr,
    /// The remote address.
    pub remote: SocketAddr,
    /// The listening port that the peer claims; 0 for none.
    pub listen_port: u16,
    /// The time when the node became a peer.
    pub since: Instant,
    /// Counters of the connection.
    pub traffic: Traffic,
    /// The details that the peer's protocol publishes.
    pub protocol_info: ProtocolInfo,
    pub(super) notes: Mutex<VecDeque<String>>,
}

/// The details that a protocol publishes about a peer. The network does not look inside: the
/// protocol sets a value of its own type, and a reader asks for that type.
#[derive(Default)]
pub struct ProtocolInfo(Mutex<Option<Arc<dyn Any + Send + Sync>>>);

impl ProtocolInfo {
    /// Returns the details; `None` until the protocol has set some, or where they are of another
    /// type.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.lock().clone()?.downcast().ok()
    }

    /// Replaces the details.
    pub fn set<T: Any + Send + Sync>(&self, info: T) {
        *self.0.lock() = Some(Arc::new(info));
    }
}

impl fmt::Debug for ProtocolInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtocolInfo").finish_non_exhaustive()
    }
}

/// Counters of a connection.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Bytes from the socket.
    pub bytes_in: AtomicU64,
    /// Bytes to the socket.
    pub bytes_out: AtomicU64,
    /// Protocol messages received.
    pub messages_in: AtomicU64,
    /// Protocol messages sent.
    pub messages_out: AtomicU64,
    /// The last round trip of a ping in microseconds; 0 before the first.
    latency_micros: AtomicU64,
    /// The score: starts at 0; lower is worse.
    score: AtomicI64,
}

impl Traffic {
    /// Returns the round trip of the last ping; `None` before the first was answered.
    pub fn latency(&self) -> Option<Duration> {
        let micros = self.latency_micros.load(Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    pub(super) fn set_latency(&self, round_trip: Duration) {
        let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.latency_micros.store(micros.max(1), Relaxed);
    }

    /// Returns the score: starts at 0; lower is worse, down to [`BAN_SCORE`].
    pub fn score(&self) -> i64 {
        self.score.load(Relaxed)
    }

    /// Lowers the score by `points`, or raises it where they are negative. Returns whether the
    /// score is at [`BAN_SCORE`] now.
    pub(super) fn penalise(&self, points: i64) -> bool {
        let before = self
            .score
            .fetch_update(Relaxed, Relaxed, |score| {
                Some(score.saturating_sub(points).clamp(BAN_SCORE, 0))
            })
            .unwrap_or_default();
        before.saturating_sub(points) <= BAN_SCORE
    }
}

impl PeerRecord {
    /// Returns the enode URL with the remote address of the connection.
    pub fn enode(&self) -> Enode {
        let (ip, port) = (self.remote.ip(), self.remote.port());
        Enode {
            public_key: self.public_key,
            endpoint: Some(EnodeEndpoint::new(ip, port, port)),
        }
    }

    /// Returns whether the peer is trusted.
    pub fn is_trusted(&self) -> bool {
        self.is_trusted.load(Relaxed)
    }

    /// Returns the last penalty reasons, oldest first.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().iter().cloned().collect()
    }

    /// Records the reason of a penalty or of a disconnect.
    pub(super) fn note(&self, why: &str) {
        let why: String = why.chars().take(MAX_NOTE_CHARS).collect();
        let mut notes = self.notes.lock();
        if notes.back() == Some(&why) {
            return;
        }
        if notes.len() >= MAX_NOTES {
            notes.pop_front();
        }
        notes.push_back(why);
    }
}
