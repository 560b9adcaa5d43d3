//! Recommit: rebuilding of a block with the transactions that arrived since it was begun.
//!
//! With proof of work, a newer block replaces the older one after an interval, if there is
//! something new. A block that is still being filled by then is sealed as far as it is filled, and
//! the interval becomes longer; a block that was filled in time makes it shorter again, as in geth.
//! Where blocks have a period, a block is filled until its time, and the next is begun earlier.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actoreum_consensus::limits::MAX_OMMERS;

use super::{Pace, Phase, WorkerActor};
use actoreum_supervision::Ctx;

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

impl WorkerActor {
    /// Returns how long before its time a block with this period, in seconds, is begun.
    pub(super) fn lead(&self, period: u64) -> Duration {
        let lead = MIN_LEAD.max(self.build_time.saturating_mul(LEAD_FACTOR));
        lead.min(Duration::from_secs(period))
    }

    /// Ends the filling of this round's block after `pause`, if it is still being filled.
    pub(super) fn end_filling_in(&self, pause: Duration, ctx: &mut Ctx<Self>) {
        let (round, pause) = (self.round, tokio::time::sleep(pause));
        ctx.spawn_then(pause, move |actor: &mut Self, (), _| {
            if round == actor.round {
                actor.end_filling();
            }
        });
    }

    /// With proof of work, returns whether another block follows at once, because this one is
    /// empty, was not filled in time, or lacks an ommer.
    pub(super) fn is_rebuilt_at_once(&self) -> bool {
        let is_due = match &self.phase {
            Phase::Building(_, interrupts) => interrupts.is_due.load(Ordering::Relaxed),
            _ => false,
        };
        let is_empty_one = self.built_from.is_none();
        self.setup.pace == Pace::Search && (is_empty_one || is_due || self.wants_new_ommers())
    }

    /// With proof of work, adjusts the interval after a block was filled; `share` is its share of
    /// gas where it was not filled in time.
    pub(super) fn adjust_recommit(&mut self, share: Option<f64>) {
        match share {
            _ if self.setup.pace != Pace::Search || self.built_from.is_none() => {}
            Some(share) => self.recommit.lengthen(share),
            None => self.recommit.shorten(),
        }
    }

    fn end_filling(&self) {
        if let Phase::Building(_, interrupts) = &self.phase {
            interrupts.is_due.store(true, Ordering::Relaxed);
        }
    }

    /// Checks after an interval whether there is something new for the block of this round.
    pub(super) fn recommit_later(&mut self, ctx: &mut Ctx<Self>) {
        let wanted = self.setup.control.settings().recommit;
        let pause = self.recommit.get(wanted);
        self.recommit_in(pause, ctx);
    }

    /// Checks after `pause` whether there is something new for the block of this round.
    pub(super) fn recommit_in(&self, pause: Duration, ctx: &mut Ctx<Self>) {
        let (round, pause) = (self.round, tokio::time::sleep(pause));
        ctx.spawn_then(pause, move |actor: &mut Self, (), ctx| {
            if round == actor.round {
                actor.recommit(ctx);
            }
        });
    }

    fn recommit(&mut self, ctx: &mut Ctx<Self>) {
        if !self.has_new_content() {
            return self.recommit_later(ctx);
        }
        match &self.phase {
            // The other transactions come with the next block, which is begun at once.
            Phase::Building(..) => self.end_filling(),
            Phase::Sealing(_) => self.rebuild(ctx),
            Phase::Starting | Phase::Idle | Phase::Importing | Phase::Rewinding => {}
        }
    }

    fn has_new_content(&mut self) -> bool {
        if self.wants_new_ommers() {
            return true;
        }
        let Some(now) = self.setup.txpool.snapshot() else {
            return false;
        };
        match &self.built_from {
            Some(from) => !Arc::ptr_eq(from, &now),
            // The block is empty.
            None if now.pending_count() > 0 => true,
            None => {
                self.built_from = Some(now);
                false
            }
        }
    }

    /// Returns whether an ommer was added that the block might still include.
    pub(super) fn wants_new_ommers(&self) -> bool {
        self.setup.pace == Pace::Search && self.has_new_ommers && self.included_ommers < MAX_OMMERS
    }

    /// Builds another block on the same head. The search for the old one's seal continues
    /// meanwhile.
    pub(super) fn rebuild(&mut self, ctx: &mut Ctx<Self>) {
        self.round += 1;
        self.phase = Phase::Idle;
        self.start_if_due(ctx);
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
