//! A connected peer, as others see it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use actoreum_messages::server::Ban;
use actoreum_primitives::PublicKey;
use actoreum_wire::nodes::{Enode, EnodeEndpoint, NodeId};
use actoreum_wire::p2p::{Capability, DisconnectReason};
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::debug;

use super::{Disconnect, PeerActor};
use crate::net::limits::{BAN_TIME, MAX_NOTE, MAX_NOTES, USELESS_TIME, WORST_SCORE};
use crate::net::protocol::EthInfo;
use crate::net::server::ServerActor;
use crate::supervision::ActorRef;

/// Tells two connections of one node apart; unique within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// How a connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The other side dialled.
    Inbound,
    /// We dialled somebody that discovery or the list of bootnodes named.
    Dynamic,
    /// We dialled somebody that the operator named.
    Static,
}

/// Who a peer is, how it is connected, and what was measured. Read by anybody, without a mailbox.
#[derive(Debug)]
pub struct PeerRecord {
    /// The connection.
    pub connection: ConnectionId,
    /// The node's id.
    pub id: NodeId,
    /// Its key.
    pub public_key: PublicKey,
    /// What it calls itself, cut and cleaned.
    pub client_name: String,
    /// What it offers.
    pub capabilities: Vec<Capability>,
    /// What both speak.
    pub shared: Vec<Capability>,
    /// Who dialled.
    pub direction: Direction,
    /// Whether it is let in always. Changes with the operator's list.
    pub is_trusted: AtomicBool,
    /// Our end of the socket.
    pub local: SocketAddr,
    /// Its end of the socket.
    pub remote: SocketAddr,
    /// The port that it says it listens on; 0 where it does not say.
    pub listen_port: u16,
    /// When it became a peer.
    pub since: Instant,
    /// What was measured.
    pub traffic: Traffic,
    /// What the eth conversation shows; `None` until the status has come.
    pub eth: Mutex<Option<EthInfo>>,
    pub(in crate::net) notes: Mutex<VecDeque<String>>,
    pub(in crate::net) actor: ActorRef<PeerActor>,
    pub(in crate::net) server: ActorRef<ServerActor>,
}

/// Counters of a connection.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Bytes from the socket.
    pub bytes_in: AtomicU64,
    /// Bytes to the socket.
    pub bytes_out: AtomicU64,
    /// Protocol messages taken.
    pub messages_in: AtomicU64,
    /// Protocol messages sent.
    pub messages_out: AtomicU64,
    /// The last round trip of a ping in microseconds; 0 before the first.
    latency_micros: AtomicU64,
    /// 0 at first; worse is lower.
    score: AtomicI64,
}

impl Traffic {
    /// How long the last ping took; `None` before the first was answered.
    pub fn latency(&self) -> Option<Duration> {
        let micros = self.latency_micros.load(Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    pub(super) fn set_latency(&self, round_trip: Duration) {
        let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.latency_micros.store(micros.max(1), Relaxed);
    }

    /// 0 at first; worse is lower, down to [`WORST_SCORE`].
    pub fn score(&self) -> i64 {
        self.score.load(Relaxed)
    }
}

impl PeerRecord {
    /// The node's URL: where we dialled it, or where it came from.
    pub fn enode(&self) -> Enode {
        let (ip, port) = (self.remote.ip(), self.remote.port());
        Enode {
            public_key: self.public_key,
            endpoint: Some(EnodeEndpoint::new(ip, port, port)),
        }
    }

    /// Whether it is let in always.
    pub fn is_trusted(&self) -> bool {
        self.is_trusted.load(Relaxed)
    }

    /// Ends the connection.
    pub fn disconnect(&self, reason: DisconnectReason) {
        // A peer whose mailbox is full was asked already; one that is down has ended.
        let _ = self.actor.tell(Disconnect(reason));
    }

    /// The last things that were counted against it, oldest first.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().iter().cloned().collect()
    }

    /// Remembers why something was counted against it, or why it was sent away.
    fn note(&self, why: &str) {
        let why: String = why.chars().take(MAX_NOTE).collect();
        let mut notes = self.notes.lock();
        if notes.back() == Some(&why) {
            return;
        }
        if notes.len() >= MAX_NOTES {
            notes.pop_front();
        }
        notes.push_back(why);
    }

    pub(in crate::net) fn penalise(&self, points: i64, why: &str) {
        if points > 0 {
            self.note(why);
        }
        let before = self
            .traffic
            .score
            .fetch_update(Relaxed, Relaxed, |score| {
                Some(score.saturating_sub(points).clamp(WORST_SCORE, 0))
            })
            .unwrap_or_default();
        debug!(peer = ?self.id, points, why, "score changed");
        let is_worst = before.saturating_sub(points) <= WORST_SCORE;
        if is_worst && !self.is_trusted() {
            self.ban(why, BAN_TIME, DisconnectReason::ProtocolBreach);
        }
    }

    /// Ends the connection with a peer that is of no use, and keeps it away for a while; one that
    /// is let in always may come back.
    pub(in crate::net) fn send_away(&self, why: &str) {
        self.note(why);
        match self.is_trusted() {
            true => self.disconnect(DisconnectReason::UselessPeer),
            false => self.ban(why, USELESS_TIME, DisconnectReason::UselessPeer),
        }
    }

    fn ban(&self, why: &str, time: Duration, reason: DisconnectReason) {
        // Where the server is down it ends every connection, this one too.
        let _ = self.server.tell(Ban {
            peer: self.id,
            why: why.chars().take(MAX_NOTE).collect(),
            time,
        });
        self.disconnect(reason);
    }
}
