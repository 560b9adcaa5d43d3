//! One cheap monotonic clock for every measurement.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the first reading in this process, never zero: zero stands for "never"
/// in the atomics that hold a time.
pub(crate) type Nanos = u64;

/// Reads the clock.
pub(crate) fn now() -> Nanos {
    nanos(EPOCH.elapsed()).saturating_add(1)
}

/// A duration in whole nanoseconds, saturating after five centuries.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Wall-clock milliseconds since the Unix epoch, for people who read an incident.
pub(crate) fn unix_millis() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
