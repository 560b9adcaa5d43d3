//! Start of a round: the check whether a block is due, and its building.

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
    requests::BlockRequest,
    sealing::Built,
};
use crate::clock;
use actoreum_supervision::{Ctx, Handles, Message};

/// Interval of the checks whether the transaction pool has seen the new head.
const POOL_CHECK_INTERVAL: Duration = Duration::from_millis(1);
/// Timeout of the transaction pool, after which a block is built on its last snapshot.
const POOL_TIMEOUT: Duration = Duration::from_millis(500);

impl WorkerActor {
    /// Starts a round if a block is due.
    pub(super) fn start_if_due(&mut self, ctx: &mut Ctx<Self>) {
        if !matches!(self.phase, Phase::Idle) {
            return;
        }
        if self.requests.is_empty() && !self.setup.control.is_sealing() {
            return;
        }
        let head = self.setup.chain_reader.head();
        let snapshot = self.setup.txpool.snapshot();
        if self.pool_is_behind(snapshot.as_deref(), &head) {
            return self.schedule_check(POOL_CHECK_INTERVAL, ctx);
        }
        if self.requests.is_empty() && !self.is_due(&head, snapshot.as_ref(), ctx) {
            return;
        }
        self.begin(head, snapshot, ctx);
    }

    /// Returns whether the pool has not seen the head yet, and the wait for it has not timed out.
    fn pool_is_behind(&mut self, snapshot: Option<&Snapshot>, head: &SealedHeader) -> bool {
        if snapshot.is_none_or(|snapshot| snapshot.head().hash == head.hash()) {
            self.behind_since = None;
            return false;
        }
        let since = self.behind_since.get_or_insert_with(Instant::now);
        since.elapsed() < POOL_TIMEOUT
    }

    /// Returns whether a block is due without a request.
    fn is_due(
        &mut self,
        head: &SealedHeader,
        snapshot: Option<&Arc<Snapshot>>,
        ctx: &mut Ctx<Self>,
    ) -> bool {
        if self.refused_on == Some(head.hash()) {
            return false;
        }
        if let Some(until) = self.key_retry_at {
            let wait = until.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                self.schedule_check(wait, ctx);
                return false;
            }
        }
        if self.setup.pace == Pace::Search {
            return true;
        }
        if let Pace::Period(period) = self.setup.pace {
            let wait = time_until_due(head, period).saturating_sub(self.lead(period));
            if !wait.is_zero() {
                self.schedule_check(wait, ctx);
                return false;
            }
            if !self.waits_for_transactions() {
                return true;
            }
        }
        let Some(snapshot) = snapshot.filter(|snapshot| snapshot.pending_count() > 0) else {
            return false;
        };
        let tried = self.empty_build.as_ref();
        !tried.is_some_and(|(on, tried)| *on == head.hash() && Arc::ptr_eq(tried, snapshot))
    }

    fn begin(
        &mut self,
        parent: SealedHeader,
        snapshot: Option<Arc<Snapshot>>,
        ctx: &mut Ctx<Self>,
    ) {
        self.round += 1;
        self.settings_changed = false;
        self.request = self.requests.pop_front();
        let kind = self.request.as_ref().map(|request| request.kind.clone());
        let mut edit = None;
        let time = match kind {
            Some(BlockRequest::Rewind(to)) => return self.rewind(to, ctx),
            Some(BlockRequest::Edit(wanted)) => {
                // The clock and the time that was set for the next block do not apply to this one.
                edit = Some(wanted);
                parent.timestamp
            }
            Some(BlockRequest::Block(Some(time))) => self.set_clock(Some(time)),
            Some(BlockRequest::Block(None)) | None => {
                let time = self.next_timestamp.take();
                self.set_clock(time)
            }
        };
        let settings = self.setup.control.settings();
        let Some(author) = settings.etherbase else {
            return self.fail_round("etherbase must be explicitly specified", ctx);
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
                self.setup.chain_reader.config(),
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
        let (round, build_interrupts) = (self.round, interrupts.clone());
        let begun = Instant::now();
        let (chain_reader, engine) = (
            self.setup.chain_reader.clone(),
            Arc::clone(&self.setup.engine),
        );
        let work = move || {
            build(
                &chain_reader,
                engine.as_ref(),
                plan,
                &ommers,
                offers,
                &build_interrupts,
            )
        };
        let submitted = self
            .setup
            .threads
            .submit(ctx.me(), work, move |result| Built {
                round,
                build_time: begun.elapsed(),
                result,
            });
        if let Err(error) = submitted {
            return self.fail_round(&error.to_string(), ctx);
        }
        self.built_from = snapshot.filter(|_| !is_first);
        self.phase = Phase::Building(attempt, interrupts);
        match self.setup.pace {
            // A requested block is filled completely.
            _ if self.request.is_some() => {}
            Pace::Search if !is_first => self.recommit_later(ctx),
            Pace::Period(_) => self.end_filling_in(until_due, ctx),
            Pace::OnDemand | Pace::Search => {}
        }
    }

    /// Sets the chain's clock if a time is given. Returns its time in seconds since 1970.
    fn set_clock(&self, time: Option<u64>) -> u64 {
        if let Some(time) = time {
            clock::set(time);
            if let Err(error) = clock::save(self.setup.chain_reader.store()) {
                warn!(%error, "clock offset not written to disk");
            }
        }
        clock::unix_seconds()
    }

    pub(super) fn schedule_check(&mut self, pause: Duration, ctx: &mut Ctx<Self>) {
        if let Some(timer) = self.timer.replace(ctx.notify_after(pause, Wake)) {
            timer.cancel();
        }
    }
}

/// Returns the time until a block with this period, in seconds, may follow `parent`.
fn time_until_due(parent: &SealedHeader, period: u64) -> Duration {
    let due = Duration::from_secs(parent.timestamp.saturating_add(period));
    due.saturating_sub(clock::now())
}

#[derive(Message)]
pub(super) struct Wake;

impl Handles<Wake> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, _: Wake, ctx: &mut Ctx<Self>) {
        self.start_if_due(ctx);
    }
}
