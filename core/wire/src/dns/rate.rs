//! The rate limit of the walk.

use std::time::Instant;

use crate::limits::{TREE_QUERY_BURST, TREE_QUERY_INTERVAL};

/// A limit of one query in [`TREE_QUERY_INTERVAL`], with bursts of [`TREE_QUERY_BURST`].
#[derive(Debug, Default)]
pub(super) struct QueryRate {
    /// Time until which the queries so far use up the rate.
    used_until: Option<Instant>,
}

impl QueryRate {
    /// Counts one query at `now`.
    ///
    /// # Errors
    /// The time at which the query is allowed, where it is not allowed yet.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let used_until = self.used_until.map_or(now, |until| until.max(now));
        let burst = TREE_QUERY_INTERVAL * (TREE_QUERY_BURST - 1);
        if used_until.duration_since(now) > burst {
            return Err(used_until - burst);
        }
        self.used_until = Some(used_until + TREE_QUERY_INTERVAL);
        Ok(())
    }
}
