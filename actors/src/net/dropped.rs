//! Peers that were sent away lately: why, and for how long they are kept away.

use std::collections::HashMap;
use std::net::SocketAddr;

use actoreum_wire::nodes::{Enode, NodeId};
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

use super::limits::{DROPPED_NODES, DROPPED_SHOWN};
use super::peer::PeerRecord;

/// A peer that was sent away.
#[derive(Debug, Clone)]
pub struct DroppedPeer {
    /// Its id.
    pub id: NodeId,
    /// What it was as a peer; `None` where it was none when it was refused.
    pub seen: Option<Seen>,
    /// Why it was sent away the last time.
    pub why: String,
    /// When that was.
    pub at: Instant,
    /// Until when it is not let in, and not dialled; `None`: it may come back.
    pub until: Option<Instant>,
    /// How often it was sent away since it is remembered.
    pub times: u64,
}

/// A peer at its end.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its URL.
    pub enode: Enode,
    /// Its end of the socket.
    pub remote: SocketAddr,
    /// What it called itself, cut and cleaned.
    pub client_name: String,
    /// Its score.
    pub score: i64,
}

impl Seen {
    fn of(peer: &PeerRecord) -> Self {
        Self {
            enode: peer.enode(),
            remote: peer.remote,
            client_name: peer.client_name.clone(),
            score: peer.traffic.score(),
        }
    }
}

impl DroppedPeer {
    /// For how long it is still kept away; `None`: it may come back.
    pub fn left(&self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// Everybody who was sent away lately. It outlives the actors: a crash lets nobody back in.
#[derive(Debug, Default)]
pub struct DroppedPeers {
    all: Mutex<HashMap<NodeId, DroppedPeer>>,
}

impl DroppedPeers {
    /// Those that are remembered, the last one first.
    pub fn list(&self) -> Vec<DroppedPeer> {
        let mut all = self.all.lock();
        forget_old(&mut all);
        let mut list: Vec<DroppedPeer> = all.values().cloned().collect();
        list.sort_by_key(|it| (std::cmp::Reverse(it.at), it.id));
        list
    }

    /// Whether a node is not to be a peer now.
    pub fn is_kept_away(&self, id: &NodeId) -> bool {
        let all = self.all.lock();
        all.get(id).is_some_and(|it| it.left().is_some())
    }

    /// A node is sent away, and kept away for `time`. `peer` is its connection, where it has one.
    pub(super) fn keep_away(
        &self,
        id: NodeId,
        peer: Option<&PeerRecord>,
        why: String,
        time: Duration,
    ) {
        let until = Instant::now() + time;
        self.note(id, peer.map(Seen::of), why, Some(until));
    }

    /// A peer's connection was ended for a fault of its own.
    pub(super) fn drop_peer(&self, peer: &PeerRecord, why: String) {
        // What it is kept away for says more than how its connection ended.
        if !self.is_kept_away(&peer.id) {
            self.note(peer.id, Some(Seen::of(peer)), why, None);
        }
    }

    /// The operator wants a node as a peer, whatever it did.
    pub(super) fn forgive(&self, id: &NodeId) {
        self.all.lock().remove(id);
    }

    fn note(&self, id: NodeId, seen: Option<Seen>, why: String, until: Option<Instant>) {
        let mut all = self.all.lock();
        let before = all.remove(&id);
        forget_old(&mut all);
        if all.len() >= DROPPED_NODES {
            let first = all.values().min_by_key(|it| (it.until, it.at, it.id));
            if let Some(first) = first.map(|it| it.id) {
                all.remove(&first);
            }
        }
        let times = before.as_ref().map_or(0, |it| it.times) + 1;
        let (seen_before, until_before) = before.map_or((None, None), |it| (it.seen, it.until));
        all.insert(
            id,
            DroppedPeer {
                id,
                seen: seen.or(seen_before),
                why,
                at: Instant::now(),
                until: until.max(until_before),
                times,
            },
        );
    }
}

/// Those who may come back, and were sent away long ago.
fn forget_old(all: &mut HashMap<NodeId, DroppedPeer>) {
    all.retain(|_, it| it.left().is_some() || it.at.elapsed() < DROPPED_SHOWN);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize) -> NodeId {
        let mut id = [0; 32];
        id[24..].copy_from_slice(&number.to_be_bytes());
        NodeId(id.into())
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_sent_away_is_kept_away_for_the_time_and_forgotten_later() {
        let dropped = DroppedPeers::default();
        let minute = Duration::from_secs(60);
        dropped.keep_away(node(1), None, "lied".to_owned(), minute);
        dropped.keep_away(node(2), None, "lied more".to_owned(), 10 * minute);
        assert!(dropped.is_kept_away(&node(1)));
        tokio::time::advance(minute).await;
        assert!(!dropped.is_kept_away(&node(1)));
        assert!(dropped.is_kept_away(&node(2)));
        dropped.keep_away(node(1), None, "lied again".to_owned(), minute);
        let list = dropped.list();
        assert_eq!((list[0].id, list[0].times), (node(1), 2));
        assert_eq!(list[0].why, "lied again");
        assert_eq!(list[1].left(), Some(9 * minute));
        dropped.forgive(&node(2));
        assert!(!dropped.is_kept_away(&node(2)));
        tokio::time::advance(DROPPED_SHOWN + minute).await;
        assert!(dropped.list().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_nodes_pushes_out_who_may_come_back_first() {
        let dropped = DroppedPeers::default();
        let hour = Duration::from_secs(3_600);
        dropped.keep_away(node(0), None, "worst".to_owned(), hour);
        for number in 1..2 * DROPPED_NODES {
            let time = Duration::from_secs(60);
            dropped.keep_away(node(number), None, "flood".to_owned(), time);
        }
        assert_eq!(dropped.list().len(), DROPPED_NODES);
        assert!(dropped.is_kept_away(&node(0)));
    }
}
