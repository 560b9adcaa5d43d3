//! The clock of a tree: the time of its measurements, its health monitor, its deadlines of jobs and
//! its incidents.
//!
//! Each node of a tree holds the clock that the tree was started with, so that two trees of one
//! process may have different ones. The timers of actors and supervisors (`sleep`, `interval`,
//! `timeout`) are those of the tokio runtime of their thread, which has a clock of its own. What is
//! left of the process is the origin of the system's monotonic clock, which nothing can shift.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::time::Instant;

static EPOCH: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// Nanoseconds since the start of a clock, never zero: zero stands for "never" in the atomics that
/// hold a time.
pub(crate) type Nanos = u64;

/// The clock of a tree ([`TreeOptions::clock`](crate::TreeOptions::clock)).
///
/// It dates what a snapshot and an incident show, and what the health monitor waits for. The timers of
/// actors are those of the tokio runtime: with [`Clock::runtime`] both agree, also where the runtime's
/// time is paused.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<Custom>>);

struct Custom {
    /// The wall-clock time of the start, since the Unix epoch.
    start: Duration,
    /// Returns the time since the start.
    elapsed: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl Clock {
    /// Returns the clock of the system, which is that of a tree unless it is given another one.
    pub const fn system() -> Self {
        Self(None)
    }

    /// Returns a clock that starts at `start`; `elapsed` returns the time since then. It is called on
    /// all threads, for each message, and must not go back.
    pub fn custom(
        start: SystemTime,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(Custom {
            start: start.duration_since(UNIX_EPOCH).unwrap_or_default(),
            elapsed: Box::new(elapsed),
        })))
    }

    /// Returns the clock of the tokio runtime on this thread, which stands still while that is
    /// paused. For tests.
    ///
    /// # Panics
    /// Panics outside of a runtime.
    pub fn runtime() -> Self {
        let (runtime, begun) = (Handle::current(), Instant::now());
        Self::custom(SystemTime::now(), move || {
            let _guard = runtime.enter();
            begun.elapsed()
        })
    }

    /// Reads the clock.
    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        let elapsed = match &self.0 {
            None => EPOCH.elapsed(),
            Some(custom) => (custom.elapsed)(),
        };
        nanos(elapsed).saturating_add(1)
    }

    /// Returns the wall-clock time in milliseconds since the Unix epoch, for incidents.
    pub(crate) fn unix_millis(&self) -> u64 {
        let since = match &self.0 {
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            Some(custom) => custom.start.saturating_add((custom.elapsed)()),
        };
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            None => "Clock(system)",
            Some(_) => "Clock(custom)",
        })
    }
}

/// Returns a duration in whole nanoseconds, saturating after five centuries.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the instant of the runtime that lies `duration` ahead, thirty years at most, so that
/// `Duration::MAX` means "never" and does not overflow.
pub(crate) fn after(duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    Instant::now() + duration.min(NEVER)
}
