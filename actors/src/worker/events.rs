//! What others tell: a new head, new transactions, the operator's decisions.

use actoreum_chain::ChainEvent;
use actoreum_messages::{
    events::{ChainChanged, NewTransactions},
    sealer::EndSearch,
    worker::Look,
};

use super::{Phase, WorkerActor};
use crate::supervision::{Ctx, Handles, WhenFull};

impl Handles<ChainChanged> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, changed: ChainChanged, ctx: &mut Ctx<Self>) {
        self.ommers.see(&changed.events);
        let is_head = |event: &ChainEvent| matches!(event, ChainEvent::Head(_));
        if !changed.events.iter().any(is_head) {
            return;
        }
        let head = self.setup.reader.head().hash();
        match &self.phase {
            // Events of the head that it is built on may come late.
            Phase::Building(attempt) | Phase::Sealing(attempt) if attempt.parent == head => {}
            Phase::Building(attempt) => attempt.end(),
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
        match &self.phase {
            Phase::Building(attempt) if is_unwanted => attempt.end(),
            Phase::Sealing(_) if is_unwanted => {
                // A sealer that is down searches for nothing.
                let _ = self.setup.sealer.tell(EndSearch);
                self.abandon(ctx);
            }
            _ => self.look(ctx),
        }
    }
}
