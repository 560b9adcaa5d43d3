//! Recommit: rebuilding of a block with the transactions that arrived since it was begun.
//!
//! With proof of work, a newer block replaces the older one after an interval, if there is
//! something new. A block that is still being filled by then is sealed as far as it is filled, and
//! the interval becomes longer; a block that was filled in time makes it shorter again, as in geth.
//! Where blocks have a period, a block is filled until its time, and the next is begun earlier.

use std::time::Duration;

use super::{
    Action, Pace, Phase, View, Worker,
    phase::{Attempt, Filling, Timer},
};

/// Maximum interval that slow filling leads to, as in geth.
const MAX_INTERVAL: Duration = Duration::from_secs(15);
/// Weight of one block against those before, as in geth.
const WEIGHT: f64 = 0.1;
/// Overshoot of the target, so that either end of the interval can be reached, as in geth.
const BIAS: Duration = Duration::from_millis(200);
/// Minimum share that a block counts as filled, as in geth.
const MIN_SHARE: f64 = 0.1;

/// Minimum time by which a block with a period is begun before its time: late transactions are
/// included, and the block is ready when its time has come.
const MIN_LEAD: Duration = Duration::from_millis(400);
/// Multiple of the last block's build time by which the next block is begun earlier.
const LEAD_FACTOR: u32 = 2;

/// Interval between two blocks on one head.
#[derive(Debug, Default)]
pub(super) struct Interval {
    /// The operator's setting.
    min: Duration,
    now: Duration,
}

impl Interval {
    /// Returns the current interval; it is reset to the operator's setting whenever that changes.
    pub(super) fn get(&mut self, wanted: Duration) -> Duration {
        if self.min != wanted {
            (self.min, self.now) = (wanted, wanted);
        }
        self.now
    }

    /// Lengthens the interval: a block was filled to this share (of 1) when the interval was over.
    pub(super) fn lengthen(&mut self, share: f64) {
        let aim = self.now.div_f64(share.clamp(MIN_SHARE, 1.0)) + BIAS;
        self.now = weigh(self.now, aim).min(MAX_INTERVAL.max(self.min));
    }

    /// Shortens the interval: a block was filled within it.
    pub(super) fn shorten(&mut self) {
        let aim = self.min.saturating_sub(BIAS);
        self.now = weigh(self.now, aim).max(self.min);
    }
}

fn weigh(before: Duration, aim: Duration) -> Duration {
    before.mul_f64(1.0 - WEIGHT) + aim.mul_f64(WEIGHT)
}

impl Worker {
    /// Returns how long before its time a block with this period, in seconds, is begun.
    pub(super) fn lead(&self, period: u64) -> Duration {
        let lead = MIN_LEAD.max(self.build_time.saturating_mul(LEAD_FACTOR));
        lead.min(Duration::from_secs(period))
    }

    /// With proof of work, adjusts the interval after a block was filled; `share` is its share of
    /// gas where it was not filled in time.
    pub(super) fn adjust_recommit(&mut self, attempt: &Attempt, share: Option<f64>) {
        match share {
            _ if self.rules.pace != Pace::Search || attempt.built_from.is_none() => {}
            Some(share) => self.recommit.lengthen(share),
            None => self.recommit.shorten(),
        }
    }

    /// A timer of the round has expired.
    pub(super) fn on_timer(&mut self, view: &View, timer: Timer) {
        match timer {
            Timer::EndFilling => self.end_filling(),
            Timer::Recommit => self.on_recommit(view),
        }
    }

    fn end_filling(&mut self) {
        if let Phase::Building(_, filling @ Filling::Open) = &mut self.phase {
            *filling = Filling::Ended;
            self.actions.push(Action::EndFilling);
        }
    }

    fn on_recommit(&mut self, view: &View) {
        if !self.has_new_content(view) {
            let pause = self.recommit.get(view.recommit);
            if let Some(attempt) = self.phase.attempt_mut() {
                attempt.timer = Some((view.now.saturating_add(pause), Timer::Recommit));
            }
            return;
        }
        match &self.phase {
            // The other transactions come with the next block, which is begun at once.
            Phase::Building(..) => self.end_filling(),
            Phase::Sealing(_) => self.rebuild(view),
            Phase::Starting | Phase::Idle | Phase::Importing(_) | Phase::Rewinding(_) => {}
        }
    }

    fn has_new_content(&mut self, view: &View) -> bool {
        if self.wants_new_ommers() {
            return true;
        }
        let (Some(pool), Some(attempt)) = (view.pool, self.phase.attempt_mut()) else {
            return false;
        };
        match attempt.built_from {
            Some(version) => version != pool.version,
            // The block is empty.
            None if pool.pending > 0 => true,
            None => {
                attempt.built_from = Some(pool.version);
                false
            }
        }
    }

    /// Returns whether an ommer was added that the block might still include.
    pub(super) fn wants_new_ommers(&self) -> bool {
        self.rules.pace == Pace::Search && self.ommers.has_room_for_new()
    }

    /// Builds another block on the same head. The search for the old one's seal continues
    /// meanwhile; the request goes over to the new block.
    pub(super) fn rebuild(&mut self, view: &View) {
        if let Phase::Sealing(attempt) = self.take_phase() {
            self.restart_round(view, attempt.round);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[track_caller]
    fn assert_near(interval: &Interval, millis: f64) {
        let have = interval.now.as_secs_f64() * 1_000.0;
        assert!((have - millis).abs() < 0.01, "{have}");
    }

    /// Values of geth 1.8.27's worker.
    #[test]
    fn vectors_interval() {
        let mut interval = Interval::default();
        assert_eq!(interval.get(3 * SECOND), 3 * SECOND);
        interval.lengthen(0.8);
        assert_near(&interval, 3_000.0 * 0.9 + 0.1 * (3_000.0 / 0.8 + 200.0));
        interval.shorten();
        assert_near(&interval, 3_095.0 * 0.9 + 0.1 * (3_000.0 - 200.0));
        assert_ne!(
            interval.get(3 * SECOND),
            3 * SECOND,
            "nothing new was wanted"
        );
        assert_eq!(interval.get(SECOND), SECOND);
    }

    #[test]
    fn an_interval_stays_within_its_bounds() {
        let mut interval = Interval::default();
        interval.get(SECOND);
        for _ in 0..100 {
            interval.lengthen(0.0);
        }
        assert_eq!(interval.now, MAX_INTERVAL);
        for _ in 0..100 {
            interval.shorten();
        }
        assert_eq!(interval.now, SECOND);
        let max = Duration::from_millis(u64::MAX);
        interval.get(max);
        interval.lengthen(0.0);
        interval.shorten();
        assert!(interval.now >= max);
    }
}
