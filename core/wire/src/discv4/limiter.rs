//! Rate limits of datagrams, per source and in total.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::address::{Subnet, is_lan};
use crate::limits::{
    MAX_COUNTED_SOURCES, MAX_PACKETS_KNOWN, MAX_PACKETS_PER_SOURCE, MAX_PACKETS_TOTAL,
    MIN_PACKETS_PER_SOURCE,
};

const WINDOW: Duration = Duration::from_secs(1);

/// Addresses that count as one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// One public IPv4 address.
    Address(std::net::Ipv4Addr),
    /// One IPv6 network, since a host can have all its addresses.
    Network(Subnet),
    /// One socket of a local network: many nodes may share a host there.
    Socket(SocketAddr),
    /// All further sources once [`MAX_COUNTED_SOURCES`] are counted.
    Others,
}

impl Source {
    pub(crate) fn of(from: SocketAddr) -> Self {
        match from.ip().to_canonical() {
            address if is_lan(address) => Self::Socket(from),
            std::net::IpAddr::V4(address) => Self::Address(address),
            address => Self::Network(Subnet::of(address)),
        }
    }
}

/// Sources that probably belong to one party: the subnet of a public address. On local networks
/// each source is a range of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Range {
    Subnet(Subnet),
    Source(Source),
}

impl Range {
    fn of(source: Source) -> Self {
        match source {
            Source::Address(address) => Self::Subnet(Subnet::of(address.into())),
            source => Self::Source(source),
        }
    }
}

/// Counts datagrams in windows of a second. Unknown sources share the total evenly, and so do
/// address ranges: the share of each follows from how many there were in the window before, so
/// that a flood from many sources does not use up a window before a new node has sent its ping.
#[derive(Debug)]
pub(crate) struct Limiter {
    window_start: Instant,
    /// Maximum number of datagrams of each unknown source in this window.
    share: u32,
    sources: HashMap<Source, u32>,
    /// Maximum number of datagrams of each address range in this window.
    range_share: u32,
    ranges: HashMap<Range, u32>,
    total: u32,
    known: u32,
}

impl Limiter {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            window_start: now,
            share: MAX_PACKETS_PER_SOURCE,
            sources: HashMap::new(),
            range_share: MAX_PACKETS_TOTAL,
            ranges: HashMap::new(),
            total: 0,
            known: 0,
        }
    }

    /// Returns true if a datagram may be read. `is_known` is called only when unknown sources have
    /// used up their share.
    pub(crate) fn admit(
        &mut self,
        from: SocketAddr,
        now: Instant,
        is_known: impl Fn() -> bool,
    ) -> bool {
        if now.saturating_duration_since(self.window_start) >= WINDOW {
            // One share more than there were sources: that of a new node.
            let share_among = |count: usize| {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                MAX_PACKETS_TOTAL / count.saturating_add(1)
            };
            let share = share_among(self.sources.len());
            self.share = share.clamp(MIN_PACKETS_PER_SOURCE, MAX_PACKETS_PER_SOURCE);
            self.range_share = share_among(self.ranges.len()).max(MIN_PACKETS_PER_SOURCE);
            self.sources.clear();
            self.ranges.clear();
            (self.window_start, self.total, self.known) = (now, 0, 0);
        }
        self.admit_source(from, &is_known) && self.admit_in_all(&is_known)
    }

    fn admit_source(&mut self, from: SocketAddr, is_known: &impl Fn() -> bool) -> bool {
        let mut source = Source::of(from);
        if self.sources.len() >= MAX_COUNTED_SOURCES && !self.sources.contains_key(&source) {
            if is_known() {
                return true;
            }
            source = Source::Others;
        }
        let count = self.sources.entry(source).or_insert(0);
        *count = count.saturating_add(1);
        let count = *count;
        if count > self.share {
            return count <= MAX_PACKETS_PER_SOURCE && is_known();
        }
        // Datagrams over the source's own share are not charged to its range.
        let range_count = self.ranges.entry(Range::of(source)).or_insert(0);
        *range_count = range_count.saturating_add(1);
        *range_count <= self.range_share || is_known()
    }

    fn admit_in_all(&mut self, is_known: &impl Fn() -> bool) -> bool {
        if self.total < MAX_PACKETS_TOTAL {
            self.total += 1;
            return true;
        }
        if self.known < MAX_PACKETS_KNOWN && is_known() {
            self.known += 1;
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> SocketAddr {
        SocketAddr::new(std::net::Ipv4Addr::from(0x0800_0000 + number).into(), 30303)
    }

    #[test]
    fn one_source_and_all_sources_are_bounded() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        let admitted = (0..1000)
            .filter(|_| limiter.admit(address(1), now, || false))
            .count();
        assert_eq!(admitted, MAX_PACKETS_PER_SOURCE as usize);
        let admitted = (2..20_000)
            .filter(|&n| limiter.admit(address(n), now, || false))
            .count();
        assert_eq!(
            admitted,
            (MAX_PACKETS_TOTAL - MAX_PACKETS_PER_SOURCE) as usize
        );
        assert!(limiter.sources.len() <= MAX_COUNTED_SOURCES + 1);
        let next = now + WINDOW;
        assert!(limiter.admit(address(1), next, || false));
        assert_eq!(limiter.sources.len(), 1);
    }

    #[test]
    fn a_flood_of_unknown_sources_leaves_room_for_known_nodes() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        for number in 0..MAX_PACKETS_TOTAL {
            assert!(limiter.admit(address(number), now, || false));
        }
        assert!(!limiter.admit(address(5000), now, || false));
        for number in 6000..12_000 {
            assert!(!limiter.admit(address(number), now, || false));
        }
        let known = (12_000..14_000)
            .filter(|&n| limiter.admit(address(n), now, || true))
            .count();
        assert_eq!(known, MAX_PACKETS_KNOWN as usize);
    }

    #[test]
    fn a_new_source_is_read_during_a_flood() {
        let (begun, mut sent, mut admitted) = (Instant::now(), 0, 0);
        let mut limiter = Limiter::new(begun);
        for millisecond in 0..3_000 {
            let now = begun + Duration::from_millis(millisecond);
            for packet in 0..10 {
                let flooding = address((millisecond as u32 * 10 + packet) % 250);
                limiter.admit(flooding, now, || false);
            }
            // From one second after the start of the flood, at any moment of a window.
            if millisecond >= 1_000 && millisecond % 150 == 0 {
                sent += 1;
                admitted += u32::from(limiter.admit(address(9_999), now, || false));
            }
        }
        assert!(sent > 10);
        assert_eq!(admitted, sent);
    }

    #[test]
    fn a_flood_from_one_range_takes_half_at_the_most() {
        let begun = Instant::now();
        let mut limiter = Limiter::new(begun);
        for second in 0..3 {
            let now = begun + second * WINDOW;
            let flooding = |limiter: &mut Limiter| {
                let packets =
                    (0..10_000).filter(|n| limiter.admit(address(n % 200), now, || false));
                packets.count()
            };
            let admitted = flooding(&mut limiter);
            if second > 0 {
                assert_eq!(admitted, MAX_PACKETS_TOTAL as usize / 3);
            }
            assert_eq!(limiter.admit(address(9_999), now, || false), second > 0);
        }
    }

    #[test]
    fn nodes_of_one_local_host_are_counted_separately() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        for port in 1..=200 {
            let from = SocketAddr::new("127.0.0.1".parse().unwrap(), port);
            assert!(limiter.admit(from, now, || false));
        }
    }
}
