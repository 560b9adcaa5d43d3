//! Requests of users: blocks, edits of the state, an earlier head, a block at an interval.

use actoreum_chain::StateEdit;
use actoreum_messages::{
    chain::SetHead,
    sealer::ChainRewound,
    worker::{EditState, MineBlock, MineFailed, Rewind, SetInterval, SetNextTimestamp},
};
use actoreum_primitives::B256;

use super::{ASK_TIMEOUT, Phase, WorkerActor};
use actoreum_supervision::{Ctx, Handles, Later, Message, Replier, WhenFull};

/// Maximum number of queued requests.
const MAX_QUEUED_REQUESTS: usize = 64;

/// A queued request.
pub(super) struct QueuedRequest {
    pub(super) kind: BlockRequest,
    /// Receiver of the result, if the request came from a user.
    pub(super) replier: Option<Replier<Result<B256, MineFailed>>>,
}

impl QueuedRequest {
    pub(super) fn reply(self, outcome: Result<B256, MineFailed>) {
        if let Some(replier) = self.replier {
            replier.reply(outcome);
        }
    }
}

#[derive(Clone)]
pub(super) enum BlockRequest {
    /// A block, with this timestamp if there is one.
    Block(Option<u64>),
    /// A block with an edit of the state.
    Edit(StateEdit),
    /// A rewind to this block number.
    Rewind(u64),
}

impl WorkerActor {
    /// Queues a request; the answer comes when it is fulfilled.
    fn enqueue(
        &mut self,
        kind: BlockRequest,
        ctx: &mut Ctx<Self>,
    ) -> Later<Result<B256, MineFailed>> {
        let (replier, later) = Later::channel();
        if self.requests.len() >= MAX_QUEUED_REQUESTS {
            replier.reply(Err(MineFailed::Busy(self.requests.len())));
            return later;
        }
        let replier = Some(replier);
        self.requests.push_back(QueuedRequest { kind, replier });
        self.start_if_due(ctx);
        later
    }

    /// Rewinds the chain. The sealer forgets its signatures first: after a crash in between it
    /// merely knows less of a chain that stands, and never keeps blocks of one that is gone.
    pub(super) fn rewind(&mut self, to: u64, ctx: &mut Ctx<Self>) {
        self.phase = Phase::Rewinding;
        let (sealer, chain_actor) = (self.setup.sealer.clone(), self.setup.chain_actor.clone());
        let from = self.setup.chain_reader.head_number();
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
            let failed = match answer {
                Ok(Ok(_)) => None,
                Ok(Err(refused)) => Some(refused.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = failed {
                return actor.fail_round(&why, ctx);
            }
            actor.next_timestamp = None;
            actor.refused_on = None;
            if let Some(request) = actor.request.take() {
                request.reply(Ok(actor.setup.chain_reader.head().hash()));
            }
            actor.end_round(ctx);
        });
    }

    /// Restarts the interval timer, if an interval is set.
    pub(super) fn restart_interval_timer(&mut self, ctx: &mut Ctx<Self>) {
        let interval = self.setup.control.interval();
        let ticks = (!interval.is_zero()).then(|| ctx.notify_every(interval, || Tick));
        if let Some(before) = std::mem::replace(&mut self.interval, ticks) {
            before.cancel();
        }
    }
}

impl Handles<MineBlock> for WorkerActor {
    type Answer = Later<Result<B256, MineFailed>>;

    fn handle(&mut self, MineBlock { timestamp }: MineBlock, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.enqueue(BlockRequest::Block(timestamp), ctx)
    }
}

impl Handles<EditState> for WorkerActor {
    type Answer = Later<Result<B256, MineFailed>>;

    fn handle(&mut self, EditState(edit): EditState, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.enqueue(BlockRequest::Edit(edit), ctx)
    }
}

impl Handles<Rewind> for WorkerActor {
    type Answer = Later<Result<B256, MineFailed>>;

    fn handle(&mut self, Rewind { to }: Rewind, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.enqueue(BlockRequest::Rewind(to), ctx)
    }
}

impl Handles<SetNextTimestamp> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, SetNextTimestamp(time): SetNextTimestamp, _: &mut Ctx<Self>) {
        self.next_timestamp = Some(time);
    }
}

impl Handles<SetInterval> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, SetInterval(interval): SetInterval, ctx: &mut Ctx<Self>) {
        self.setup.control.set_interval(interval);
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
        // Blocks of the interval do not pile up where they take longer than it.
        let is_waiting = |request: &QueuedRequest| request.replier.is_none();
        if !self.requests.iter().any(is_waiting) {
            let kind = BlockRequest::Block(None);
            self.requests.push_back(QueuedRequest {
                kind,
                replier: None,
            });
        }
        self.start_if_due(ctx);
    }
}
