//! The peers that speak eth.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use actoreum_wire::nodes::NodeId;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::peer::EthPeer;

/// The peers that speak eth on our chain, shared by conversations, actors and RPC. A peer is in it
/// from its status on until its conversation ends, in whatever way. Cheap to clone.
#[derive(Clone)]
pub struct EthPeers(Arc<Inner>);

struct Inner {
    list: ArcSwap<Vec<EthPeer>>,
    /// One channel for each follower of joins, leaves and new heads.
    followers: Mutex<Vec<watch::Sender<()>>>,
    /// Our chain was up with theirs once.
    has_caught_up: AtomicBool,
    /// Their chain is being fetched.
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
    /// The peers at this moment, in the order in which they came.
    pub fn list(&self) -> Arc<Vec<EthPeer>> {
        self.0.list.load_full()
    }

    /// The peer with this id.
    pub fn get(&self, id: &NodeId) -> Option<EthPeer> {
        self.list().iter().find(|peer| peer.id() == *id).cloned()
    }

    /// Who says that it has the most total difficulty; of several the one that came first.
    pub fn best(&self) -> Option<EthPeer> {
        let list = self.list();
        let total_difficulty = |peer: &&EthPeer| peer.head().total_difficulty;
        list.iter().rev().max_by_key(total_difficulty).cloned()
    }

    /// Whether our chain was up with that of the peers once.
    pub fn has_caught_up(&self) -> bool {
        self.0.has_caught_up.load(Relaxed)
    }

    /// Our chain is up with that of the peers.
    pub(super) fn caught_up(&self) {
        self.0.has_caught_up.store(true, Relaxed);
    }

    /// Whether a sync is under way: what peers send cannot be judged by our state then.
    pub fn is_fetching(&self) -> bool {
        self.0.is_fetching.load(Relaxed)
    }

    /// A sync begins or ends.
    pub(super) fn set_fetching(&self, is_fetching: bool) {
        self.0.is_fetching.store(is_fetching, Relaxed);
    }

    /// Returns a receiver that sees a change whenever a peer has joined, left, or announced a better
    /// head since it last looked. Followers are woken in the order in which they subscribed.
    pub fn changes(&self) -> watch::Receiver<()> {
        // A channel each: one with several receivers wakes them in a random order, and a seed of
        // the network simulation would not give the same run twice.
        let (follower, changes) = watch::channel(());
        self.0.followers.lock().push(follower);
        changes
    }

    /// A peer has a better block than before.
    pub(super) fn head_moved(&self) {
        self.notify();
    }

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

/// A peer's place in the set.
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
        self.peer.close();
        self.peers.notify();
    }
}
