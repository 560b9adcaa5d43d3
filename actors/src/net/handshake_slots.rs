//! Slots for inbound handshakes, shared fairly among address ranges.
//!
//! While there are free slots, a new connection takes one. While all are in use it waits (in
//! [`Waiting`]), and the next slot goes to the connection whose address range holds the fewest: the
//! oldest handshake of the range that holds the most is evicted for it. A host that opens
//! connections and stalls thus competes with itself, and others get in at once. Among ranges that
//! hold equally many, a handshake is evicted once it has taken longer than an honest one does.

use std::net::IpAddr;
use std::time::Duration;

use actoreum_wire::discv4::is_lan;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::limits::{
    CONTENDED_HANDSHAKE_TIMEOUT, CONTENDED_LAN_HANDSHAKE_TIMEOUT, MAX_WAITING_CONNECTIONS,
};

/// A range of addresses that count as one: a /24 or a /64, as in discovery's table. On a local
/// network, whose hosts are known to its operator, and on this machine, each address is a range of
/// its own (the second field is then true).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AddressRange(IpAddr, bool);

impl AddressRange {
    pub(super) fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        if is_lan(address) {
            return Self(address, true);
        }
        let first = match address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                IpAddr::from([a, b, c, 0])
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
        };
        Self(first, false)
    }

    /// Returns the time that a handshake from this range may take while others wait.
    fn contended_timeout(self) -> Duration {
        if self.1 {
            CONTENDED_LAN_HANDSHAKE_TIMEOUT
        } else {
            CONTENDED_HANDSHAKE_TIMEOUT
        }
    }
}

/// The slot of a handshake. Dropping it releases it.
#[derive(Debug)]
pub(super) struct HandshakeSlot {
    id: u64,
    released: mpsc::UnboundedSender<u64>,
    evicted: oneshot::Receiver<()>,
}

impl HandshakeSlot {
    /// Resolves when the slot is needed for another connection.
    pub(super) async fn evicted(&mut self) {
        if (&mut self.evicted).await.is_err() {
            // The listener has ended: no other connection needs the slot.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for HandshakeSlot {
    fn drop(&mut self) {
        // Fails only where the listener has ended.
        let _ = self.released.send(self.id);
    }
}

/// The pause before slots are checked again after an eviction. Longer than an evicted handshake
/// takes to end, which is reported when it happens.
const EVICTION_TIME: Duration = Duration::from_secs(1);

struct Taken {
    id: u64,
    range: AddressRange,
    since: Instant,
    /// `None` once the handshake was evicted: its slot will be free in a moment.
    evict: Option<oneshot::Sender<()>>,
}

/// All handshake slots.
pub(super) struct HandshakeSlots {
    limit: usize,
    /// The slots in use, in the order in which they were taken.
    taken: Vec<Taken>,
    next_id: u64,
    released: mpsc::UnboundedSender<u64>,
}

/// The decision about a connection that needs a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Free,
    /// Evict the handshake at this index.
    Evict(usize),
    /// Decide again then, unless a slot is released before.
    WaitUntil(Instant),
}

impl HandshakeSlots {
    /// Creates `limit` slots (at least one). The receiver yields the ids of dropped slots, to be
    /// passed to [`HandshakeSlots::release`].
    pub(super) fn new(limit: usize) -> (Self, mpsc::UnboundedReceiver<u64>) {
        let (released, receiver) = mpsc::unbounded_channel();
        let slots = Self {
            limit: limit.max(1),
            taken: Vec::new(),
            next_id: 0,
            released,
        };
        (slots, receiver)
    }

    /// Returns the number of slots that a range has in use.
    pub(super) fn of(&self, range: AddressRange) -> usize {
        self.taken.iter().filter(|it| it.range == range).count()
    }

    /// Releases a slot.
    pub(super) fn release(&mut self, id: u64) {
        self.taken.retain(|it| it.id != id);
    }

    /// Takes a slot. Where none is free and another handshake may be evicted for it, that
    /// handshake is notified, and its slot is free once it has ended.
    ///
    /// # Errors
    /// Returns the time to try again, unless a slot is released before.
    pub(super) fn take(
        &mut self,
        range: AddressRange,
        now: Instant,
    ) -> Result<HandshakeSlot, Instant> {
        match self.judge(range, now) {
            Verdict::Free => {}
            Verdict::Evict(index) => {
                let evict = self.taken.get_mut(index).and_then(|it| it.evict.take());
                // Where the handshake has just ended by itself, its slot is free, too.
                let _ = evict.map(|evict| evict.send(()));
                return Err(now + EVICTION_TIME);
            }
            Verdict::WaitUntil(then) => return Err(then),
        }
        let (evict, evicted) = oneshot::channel();
        self.next_id += 1;
        self.taken.push(Taken {
            id: self.next_id,
            range,
            since: now,
            evict: Some(evict),
        });
        Ok(HandshakeSlot {
            id: self.next_id,
            released: self.released.clone(),
            evicted,
        })
    }

    fn judge(&self, range: AddressRange, now: Instant) -> Verdict {
        if self.taken.len() < self.limit {
            return Verdict::Free;
        }
        if self.taken.iter().any(|it| it.evict.is_none()) {
            return Verdict::WaitUntil(now + EVICTION_TIME);
        }
        let most = self.taken.iter().map(|it| self.of(it.range)).max();
        let most = most.unwrap_or_default();
        // The first one found is the oldest.
        let mut largest = self.taken.iter().enumerate();
        let oldest = largest.find(|(_, it)| self.of(it.range) == most);
        let Some((index, oldest)) = oldest else {
            return Verdict::Free;
        };
        if most > self.of(range) + 1 {
            return Verdict::Evict(index);
        }
        let due = oldest.since + oldest.range.contended_timeout();
        if due <= now {
            Verdict::Evict(index)
        } else {
            Verdict::WaitUntil(due)
        }
    }
}

/// Connections that wait for a slot.
pub(super) struct Waiting<T>(Vec<(AddressRange, T)>);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Waiting<T> {
    /// Adds a connection. Above [`MAX_WAITING_CONNECTIONS`], the newest connection of the range
    /// with the most waiting ones is dropped.
    pub(super) fn push(&mut self, range: AddressRange, connection: T) {
        self.0.push((range, connection));
        if self.0.len() <= MAX_WAITING_CONNECTIONS {
            return;
        }
        let count = |range| self.0.iter().filter(|it| it.0 == range).count();
        let most = (0..self.0.len()).max_by_key(|index| count(self.0[*index].0));
        if let Some(index) = most {
            self.0.remove(index);
        }
    }

    /// Returns the next connection to get a slot: the first one of the range with the fewest slots.
    pub(super) fn next(&self, slots: &HandshakeSlots) -> Option<(usize, AddressRange)> {
        let ranges = self.0.iter().map(|(range, _)| *range).enumerate();
        ranges.min_by_key(|(_, range)| slots.of(*range))
    }

    /// Removes the connection at an index returned by [`Waiting::next`].
    pub(super) fn remove(&mut self, index: usize) -> T {
        self.0.remove(index).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        AddressRange::of(text.parse().unwrap())
    }

    fn fill(
        slots: &mut HandshakeSlots,
        range: AddressRange,
        count: usize,
        now: Instant,
    ) -> Vec<HandshakeSlot> {
        (0..count)
            .map(|_| slots.take(range, now).unwrap())
            .collect()
    }

    #[test]
    fn ranges_are_networks_but_addresses_on_a_lan() {
        assert_eq!(range("8.8.8.8"), range("8.8.8.200"));
        assert_ne!(range("8.8.8.8"), range("8.8.9.8"));
        assert_eq!(range("8.8.8.8"), range("::ffff:8.8.8.9"));
        assert_eq!(range("2001:db8:1:2::1"), range("2001:db8:1:2:3::1"));
        assert_ne!(range("2001:db8:1:2::1"), range("2001:db8:1:3::1"));
        assert_ne!(range("127.0.0.1"), range("127.0.0.2"));
        assert_ne!(range("192.168.1.1"), range("192.168.1.2"));
    }

    /// Takes a slot for a connection by an eviction; `None` where no handshake is evicted.
    fn evicts(
        slots: &mut HandshakeSlots,
        released: &mut mpsc::UnboundedReceiver<u64>,
        oldest: &mut Vec<HandshakeSlot>,
        from: AddressRange,
        now: Instant,
    ) -> Option<HandshakeSlot> {
        slots.take(from, now).unwrap_err();
        let evicted = oldest
            .iter_mut()
            .position(|it| it.evicted.try_recv().is_ok())?;
        assert!(slots.take(from, now).is_err(), "before the other has ended");
        drop(oldest.remove(evicted));
        slots.release(released.try_recv().unwrap());
        Some(slots.take(from, now).unwrap())
    }

    #[test]
    fn the_range_with_most_slots_loses_one_to_another_range() {
        let (mut slots, mut released) = HandshakeSlots::new(10);
        let now = Instant::now();
        let mut attacker = fill(&mut slots, range("8.8.8.8"), 10, now);
        let first = attacker[0].id;
        let (released, honest) = (&mut released, range("9.9.9.9"));
        let slot = evicts(&mut slots, released, &mut attacker, honest, now);
        assert!(slot.is_some());
        assert!(attacker.iter().all(|it| it.id != first), "the oldest goes");
        // New connections of the same range wait until the oldest took too long.
        let wait = slots.take(range("8.8.8.7"), now).unwrap_err();
        assert_eq!(wait, now + CONTENDED_HANDSHAKE_TIMEOUT);
        let own = range("8.8.8.7");
        assert!(evicts(&mut slots, released, &mut attacker, own, wait).is_some());
    }

    #[test]
    fn among_equal_ranges_a_slow_handshake_is_evicted() {
        let (mut slots, mut released) = HandshakeSlots::new(2);
        let now = Instant::now();
        let mut held = fill(&mut slots, range("127.0.0.1"), 1, now);
        held.extend(fill(&mut slots, range("127.0.0.2"), 1, now));
        let next = range("127.0.0.3");
        let wait = slots.take(next, now).unwrap_err();
        assert_eq!(wait, now + CONTENDED_LAN_HANDSHAKE_TIMEOUT);
        let slot = evicts(&mut slots, &mut released, &mut held, next, wait);
        assert!(slot.is_some());
        assert_eq!(slots.of(range("127.0.0.1")), 0);
    }

    #[test]
    fn a_dropped_slot_is_free_again() {
        let (mut slots, mut released) = HandshakeSlots::new(1);
        let now = Instant::now();
        let slot = slots.take(range("127.0.0.1"), now).unwrap();
        assert!(slots.take(range("127.0.0.1"), now).is_err());
        drop(slot);
        slots.release(released.try_recv().unwrap());
        assert!(slots.take(range("127.0.0.1"), now).is_ok());
    }

    #[test]
    fn waiting_is_bounded_and_the_range_with_fewest_is_next() {
        let (mut slots, _released) = HandshakeSlots::new(4);
        let now = Instant::now();
        let _held = fill(&mut slots, range("127.0.0.9"), 4, now);
        let mut waiting = Waiting::default();
        for number in 0..2 * MAX_WAITING_CONNECTIONS {
            waiting.push(range("127.0.0.9"), number);
        }
        waiting.push(range("127.0.0.1"), usize::MAX);
        assert_eq!(waiting.0.len(), MAX_WAITING_CONNECTIONS);
        let (index, next) = waiting.next(&slots).unwrap();
        assert_eq!(next, range("127.0.0.1"));
        assert_eq!(waiting.remove(index), usize::MAX);
        let (index, _) = waiting.next(&slots).unwrap();
        assert_eq!(waiting.remove(index), 0, "first come, first served");
    }
}
