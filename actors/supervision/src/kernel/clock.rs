//! The clock of a tree: the time of its measurements, its health monitor, its deadlines of jobs and
//! its incidents.
//!
//! Each node of a tree holds the clock that the tree was started with, so that two trees of one
//! process may have different ones. The timers of actors and supervisors (`sleep`, `interval`,
//! `timeout`) are those of the tokio runtime of their thread, which has a clock of its own. What is
//! left of the process is the system's clock, which nothing can shift ([`System`]).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::time::Instant;

static SYSTEM: LazyLock<System> = LazyLock::new(|| System::start(quanta::Clock::new()));

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
            None => SYSTEM.elapsed(),
            Some(custom) => nanos((custom.elapsed)()),
        };
        elapsed.saturating_add(1)
    }

    /// Sets the clock of the system by the monotonic clock. The health monitor does so in each round.
    pub(crate) fn correct(&self) {
        if self.0.is_none() {
            SYSTEM.correct();
        }
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

/// The clock of the system: the counter of the processor where that runs at a constant rate, else the
/// monotonic clock. A message takes several readings, and the monotonic clock costs three times as much
/// as the counter.
///
/// The rate of the counter is measured at the start, and the counter may begin anew after a machine
/// slept. So the time is that of the monotonic clock at the last correction and what the counter
/// counted since the origin.
struct System {
    counter: quanta::Clock,
    started: std::time::Instant,
    /// Value of the counter that stands for `base`.
    origin: AtomicU64,
    /// Nanoseconds since the start.
    base: AtomicU64,
}

impl System {
    fn start(counter: quanta::Clock) -> Self {
        Self {
            started: std::time::Instant::now(),
            origin: AtomicU64::new(counter.raw()),
            base: AtomicU64::new(0),
            counter,
        }
    }

    /// Returns the nanoseconds since the start.
    #[inline]
    fn elapsed(&self) -> u64 {
        let counted = self.counter.raw();
        let since = self
            .counter
            .delta_as_nanos(self.origin.load(Relaxed), counted);
        since.wrapping_add(self.base.load(Relaxed))
    }

    fn correct(&self) {
        self.set(nanos(self.started.elapsed()));
    }

    /// Sets the clock. One that reads it meanwhile may get the time before the correction.
    fn set(&self, now: u64) {
        let counted = self.counter.raw();
        if counted < self.origin.load(Relaxed) {
            // The counter began anew: until the origin is stored, its difference is zero.
            self.base.store(now, Relaxed);
            self.origin.store(counted, Relaxed);
            return;
        }
        let behind = now.wrapping_sub(self.elapsed());
        self.base.fetch_add(behind, Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_runs_like_the_monotonic_clock() {
        let clock = Clock::system();
        let outer = std::time::Instant::now();
        let begun = clock.now();
        let inner = std::time::Instant::now();
        std::thread::sleep(Duration::from_millis(50));
        let at_least = nanos(inner.elapsed());
        let measured = clock.now() - begun;
        let at_most = nanos(outer.elapsed());
        let tolerance = at_most / 100;
        assert!(
            measured + tolerance >= at_least && measured <= at_most + tolerance,
            "{at_least} <= {measured} <= {at_most}"
        );
    }

    #[test]
    fn a_counter_that_drifts_is_corrected() {
        let (counter, mock) = quanta::Clock::mock();
        let system = System::start(counter);
        mock.increment(1_000_u64);
        assert_eq!(system.elapsed(), 1_000);
        system.set(1_200);
        assert_eq!(system.elapsed(), 1_200);
        mock.increment(500_u64);
        assert_eq!(system.elapsed(), 1_700);
        system.set(1_600);
        mock.increment(1_u64);
        assert_eq!(system.elapsed(), 1_601);
    }

    #[test]
    fn a_counter_that_begins_anew_is_corrected() {
        let (counter, mock) = quanta::Clock::mock();
        mock.increment(5_000_u64);
        let system = System::start(counter);
        mock.increment(1_000_u64);
        mock.decrement(5_900_u64);
        assert_eq!(system.elapsed(), 0);
        system.set(1_500);
        assert_eq!(system.elapsed(), 1_500);
        mock.increment(10_u64);
        assert_eq!(system.elapsed(), 1_510);
    }
}
