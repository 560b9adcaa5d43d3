//! Handlers of events: a new head, new transactions, changed settings.

use actoreum_messages::{
    events::{ChainChanged, NewTransactions},
    worker::SealingChanged,
};
use actoreum_sealing::worker::Worker;

use super::WorkerActor;
use actoreum_supervision::{Ctx, Handles, WhenFull};

impl Handles<ChainChanged> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, changed: ChainChanged, ctx: &mut Ctx<Self>) {
        self.step(ctx, |worker, view| {
            worker.on_chain_changed(view, &changed.events)
        });
    }
}

impl Handles<NewTransactions> for WorkerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: NewTransactions, ctx: &mut Ctx<Self>) {
        self.step(ctx, Worker::check);
    }
}

impl Handles<SealingChanged> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, _: SealingChanged, ctx: &mut Ctx<Self>) {
        self.step(ctx, Worker::on_settings_changed);
    }
}
