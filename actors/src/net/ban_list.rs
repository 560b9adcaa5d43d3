//! The list of banned and lately dropped peers, with reasons and durations.

use actoreum_primitives::PeerId;
use std::collections::HashMap;
use std::net::SocketAddr;

use actoreum_wire::nodes::Enode;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

use super::limits::{DROPPED_PEER_RETENTION, MAX_DROPPED_PEERS};
use super::record::PeerRecord;

/// A peer that was dropped or banned.
#[derive(Debug, Clone)]
pub struct DroppedPeer {
    /// The node id.
    pub id: PeerId,
    /// The peer's details at its end; `None` where the node was never connected.
    pub summary: Option<PeerSummary>,
    /// The reason of the last drop or ban.
    pub reason: String,
    /// The time of the last drop or ban.
    pub at: Instant,
    /// The end of the ban, during which the node is neither accepted nor dialled; `None`: not
    /// banned.
    pub until: Option<Instant>,
    /// The number of times that the node was dropped or banned since it is remembered.
    pub times: u64,
}

/// The details of a peer when its connection ended.
#[derive(Debug, Clone)]
pub struct PeerSummary {
    /// The enode URL.
    pub enode: Enode,
    /// The remote address of the connection.
    pub remote: SocketAddr,
    /// The client name, shortened and sanitised.
    pub client_name: String,
    /// The score.
    pub score: i64,
}

impl PeerSummary {
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
    /// Returns the remaining duration of the ban; `None`: not banned.
    pub fn left(&self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// The banned and lately dropped peers. The list outlives the actors: a crash lifts no ban.
#[derive(Debug, Default)]
pub struct BanList {
    all: Mutex<HashMap<PeerId, DroppedPeer>>,
}

impl BanList {
    /// Returns the remembered peers, the last one first.
    pub fn list(&self) -> Vec<DroppedPeer> {
        let mut all = self.all.lock();
        forget_old(&mut all);
        let mut list: Vec<DroppedPeer> = all.values().cloned().collect();
        list.sort_by_key(|it| (std::cmp::Reverse(it.at), it.id));
        list
    }

    /// Returns whether a node is banned now.
    pub fn is_banned(&self, id: &PeerId) -> bool {
        let all = self.all.lock();
        all.get(id).is_some_and(|it| it.left().is_some())
    }

    /// Bans a node for `time`. `peer` is its connection, where it has one.
    pub(super) fn ban(
        &self,
        id: PeerId,
        peer: Option<&PeerRecord>,
        reason: String,
        time: Duration,
    ) {
        let until = Instant::now() + time;
        self.note(id, peer.map(PeerSummary::of), reason, Some(until));
    }

    /// Records a peer whose connection was ended for a fault of the peer.
    pub(super) fn note_dropped(&self, peer: &PeerRecord, reason: String) {
        // The reason of a ban says more than how the connection ended.
        if !self.is_banned(&peer.id) {
            self.note(peer.id, Some(PeerSummary::of(peer)), reason, None);
        }
    }

    /// Lifts the ban of a node and forgets the node: the operator added it as a peer.
    pub(super) fn unban(&self, id: &PeerId) {
        self.all.lock().remove(id);
    }

    fn note(
        &self,
        id: PeerId,
        summary: Option<PeerSummary>,
        reason: String,
        until: Option<Instant>,
    ) {
        let mut all = self.all.lock();
        let before = all.remove(&id);
        forget_old(&mut all);
        if all.len() >= MAX_DROPPED_PEERS {
            let first = all.values().min_by_key(|it| (it.until, it.at, it.id));
            if let Some(first) = first.map(|it| it.id) {
                all.remove(&first);
            }
        }
        let times = before.as_ref().map_or(0, |it| it.times) + 1;
        let (summary_before, until_before) =
            before.map_or((None, None), |it| (it.summary, it.until));
        all.insert(
            id,
            DroppedPeer {
                id,
                summary: summary.or(summary_before),
                reason,
                at: Instant::now(),
                until: until.max(until_before),
                times,
            },
        );
    }
}

/// Removes the nodes that are not banned and were dropped long ago.
fn forget_old(all: &mut HashMap<PeerId, DroppedPeer>) {
    all.retain(|_, it| it.left().is_some() || it.at.elapsed() < DROPPED_PEER_RETENTION);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize) -> PeerId {
        let mut id = [0; 32];
        id[24..].copy_from_slice(&number.to_be_bytes());
        PeerId(id.into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_ban_ends_after_its_time_and_is_forgotten_later() {
        let bans = BanList::default();
        let minute = Duration::from_secs(60);
        bans.ban(node(1), None, "bad receipts".to_owned(), minute);
        bans.ban(node(2), None, "bad headers".to_owned(), 10 * minute);
        assert!(bans.is_banned(&node(1)));
        tokio::time::advance(minute).await;
        assert!(!bans.is_banned(&node(1)));
        assert!(bans.is_banned(&node(2)));
        bans.ban(node(1), None, "bad bodies".to_owned(), minute);
        let list = bans.list();
        assert_eq!((list[0].id, list[0].times), (node(1), 2));
        assert_eq!(list[0].reason, "bad bodies");
        assert_eq!(list[1].left(), Some(9 * minute));
        bans.unban(&node(2));
        assert!(!bans.is_banned(&node(2)));
        tokio::time::advance(DROPPED_PEER_RETENTION + minute).await;
        assert!(bans.list().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_nodes_evicts_the_bans_that_end_first() {
        let bans = BanList::default();
        let hour = Duration::from_secs(3_600);
        bans.ban(node(0), None, "worst".to_owned(), hour);
        for number in 1..2 * MAX_DROPPED_PEERS {
            let time = Duration::from_secs(60);
            bans.ban(node(number), None, "flood".to_owned(), time);
        }
        assert_eq!(bans.list().len(), MAX_DROPPED_PEERS);
        assert!(bans.is_banned(&node(0)));
    }
}
