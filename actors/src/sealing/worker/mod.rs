//! WorkerActor: has blocks built, sealed and imported, as the state machine [`Worker`] decides.
//!
//! | message | what happens | in |
//! |---|---|---|
//! | [`ChainChanged`] | a new head: the building is interrupted, the next block begins | `events` |
//! | [`NewTransactions`] | a block begins, where no round runs and one is due | `events` |
//! | [`SealingChanged`] | the settings changed | `events` |
//! | [`MineBlock`], [`EditState`], [`Rewind`] | a user's request, queued behind the others | `requests` |
//! | [`SetInterval`], `Tick` | interval of requested blocks | `requests` |
//! | `Wake` | timer of the state machine | `drive` |
//! | `Built` | the block is built: it goes to the sealer | `sealing` |
//! | [`LateSeal`] | a seal of an earlier round: the block goes to the chain | `importing` |
//!
//! [`ChainChanged`]: actoreum_messages::events::ChainChanged
//! [`NewTransactions`]: actoreum_messages::events::NewTransactions
//! [`SealingChanged`]: actoreum_messages::worker::SealingChanged
//! [`MineBlock`]: actoreum_messages::worker::MineBlock
//! [`EditState`]: actoreum_messages::worker::EditState
//! [`Rewind`]: actoreum_messages::worker::Rewind
//! [`SetInterval`]: actoreum_messages::worker::SetInterval
//! [`LateSeal`]: actoreum_messages::worker::LateSeal
//!
//! ```text
//!                       .-- Build ----> threads (build) -------- Built ---.
//!   message -> Worker --+-- Seal -----> SealerActor ------------ answer --+--> Worker
//!              (rules)  '-- Import ---> ChainActor ------------- answer --'
//! ```
//!
//! The rules are in [`actoreum_sealing::worker`]. The actor has the mailbox, the thread pool and the
//! references; it passes in what happened with a view of chain, pool and settings, and performs the
//! actions that come back. After a restart it asks the sealer for a block that was signed and
//! perhaps not imported.

mod build;
mod drive;
mod events;
mod importing;
mod pending;
mod requests;
mod sealing;
mod setup;
mod status;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use actoreum_messages::{sealer::GetLastSigned, worker::MineFailed};
use actoreum_primitives::B256;
use actoreum_sealing::worker::{RequestId, Worker};
use actoreum_supervision::{Actor, Ctx, Failure, Message, Replier, TaskHandle};
use actoreum_txpool::Snapshot;
use tokio::time::Instant;
use tracing::warn;

use build::Interrupts;
pub use pending::{PendingBlock, PendingBlocks};
pub use setup::{Pace, WorkerSetup};

/// Interval of the checks without an event, in case one was lost.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Timeout of ChainActor and SealerActor: they may be restarting.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// Actor that has blocks built and sealed; see the module.
pub struct WorkerActor {
    setup: WorkerSetup,
    worker: Worker,
    /// Zero of the clock of the state machine.
    epoch: Instant,
    /// The last snapshot of the transaction pool that the state machine saw.
    snapshot: Option<Arc<Snapshot>>,
    snapshot_version: u64,
    /// Flags of the block that is being built.
    interrupts: Interrupts,
    /// Set once the block that the sealer has is no longer needed.
    is_outdated: Arc<AtomicBool>,
    /// Users who wait for the result of their request.
    waiting: BTreeMap<RequestId, Replier<Result<B256, MineFailed>>>,
    last_request: RequestId,
    /// The timer of the state machine, and its time.
    timer: Option<(Duration, TaskHandle)>,
    /// The timer of blocks at an interval.
    interval: Option<TaskHandle>,
}

/// Timer message: the state machine is to be polled.
#[derive(Message)]
struct Wake;

impl Actor for WorkerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(CHECK_INTERVAL, || Wake);
        self.restart_interval_timer(ctx);
        let sealer = self.setup.sealer.clone();
        let last = async move { sealer.within(ASK_TIMEOUT).ask(GetLastSigned).await };
        ctx.spawn_then(last, |actor: &mut Self, last, ctx| {
            let last = last.unwrap_or_else(|error| {
                warn!(%error, "signed blocks not requested from the sealer");
                None
            });
            actor.step(ctx, |worker, view| worker.on_last_signed(view, last));
        });
        Ok(())
    }
}
