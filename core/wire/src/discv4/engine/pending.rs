//! Pending requests, by the address that is to answer.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Instant;

use actoreum_primitives::{B256, PeerId};

use super::requests::{Expected, Pending};
use crate::discv4::limiter::Source;

/// Position of a pong among those with the hash of the same ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PongOrder {
    First,
    Repeated,
}

/// Pending requests. They are indexed by address because a flood causes thousands of ping-backs: a
/// datagram is compared only with the requests to its address.
#[derive(Debug, Default)]
pub(super) struct PendingRequests {
    by_address: BTreeMap<IpAddr, Vec<Pending>>,
    /// Lower bound of the deadlines, so that setting the timer after a datagram does not walk
    /// through all requests. A request that is taken does not change it.
    next_deadline: Option<Instant>,
    len: usize,
    ping_backs: usize,
    ping_backs_by_source: HashMap<Source, usize>,
}

impl PendingRequests {
    /// Returns the number of all pending requests.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the number of pending ping-backs.
    pub(super) fn ping_backs(&self) -> usize {
        self.ping_backs
    }

    /// Returns the number of pending requests that are no ping-backs.
    pub(super) fn own(&self) -> usize {
        self.len - self.ping_backs
    }

    /// Returns the number of pending ping-backs to one source.
    pub(super) fn ping_backs_to(&self, source: &Source) -> usize {
        self.ping_backs_by_source.get(source).copied().unwrap_or(0)
    }

    /// Returns the pending requests to an address.
    pub(super) fn to(&self, address: IpAddr) -> &[Pending] {
        self.by_address.get(&address).map_or(&[], Vec::as_slice)
    }

    pub(super) fn push(&mut self, pending: Pending) {
        self.len += 1;
        if pending.expected.is_ping_back() {
            self.ping_backs += 1;
            let source = Source::of(pending.node.udp_address());
            *self.ping_backs_by_source.entry(source).or_insert(0) += 1;
        }
        let next = self.next_deadline.unwrap_or(pending.deadline);
        self.next_deadline = Some(next.min(pending.deadline));
        let address = pending.node.endpoint.address;
        self.by_address.entry(address).or_default().push(pending);
    }

    /// Removes and returns the request to a node at an address for which `matches` is true.
    pub(super) fn take(
        &mut self,
        id: PeerId,
        address: IpAddr,
        matches: impl Fn(&Expected) -> bool,
    ) -> Option<Pending> {
        let requests = self.by_address.get_mut(&address)?;
        let position = requests
            .iter()
            .position(|pending| pending.node.id == id && matches(&pending.expected))?;
        let taken = requests.swap_remove(position);
        if requests.is_empty() {
            self.by_address.remove(&address);
        }
        self.subtract(&taken);
        Some(taken)
    }

    /// Removes and returns the requests whose deadline has passed.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Pending> {
        let mut expired = Vec::new();
        if self.next_deadline.is_none_or(|deadline| now < deadline) {
            return expired;
        }
        self.by_address.retain(|_, requests| {
            expired.extend(requests.extract_if(.., |pending| now >= pending.deadline));
            !requests.is_empty()
        });
        for pending in &expired {
            self.subtract(pending);
        }
        let left = self.by_address.values().flatten();
        self.next_deadline = left.map(|pending| pending.deadline).min();
        expired
    }

    /// Records that an address has sent a pong for the ping with this hash. Returns `None` if no
    /// such ping to this address is pending. Only the receiver of the ping knows its hash, so that
    /// a flood with spoofed sources is refused.
    pub(super) fn record_pong(&mut self, address: IpAddr, hash: B256) -> Option<PongOrder> {
        let requests = self.by_address.get_mut(&address)?;
        requests
            .iter_mut()
            .find_map(|pending| match &mut pending.expected {
                Expected::Pong {
                    ping_hash,
                    has_pong,
                    ..
                } if *ping_hash == hash => Some(if std::mem::replace(has_pong, true) {
                    PongOrder::Repeated
                } else {
                    PongOrder::First
                }),
                _ => None,
            })
    }

    /// Returns the time at which [`take_expired`](Self::take_expired) must be called next; no
    /// request expires earlier.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    fn subtract(&mut self, pending: &Pending) {
        self.len -= 1;
        if !pending.expected.is_ping_back() {
            return;
        }
        self.ping_backs -= 1;
        let source = Source::of(pending.node.udp_address());
        if let Some(count) = self.ping_backs_by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.ping_backs_by_source.remove(&source);
            }
        }
    }
}
