//! The quota of connections and bytes that the clients of all transports share.
//!
//! Each transport limits the number of its connections, and each connection limits its bytes. Many
//! connections at their limits would still take more memory than a machine has. All connections
//! therefore share one count of connections and one count of bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::server::limits::{MAX_IPC_CONNECTIONS, MAX_RPC_CONNECTIONS, MAX_RPC_QUEUED_BYTES};

/// Divisor of the free bytes: a count of a network client may hold one part of them.
const FREE_BYTES_DIVISOR: usize = 4;

/// Divisor of the whole quota: one part is reserved for the IPC socket, whose clients belong to the
/// user who runs the node.
const IPC_RESERVE_DIVISOR: usize = 8;

/// A quota of connections and bytes. Its clones share the same counts.
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
    /// Creates a quota of [`MAX_RPC_CONNECTIONS`] and [`MAX_RPC_QUEUED_BYTES`].
    fn default() -> Self {
        Self::new(MAX_RPC_CONNECTIONS, MAX_RPC_QUEUED_BYTES)
    }
}

impl SharedQuota {
    /// Creates a quota of `max_connections`, whose requests, answers and notifications may take
    /// `max_bytes`.
    pub fn new(max_connections: usize, max_bytes: usize) -> Self {
        Self(Arc::new(Counters {
            connections: AtomicUsize::new(0),
            max_connections,
            bytes: AtomicUsize::new(0),
            max_bytes,
        }))
    }

    /// Returns what is in use, and what may be.
    pub fn usage(&self) -> QuotaUsage {
        let counters = &self.0;
        QuotaUsage {
            connections: counters.connections.load(Relaxed),
            max_connections: counters.max_connections,
            bytes: counters.bytes.load(Relaxed),
            max_bytes: counters.max_bytes,
        }
    }

    /// Returns the quota for clients over HTTP and WebSocket.
    pub(crate) fn for_network(&self) -> ClientQuota {
        ClientQuota {
            shared: self.clone(),
            is_ipc: false,
        }
    }

    /// Returns the quota for clients of the IPC socket.
    #[cfg(any(unix, test))]
    pub(crate) fn for_ipc(&self) -> ClientQuota {
        ClientQuota {
            shared: self.clone(),
            is_ipc: true,
        }
    }
}

/// The use of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaUsage {
    /// The number of open connections over all transports.
    pub connections: usize,
    /// The number of connections that may be open.
    pub max_connections: usize,
    /// The bytes of the requests, answers and notifications that are held.
    pub bytes: usize,
    /// The number of bytes that may be held.
    pub max_bytes: usize,
}

/// The quota of one transport's clients.
#[derive(Debug, Clone)]
pub(crate) struct ClientQuota {
    shared: SharedQuota,
    is_ipc: bool,
}

impl ClientQuota {
    /// Counts a connection and returns its permit; `None` if the connections are used up.
    pub(crate) fn connect(&self) -> Option<ConnectionPermit> {
        let counters = &self.shared.0;
        let limit = self.max_connections();
        let add = |open| (open < limit).then_some(open + 1);
        let added = counters.connections.fetch_update(Relaxed, Relaxed, add);
        added.ok().map(|_| ConnectionPermit(self.shared.clone()))
    }

    /// Returns whether more than half of the connections are taken.
    pub(crate) fn is_busy(&self) -> bool {
        self.shared.0.connections.load(Relaxed) > self.max_connections() / 2
    }

    /// Creates a count that holds no bytes yet.
    pub(crate) fn bytes(&self) -> ByteCount {
        ByteCount {
            quota: self.clone(),
            held: 0,
        }
    }

    /// Returns the number of connections up to which clients of this transport may connect.
    fn max_connections(&self) -> usize {
        let all = self.shared.0.max_connections;
        if self.is_ipc {
            all
        } else {
            all - (all / IPC_RESERVE_DIVISOR).min(MAX_IPC_CONNECTIONS)
        }
    }

    /// Returns the maximum number of bytes that a count may hold, if it holds `held` and all counts
    /// together hold `used`.
    fn max_held(&self, held: usize, used: usize) -> usize {
        let all = self.shared.0.max_bytes;
        if self.is_ipc {
            held + all.saturating_sub(used)
        } else {
            (all - all / IPC_RESERVE_DIVISOR).saturating_sub(used) / FREE_BYTES_DIVISOR
        }
    }
}

/// The place of a connection in the quota, released when the permit is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit(SharedQuota);

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.0.connections.fetch_sub(1, Relaxed);
    }
}

/// The number of bytes that one request, answer or queue holds, released when the count is dropped.
///
/// A count of a network client may hold a quarter of the free bytes, so that clients that hold many
/// bytes leave room for clients that hold few.
#[derive(Debug)]
pub(crate) struct ByteCount {
    quota: ClientQuota,
    held: usize,
}

impl ByteCount {
    /// Adds bytes. Returns false, and adds none, if they exceed the quota.
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

    /// Releases bytes.
    pub(crate) fn remove(&mut self, bytes: usize) {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        self.quota.shared.0.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Releases all bytes.
    pub(crate) fn clear(&mut self) {
        self.remove(self.held);
    }

    /// Moves the bytes of another count into this one.
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
    fn all_transports_share_a_limit_of_connections() {
        let shared = SharedQuota::new(16, 0);
        let (network, ipc) = (shared.for_network(), shared.for_ipc());
        let mut held: Vec<_> = std::iter::from_fn(|| network.connect()).collect();
        assert_eq!(held.len(), 14);
        assert!(network.is_busy());
        held.extend(std::iter::from_fn(|| ipc.connect()));
        assert_eq!(held.len(), 16, "two are reserved for the IPC socket");
        held.truncate(13);
        assert!(network.connect().is_some());
        drop(held);
        assert!(!network.is_busy());
    }

    #[test]
    fn greedy_clients_leave_room_for_small_ones() {
        let shared = SharedQuota::new(1, 800_000);
        let mut greedy: Vec<ByteCount> = Vec::new();
        for _ in 0..20 {
            let mut count = shared.for_network().bytes();
            while count.try_add(1_000) {}
            greedy.push(count);
        }
        let mut small = shared.for_network().bytes();
        assert!(small.try_add(100), "{greedy:?}");
        let mut ipc = shared.for_ipc().bytes();
        assert!(ipc.try_add(90_000), "an eighth is reserved for IPC");
        assert!(!ipc.try_add(800_000));
        greedy.clear();
        assert!(small.try_add(100_000));
        drop((small, ipc));
        assert_eq!(shared.0.bytes.load(Relaxed), 0);
    }

    #[test]
    fn absorbed_bytes_are_counted_once() {
        let shared = SharedQuota::new(1, 800_000);
        let (mut one, mut other) = (shared.for_network().bytes(), shared.for_network().bytes());
        assert!(one.try_add(10) && other.try_add(5));
        one.absorb(other);
        assert_eq!(shared.0.bytes.load(Relaxed), 15);
        one.remove(5);
        assert_eq!(shared.0.bytes.load(Relaxed), 10);
        one.remove(100);
        assert_eq!(shared.0.bytes.load(Relaxed), 0);
    }
}
