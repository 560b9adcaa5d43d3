//! Places among the handshakes of strangers, shared out by where they come from.
//!
//! While there are free places, a connection that has come takes one. With all in use it waits
//! (outside, in [`Waiting`]) and the next place is made for the connection whose address range has
//! the fewest: the oldest handshake of the range that has the most is ended for it. So a host that
//! opens connections and stalls competes with itself, and others get in at once. Among ranges that
//! have equally many, a handshake is ended once it took longer than a real one does.

use std::net::IpAddr;
use std::time::Duration;

use actoreum_wire::discv4::is_lan;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::limits::{HANDSHAKE_UNDER_PRESSURE, LAN_HANDSHAKE_UNDER_PRESSURE, WAITING_CONNECTIONS};

/// Addresses that count as one: a /24 or a /64, as in discovery's table; on a local network, whose
/// hosts are known to its operator, and on this machine each address is one of its own.
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

    /// How long a handshake from here may take while others wait.
    fn patience(self) -> Duration {
        match self.1 {
            true => LAN_HANDSHAKE_UNDER_PRESSURE,
            false => HANDSHAKE_UNDER_PRESSURE,
        }
    }
}

/// A handshake's place. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    released: mpsc::UnboundedSender<u64>,
    evicted: oneshot::Receiver<()>,
}

impl Place {
    /// Resolves when the place is needed for somebody else.
    pub(super) async fn evicted(&mut self) {
        if (&mut self.evicted).await.is_err() {
            // The listener has ended: nobody needs it.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A listener that has ended has no places to share out.
        let _ = self.released.send(self.id);
    }
}

/// Longer than a connection takes to see that it is to end. It says so when it has.
const EVICTION_TIME: Duration = Duration::from_secs(1);

struct Taken {
    id: u64,
    range: AddressRange,
    since: Instant,
    /// `None` once it was told to end: its place will be free in a moment.
    evict: Option<oneshot::Sender<()>>,
}

/// All places.
pub(super) struct Places {
    limit: usize,
    /// In the order in which they were taken.
    taken: Vec<Taken>,
    next_id: u64,
    released: mpsc::UnboundedSender<u64>,
}

/// What is to be done for a connection without a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Free,
    /// The handshake at this index is to end for it.
    Evict(usize),
    /// Unless a place becomes free before, look again then.
    WaitUntil(Instant),
}

impl Places {
    /// So many places, and where those are told that become free ([`Places::release`]).
    pub(super) fn new(limit: usize) -> (Self, mpsc::UnboundedReceiver<u64>) {
        let (released, receiver) = mpsc::unbounded_channel();
        let places = Self {
            limit: limit.max(1),
            taken: Vec::new(),
            next_id: 0,
            released,
        };
        (places, receiver)
    }

    /// Places of a range that are in use.
    pub(super) fn of(&self, range: AddressRange) -> usize {
        self.taken.iter().filter(|it| it.range == range).count()
    }

    /// A place was given back.
    pub(super) fn release(&mut self, id: u64) {
        self.taken.retain(|it| it.id != id);
    }

    /// Takes a place. Where none is free and it is another handshake's turn to end, that is told
    /// so, and its place is free once it has ended.
    ///
    /// # Errors
    /// When to try again, unless a place is given back before.
    pub(super) fn take(&mut self, range: AddressRange, now: Instant) -> Result<Place, Instant> {
        match self.judge(range, now) {
            Verdict::Free => {}
            Verdict::Evict(index) => {
                let evict = self.taken.get_mut(index).and_then(|it| it.evict.take());
                // Where it has just ended by itself, its place is free, too.
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
        Ok(Place {
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
        // The first is the oldest.
        let mut largest = self.taken.iter().enumerate();
        let oldest = largest.find(|(_, it)| self.of(it.range) == most);
        let Some((index, oldest)) = oldest else {
            return Verdict::Free;
        };
        if most > self.of(range) + 1 {
            return Verdict::Evict(index);
        }
        let due = oldest.since + oldest.range.patience();
        match due <= now {
            true => Verdict::Evict(index),
            false => Verdict::WaitUntil(due),
        }
    }
}

/// Connections that wait for a place.
pub(super) struct Waiting<T>(Vec<(AddressRange, T)>);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Waiting<T> {
    /// Adds one. Where there are too many, the newest of the range with most of them goes.
    pub(super) fn push(&mut self, range: AddressRange, connection: T) {
        self.0.push((range, connection));
        if self.0.len() <= WAITING_CONNECTIONS {
            return;
        }
        let count = |range| self.0.iter().filter(|it| it.0 == range).count();
        let most = (0..self.0.len()).max_by_key(|index| count(self.0[*index].0));
        if let Some(index) = most {
            self.0.remove(index);
        }
    }

    /// The next one to be given a place: of the range with the fewest, the first that came.
    pub(super) fn next(&self, places: &Places) -> Option<(usize, AddressRange)> {
        let ranges = self.0.iter().map(|(range, _)| *range).enumerate();
        ranges.min_by_key(|(_, range)| places.of(*range))
    }

    /// Takes the one at an index that [`Waiting::next`] gave.
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

    fn fill(places: &mut Places, range: AddressRange, count: usize, now: Instant) -> Vec<Place> {
        (0..count)
            .map(|_| places.take(range, now).unwrap())
            .collect()
    }

    #[test]
    fn ranges_are_networks_outside_and_addresses_inside() {
        assert_eq!(range("8.8.8.8"), range("8.8.8.200"));
        assert_ne!(range("8.8.8.8"), range("8.8.9.8"));
        assert_eq!(range("8.8.8.8"), range("::ffff:8.8.8.9"));
        assert_eq!(range("2001:db8:1:2::1"), range("2001:db8:1:2:3::1"));
        assert_ne!(range("2001:db8:1:2::1"), range("2001:db8:1:3::1"));
        assert_ne!(range("127.0.0.1"), range("127.0.0.2"));
        assert_ne!(range("192.168.1.1"), range("192.168.1.2"));
    }

    /// Whether a connection from here gets a place now, by somebody's end.
    fn evicts(
        places: &mut Places,
        released: &mut mpsc::UnboundedReceiver<u64>,
        oldest: &mut Vec<Place>,
        from: AddressRange,
        now: Instant,
    ) -> Option<Place> {
        places.take(from, now).unwrap_err();
        let told = oldest
            .iter_mut()
            .position(|it| it.evicted.try_recv().is_ok())?;
        assert!(
            places.take(from, now).is_err(),
            "before the other has ended"
        );
        drop(oldest.remove(told));
        places.release(released.try_recv().unwrap());
        Some(places.take(from, now).unwrap())
    }

    #[test]
    fn a_range_that_holds_most_places_gives_one_to_the_next_range() {
        let (mut places, mut released) = Places::new(10);
        let now = Instant::now();
        let mut attacker = fill(&mut places, range("8.8.8.8"), 10, now);
        let first = attacker[0].id;
        let (released, honest) = (&mut released, range("9.9.9.9"));
        let place = evicts(&mut places, released, &mut attacker, honest, now);
        assert!(place.is_some());
        assert!(attacker.iter().all(|it| it.id != first), "the oldest goes");
        // Its own newcomers wait until the oldest took too long.
        let wait = places.take(range("8.8.8.7"), now).unwrap_err();
        assert_eq!(wait, now + HANDSHAKE_UNDER_PRESSURE);
        let own = range("8.8.8.7");
        assert!(evicts(&mut places, released, &mut attacker, own, wait).is_some());
    }

    #[test]
    fn among_equals_a_slow_handshake_gives_way() {
        let (mut places, mut released) = Places::new(2);
        let now = Instant::now();
        let mut held = fill(&mut places, range("127.0.0.1"), 1, now);
        held.extend(fill(&mut places, range("127.0.0.2"), 1, now));
        let next = range("127.0.0.3");
        let wait = places.take(next, now).unwrap_err();
        assert_eq!(wait, now + LAN_HANDSHAKE_UNDER_PRESSURE);
        let place = evicts(&mut places, &mut released, &mut held, next, wait);
        assert!(place.is_some());
        assert_eq!(places.of(range("127.0.0.1")), 0);
    }

    #[test]
    fn a_dropped_place_is_free_again() {
        let (mut places, mut released) = Places::new(1);
        let now = Instant::now();
        let place = places.take(range("127.0.0.1"), now).unwrap();
        assert!(places.take(range("127.0.0.1"), now).is_err());
        drop(place);
        places.release(released.try_recv().unwrap());
        assert!(places.take(range("127.0.0.1"), now).is_ok());
    }

    #[test]
    fn those_that_wait_are_bounded_and_the_range_with_fewest_is_next() {
        let (mut places, _released) = Places::new(4);
        let now = Instant::now();
        let _held = fill(&mut places, range("127.0.0.9"), 4, now);
        let mut waiting = Waiting::default();
        for number in 0..2 * WAITING_CONNECTIONS {
            waiting.push(range("127.0.0.9"), number);
        }
        waiting.push(range("127.0.0.1"), usize::MAX);
        assert_eq!(waiting.0.len(), WAITING_CONNECTIONS);
        let (index, next) = waiting.next(&places).unwrap();
        assert_eq!(next, range("127.0.0.1"));
        assert_eq!(waiting.remove(index), usize::MAX);
        let (index, _) = waiting.next(&places).unwrap();
        assert_eq!(waiting.remove(index), 0, "first come, first served");
    }
}
