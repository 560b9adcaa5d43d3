//! Looking whether a block is to be built, and beginning with it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actoreum_chain::{BuildPlan, SealedHeader};
use actoreum_consensus::rules::gas_limit;
use actoreum_primitives::Address;
use actoreum_txpool::Snapshot;
use tracing::warn;

use super::{
    Attempt, Pace, Phase, WorkerActor,
    build::{Interrupts, build},
    sealing::Built,
    wishes::Wish,
};
use crate::{
    clock,
    supervision::{Ctx, Handles, Message},
};

/// Time between two looks whether the transaction pool has seen the new head.
const POOL_PERIOD: Duration = Duration::from_millis(1);
/// How long the transaction pool is waited for, before a block is built on what it shows.
const POOL_PATIENCE: Duration = Duration::from_millis(500);

impl WorkerActor {
    /// Looks whether a block is to be built, and begins.
    pub(super) fn look(&mut self, ctx: &mut Ctx<Self>) {
        if !matches!(self.phase, Phase::Idle) {
            return;
        }
        if self.requests.is_empty() && !self.setup.control.is_sealing() {
            return;
        }
        let head = self.setup.reader.head();
        let snapshot = self.setup.pending.snapshot();
        if self.pool_is_behind(snapshot.as_deref(), &head) {
            return self.look_in(POOL_PERIOD, ctx);
        }
        if self.requests.is_empty() && !self.is_due(&head, snapshot.as_ref(), ctx) {
            return;
        }
        self.begin(head, snapshot, ctx);
    }

    /// Whether the pool is still to see the head. It is waited for, but not for ever.
    fn pool_is_behind(&mut self, snapshot: Option<&Snapshot>, head: &SealedHeader) -> bool {
        if snapshot.is_none_or(|snapshot| snapshot.head().hash == head.hash()) {
            self.behind_since = None;
            return false;
        }
        let since = self.behind_since.get_or_insert_with(Instant::now);
        since.elapsed() < POOL_PATIENCE
    }

    /// Whether it is time for a block that nobody asked for.
    fn is_due(
        &mut self,
        head: &SealedHeader,
        snapshot: Option<&Arc<Snapshot>>,
        ctx: &mut Ctx<Self>,
    ) -> bool {
        if self.refused_on == Some(head.hash()) {
            return false;
        }
        if let Some(until) = self.keyless_until {
            let wait = until.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                self.look_in(wait, ctx);
                return false;
            }
        }
        if self.setup.pace == Pace::Search {
            return true;
        }
        if let Pace::Period(period) = self.setup.pace {
            let wait = time_until_due(head, period).saturating_sub(self.lead(period));
            if !wait.is_zero() {
                self.look_in(wait, ctx);
                return false;
            }
            if !self.waits_for_transactions() {
                return true;
            }
        }
        let Some(snapshot) = snapshot.filter(|snapshot| snapshot.pending_count() > 0) else {
            return false;
        };
        let tried = self.fruitless.as_ref();
        !tried.is_some_and(|(on, tried)| *on == head.hash() && Arc::ptr_eq(tried, snapshot))
    }

    fn begin(
        &mut self,
        parent: SealedHeader,
        snapshot: Option<Arc<Snapshot>>,
        ctx: &mut Ctx<Self>,
    ) {
        self.round += 1;
        self.is_told_to_look = false;
        self.request = self.requests.pop_front();
        let wish = self.request.as_ref().map(|request| request.wish.clone());
        let mut edit = None;
        let time = match wish {
            Some(Wish::Rewind(to)) => return self.rewind(to, ctx),
            Some(Wish::Edit(wanted)) => {
                // The clock, and a time that was set for the next block, are not for this one.
                edit = Some(wanted);
                parent.timestamp
            }
            Some(Wish::Block(Some(time))) => self.move_clock(Some(time)),
            Some(Wish::Block(None)) | None => {
                let time = self.next_timestamp.take();
                self.move_clock(time)
            }
        };
        let settings = self.setup.control.settings();
        let Some(author) = settings.etherbase else {
            return self.give_up("etherbase must be explicitly specified", ctx);
        };
        let is_first = self.setup.pace == Pace::Search && self.searched_on != Some(parent.hash());
        self.searched_on = Some(parent.hash());
        let ommers = match self.setup.pace {
            Pace::Search => {
                let own = &self.setup.own;
                let is_own = |of: &Address| *of == author || own.contains(of);
                self.ommers.candidates(is_own)
            }
            Pace::OnDemand | Pace::Period(_) => Vec::new(),
        };
        self.has_new_ommers = false;
        let until_due = match self.setup.pace {
            Pace::Period(period) => time_until_due(&parent, period).max(self.lead(period)),
            Pace::OnDemand | Pace::Search => Duration::ZERO,
        };
        let offers = snapshot
            .as_ref()
            .filter(|_| !is_first)
            .map(|snapshot| snapshot.best(snapshot.head().base_fee_per_gas));
        let plan = BuildPlan {
            gas_limit: gas_limit::desired(
                self.setup.reader.config(),
                &parent,
                time,
                settings.gas_floor..=settings.gas_ceiling,
            ),
            parent,
            time,
            extra_data: settings.extra_data,
            author,
            edit,
        };
        let interrupts = Interrupts::default();
        let attempt = Attempt {
            parent: plan.parent.hash(),
            is_outdated: Arc::clone(&interrupts.is_outdated),
        };
        let (round, told) = (self.round, interrupts.clone());
        let begun = Instant::now();
        let (reader, engine) = (self.setup.reader.clone(), Arc::clone(&self.setup.engine));
        let work = move || build(&reader, engine.as_ref(), plan, &ommers, offers, &told);
        let submitted = self.setup.pool.submit(ctx.me(), work, move |result| Built {
            round,
            took: begun.elapsed(),
            result,
        });
        if let Err(error) = submitted {
            return self.give_up(&error.to_string(), ctx);
        }
        self.built_from = snapshot.filter(|_| !is_first);
        self.phase = Phase::Building(attempt, interrupts);
        match self.setup.pace {
            // A block that somebody asked for is filled as far as it goes.
            _ if self.request.is_some() => {}
            Pace::Search if !is_first => self.recommit_later(ctx),
            Pace::Period(_) => self.end_filling_in(until_due, ctx),
            Pace::OnDemand | Pace::Search => {}
        }
    }

    /// Sets the chain's clock, where a time is given; what it shows then, in seconds since 1970.
    fn move_clock(&self, time: Option<u64>) -> u64 {
        if let Some(time) = time {
            clock::set(time);
            if let Err(error) = clock::save(self.setup.reader.store()) {
                warn!(%error, "the clock's shift is not on disk");
            }
        }
        clock::unix_seconds()
    }

    pub(super) fn look_in(&mut self, pause: Duration, ctx: &mut Ctx<Self>) {
        if let Some(alarm) = self.alarm.replace(ctx.notify_after(pause, Wake)) {
            alarm.cancel();
        }
    }
}

/// Time until a block with this period, in seconds, may follow `parent`.
fn time_until_due(parent: &SealedHeader, period: u64) -> Duration {
    let due = Duration::from_secs(parent.timestamp.saturating_add(period));
    due.saturating_sub(clock::now())
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Wake;

impl Handles<Wake> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, _: Wake, ctx: &mut Ctx<Self>) {
        self.look(ctx);
    }
}
