//! WorkerActor: builds blocks, has them sealed, and has them imported.
//!
//! | message | what happens | in |
//! |---|---|---|
//! | [`ChainChanged`] | a new head: the building is interrupted, the next block begins | `events` |
//! | [`NewTransactions`] | a block begins, where no round runs and one is due | `events` |
//! | [`SealingChanged`] | the settings changed | `events` |
//! | [`MineBlock`], [`EditState`], [`Rewind`] | a user's request, queued behind the others | `requests` |
//! | [`SetNextTimestamp`], [`SetInterval`], `Tick` | time of the next block, interval of requested blocks | `requests` |
//! | `Wake` | timer of the next check | `begin` |
//! | `Built` | the block is built: it goes to the sealer | `sealing` |
//! | (a pause is over) | the block takes in transactions that arrived meanwhile | `recommit` |
//! | [`LateSeal`] | a seal of an earlier round: the block goes to the chain | `importing` |
//!
//! [`ChainChanged`]: actoreum_messages::events::ChainChanged
//! [`NewTransactions`]: actoreum_messages::events::NewTransactions
//! [`SealingChanged`]: actoreum_messages::worker::SealingChanged
//! [`MineBlock`]: actoreum_messages::worker::MineBlock
//! [`EditState`]: actoreum_messages::worker::EditState
//! [`Rewind`]: actoreum_messages::worker::Rewind
//! [`SetNextTimestamp`]: actoreum_messages::worker::SetNextTimestamp
//! [`SetInterval`]: actoreum_messages::worker::SetInterval
//! [`LateSeal`]: actoreum_messages::worker::LateSeal
//!
//! ```text
//!           .------------------------- a new head, a refusal ------------------------.
//!           v                                                                        |
//!   Idle --check--> Building (threads) --> Sealing (SealerActor) --> Importing (ChainActor)
//!    ^                                                                               |
//!    '------------------------------- imported --------------------------------------'
//! ```
//!
//! One round runs at a time. A round is not started by an event but by a check of the chain and the
//! pool; an event is only a reason to check. So nothing is lost with an event, or with a restart:
//! the actor then asks the sealer for a block that was signed and perhaps not imported, and checks.

mod begin;
mod build;
mod events;
mod importing;
mod ommers;
mod pending;
mod recommit;
mod requests;
mod sealing;
mod setup;
mod unconfirmed;

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

use actoreum_supervision::{Actor, Ctx, Failure, TaskHandle};
use begin::Wake;
use build::Interrupts;
use ommers::OmmerPool;
pub use pending::{PendingBlock, PendingBlocks};
use recommit::Interval;
use requests::QueuedRequest;
pub use setup::{Pace, WorkerSetup};
use unconfirmed::Unconfirmed;

/// Interval of the checks without an event, in case one was lost.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Timeout of ChainActor and SealerActor: they may be restarting.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause before a failed step is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Actor that builds blocks; see the module.
pub struct WorkerActor {
    setup: WorkerSetup,
    phase: Phase,
    /// Number of the round: results of earlier rounds are ignored.
    round: u64,
    /// The user's request that this round fulfils.
    request: Option<QueuedRequest>,
    requests: VecDeque<QueuedRequest>,
    next_timestamp: Option<u64>,
    /// Head and snapshot of the pool that led to an empty block: they are not tried again.
    empty_build: Option<(B256, Arc<Snapshot>)>,
    /// The last head that a seal was searched on.
    searched_on: Option<B256>,
    /// Snapshot of the pool that this round's block is built from; `None` where the block is empty.
    built_from: Option<Arc<Snapshot>>,
    /// Build time of the last block.
    build_time: Duration,
    recommit: Interval,
    ommers: OmmerPool,
    /// Set where an ommer was added since this round's block was begun.
    has_new_ommers: bool,
    /// Number of ommers in this round's block.
    included_ommers: usize,
    unconfirmed: Unconfirmed,
    /// The head on which this signer may not seal.
    refused_on: Option<B256>,
    /// Set where the settings changed in this round: a refusal at its end may no longer hold.
    settings_changed: bool,
    /// Time before which the signer's key is not asked for again.
    key_retry_at: Option<Instant>,
    /// The last logged reason why blocks are not sealed, and its time.
    last_warning: Option<(String, Instant)>,
    /// Since when the pool has not seen the head.
    behind_since: Option<Instant>,
    timer: Option<TaskHandle>,
    interval: Option<TaskHandle>,
}

enum Phase {
    /// The sealer is asked for a block that was signed before the restart.
    Starting,
    Idle,
    /// The threads build the block.
    Building(Attempt, Interrupts),
    /// The sealer has the block.
    Sealing(Attempt),
    Importing,
    /// The chain is being rewound.
    Rewinding,
}

/// A block that is being built or sealed.
struct Attempt {
    parent: B256,
    /// Set once the block is no longer needed.
    is_outdated: Arc<AtomicBool>,
}

impl Attempt {
    fn end(&self) {
        self.is_outdated.store(true, Ordering::Relaxed);
    }
}

impl WorkerActor {
    /// Ends a round without a block.
    fn fail_round(&mut self, why: &str, ctx: &mut Ctx<Self>) {
        if let Some(request) = self.request.take() {
            request.reply(Err(MineFailed::Failed(why.to_owned())));
        }
        self.phase = Phase::Idle;
        self.schedule_check(RETRY_PAUSE, ctx);
    }

    /// Ends a round whose request is still to be fulfilled.
    fn retry_round(&mut self, ctx: &mut Ctx<Self>) {
        if let Some(request) = self.request.take() {
            self.requests.push_front(request);
        }
        self.phase = Phase::Idle;
        self.schedule_check(RETRY_PAUSE, ctx);
    }

    /// Ends a round, and checks whether the next is due.
    fn end_round(&mut self, ctx: &mut Ctx<Self>) {
        self.phase = Phase::Idle;
        self.start_if_due(ctx);
    }

    /// Gives up the block that the sealer has. The request is still to be fulfilled.
    fn abandon_round(&mut self, ctx: &mut Ctx<Self>) {
        if let Phase::Sealing(attempt) = &self.phase {
            attempt.end();
        }
        self.round += 1;
        if let Some(request) = self.request.take() {
            self.requests.push_front(request);
        }
        self.end_round(ctx);
    }
}

impl Actor for WorkerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(CHECK_INTERVAL, || Wake);
        self.restart_interval_timer(ctx);
        let sealer = self.setup.sealer.clone();
        let last = async move { sealer.within(ASK_TIMEOUT).ask(GetLastSigned).await };
        ctx.spawn_then(last, |actor: &mut Self, last, ctx| {
            let head = actor.setup.chain_reader.head_number();
            match last {
                Ok(Some(block)) if block.header.number > head => {
                    info!(
                        number = block.header.number,
                        "importing a block that was signed before"
                    );
                    actor.import(*block, ctx);
                }
                Ok(_) => actor.end_round(ctx),
                Err(error) => {
                    warn!(%error, "signed blocks not requested from the sealer");
                    actor.end_round(ctx);
                }
            }
        });
        Ok(())
    }
}
