//! Budget of useless block data that a peer may send.

use tokio::time::Instant;

use crate::eth::limits::{MIN_USELESS_COST, USELESS_BUDGET, USELESS_RATE};

/// A budget in bytes that refills with time.
#[derive(Debug)]
pub(super) struct UselessBudget {
    left: u64,
    updated_at: Instant,
}

impl UselessBudget {
    /// Returns a full budget.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: USELESS_BUDGET,
            updated_at: now,
        }
    }

    /// Charges for `bytes`. Returns false where the budget is exceeded.
    pub(super) fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.updated_at);
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let filled = millis.saturating_mul(USELESS_RATE) / 1000;
        if filled > 0 {
            self.left = self.left.saturating_add(filled).min(USELESS_BUDGET);
            self.updated_at = now;
        }
        let cost = u64::try_from(bytes.max(MIN_USELESS_COST)).unwrap_or(u64::MAX);
        let is_enough = cost <= self.left;
        self.left = self.left.saturating_sub(cost);
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn blocks_of_a_fast_chain_stay_within_the_budget() {
        let start = Instant::now();
        let mut budget = UselessBudget::new(start);
        for second in 0..1_000 {
            let now = start + Duration::from_secs(second);
            assert!(budget.take(2 << 20, now), "at {second}");
        }
    }

    #[test]
    fn a_flood_of_large_or_small_blocks_exceeds_the_budget() {
        let start = Instant::now();
        let count = |bytes: usize| {
            let mut budget = UselessBudget::new(start);
            (0_u32..).take_while(|_| budget.take(bytes, start)).count()
        };
        assert_eq!(count(9 << 20), 3);
        assert_eq!(count(600), 1024);
    }
}
