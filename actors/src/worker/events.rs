//! What others tell: a new head, new transactions, the operator's decisions.

use actoreum_chain::ChainEvent;
use actoreum_messages::{
    events::{ChainChanged, NewTransactions},
    sealer::EndSearch,
    worker::Look,
};

use super::{Pace, Phase, WorkerActor};
use crate::supervision::{Ctx, Handles, WhenFull};

impl Handles<ChainChanged> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, changed: ChainChanged, ctx: &mut Ctx<Self>) {
        self.has_new_ommers |= self.ommers.see(&changed.events);
        let is_head = |event: &ChainEvent| matches!(event, ChainEvent::Head(_));
        if !changed.events.iter().any(is_head) {
            if matches!(self.phase, Phase::Sealing(_)) && self.wants_new_ommers() {
                self.build_anew(ctx);
            }
            return;
        }
        self.unconfirmed.settle(&self.setup.reader);
        let head = self.setup.reader.head().hash();
        match &self.phase {
            // Events of the head that it is built on may come late.
            Phase::Building(attempt, _) | Phase::Sealing(attempt) if attempt.parent == head => {}
            Phase::Building(attempt, _) => attempt.end(),
            Phase::Sealing(_) => self.abandon(ctx),
            _ => self.look(ctx),
        }
    }
}

impl Handles<NewTransactions> for WorkerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: NewTransactions, ctx: &mut Ctx<Self>) {
        self.look(ctx);
    }
}

impl Handles<Look> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, _: Look, ctx: &mut Ctx<Self>) {
        self.keyless_until = None;
        self.refused_on = None;
        self.is_told_to_look = true;
        let is_unwanted = self.request.is_none() && !self.setup.control.is_sealing();
        if is_unwanted && self.setup.pace == Pace::Search {
            // Also while a block is built: an earlier one is searched for meanwhile. A sealer that
            // is down searches for nothing.
            let _ = self.setup.sealer.tell(EndSearch);
        }
        match &self.phase {
            Phase::Building(attempt, _) if is_unwanted => attempt.end(),
            Phase::Sealing(_) if is_unwanted => self.abandon(ctx),
            _ => self.look(ctx),
        }
    }
}
