//! The metrics of each method: counters and a latency histogram, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The number of buckets in each doubling of the latency: a quantile is at most 1/8 too high.
const STEPS: u64 = 8;
/// The number of doublings that are told apart: from 8 ns to a little over 2 minutes.
const DOUBLINGS: u64 = 35;
/// The number of buckets.
const BUCKETS: usize = (STEPS * DOUBLINGS) as usize;

/// Counters and latencies of one method.
#[derive(Debug, Default)]
pub struct MethodMetrics {
    requests: AtomicU64,
    errors: AtomicU64,
    latency: LatencyHistogram,
}

impl MethodMetrics {
    /// Counts a request and the time that it took.
    pub(crate) fn record(&self, took: Duration, failed: bool) {
        self.requests.fetch_add(1, Relaxed);
        if failed {
            self.errors.fetch_add(1, Relaxed);
        }
        self.latency.record(took);
    }

    /// Returns the current values.
    pub fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot {
            requests: self.requests.load(Relaxed),
            errors: self.errors.load(Relaxed),
            total: Duration::from_nanos(self.latency.nanoseconds.load(Relaxed)),
            p50: self.latency.quantile(0.5),
            p99: self.latency.quantile(0.99),
        }
    }
}

/// A reading of [`MethodMetrics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsSnapshot {
    /// Number of answered requests, including errors.
    pub requests: u64,
    /// Number of requests answered with an error.
    pub errors: u64,
    /// Total time of all requests, including the wait for a thread.
    pub total: Duration,
    /// The median latency.
    pub p50: Duration,
    /// The latency that 99 in 100 requests did not exceed.
    pub p99: Duration,
}

/// A histogram of durations whose buckets grow by an eighth of a doubling.
#[derive(Debug)]
struct LatencyHistogram {
    buckets: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            nanoseconds: AtomicU64::new(0),
        }
    }
}

impl LatencyHistogram {
    fn record(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
        if let Some(bucket) = self.buckets.get(bucket_of(nanoseconds)) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    /// Returns an upper bound of a quantile; zero if nothing was recorded.
    fn quantile(&self, share: f64) -> Duration {
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        let due = (total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= due && total > 0 {
                return Duration::from_nanos(upper_bound(index));
            }
        }
        Duration::ZERO
    }
}

/// Returns the bucket of a duration. The first eight buckets hold 0 to 7 ns, one each; after them
/// each doubling has eight.
fn bucket_of(nanoseconds: u64) -> usize {
    if nanoseconds < STEPS {
        return nanoseconds as usize;
    }
    let doubling = u64::from(nanoseconds.ilog2()) - 3;
    let step = (nanoseconds >> doubling) - STEPS;
    let bucket = (doubling + 1) * STEPS + step;
    usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// Returns the longest duration that falls into a bucket, in nanoseconds.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let doubling = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_and_counts_are_right() {
        let metrics = MethodMetrics::default();
        assert_eq!(metrics.snapshot().p99, Duration::ZERO);
        for microseconds in 1..=100 {
            metrics.record(Duration::from_micros(microseconds), microseconds > 90);
        }
        let snapshot = metrics.snapshot();
        assert_eq!((snapshot.requests, snapshot.errors), (100, 10));
        assert_eq!(snapshot.total, Duration::from_micros(5050));
        assert!(
            snapshot.p50 >= Duration::from_micros(50) && snapshot.p50 < Duration::from_micros(58)
        );
        assert!(
            snapshot.p99 >= Duration::from_micros(99) && snapshot.p99 < Duration::from_micros(115)
        );
    }

    proptest! {
        #[test]
        fn a_bucket_contains_its_durations(nanoseconds in 0u64..1 << 37) {
            let bucket = bucket_of(nanoseconds);
            prop_assert!(nanoseconds <= upper_bound(bucket));
            prop_assert!(bucket == 0 || nanoseconds > upper_bound(bucket - 1));
            prop_assert!(upper_bound(bucket) <= nanoseconds + nanoseconds / 8);
        }

        #[test]
        fn any_duration_has_a_bucket(nanoseconds in any::<u64>()) {
            prop_assert!(bucket_of(nanoseconds) < BUCKETS);
        }
    }
}
