//! Set of the peers that speak eth.

use actoreum_primitives::PeerId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::peer::EthPeer;

/// The peers that speak eth on our chain, shared by sessions, actors and RPC. A peer is a member
/// from its accepted status until its session ends, in whatever way. Cheap to clone.
#[derive(Clone)]
pub struct EthPeers(Arc<Inner>);

struct Inner {
    list: ArcSwap<Vec<EthPeer>>,
    /// Channels to the followers of joins, leaves and new heads, one for each.
    followers: Mutex<Vec<watch::Sender<()>>>,
    /// Set once our chain has reached that of the peers.
    has_caught_up: AtomicBool,
    /// Set while a sync is under way.
    is_fetching: AtomicBool,
}

impl Default for EthPeers {
    fn default() -> Self {
        Self(Arc::new(Inner {
            list: ArcSwap::default(),
            followers: Mutex::default(),
            has_caught_up: AtomicBool::new(false),
            is_fetching: AtomicBool::new(false),
        }))
    }
}

impl EthPeers {
    /// Returns the current peers, in the order in which they joined.
    pub fn list(&self) -> Arc<Vec<EthPeer>> {
        self.0.list.load_full()
    }

    /// Returns the peer with this node id.
    pub fn get(&self, id: &PeerId) -> Option<EthPeer> {
        self.list().iter().find(|peer| peer.id() == *id).cloned()
    }

    /// Returns the peer that claims the most total difficulty; of several the one that joined
    /// first.
    pub fn best(&self) -> Option<EthPeer> {
        let list = self.list();
        let total_difficulty = |peer: &&EthPeer| peer.head().total_difficulty;
        list.iter().rev().max_by_key(total_difficulty).cloned()
    }

    /// Returns whether our chain has ever reached that of the peers.
    pub fn has_caught_up(&self) -> bool {
        self.0.has_caught_up.load(Relaxed)
    }

    /// Records that our chain has reached that of the peers.
    pub(super) fn set_caught_up(&self) {
        self.0.has_caught_up.store(true, Relaxed);
    }

    /// Returns whether a sync is under way: our state cannot judge what peers send then.
    pub fn is_fetching(&self) -> bool {
        self.0.is_fetching.load(Relaxed)
    }

    /// Records the beginning or the end of a sync.
    pub(super) fn set_fetching(&self, is_fetching: bool) {
        self.0.is_fetching.store(is_fetching, Relaxed);
    }

    /// Returns a receiver that sees a change whenever a peer has joined, left, or claimed a better
    /// block since its last look. Followers are woken in the order in which they subscribed.
    pub fn changes(&self) -> watch::Receiver<()> {
        // Each follower has its own channel: a channel with several receivers wakes them in a
        // random order, and a seed of the network simulation would not give the same run twice.
        let (follower, changes) = watch::channel(());
        self.0.followers.lock().push(follower);
        changes
    }

    /// Notifies the receivers of [`Self::changes`] of a peer's better block.
    pub(super) fn notify_new_head(&self) {
        self.notify();
    }

    /// Notifies the followers, and removes those whose receiver was dropped.
    fn notify(&self) {
        let mut followers = self.0.followers.lock();
        followers.retain(|follower| follower.send(()).is_ok());
    }

    /// Adds a peer for as long as the guard lives.
    pub(super) fn join(&self, peer: EthPeer) -> Membership {
        self.0.list.rcu(|list| {
            let mut list = Vec::clone(list);
            list.push(peer.clone());
            list
        });
        self.notify();
        Membership {
            peers: self.clone(),
            peer,
        }
    }
}

/// Membership of a peer in the set; dropping it removes the peer.
pub(super) struct Membership {
    peers: EthPeers,
    peer: EthPeer,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.peers.0.list.rcu(|list| {
            let others = list.iter().filter(|it| !it.is_same(&self.peer));
            others.cloned().collect::<Vec<_>>()
        });
        self.peers.notify();
    }
}
