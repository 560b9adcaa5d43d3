//! ChainActor: owner of the one writer of the chain.
//!
//! | message | what happens |
//! |---|---|
//! | [`ImportBlocks`] | queued, then imported on the import threads; followers are notified after the commit |
//! | [`SetHead`] | the same, for a rewind |
//! | [`InsertReceiptChain`], [`CommitPivotState`] | the same, for a fast sync |
//! | [`GetBadBlocks`], [`GetImportStats`] | answered from memory |
//! | `RetryFuture` | every 5 s: blocks from the future are tried again |
//! | `AnnounceHead` | after a restart, the head is sent to the followers: the actor may have failed between a commit and its notification |
//! | `JobDone` | the writer comes back from the threads; the next job begins |
//!
//! The handlers are short: the actor lends its [`Chain`] to the import threads for one job at a
//! time. When the actor fails, its job is interrupted at the next block, and the restarted actor
//! waits for the writer to be free before it opens the chain from disk: there are never two
//! writers.

mod job;

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actoreum_chain::{BadBlock, Chain, ChainEvent, ChainOptions, ChainReader, ImportStats, Reorg};
use actoreum_consensus::Engine;
use actoreum_messages::{
    chain::{
        BlockOrigin, CommitPivotState, GetBadBlocks, GetImportStats, ImportBlocks, ImportRefused,
        Imported, InsertReceiptChain, SetHead,
    },
    events::{ChainCause, ChainChanged},
};
use actoreum_primitives::B256;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{error, info, warn};

use crate::clock::ChainClock;
use crate::log_limit::LogLimit;
use actoreum_supervision::{
    Actor, Ctx, Exit, Failure, Handles, Later, Message, Pool, Recipient, Replier, WhenFull,
};
use job::{Job, JobDone, Outcome};

/// Maximum number of queued imports. Each holds its blocks in memory; a caller that is refused
/// keeps them and asks again.
pub const MAX_QUEUED_IMPORTS: usize = 64;

/// Time that a job on the chain may take before it is reported. A window of a sync takes minutes on a
/// slow disk.
const IMPORT_TIME: Duration = Duration::from_secs(10 * 60);

/// Arguments of ChainActor, which survive its restarts.
#[derive(Clone)]
pub struct ChainSetup {
    /// The published chain that readers hold.
    pub chain_reader: ChainReader,
    /// Verifies headers and seals.
    pub engine: Arc<dyn Engine>,
    /// The import threads.
    pub threads: Pool,
    /// The chain's clock.
    pub clock: ChainClock,
    /// Actors that are notified of changes, in this order.
    pub followers: Vec<Recipient<ChainChanged>>,
    /// Hashes that blocks with these numbers must have (`--whitelist`).
    pub required: BTreeMap<u64, B256>,
    writer: Arc<Semaphore>,
}

impl ChainSetup {
    /// Creates a setup without followers.
    pub fn new(
        chain_reader: ChainReader,
        engine: Arc<dyn Engine>,
        threads: Pool,
        clock: ChainClock,
    ) -> Self {
        Self {
            chain_reader,
            engine,
            threads,
            clock,
            followers: Vec::new(),
            required: BTreeMap::new(),
            writer: Arc::new(Semaphore::new(1)),
        }
    }

    /// Adds an actor that is notified of changes.
    pub fn follower(mut self, follower: Recipient<ChainChanged>) -> Self {
        self.followers.push(follower);
        self
    }

    /// Creates the actor: waits for the writer of its predecessor, then reads the head from disk.
    ///
    /// # Errors
    /// The chain cannot be opened.
    pub async fn start(self) -> Result<ChainActor, Failure> {
        let permit = Arc::clone(&self.writer).acquire_owned().await?;
        let interrupt = Arc::new(AtomicBool::new(false));
        let (clock, config) = (self.clock.clone(), self.chain_reader.config());
        // Blocks of a development chain may follow each other faster than one a second.
        let runs_ahead = config.is_development && config.clique.is_none();
        let options = ChainOptions {
            engine: Arc::clone(&self.engine),
            interrupt: Arc::clone(&interrupt),
            now: Arc::new(move || {
                if runs_ahead {
                    u64::MAX / 2
                } else {
                    clock.unix_seconds()
                }
            }),
        };
        let mut chain = Chain::open(self.chain_reader.clone(), options)?;
        chain.require(self.required.clone());
        let head = chain.head();
        info!(number = head.number, hash = %head.hash(), "chain opened");
        let writer = Writer {
            chain,
            _permit: permit,
        };
        Ok(ChainActor {
            stats: writer.chain.stats(),
            writer: Some(writer),
            setup: self,
            interrupt,
            queue: VecDeque::new(),
            running: None,
            bad_blocks: Vec::new(),
            future_blocks: 0,
        })
    }
}

/// The chain with the exclusive right to write it.
struct Writer {
    chain: Chain,
    _permit: OwnedSemaphorePermit,
}

type Answer = Result<Imported, ImportRefused>;

/// Actor that imports blocks; see the module.
pub struct ChainActor {
    setup: ChainSetup,
    /// `None` while a job has it.
    writer: Option<Writer>,
    interrupt: Arc<AtomicBool>,
    queue: VecDeque<(Job, Option<Replier<Answer>>)>,
    running: Option<Replier<Answer>>,
    stats: ImportStats,
    bad_blocks: Vec<BadBlock>,
    /// Number of queued blocks from the future.
    future_blocks: usize,
}

/// Interval of the retries of blocks from the future, as in geth.
const FUTURE_PERIOD: Duration = Duration::from_secs(5);

/// Time from a restart to the announcement of the head: actors that depend on the chain start after
/// it.
const ANNOUNCE_HEAD_DELAY: Duration = Duration::from_secs(1);

/// Timer message: blocks from the future may be due.
#[derive(Message)]
struct RetryFuture;

/// Timer message: followers may have missed the last change.
#[derive(Message)]
struct AnnounceHead;

impl ChainActor {
    fn enqueue(&mut self, job: Job, ctx: &mut Ctx<Self>) -> Later<Answer> {
        let (replier, later) = Later::channel();
        if self.queue.len() >= MAX_QUEUED_IMPORTS {
            replier.reply(Err(ImportRefused::Busy(self.queue.len())));
            return later;
        }
        self.queue.push_back((job, Some(replier)));
        self.run_next(ctx);
        later
    }

    fn run_next(&mut self, ctx: &mut Ctx<Self>) {
        if self.writer.is_none() || self.queue.is_empty() {
            return;
        }
        let (Some(mut writer), Some((job, replier))) = (self.writer.take(), self.queue.pop_front())
        else {
            return;
        };
        self.running = replier;
        let name = job.name();
        let work = move || {
            let outcome = job.run(&mut writer.chain);
            (writer, outcome)
        };
        let submitted =
            self.setup
                .threads
                .job(name)
                .may_take(IMPORT_TIME)
                .submit(ctx.me(), work, |result| JobDone { result });
        if let Err(error) = submitted {
            ctx.fail(error);
        }
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(replier) = self.running.take() {
            replier.reply(answer);
        }
    }

    fn notify_followers(&self, outcome: &mut Outcome) {
        for reorg in &outcome.report.reorgs {
            log_reorg(reorg);
        }
        let events = mem::take(&mut outcome.report.events);
        self.notify(events, outcome.cause());
    }

    fn notify(&self, events: Vec<ChainEvent>, cause: ChainCause) {
        if events.is_empty() {
            return;
        }
        let events = events.into();
        let changed = ChainChanged { events, cause };
        for follower in &self.setup.followers {
            if let Err(error) = follower.tell(changed.clone())
                && let Some(suppressed) = NOT_DELIVERED.admit()
            {
                let follower = follower.path();
                warn!(follower, %error, suppressed, "chain events not delivered");
            }
        }
    }
}

/// Followers that peers keep busy, or that are restarting, miss events.
static NOT_DELIVERED: LogLimit = LogLimit::new();

/// Logs a reorg: an operator wants to know its depth.
fn log_reorg(reorg: &Reorg) {
    warn!(
        removed = reorg.removed,
        added = reorg.added,
        from = reorg.from.number,
        from_hash = %reorg.from.hash(),
        to = reorg.to.number,
        to_hash = %reorg.to.hash(),
        "chain reorg"
    );
}

impl Actor for ChainActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(FUTURE_PERIOD, || RetryFuture);
        if ctx.generation() > 1 {
            ctx.notify_after(ANNOUNCE_HEAD_DELAY, AnnounceHead);
        }
        Ok(())
    }

    async fn stopped(self, _: &Exit) {
        self.interrupt.store(true, Ordering::Relaxed);
        if self.writer.is_none() {
            // The job sees the interrupt at its next block and returns the writer.
            let _ = self.setup.writer.acquire().await;
        }
        if let Err(error) = self.setup.chain_reader.store().flush() {
            error!(%error, "database not flushed");
        }
        info!(
            number = self.setup.chain_reader.head().number,
            "chain closed"
        );
    }
}

impl Drop for ChainActor {
    /// Also after a panic: a job of a failed actor must not go on for long.
    fn drop(&mut self) {
        self.interrupt.store(true, Ordering::Relaxed);
    }
}

impl Handles<ImportBlocks> for ChainActor {
    type Answer = Later<Answer>;
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, message: ImportBlocks, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.enqueue(Job::Import(message), ctx)
    }
}

impl Handles<InsertReceiptChain> for ChainActor {
    type Answer = Later<Answer>;
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, message: InsertReceiptChain, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.enqueue(Job::InsertReceiptChain(message), ctx)
    }
}

impl Handles<CommitPivotState> for ChainActor {
    type Answer = Later<Answer>;

    fn handle(&mut self, message: CommitPivotState, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.enqueue(Job::CommitPivotState(message), ctx)
    }
}

impl Handles<SetHead> for ChainActor {
    type Answer = Later<Answer>;

    fn handle(&mut self, message: SetHead, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.enqueue(Job::SetHead(message), ctx)
    }
}

impl Handles<RetryFuture> for ChainActor {
    type Answer = ();

    fn handle(&mut self, _: RetryFuture, ctx: &mut Ctx<Self>) {
        let is_waiting = |(job, _): &(Job, _)| matches!(job, Job::Future);
        if self.future_blocks > 0 && !self.queue.iter().any(is_waiting) {
            self.queue.push_back((Job::Future, None));
            self.run_next(ctx);
        }
    }
}

impl Handles<AnnounceHead> for ChainActor {
    type Answer = ();

    fn handle(&mut self, _: AnnounceHead, _: &mut Ctx<Self>) {
        let head = ChainEvent::Head(self.setup.chain_reader.head());
        self.notify(vec![head], ChainCause::Import(BlockOrigin::Bulk));
    }
}

impl Handles<JobDone> for ChainActor {
    type Answer = ();

    fn handle(&mut self, message: JobDone, ctx: &mut Ctx<Self>) {
        let (writer, mut outcome) = match message.result {
            Ok(done) => done,
            Err(error) => {
                let answer = Err(ImportRefused::Failed(error.to_string()));
                self.answer(answer);
                return ctx.fail(error);
            }
        };
        self.stats = writer.chain.stats();
        self.bad_blocks = writer.chain.bad_blocks().cloned().collect();
        self.future_blocks = writer.chain.future_blocks();
        self.writer = Some(writer);
        self.notify_followers(&mut outcome);
        let failure = outcome.failure();
        self.answer(outcome.into_answer());
        match failure {
            Some(failure) => ctx.fail(failure),
            None => self.run_next(ctx),
        }
    }
}

impl Handles<GetBadBlocks> for ChainActor {
    type Answer = Vec<BadBlock>;

    fn handle(&mut self, _: GetBadBlocks, _: &mut Ctx<Self>) -> Self::Answer {
        self.bad_blocks.clone()
    }
}

impl Handles<GetImportStats> for ChainActor {
    type Answer = Option<ImportStats>;

    fn handle(&mut self, _: GetImportStats, _: &mut Ctx<Self>) -> Self::Answer {
        Some(self.stats)
    }
}
