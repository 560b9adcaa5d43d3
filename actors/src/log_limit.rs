//! Limits on the log lines that a remote party can cause.
//!
//! ```
//! use actoreum_actors::log_limit::LogLimit;
//!
//! static REFUSED: LogLimit = LogLimit::new();
//!
//! # let remote = "127.0.0.1";
//! if let Some(suppressed) = REFUSED.admit() {
//!     tracing::warn!(%remote, suppressed, "request refused");
//! }
//! ```

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Lines of one kind that are written in a [`PERIOD`]; the others are counted. An operator sees the
/// first lines of an incident, and the log grows by a few megabytes a day at most.
pub const LINES: u32 = 30;

/// The period of the limit; see [`LINES`].
pub const PERIOD: Duration = Duration::from_secs(30);

/// A limit on the log lines of one kind. Each place that writes such lines has its own limit, as a
/// `static` or as a field.
#[derive(Debug)]
pub struct LogLimit(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The start of the period; `None` before the first line.
    since: Option<Instant>,
    written: u32,
    suppressed: u64,
}

impl LogLimit {
    /// Creates a limit of [`LINES`] in a [`PERIOD`].
    pub const fn new() -> Self {
        Self(Mutex::new(State {
            since: None,
            written: 0,
            suppressed: 0,
        }))
    }

    /// Returns `Some` where a line may be written now, with the number of lines suppressed since
    /// the last written one; `None` where the line is to be suppressed, which is counted.
    pub fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock();
        let is_over = state
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= PERIOD);
        if is_over {
            state.since = Some(now);
            state.written = 0;
        }
        if state.written >= LINES {
            state.suppressed = state.suppressed.saturating_add(1);
            return None;
        }
        state.written += 1;
        Some(std::mem::take(&mut state.suppressed))
    }

    /// Returns and resets the number of suppressed lines that no line has reported: for an owner
    /// that logs a summary after a [`PERIOD`], so that the last ones are reported without a new
    /// line.
    pub fn take_suppressed(&self) -> u64 {
        std::mem::take(&mut self.0.lock().suppressed)
    }
}

impl Default for LogLimit {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_a_period_are_written_others_counted() {
        let limit = LogLimit::new();
        let now = Instant::now();
        for _ in 0..LINES {
            assert_eq!(limit.admit_at(now), Some(0));
        }
        for _ in 0..1_000 {
            assert_eq!(limit.admit_at(now + PERIOD / 2), None);
        }
        assert_eq!(limit.admit_at(now + PERIOD), Some(1_000));
        assert_eq!(limit.admit_at(now + PERIOD), Some(0));
    }

    #[test]
    fn a_summary_reports_each_line_once() {
        let limit = LogLimit::new();
        let now = Instant::now();
        let written = (0..100).filter(|_| limit.admit_at(now).is_some()).count();
        assert_eq!(written as u64 + limit.take_suppressed(), 100);
        assert_eq!(limit.take_suppressed(), 0);
        assert_eq!(limit.admit_at(now + PERIOD), Some(0));
    }
}
