//! The driver of the state machine: its view of the node, its actions, and its timer.

use std::sync::{Arc, atomic::Ordering};

use actoreum_messages::{
    sealer::{DiscardSigned, StopSealing},
    worker::MineFailed,
};
use actoreum_primitives::B256;
use actoreum_sealing::worker::{Action, PoolView, RequestError, RequestId, View, Worker};
use actoreum_txpool::Snapshot;
use tracing::warn;

use super::{Wake, WorkerActor};
use actoreum_supervision::{Ctx, Handles};

impl Handles<Wake> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, _: Wake, ctx: &mut Ctx<Self>) {
        self.step(ctx, Worker::poll);
    }
}

impl WorkerActor {
    /// Passes an input to the state machine, performs its actions, and sets its timer.
    pub(super) fn step(
        &mut self,
        ctx: &mut Ctx<Self>,
        input: impl FnOnce(&mut Worker, &View) -> Vec<Action>,
    ) {
        let view = self.view();
        for action in input(&mut self.worker, &view) {
            self.perform(action, ctx);
        }
        self.set_timer(ctx);
    }

    fn view(&mut self) -> View {
        // The head first: a pool that has seen a later one is waited for, and not the reverse.
        let head = self.setup.chain_reader.head();
        let snapshot = self.setup.txpool.snapshot();
        let is_known = match (&self.snapshot, &snapshot) {
            (Some(known), Some(now)) => Arc::ptr_eq(known, now),
            (None, None) => true,
            _ => false,
        };
        if !is_known {
            self.snapshot = snapshot;
            self.snapshot_version += 1;
        }
        let settings = self.setup.control.settings();
        let is_development = self.setup.chain_reader.config().is_development;
        // An empty pool has no transactions for the next block, whatever head it has seen. Waiting
        // for it would take most of the time of a thousand empty blocks.
        let is_settled = |snapshot: &Snapshot| {
            is_development && snapshot.pending_count() == 0 && snapshot.queued_count() == 0
        };
        View {
            now: self.epoch.elapsed(),
            chain_time: self.setup.clock.now(),
            pool: self.snapshot.as_ref().map(|snapshot| PoolView {
                version: self.snapshot_version,
                head: if is_settled(snapshot) {
                    head.hash()
                } else {
                    snapshot.head().hash
                },
                pending: snapshot.pending_count(),
            }),
            head,
            is_sealing: self.setup.control.is_sealing(),
            etherbase: settings.etherbase,
            recommit: settings.recommit,
            chosen: settings.dev.chosen,
            timestamp_interval: settings.dev.timestamp_interval,
        }
    }

    fn perform(&mut self, action: Action, ctx: &mut Ctx<Self>) {
        match action {
            Action::SetClock(time) => self.set_clock(time),
            Action::Build(order) => self.build(*order, ctx),
            Action::EndFilling => self.interrupts.is_due.store(true, Ordering::Relaxed),
            Action::InterruptBuild => self.interrupts.is_outdated.store(true, Ordering::Relaxed),
            Action::Seal {
                round,
                block,
                even_if_empty,
            } => self.seal(round, *block, even_if_empty, ctx),
            Action::AbandonSeal => self.is_outdated.store(true, Ordering::Relaxed),
            Action::StopSealing => {
                // A sealer that is down has no search.
                let _ = self.setup.sealer.tell(StopSealing);
            }
            Action::Import(block) => self.import(*block, ctx),
            Action::ImportLate(block) => self.import_late(*block, ctx),
            Action::DiscardSigned { hash } => {
                // No answer is needed: a sealer that is down withdraws nothing that matters.
                let _ = self.setup.sealer.tell(DiscardSigned { hash });
            }
            Action::Rewind { to, from } => self.rewind(to, from, ctx),
            Action::DropChosen(used) => self.setup.control.drop_chosen(used),
            Action::Answer { id, result } => self.answer(id, result),
            Action::ReportConfirmed { number, hash } => self.report_status(number, hash),
        }
    }

    fn answer(&mut self, id: RequestId, result: Result<B256, RequestError>) {
        if let Some(replier) = self.waiting.remove(&id) {
            replier.reply(result.map_err(|error| match error {
                RequestError::Busy(waiting) => MineFailed::Busy(waiting),
                RequestError::Failed(why) => MineFailed::Failed(why),
            }));
        }
    }

    /// Sets the chain's clock.
    fn set_clock(&self, time: u64) {
        self.setup.clock.set(time);
        if let Err(error) = self.setup.clock.save(self.setup.chain_reader.store()) {
            warn!(%error, "clock offset not written to disk");
        }
    }

    fn set_timer(&mut self, ctx: &mut Ctx<Self>) {
        let next = self.worker.next_timeout();
        if self.timer.as_ref().map(|(at, _)| *at) == next {
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            timer.cancel();
        }
        self.timer = next.map(|at| {
            let pause = at.saturating_sub(self.epoch.elapsed());
            (at, ctx.notify_after(pause, Wake))
        });
    }
}
