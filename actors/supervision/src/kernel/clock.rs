//! The monotonic clock of all measurements.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

static EPOCH: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// Nanoseconds since the first reading in this process, never zero: zero stands for "never"
/// in the atomics that hold a time.
pub(crate) type Nanos = u64;

/// Reads the clock.
pub(crate) fn now() -> Nanos {
    nanos(EPOCH.elapsed()).saturating_add(1)
}

/// Returns a duration in whole nanoseconds, saturating after five centuries.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the instant that lies `duration` ahead, thirty years at most, so that
/// `Duration::MAX` means "never" and does not overflow.
pub(crate) fn after(duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    Instant::now() + duration.min(NEVER)
}

/// Returns the wall-clock time in milliseconds since the Unix epoch, for incidents.
pub(crate) fn unix_millis() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
