//! What users ask for: blocks, edits of the state, an earlier head, a block every so often.

use actoreum_chain::StateEdit;
use actoreum_messages::{
    chain::SetHead,
    sealer::Rewound,
    worker::{EditState, MineBlock, MineFailed, Rewind, SetInterval, SetNextTimestamp},
};
use actoreum_primitives::B256;

use super::{PATIENCE, Phase, WorkerActor};
use crate::supervision::{Ctx, Handles, Later, Message, Replier, WhenFull};

/// Blocks that users may have asked for at a time.
const WAITING_REQUESTS: usize = 64;

/// What somebody asked for.
pub(super) struct Request {
    pub(super) wish: Wish,
    /// Who waits for it, where somebody does.
    pub(super) replier: Option<Replier<Result<B256, MineFailed>>>,
}

impl Request {
    pub(super) fn reply(self, outcome: Result<B256, MineFailed>) {
        if let Some(replier) = self.replier {
            replier.reply(outcome);
        }
    }
}

#[derive(Clone)]
pub(super) enum Wish {
    /// A block, of this time.
    Block(Option<u64>),
    /// A block with an edit of the state.
    Edit(StateEdit),
    /// An earlier head.
    Rewind(u64),
}

impl WorkerActor {
    /// Puts a wish in line; the answer comes when it is fulfilled.
    fn wish(&mut self, wish: Wish, ctx: &mut Ctx<Self>) -> Later<Result<B256, MineFailed>> {
        let (replier, later) = Later::channel();
        if self.requests.len() >= WAITING_REQUESTS {
            replier.reply(Err(MineFailed::Busy(self.requests.len())));
            return later;
        }
        let replier = Some(replier);
        self.requests.push_back(Request { wish, replier });
        self.look(ctx);
        later
    }

    /// Takes the chain back. The sealer forgets first: after a crash in between it merely knows
    /// less of a chain that stands, and never holds on to blocks of one that is gone.
    pub(super) fn rewind(&mut self, to: u64, ctx: &mut Ctx<Self>) {
        self.phase = Phase::Rewinding;
        let (sealer, chain) = (self.setup.sealer.clone(), self.setup.chain.clone());
        let from = self.setup.reader.head_number();
        let answer = async move {
            sealer.within(PATIENCE).ask(Rewound { to, from }).await?;
            chain.within(PATIENCE).ask(SetHead { number: to }).await
        };
        ctx.spawn_then(answer, |actor: &mut Self, answer, ctx| {
            let failed = match answer {
                Ok(Ok(_)) => None,
                Ok(Err(refused)) => Some(refused.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = failed {
                return actor.give_up(&why, ctx);
            }
            actor.next_timestamp = None;
            actor.refused_on = None;
            if let Some(request) = actor.request.take() {
                request.reply(Ok(actor.setup.reader.head().hash()));
            }
            actor.rest(ctx);
        });
    }

    /// Begins to ask itself for blocks, where an interval is set.
    pub(super) fn keep_interval(&mut self, ctx: &mut Ctx<Self>) {
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
        self.wish(Wish::Block(timestamp), ctx)
    }
}

impl Handles<EditState> for WorkerActor {
    type Answer = Later<Result<B256, MineFailed>>;

    fn handle(&mut self, EditState(edit): EditState, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.wish(Wish::Edit(edit), ctx)
    }
}

impl Handles<Rewind> for WorkerActor {
    type Answer = Later<Result<B256, MineFailed>>;

    fn handle(&mut self, Rewind { to }: Rewind, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.wish(Wish::Rewind(to), ctx)
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
        self.keep_interval(ctx);
    }
}

/// Time for a block of the interval.
#[derive(Message)]
#[rtype(result = "()")]
struct Tick;

impl Handles<Tick> for WorkerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: Tick, ctx: &mut Ctx<Self>) {
        // Where blocks take longer than the interval, they do not pile up.
        let is_waiting = |request: &Request| request.replier.is_none();
        if !self.requests.iter().any(is_waiting) {
            let wish = Wish::Block(None);
            self.requests.push_back(Request {
                wish,
                replier: None,
            });
        }
        self.look(ctx);
    }
}
