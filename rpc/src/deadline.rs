//! How long a request may run.

use std::time::{Duration, Instant};

use crate::pool;

/// A moment after which work is given up; it may never come. Work on the pool is also given up when
/// its caller is gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// A while from now.
    pub(crate) fn after(patience: Duration) -> Self {
        Self::within(Some(patience))
    }

    /// A while from now, or never.
    pub(crate) fn within(patience: Option<Duration>) -> Self {
        Self(patience.and_then(|patience| Instant::now().checked_add(patience)))
    }

    pub(crate) fn is_over(&self) -> bool {
        pool::is_caller_gone() || self.0.is_some_and(|moment| Instant::now() >= moment)
    }
}
