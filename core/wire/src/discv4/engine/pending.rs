//! The requests in flight, by the address that is to answer.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Instant;

use actoreum_primitives::B256;

use super::requests::{Expected, Pending};
use crate::discv4::limiter::Source;
use crate::nodes::NodeId;

/// Whether a pong is the first that names its ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PongOrder {
    First,
    Repeated,
}

/// Requests in flight. A flood causes thousands of ping-backs, and each datagram is compared with
/// the requests to its address alone.
#[derive(Debug, Default)]
pub(super) struct PendingRequests {
    by_address: BTreeMap<IpAddr, Vec<Pending>>,
    len: usize,
    ping_backs: usize,
    ping_backs_by_source: HashMap<Source, usize>,
}

impl PendingRequests {
    /// All requests in flight.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Ping-backs in flight.
    pub(super) fn ping_backs(&self) -> usize {
        self.ping_backs
    }

    /// Requests in flight that no stranger caused.
    pub(super) fn own(&self) -> usize {
        self.len - self.ping_backs
    }

    /// Ping-backs in flight to one source.
    pub(super) fn ping_backs_to(&self, source: &Source) -> usize {
        self.ping_backs_by_source.get(source).copied().unwrap_or(0)
    }

    /// The requests that an address is to answer.
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
        let address = pending.node.endpoint.address;
        self.by_address.entry(address).or_default().push(pending);
    }

    /// Takes the request to a node at an address that `matches`.
    pub(super) fn take(
        &mut self,
        id: NodeId,
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
        self.uncount(&taken);
        Some(taken)
    }

    /// Takes the requests whose time is over.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Pending> {
        let mut expired = Vec::new();
        self.by_address.retain(|_, requests| {
            expired.extend(requests.extract_if(.., |pending| now >= pending.deadline));
            !requests.is_empty()
        });
        for pending in &expired {
            self.uncount(pending);
        }
        expired
    }

    /// Notes that an address has sent a pong for the ping with this hash; `None` where that ping was
    /// not sent there. Nobody elsewhere can know the hash, so that a flood with false sources does
    /// not pass.
    pub(super) fn note_pong(&mut self, address: IpAddr, hash: B256) -> Option<PongOrder> {
        let requests = self.by_address.get_mut(&address)?;
        requests
            .iter_mut()
            .find_map(|pending| match &mut pending.expected {
                Expected::Pong {
                    ping_hash, is_read, ..
                } if *ping_hash == hash => Some(match std::mem::replace(is_read, true) {
                    false => PongOrder::First,
                    true => PongOrder::Repeated,
                }),
                _ => None,
            })
    }

    /// When the next request expires.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let requests = self.by_address.values().flatten();
        requests.map(|pending| pending.deadline).min()
    }

    fn uncount(&mut self, pending: &Pending) {
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
