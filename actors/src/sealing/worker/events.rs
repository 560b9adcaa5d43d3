//! Handlers of events: a new head, new transactions, changed settings.

use actoreum_chain::ChainEvent;
use actoreum_messages::{
    events::{ChainChanged, NewTransactions},
    sealer::StopSealing,
    worker::SealingChanged,
};

use super::{Pace, Phase, WorkerActor};
use actoreum_supervision::{Ctx, Handles, WhenFull};

impl Handles<ChainChanged> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, changed: ChainChanged, ctx: &mut Ctx<Self>) {
        self.has_new_ommers |= self.ommers.add_events(&changed.events);
        let is_head = |event: &ChainEvent| matches!(event, ChainEvent::Head(_));
        if !changed.events.iter().any(is_head) {
            if matches!(self.phase, Phase::Sealing(_)) && self.wants_new_ommers() {
                self.rebuild(ctx);
            }
            return;
        }
        self.unconfirmed.report_confirmed(&self.setup.chain_reader);
        let head = self.setup.chain_reader.head().hash();
        match &self.phase {
            // Events of the head that the block is built on may come late.
            Phase::Building(attempt, _) | Phase::Sealing(attempt) if attempt.parent == head => {}
            Phase::Building(attempt, _) => attempt.end(),
            Phase::Sealing(_) => self.abandon_round(ctx),
            _ => self.start_if_due(ctx),
        }
    }
}

impl Handles<NewTransactions> for WorkerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: NewTransactions, ctx: &mut Ctx<Self>) {
        self.start_if_due(ctx);
    }
}

impl Handles<SealingChanged> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, _: SealingChanged, ctx: &mut Ctx<Self>) {
        self.key_retry_at = None;
        self.refused_on = None;
        self.settings_changed = true;
        let is_unwanted = self.request.is_none() && !self.setup.control.is_sealing();
        if is_unwanted && self.setup.pace == Pace::Search {
            // Also while a block is built: an earlier one is searched for meanwhile. A sealer that
            // is down has no search.
            let _ = self.setup.sealer.tell(StopSealing);
        }
        match &self.phase {
            Phase::Building(attempt, _) if is_unwanted => attempt.end(),
            Phase::Sealing(_) if is_unwanted => self.abandon_round(ctx),
            _ => self.start_if_due(ctx),
        }
    }
}
