//! Taking in what arrived since a block was begun: how often, and what ends early for it.
//!
//! Where a seal is searched for, a newer block takes the older one's place after an interval, if
//! there is something new. A block that is still being filled by then is sealed as far as it is, and
//! the interval becomes longer; one that was filled in time makes it shorter again, as in geth.
//! Where blocks have a period, one is filled until its time, and the next is begun earlier.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actoreum_consensus::limits::MAX_OMMERS;

use super::{Pace, Phase, WorkerActor};
use crate::supervision::Ctx;

/// The longest interval that blocks which take long to fill lead to, as in geth.
const MOST: Duration = Duration::from_secs(15);
/// How much one block counts against those before, as in geth.
const WEIGHT: f64 = 0.1;
/// What is aimed beyond, so that either end of the interval can be reached, as in geth.
const BIAS: Duration = Duration::from_millis(200);
/// A block that is less full counts as this full, as in geth.
const LEAST_SHARE: f64 = 0.1;

/// How long before its time a block with a period is begun, where blocks are filled quickly: late
/// transactions come along, and it is there when its time has come.
const LEAD: Duration = Duration::from_millis(400);
/// How often the time that the last block took fits into the lead of the next.
const LEAD_SHARE: u32 = 2;

/// Time between two blocks on one head, and between two looks whether there is something new.
#[derive(Debug, Default)]
pub(super) struct Interval {
    /// What the operator wants.
    least: Duration,
    now: Duration,
}

impl Interval {
    /// The interval now; it begins with what the operator wants, whenever that changes.
    pub(super) fn get(&mut self, wanted: Duration) -> Duration {
        if self.least != wanted {
            (self.least, self.now) = (wanted, wanted);
        }
        self.now
    }

    /// A block was filled to this share alone, of 1, when the interval was over.
    pub(super) fn lengthen(&mut self, share: f64) {
        let aim = self.now.div_f64(share.clamp(LEAST_SHARE, 1.0)) + BIAS;
        self.now = weigh(self.now, aim).min(MOST.max(self.least));
    }

    /// A block was filled within the interval.
    pub(super) fn shorten(&mut self) {
        let aim = self.least.saturating_sub(BIAS);
        self.now = weigh(self.now, aim).max(self.least);
    }
}

fn weigh(before: Duration, aim: Duration) -> Duration {
    before.mul_f64(1.0 - WEIGHT) + aim.mul_f64(WEIGHT)
}

impl WorkerActor {
    /// How long before its time a block with this period, in seconds, is begun.
    pub(super) fn lead(&self, period: u64) -> Duration {
        let lead = LEAD.max(self.took.saturating_mul(LEAD_SHARE));
        lead.min(Duration::from_secs(period))
    }

    /// Ends the filling of this round's block after `pause`, where it is not over by then.
    pub(super) fn end_filling_in(&self, pause: Duration, ctx: &mut Ctx<Self>) {
        let (round, pause) = (self.round, tokio::time::sleep(pause));
        ctx.spawn_then(pause, move |actor: &mut Self, (), _| {
            if round == actor.round {
                actor.end_filling();
            }
        });
    }

    /// Where a seal is searched for: whether another block follows the one that is built as soon as
    /// that is searched for, because it is the empty one, or was not filled in time, or lacks an
    /// ommer.
    pub(super) fn is_renewed_at_once(&self) -> bool {
        let is_due = match &self.phase {
            Phase::Building(_, interrupts) => interrupts.is_due.load(Ordering::Relaxed),
            _ => false,
        };
        let is_empty_one = self.built_from.is_none();
        self.setup.pace == Pace::Search && (is_empty_one || is_due || self.wants_new_ommers())
    }

    /// Where a seal is searched for: learns from a block that was filled, to this share of its gas
    /// where it was not filled in time.
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

    /// Looks after an interval whether there is something new for the block of this round.
    pub(super) fn recommit_later(&mut self, ctx: &mut Ctx<Self>) {
        let wanted = self.setup.control.settings().recommit;
        let pause = self.recommit.get(wanted);
        self.recommit_in(pause, ctx);
    }

    /// See [`Self::recommit_later`].
    pub(super) fn recommit_in(&self, pause: Duration, ctx: &mut Ctx<Self>) {
        let (round, pause) = (self.round, tokio::time::sleep(pause));
        ctx.spawn_then(pause, move |actor: &mut Self, (), ctx| {
            if round == actor.round {
                actor.recommit(ctx);
            }
        });
    }

    fn recommit(&mut self, ctx: &mut Ctx<Self>) {
        if !self.has_something_new() {
            return self.recommit_later(ctx);
        }
        match &self.phase {
            // The rest comes with the next block, which is begun at once.
            Phase::Building(..) => self.end_filling(),
            Phase::Sealing(_) => self.build_anew(ctx),
            Phase::Starting | Phase::Idle | Phase::Importing | Phase::Rewinding => {}
        }
    }

    fn has_something_new(&mut self) -> bool {
        if self.wants_new_ommers() {
            return true;
        }
        let Some(now) = self.setup.pending.snapshot() else {
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

    /// Whether an ommer came that the block might still include.
    pub(super) fn wants_new_ommers(&self) -> bool {
        self.setup.pace == Pace::Search && self.has_new_ommers && self.included_ommers < MAX_OMMERS
    }

    /// Builds another block on the same head. What is searched for goes on until it is there.
    pub(super) fn build_anew(&mut self, ctx: &mut Ctx<Self>) {
        self.round += 1;
        self.phase = Phase::Idle;
        self.look(ctx);
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

    /// What geth 1.8.27's worker makes of the same.
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
    fn an_interval_stays_between_what_is_wanted_and_a_quarter_of_a_minute() {
        let mut interval = Interval::default();
        interval.get(SECOND);
        for _ in 0..100 {
            interval.lengthen(0.0);
        }
        assert_eq!(interval.now, MOST);
        for _ in 0..100 {
            interval.shorten();
        }
        assert_eq!(interval.now, SECOND);
        let most = Duration::from_millis(u64::MAX);
        interval.get(most);
        interval.lengthen(0.0);
        interval.shorten();
        assert!(interval.now >= most);
    }
}
