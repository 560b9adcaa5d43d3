//! WorkerActor: builds blocks, has them sealed, and hands them to the chain.
//!
//! | message | what happens | in |
//! |---|---|---|
//! | [`ChainChanged`] | a new head: what is being built is interrupted, the next block begins | `events` |
//! | [`NewTransactions`] | a block begins, where nothing else is under way and the chain has no period | `events` |
//! | [`Look`] | the operator decided something | `events` |
//! | [`MineBlock`], [`EditState`], [`Rewind`] | a user's wish, in line behind the others | `wishes` |
//! | [`SetNextTimestamp`], [`SetInterval`], `Tick` | when the next block is wished for | `wishes` |
//! | `Wake` | time to look again | `begin` |
//! | `Built` | the pool is done: off to the sealer | `sealing` |
//! | (a pause is over) | what is being filled or searched for takes in what came since | `recommit` |
//! | [`FoundLate`] | a seal that nobody waits for: off to the chain | `importing` |
//!
//! [`ChainChanged`]: actoreum_messages::events::ChainChanged
//! [`NewTransactions`]: actoreum_messages::events::NewTransactions
//! [`Look`]: actoreum_messages::worker::Look
//! [`MineBlock`]: actoreum_messages::worker::MineBlock
//! [`EditState`]: actoreum_messages::worker::EditState
//! [`Rewind`]: actoreum_messages::worker::Rewind
//! [`SetNextTimestamp`]: actoreum_messages::worker::SetNextTimestamp
//! [`SetInterval`]: actoreum_messages::worker::SetInterval
//! [`FoundLate`]: actoreum_messages::worker::FoundLate
//!
//! ```text
//!           .------------------------- a new head, a refusal ------------------------.
//!           v                                                                        |
//!   Idle --look--> Building (on the pool) --> Sealing (SealerActor) --> Importing (ChainActor)
//!    ^                                                                               |
//!    '------------------------------- imported --------------------------------------'
//! ```
//!
//! One round at a time. What starts one is not the event but what a look at the chain and at the
//! pool finds; an event is only a reason to look. So nothing is lost with an event, or with a
//! generation: the next one asks the sealer for a block that was signed and perhaps not imported,
//! then looks.

mod begin;
mod build;
mod events;
mod importing;
mod ommers;
mod pending;
mod recommit;
mod sealing;
mod setup;
mod unconfirmed;
mod wishes;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actoreum_messages::{sealer::GetLastSigned, worker::MineFailed};
use actoreum_primitives::B256;
use actoreum_txpool::Snapshot;
use tracing::{info, warn};

use crate::supervision::{Actor, Ctx, Failure, TaskHandle};
use begin::Wake;
use build::Interrupts;
use ommers::OmmerPool;
pub use pending::{PendingBlock, PendingBlocks};
use recommit::Interval;
pub use setup::{Pace, WorkerSetup};
use unconfirmed::Unconfirmed;
use wishes::Request;

/// A look without a reason, in case that one was lost.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// How long ChainActor and SealerActor are waited for: they may be starting again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause before something that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// See the module.
pub struct WorkerActor {
    setup: WorkerSetup,
    phase: Phase,
    /// Counts rounds: what belongs to an earlier one is not waited for any more.
    round: u64,
    /// The user's wish that this round fulfils.
    request: Option<Request>,
    requests: VecDeque<Request>,
    next_timestamp: Option<u64>,
    /// What the pool showed when nothing of it could be executed on this head.
    fruitless: Option<(B256, Arc<Snapshot>)>,
    /// The last head that a seal was searched on.
    searched_on: Option<B256>,
    /// What the pool showed when this round's block was begun; `None` where that is empty.
    built_from: Option<Arc<Snapshot>>,
    /// How long the last block was built.
    took: Duration,
    recommit: Interval,
    ommers: OmmerPool,
    /// Since this round's block was begun.
    has_new_ommers: bool,
    /// In this round's block.
    included_ommers: usize,
    unconfirmed: Unconfirmed,
    /// The head on which this signer may not seal.
    refused_on: Option<B256>,
    /// In this round: what is refused at its end may be allowed since.
    is_told_to_look: bool,
    /// Until when the signer's key is not asked for again.
    keyless_until: Option<Instant>,
    /// What was last said about why nothing is signed, and when.
    refusal_told: Option<(String, Instant)>,
    /// Since when the pool has not seen the head.
    behind_since: Option<Instant>,
    alarm: Option<TaskHandle>,
    interval: Option<TaskHandle>,
}

enum Phase {
    /// The sealer is asked for a block of an earlier generation.
    Starting,
    Idle,
    /// The pool builds.
    Building(Attempt, Interrupts),
    /// The sealer has the block.
    Sealing(Attempt),
    Importing,
    /// The chain is being taken back.
    Rewinding,
}

/// A block that others are at work on.
struct Attempt {
    parent: B256,
    /// Set where nobody wants it any more.
    is_outdated: Arc<AtomicBool>,
}

impl Attempt {
    fn end(&self) {
        self.is_outdated.store(true, Ordering::Relaxed);
    }
}

impl WorkerActor {
    /// Ends a round without a block.
    fn give_up(&mut self, why: &str, ctx: &mut Ctx<Self>) {
        if let Some(request) = self.request.take() {
            request.reply(Err(MineFailed::Failed(why.to_owned())));
        }
        self.phase = Phase::Idle;
        self.look_in(RETRY_PAUSE, ctx);
    }

    /// Ends a round whose wish is still to be fulfilled.
    fn try_again(&mut self, ctx: &mut Ctx<Self>) {
        if let Some(request) = self.request.take() {
            self.requests.push_front(request);
        }
        self.phase = Phase::Idle;
        self.look_in(RETRY_PAUSE, ctx);
    }

    /// Ends a round, and looks for the next.
    fn rest(&mut self, ctx: &mut Ctx<Self>) {
        self.phase = Phase::Idle;
        self.look(ctx);
    }

    /// Lets go of the block that the sealer has. What somebody asked for is still to be fulfilled.
    fn abandon(&mut self, ctx: &mut Ctx<Self>) {
        if let Phase::Sealing(attempt) = &self.phase {
            attempt.end();
        }
        self.round += 1;
        if let Some(request) = self.request.take() {
            self.requests.push_front(request);
        }
        self.rest(ctx);
    }
}

impl Actor for WorkerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(LOOK_PERIOD, || Wake);
        self.keep_interval(ctx);
        let sealer = self.setup.sealer.clone();
        let last = async move { sealer.within(PATIENCE).ask(GetLastSigned).await };
        ctx.spawn_then(last, |actor: &mut Self, last, ctx| {
            let head = actor.setup.reader.head_number();
            match last {
                Ok(Some(block)) if block.header.number > head => {
                    info!(
                        number = block.header.number,
                        "importing a block that was signed before"
                    );
                    actor.import(*block, ctx);
                }
                Ok(_) => actor.rest(ctx),
                Err(error) => {
                    warn!(%error, "sealer not asked for signed blocks");
                    actor.rest(ctx);
                }
            }
        });
        Ok(())
    }
}
