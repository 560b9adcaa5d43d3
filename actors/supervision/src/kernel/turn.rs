//! The share of an actor in the time of its arbiter: the budget of one turn, and what a turn that took
//! too long owes to the others.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::kernel::clock::{self, Nanos};
use crate::limits::{IDLE_ROUND, LONG_TURN, TURN_DEBT, TURN_MESSAGES};

/// Rounds without work of others after which they count as idle.
const IDLE_ROUNDS: u32 = 3;

/// The work that is left for one turn. Messages, completed futures and the items of streams count
/// alike.
pub(super) struct Budget {
    left: usize,
    pub(super) ends_at: Nanos,
}

impl Budget {
    pub(super) fn new(begun_at: Nanos, turn_time: Duration) -> Self {
        Self {
            left: TURN_MESSAGES,
            ends_at: begun_at.saturating_add(clock::nanos(turn_time)),
        }
    }

    /// Counts a piece of work that has ended at `now`. Returns whether the budget is used up.
    #[inline]
    pub(super) fn spend(&mut self, now: Nanos) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left == 0 || now >= self.ends_at
    }
}

/// Returns whether a turn that took `taken` nanoseconds of `turn_time` was so long that all others of
/// the thread go before the next one. On a single thread, for a simulation, time has no influence.
pub(super) fn is_long(taken: u64, turn_time: Duration) -> bool {
    turn_time != Duration::MAX && taken >= clock::nanos(LONG_TURN)
}

/// The end of the turn that runs, which the futures of the actor know: those that have not been polled
/// by then wait for the next turn.
#[derive(Debug, Clone)]
pub(crate) struct TurnEnd(Rc<Cell<Nanos>>);

impl Default for TurnEnd {
    fn default() -> Self {
        Self(Rc::new(Cell::new(Nanos::MAX)))
    }
}

impl TurnEnd {
    pub(super) fn set(&self, ends_at: Nanos) {
        self.0.set(ends_at);
    }

    #[inline]
    pub(super) fn is_over(&self, now: Nanos) -> bool {
        now >= self.0.get()
    }
}

/// The time that an actor owes to the others of its arbiter. A handler that takes longer than a turn delays
/// them; afterwards the actor waits while they work, for as long as its turn was too long.
#[derive(Debug, Default)]
pub(super) struct Debt {
    owed: u64,
    left_at: Nanos,
    /// Rounds in a row in which nobody else worked.
    idle_rounds: u32,
}

impl Debt {
    /// Returns whether the actor leaves this turn to others, at `now`. It does not where nobody else
    /// had work since its last turn.
    pub(super) fn yields_at(&mut self, now: Nanos) -> bool {
        if self.owed == 0 {
            return false;
        }
        let others = now.saturating_sub(self.left_at);
        self.left_at = now;
        if others < clock::nanos(IDLE_ROUND) {
            // A single one may be a wake-up of this actor alone, ahead of the others.
            self.idle_rounds += 1;
            if self.idle_rounds >= IDLE_ROUNDS {
                self.owed = 0;
            }
            return self.owed > 0;
        }
        self.idle_rounds = 0;
        self.owed = self.owed.saturating_sub(others);
        self.owed > 0
    }

    /// Records a turn from `begun_at` to `now` that was to take `turn_time`.
    pub(super) fn note_turn(&mut self, begun_at: Nanos, now: Nanos, turn_time: Duration) {
        let taken = now.saturating_sub(begun_at);
        let excess = taken.saturating_sub(clock::nanos(turn_time));
        self.owed = excess.min(clock::nanos(TURN_DEBT));
        self.left_at = now;
        self.idle_rounds = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_micros(500);
    const MS: u64 = 1_000_000;

    #[test]
    fn a_budget_ends_by_number_or_by_time() {
        let mut budget = Budget::new(1, TURN);
        for _ in 1..TURN_MESSAGES {
            assert!(!budget.spend(1));
        }
        assert!(budget.spend(1));
        let mut budget = Budget::new(1, TURN);
        assert!(!budget.spend(500_000) && budget.spend(500_001));
        assert!(!Budget::new(1, Duration::MAX).spend(u64::MAX - 1));
    }

    #[test]
    fn a_long_turn_is_made_up_for_while_others_work() {
        let mut debt = Debt::default();
        assert!(!debt.yields_at(MS));
        // Two and a half milliseconds, of which two are too much.
        debt.note_turn(MS, MS + 2_500_000, TURN);
        assert!(
            debt.yields_at(MS + 3_000_000),
            "others had half a millisecond"
        );
        assert!(debt.yields_at(MS + 3_500_000));
        assert!(!debt.yields_at(MS + 4_500_000), "others had two");
        assert!(!debt.yields_at(MS + 4_500_001), "made up for");
    }

    #[test]
    fn nobody_waits_for_others_that_have_no_work() {
        let mut debt = Debt::default();
        debt.note_turn(MS, 3 * MS, TURN);
        assert!(debt.yields_at(3 * MS + 1_000) && debt.yields_at(3 * MS + 2_000));
        assert!(!debt.yields_at(3 * MS + 3_000));
        debt.note_turn(MS, 100_000 * MS, TURN);
        assert!(debt.yields_at(100_001 * MS));
        assert!(!debt.yields_at(100_010 * MS), "the debt is bounded");
    }
}
