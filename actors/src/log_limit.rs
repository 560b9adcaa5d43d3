//! Limits how many lines a remote party can make the log grow by.
//!
//! ```
//! use actoreum_actors::log_limit::LogLimit;
//!
//! static REFUSED: LogLimit = LogLimit::new();
//!
//! # let remote = "127.0.0.1";
//! if let Some(left_out) = REFUSED.admit() {
//!     tracing::warn!(%remote, left_out, "request refused");
//! }
//! ```

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Lines of a kind that are written in a [`PERIOD`]; the others are counted. An operator sees how
/// something began, and a log takes a few megabytes a day at most.
pub const LINES: u32 = 30;

/// See [`LINES`].
pub const PERIOD: Duration = Duration::from_secs(30);

/// A limit on the lines of one kind. Each place that writes such lines has one of its own, as a
/// `static` or as a field.
#[derive(Debug)]
pub struct LogLimit(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When the period began; `None` before the first line.
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl LogLimit {
    /// A limit of [`LINES`] in a [`PERIOD`].
    pub const fn new() -> Self {
        Self(Mutex::new(State {
            since: None,
            written: 0,
            left_out: 0,
        }))
    }

    /// Whether a line may be written now, with the number of those that were left out since the
    /// last that was. `None`: it is left out, and counted.
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
            state.left_out = state.left_out.saturating_add(1);
            return None;
        }
        state.written += 1;
        Some(std::mem::take(&mut state.left_out))
    }

    /// The lines that were left out and that no line has told of: for an owner that says so itself
    /// after a [`PERIOD`], since without that the last ones stay untold until there is a new line.
    pub fn take_left_out(&self) -> u64 {
        std::mem::take(&mut self.0.lock().left_out)
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
    fn the_first_lines_of_a_period_are_written_and_the_rest_is_counted() {
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
    fn a_summary_tells_of_each_line_once() {
        let limit = LogLimit::new();
        let now = Instant::now();
        let written = (0..100).filter(|_| limit.admit_at(now).is_some()).count();
        assert_eq!(written as u64 + limit.take_left_out(), 100);
        assert_eq!(limit.take_left_out(), 0);
        assert_eq!(limit.admit_at(now + PERIOD), Some(0));
    }
}
