//! Endpoint proofs: of remote nodes, and of the local node to others.

use actoreum_primitives::PeerId;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use crate::limits::{ENDPOINT_PROOF_LIFETIME, MAX_TRACKED_ENDPOINTS};

/// A node at an address. The port does not count: routers change it.
type Key = (PeerId, IpAddr);

/// Times by key; the newest [`MAX_TRACKED_ENDPOINTS`] of them are remembered.
#[derive(Debug, Default)]
struct RecentTimes {
    times: HashMap<Key, Instant>,
    /// In the order of writing; a key that was written again occurs more than once.
    order: VecDeque<(Key, Instant)>,
}

impl RecentTimes {
    fn set(&mut self, key: Key, now: Instant) {
        self.times.insert(key, now);
        self.order.push_back((key, now));
        while self.times.len() > MAX_TRACKED_ENDPOINTS {
            let Some((oldest, written)) = self.order.pop_front() else {
                return;
            };
            if self.times.get(&oldest) == Some(&written) {
                self.times.remove(&oldest);
            }
        }
        if self.order.len() > 2 * MAX_TRACKED_ENDPOINTS {
            let times = &self.times;
            self.order
                .retain(|(key, written)| times.get(key) == Some(written));
        }
    }

    fn is_recent(&self, key: &Key, now: Instant) -> bool {
        self.times
            .get(key)
            .is_some_and(|&time| now.saturating_duration_since(time) < ENDPOINT_PROOF_LIFETIME)
    }
}

/// Endpoint proofs of the last day.
#[derive(Debug, Default)]
pub struct EndpointProofs {
    pongs: RecentTimes,
    pings: RecentTimes,
}

impl EndpointProofs {
    /// Notes that a node answered a ping from this address: the address is its own.
    pub fn pong_received(&mut self, id: PeerId, address: IpAddr, now: Instant) {
        self.pongs.set((id, address), now);
    }

    /// Notes that a node pinged from this address: it gets a pong, which proves the local address
    /// to it.
    pub fn ping_received(&mut self, id: PeerId, address: IpAddr, now: Instant) {
        self.pings.set((id, address), now);
    }

    /// Returns true if a node has proven that this address is its own. Other nodes get no answer
    /// that is bigger than their request.
    pub fn is_proven(&self, id: PeerId, address: IpAddr, now: Instant) -> bool {
        self.pongs.is_recent(&(id, address), now)
    }

    /// Returns true if the local address has been proven to a node, as far as is known.
    pub fn is_proven_to(&self, id: PeerId, address: IpAddr, now: Instant) -> bool {
        self.pings.is_recent(&(id, address), now)
    }

    /// Returns the number of remembered endpoints of either kind.
    pub fn len(&self) -> usize {
        self.pongs.times.len() + self.pings.times.len()
    }

    /// Returns true if no endpoint is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actoreum_primitives::B256;

    use super::*;

    fn id(number: u64) -> PeerId {
        PeerId(B256::left_padding_from(&number.to_be_bytes()))
    }

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(1, 2, 3, 4));

    #[test]
    fn a_proof_holds_for_a_day_and_for_its_address() {
        let now = Instant::now();
        let mut proofs = EndpointProofs::default();
        proofs.pong_received(id(1), ADDRESS, now);
        assert!(proofs.is_proven(id(1), ADDRESS, now));
        assert!(!proofs.is_proven_to(id(1), ADDRESS, now));
        assert!(!proofs.is_proven(id(1), "1.2.3.5".parse().unwrap(), now));
        assert!(!proofs.is_proven(id(2), ADDRESS, now));
        let last = now + ENDPOINT_PROOF_LIFETIME - Duration::from_secs(1);
        assert!(proofs.is_proven(id(1), ADDRESS, last));
        assert!(!proofs.is_proven(id(1), ADDRESS, now + ENDPOINT_PROOF_LIFETIME));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_go() {
        let now = Instant::now();
        let mut proofs = EndpointProofs::default();
        let count = 3 * MAX_TRACKED_ENDPOINTS as u64;
        for number in 0..count {
            proofs.ping_received(id(number), ADDRESS, now);
            proofs.ping_received(id(0), ADDRESS, now + Duration::from_nanos(number));
        }
        assert_eq!(proofs.len(), MAX_TRACKED_ENDPOINTS);
        assert!(proofs.pings.order.len() <= 2 * MAX_TRACKED_ENDPOINTS + 2);
        assert!(proofs.is_proven_to(id(0), ADDRESS, now));
        assert!(proofs.is_proven_to(id(count - 1), ADDRESS, now));
        assert!(!proofs.is_proven_to(id(1), ADDRESS, now));
    }
}
