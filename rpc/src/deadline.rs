//! How long a request may run.

use std::time::{Duration, Instant};

/// A moment after which work is given up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// A while from now.
    pub(crate) fn after(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.0
    }
}
