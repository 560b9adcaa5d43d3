//! What the clients of all transports may take together.
//!
//! Each transport has bounds of its own for its connections, and each connection for its bytes. Many
//! connections at their bounds would still take more memory than a machine has, so all of them share
//! one count of connections and one of bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::limits::{MAX_IPC_CONNECTIONS, MAX_RPC_CONNECTIONS, MAX_RPC_QUEUED_BYTES};

/// The part of what is free that one network client may hold: one in so many.
const SHARE_OF_FREE: usize = 4;

/// The part of all that is kept for the IPC socket, whose clients are the node's own user: one in so
/// many.
const IPC_RESERVE: usize = 8;

/// Connections and bytes of all transports that share it.
#[derive(Debug, Clone)]
pub struct SharedQuota(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    connections: AtomicUsize,
    max_connections: usize,
    bytes: AtomicUsize,
    max_bytes: usize,
}

impl Default for SharedQuota {
    /// [`MAX_RPC_CONNECTIONS`] and [`MAX_RPC_QUEUED_BYTES`].
    fn default() -> Self {
        Self::new(MAX_RPC_CONNECTIONS, MAX_RPC_QUEUED_BYTES)
    }
}

impl SharedQuota {
    /// A quota of `max_connections`, whose requests, answers and notifications take `max_bytes`.
    pub fn new(max_connections: usize, max_bytes: usize) -> Self {
        Self(Arc::new(Counters {
            connections: AtomicUsize::new(0),
            max_connections,
            bytes: AtomicUsize::new(0),
            max_bytes,
        }))
    }

    /// The same, as clients over HTTP and WebSocket have it.
    pub(crate) fn of_network(&self) -> ClientQuota {
        ClientQuota {
            shared: self.clone(),
            is_ipc: false,
        }
    }

    /// The same, as clients of the IPC socket have it.
    #[cfg(any(unix, test))]
    pub(crate) fn of_ipc(&self) -> ClientQuota {
        ClientQuota {
            shared: self.clone(),
            is_ipc: true,
        }
    }
}

/// The quota of one transport's clients.
#[derive(Debug, Clone)]
pub(crate) struct ClientQuota {
    shared: SharedQuota,
    is_ipc: bool,
}

impl ClientQuota {
    /// A place for one connection, where there is one.
    pub(crate) fn connect(&self) -> Option<ConnectionPermit> {
        let counters = &self.shared.0;
        let limit = self.max_connections();
        let add = |open| (open < limit).then_some(open + 1);
        let added = counters.connections.fetch_update(Relaxed, Relaxed, add);
        added.ok().map(|_| ConnectionPermit(self.shared.clone()))
    }

    /// Whether more than half of the connections are taken.
    pub(crate) fn is_busy(&self) -> bool {
        self.shared.0.connections.load(Relaxed) > self.max_connections() / 2
    }

    /// A count of bytes that has none yet.
    pub(crate) fn bytes(&self) -> ByteCount {
        ByteCount {
            quota: self.clone(),
            held: 0,
        }
    }

    fn max_connections(&self) -> usize {
        let all = self.shared.0.max_connections;
        match self.is_ipc {
            true => all,
            false => all - (all / IPC_RESERVE).min(MAX_IPC_CONNECTIONS),
        }
    }

    /// The most that a client which holds `held` may hold while `used` are taken by all.
    fn max_held(&self, held: usize, used: usize) -> usize {
        let all = self.shared.0.max_bytes;
        match self.is_ipc {
            true => held + all.saturating_sub(used),
            false => (all - all / IPC_RESERVE).saturating_sub(used) / SHARE_OF_FREE,
        }
    }
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit(SharedQuota);

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.0.connections.fetch_sub(1, Relaxed);
    }
}

/// Bytes that one client holds, given back when it is dropped.
///
/// A client over the network may hold a quarter of what is free, so that those that hold much leave
/// room for those that hold little.
#[derive(Debug)]
pub(crate) struct ByteCount {
    quota: ClientQuota,
    held: usize,
}

impl ByteCount {
    /// Adds bytes; false, and none are added, where they are too many.
    #[must_use]
    pub(crate) fn try_add(&mut self, bytes: usize) -> bool {
        let held = self.held;
        let add = |used: usize| {
            let fits = held.saturating_add(bytes) <= self.quota.max_held(held, used);
            fits.then_some(used + bytes)
        };
        let counter = &self.quota.shared.0.bytes;
        let is_added = counter.fetch_update(Relaxed, Relaxed, add).is_ok();
        if is_added {
            self.held += bytes;
        }
        is_added
    }

    /// Gives bytes back.
    pub(crate) fn remove(&mut self, bytes: usize) {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        self.quota.shared.0.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Gives all back.
    pub(crate) fn clear(&mut self) {
        self.remove(self.held);
    }

    /// Takes the bytes of another count over.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.held += std::mem::take(&mut other.held);
    }
}

impl Drop for ByteCount {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_bounded_over_all_transports() {
        let shared = SharedQuota::new(16, 0);
        let (network, ipc) = (shared.of_network(), shared.of_ipc());
        let mut held: Vec<_> = std::iter::from_fn(|| network.connect()).collect();
        assert_eq!(held.len(), 14);
        assert!(network.is_busy());
        held.extend(std::iter::from_fn(|| ipc.connect()));
        assert_eq!(held.len(), 16, "two are kept for the IPC socket");
        held.truncate(13);
        assert!(network.connect().is_some());
        drop(held);
        assert!(!network.is_busy());
    }

    #[test]
    fn clients_that_hold_much_leave_room_for_small_ones() {
        let shared = SharedQuota::new(1, 800_000);
        let mut greedy: Vec<ByteCount> = Vec::new();
        for _ in 0..20 {
            let mut count = shared.of_network().bytes();
            while count.try_add(1_000) {}
            greedy.push(count);
        }
        let mut small = shared.of_network().bytes();
        assert!(small.try_add(100), "{greedy:?}");
        let mut ipc = shared.of_ipc().bytes();
        assert!(ipc.try_add(90_000), "an eighth is kept");
        assert!(!ipc.try_add(800_000));
        greedy.clear();
        assert!(small.try_add(100_000));
        drop((small, ipc));
        assert_eq!(shared.0.bytes.load(Relaxed), 0);
    }

    #[test]
    fn bytes_that_change_hands_are_counted_once() {
        let shared = SharedQuota::new(1, 800_000);
        let (mut one, mut other) = (shared.of_network().bytes(), shared.of_network().bytes());
        assert!(one.try_add(10) && other.try_add(5));
        one.absorb(other);
        assert_eq!(shared.0.bytes.load(Relaxed), 15);
        one.remove(5);
        assert_eq!(shared.0.bytes.load(Relaxed), 10);
        one.remove(100);
        assert_eq!(shared.0.bytes.load(Relaxed), 0);
    }
}
