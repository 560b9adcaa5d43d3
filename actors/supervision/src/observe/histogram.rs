//! A fixed-size histogram of durations. Recording costs two atomic additions.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// Durations below `2^FIRST_OCTAVE` nanoseconds (64 ns) share the first bucket.
const FIRST_OCTAVE: u32 = 6;

/// Durations from `2^LAST_OCTAVE` nanoseconds (about 137 s) on share the last bucket.
const LAST_OCTAVE: u32 = 37;

/// Each doubling is cut into this many equal steps, so that a percentile is at most a
/// quarter above the true value.
const STEPS: usize = 4;

/// The edges at which [`Latency::at_most`] counts, in nanoseconds: powers of four from about a
/// microsecond to about four seconds. They are edges of the histogram's own buckets, so that the
/// counts are exact but for durations of precisely that length, which count as longer.
pub const EDGES_NS: [u64; 12] = edges();

const fn edges() -> [u64; 12] {
    let mut edges = [1 << 10; 12];
    let mut index = 1;
    while index < edges.len() {
        edges[index] = edges[index - 1] * 4;
        index += 1;
    }
    edges
}

const BUCKETS: usize = 2 + (LAST_OCTAVE - FIRST_OCTAVE) as usize * STEPS;

/// Counts of durations in logarithmic buckets. Any number of threads may record and read.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    max: AtomicU64,
}

/// A summary of the durations in a histogram, in nanoseconds.
///
/// A percentile is the upper edge of its bucket: at most 25 % above the true value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// The number of durations recorded.
    pub count: u64,
    /// The sum of the durations.
    pub sum_ns: u64,
    /// The median.
    pub p50_ns: u64,
    /// The 90th percentile.
    pub p90_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The longest duration.
    pub max_ns: u64,
    /// For each of [`EDGES_NS`], the number of durations up to that length. Not in the JSON, which
    /// pages get each second.
    #[serde(skip)]
    pub at_most: [u64; EDGES_NS.len()],
}

impl Latency {
    /// Adds the count, the sum and the counts at the edges of another summary. Percentiles can't be
    /// added; the maximum is the larger one.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        for (count, more) in self.at_most.iter_mut().zip(other.at_most) {
            *count += more;
        }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: array::from_fn(|_| AtomicU64::new(0)),
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Adds one duration of `nanos` nanoseconds.
    #[inline]
    pub(crate) fn record(&self, nanos: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(nanos, Relaxed);
        if nanos > self.max.load(Relaxed) {
            self.max.fetch_max(nanos, Relaxed);
        }
    }

    /// Returns the sum of the durations recorded so far, in nanoseconds.
    pub(crate) fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    /// Returns the number of durations recorded so far.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// Returns a summary of the histogram. Concurrent recordings may be seen in part.
    pub(crate) fn read(&self) -> Latency {
        Self::read_together([self])
    }

    /// Returns a summary of several histograms as if one had recorded all of their durations.
    pub(crate) fn read_together<'a>(all: impl IntoIterator<Item = &'a Self>) -> Latency {
        let mut counts = [0_u64; BUCKETS];
        let (mut sum_ns, mut max_ns) = (0_u64, 0);
        for histogram in all {
            for (count, bucket) in counts.iter_mut().zip(&histogram.buckets) {
                *count += bucket.load(Relaxed);
            }
            sum_ns = sum_ns.saturating_add(histogram.sum.load(Relaxed));
            max_ns = max_ns.max(histogram.max.load(Relaxed));
        }
        let count = counts.iter().sum();
        let percentile = |per_cent: u64| percentile_of(&counts, count, per_cent).min(max_ns);
        Latency {
            count,
            sum_ns,
            p50_ns: percentile(50),
            p90_ns: percentile(90),
            p99_ns: percentile(99),
            max_ns,
            at_most: counts_at_edges(&counts),
        }
    }
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < 1 << FIRST_OCTAVE {
        return 0;
    }
    let octave = nanos.ilog2();
    if octave >= LAST_OCTAVE {
        return BUCKETS - 1;
    }
    let step = (nanos >> (octave - STEPS.ilog2())) as usize % STEPS;
    1 + (octave - FIRST_OCTAVE) as usize * STEPS + step
}

/// Returns the first duration, in nanoseconds, that is too long for the bucket.
fn upper_edge(bucket: usize) -> u64 {
    match bucket {
        0 => 1 << FIRST_OCTAVE,
        _ if bucket >= BUCKETS - 1 => u64::MAX,
        _ => {
            let octave = FIRST_OCTAVE + ((bucket - 1) / STEPS) as u32;
            let steps = (STEPS + (bucket - 1) % STEPS + 1) as u64;
            steps << (octave - STEPS.ilog2())
        }
    }
}

/// Returns the number of durations up to each of [`EDGES_NS`].
fn counts_at_edges(counts: &[u64; BUCKETS]) -> [u64; EDGES_NS.len()] {
    let mut seen = 0;
    let mut buckets = counts.iter().enumerate().peekable();
    EDGES_NS.map(|edge| {
        while let Some((_, count)) = buckets.next_if(|(bucket, _)| upper_edge(*bucket) <= edge) {
            seen += count;
        }
        seen
    })
}

fn percentile_of(counts: &[u64], total: u64, per_cent: u64) -> u64 {
    let rank = total.saturating_mul(per_cent).div_ceil(100);
    let mut seen = 0;
    for (bucket, count) in counts.iter().enumerate() {
        seen += count;
        if seen >= rank && seen > 0 {
            return upper_edge(bucket);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Buckets do not overlap, leave no gap, and are at most a quarter of their lower edge
        /// wide.
        #[test]
        fn a_value_lies_in_its_bucket(nanos in 0..=u64::MAX) {
            let bucket = bucket_of(nanos);
            let upper = upper_edge(bucket);
            prop_assert!(nanos < upper || upper == u64::MAX);
            if bucket > 0 {
                let lower = upper_edge(bucket - 1);
                prop_assert!(nanos >= lower);
                if bucket < BUCKETS - 1 {
                    prop_assert!(upper - lower <= lower / 4);
                }
            }
        }

        #[test]
        fn percentiles_are_close_to_the_sorted_values(
            mut values in prop::collection::vec(64..100_000_000_000_u64, 1..200),
        ) {
            let histogram = Histogram::default();
            for value in &values {
                histogram.record(*value);
            }
            values.sort_unstable();
            let latency = histogram.read();
            let median = values[(values.len() * 50).div_ceil(100) - 1];
            prop_assert!(latency.p50_ns >= median && latency.p50_ns <= median + median / 4);
            prop_assert_eq!(latency.max_ns, *values.last().unwrap());
            prop_assert_eq!(latency.count, values.len() as u64);
            prop_assert_eq!(latency.sum_ns, values.iter().sum::<u64>());
        }
    }

    #[test]
    fn histograms_read_together_equal_one_histogram() {
        let (one, few, many) = (
            Histogram::default(),
            Histogram::default(),
            Histogram::default(),
        );
        for nanos in 1..=1_000 {
            one.record(nanos * 997);
            let part = if nanos % 10 == 0 { &few } else { &many };
            part.record(nanos * 997);
        }
        assert_eq!(Histogram::read_together([&few, &many]), one.read());
    }

    proptest! {
        #[test]
        fn counts_at_the_edges_are_exact(
            values in prop::collection::vec(0..20_000_000_000_u64, 0..200),
        ) {
            let histogram = Histogram::default();
            for value in &values {
                histogram.record(*value);
            }
            let below = |edge| values.iter().filter(|value| **value < edge).count() as u64;
            prop_assert_eq!(histogram.read().at_most, EDGES_NS.map(below));
        }
    }

    #[test]
    fn the_edges_are_powers_of_four_that_end_buckets() {
        assert_eq!((EDGES_NS[0], EDGES_NS[11]), (1 << 10, 1 << 32));
        for edge in EDGES_NS {
            assert_eq!(upper_edge(bucket_of(edge - 1)), edge);
        }
    }

    #[test]
    fn summaries_add_up_to_that_of_all_durations() {
        let (one, both) = (Histogram::default(), Histogram::default());
        let mut sum = Latency::default();
        for nanos in [5, 3_000, 70_000_000_000] {
            let part = Histogram::default();
            part.record(nanos);
            sum.add(&part.read());
            both.record(nanos);
        }
        let all = both.read();
        assert_eq!(
            (sum.count, sum.sum_ns, sum.max_ns, sum.at_most),
            (all.count, all.sum_ns, all.max_ns, all.at_most)
        );
        sum.add(&one.read());
        assert_eq!(sum.count, 3);
    }

    #[test]
    fn an_empty_histogram_reads_as_zero() {
        assert_eq!(Histogram::default().read(), Latency::default());
    }
}
