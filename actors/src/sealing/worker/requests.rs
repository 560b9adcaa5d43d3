//! Requests of users: blocks, edits of the state, an earlier head, a block at an interval.

use actoreum_messages::{
    chain::SetHead,
    sealer::ChainRewound,
    worker::{EditState, MineBlock, MineFailed, Rewind, SetInterval},
};
use actoreum_primitives::B256;
use actoreum_sealing::worker::{RequestKind, Worker};

use super::{ASK_TIMEOUT, WorkerActor};
use actoreum_supervision::{Ctx, Handles, Later, Message, WhenFull};

impl WorkerActor {
    /// Queues a request; the answer comes when it is fulfilled.
    fn enqueue(
        &mut self,
        kind: RequestKind,
        ctx: &mut Ctx<Self>,
    ) -> Later<Result<B256, MineFailed>> {
        let (replier, later) = Later::channel();
        self.last_request += 1;
        let id = self.last_request;
        self.waiting.insert(id, replier);
        self.step(ctx, |worker, view| worker.request(view, id, kind));
        later
    }

    /// Has the sealer forget its signatures above the block `to`, then the chain rewound to it.
    pub(super) fn rewind(&mut self, to: u64, from: u64, ctx: &mut Ctx<Self>) {
        let (sealer, chain_actor) = (self.setup.sealer.clone(), self.setup.chain_actor.clone());
        let answer = async move {
            sealer
                .within(ASK_TIMEOUT)
                .ask(ChainRewound { to, from })
                .await?;
            chain_actor
                .within(ASK_TIMEOUT)
                .ask(SetHead { number: to })
                .await
        };
        ctx.spawn_then(answer, |actor: &mut Self, answer, ctx| {
            let result = match answer {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(refused)) => Err(refused.to_string()),
                Err(error) => Err(error.to_string()),
            };
            actor.step(ctx, |worker, view| worker.on_rewound(view, result));
        });
    }

    /// Restarts the interval timer, if an interval is set.
    pub(super) fn restart_interval_timer(&mut self, ctx: &mut Ctx<Self>) {
        let control = &self.setup.control;
        let (shortest, spread) = (control.interval(), control.interval_spread());
        let ticks = (!shortest.is_zero()).then(|| {
            if spread.is_zero() {
                ctx.notify_every(shortest, || Tick)
            } else {
                ctx.notify_after(shortest + spread.mul_f64(rand::random()), Tick)
            }
        });
        if let Some(before) = std::mem::replace(&mut self.interval, ticks) {
            before.cancel();
        }
    }
}

impl Handles<MineBlock> for WorkerActor {
    type Answer = Later<Result<B256, MineFailed>>;

    fn handle(&mut self, MineBlock { timestamp }: MineBlock, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.enqueue(RequestKind::Block(timestamp), ctx)
    }
}

impl Handles<EditState> for WorkerActor {
    type Answer = Later<Result<B256, MineFailed>>;

    fn handle(&mut self, EditState(edit): EditState, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.enqueue(RequestKind::Edit(edit), ctx)
    }
}

impl Handles<Rewind> for WorkerActor {
    type Answer = Later<Result<B256, MineFailed>>;

    fn handle(&mut self, Rewind { to }: Rewind, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.enqueue(RequestKind::Rewind(to), ctx)
    }
}

impl Handles<SetInterval> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, message: SetInterval, ctx: &mut Ctx<Self>) {
        let SetInterval { shortest, longest } = message;
        let spread = longest.saturating_sub(shortest);
        self.setup.control.set_interval(shortest, spread);
        self.restart_interval_timer(ctx);
    }
}

/// Timer message: a block of the interval is due.
#[derive(Message)]
struct Tick;

impl Handles<Tick> for WorkerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: Tick, ctx: &mut Ctx<Self>) {
        if !self.setup.control.interval_spread().is_zero() {
            self.restart_interval_timer(ctx);
        }
        self.step(ctx, Worker::on_interval);
    }
}
