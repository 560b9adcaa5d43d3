//! The run time limit of a request.

use std::time::{Duration, Instant};

use crate::server::pool;

/// The moment, if any, at which work is abandoned. Work on the thread pool is also abandoned when
/// its caller has gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// Creates a deadline that is `timeout` from now.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self::within(Some(timeout))
    }

    /// Creates a deadline that is `timeout` from now, or none.
    pub(crate) fn within(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// Returns whether the work is to be abandoned.
    pub(crate) fn is_over(&self) -> bool {
        pool::is_caller_gone() || self.0.is_some_and(|moment| Instant::now() >= moment)
    }
}
