//! ChainActor: owns the one writer of the chain.
//!
//! | message | what happens |
//! |---|---|
//! | [`ImportBlocks`] | waits its turn, is imported on the pool; followers hear of it after the commit |
//! | [`SetHead`] | the same, for a step back |
//! | [`KeepBlocks`], [`AdoptState`] | the same, for a fast sync |
//! | [`GetBadBlocks`], [`GetImportStats`] | answered from memory |
//! | `RetryFuture` | every 5 s: blocks that came before their time are tried again |
//! | `TellHead` | the head of a new generation is told: the one before may have gone down between a commit and its telling |
//! | `Done` | the pool gives the writer back; the next one in line begins |
//!
//! The actor's handlers are short: it lends its [`Chain`] to the pool for one job at a time. When
//! a generation fails, its job is told to stop at the next block, and the next generation waits
//! for the writer to be free before it opens the chain from disk: there are never two writers.

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
        AdoptState, BlockOrigin, GetBadBlocks, GetImportStats, ImportBlocks, ImportRefused,
        Imported, KeepBlocks, SetHead,
    },
    events::{ChainCause, ChainChanged},
};
use actoreum_primitives::B256;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{error, info, warn};

use crate::log_limit::LogLimit;
use crate::{
    clock,
    supervision::{
        Actor, Ctx, Exit, Failure, Handles, Later, Message, Pool, Recipient, Replier, WhenFull,
    },
};
use job::{Done, Job, Outcome};

/// Imports that may wait in line. Each holds its blocks in memory; a caller that is refused keeps
/// them and asks again.
pub const WAITING_IMPORTS: usize = 64;

/// What every generation of a ChainActor is made from.
#[derive(Clone)]
pub struct ChainSetup {
    /// What readers hold; it outlives every generation.
    pub reader: ChainReader,
    /// Who may seal, and how a header must look.
    pub engine: Arc<dyn Engine>,
    /// Where imports run.
    pub pool: Pool,
    /// Who hears of changes, in this order.
    pub followers: Vec<Recipient<ChainChanged>>,
    /// Hashes that blocks with these numbers must have (`--whitelist`).
    pub required: BTreeMap<u64, B256>,
    writer: Arc<Semaphore>,
}

impl ChainSetup {
    /// A setup without followers.
    pub fn new(reader: ChainReader, engine: Arc<dyn Engine>, pool: Pool) -> Self {
        Self {
            reader,
            engine,
            pool,
            followers: Vec::new(),
            required: BTreeMap::new(),
            writer: Arc::new(Semaphore::new(1)),
        }
    }

    /// Adds somebody who hears of changes.
    pub fn follower(mut self, follower: Recipient<ChainChanged>) -> Self {
        self.followers.push(follower);
        self
    }

    /// Makes the next generation: waits for the writer of the one before, then reads the head
    /// from disk.
    pub async fn open(self) -> Result<ChainActor, Failure> {
        let permit = Arc::clone(&self.writer).acquire_owned().await?;
        let interrupt = Arc::new(AtomicBool::new(false));
        let options = ChainOptions {
            engine: Arc::clone(&self.engine),
            interrupt: Arc::clone(&interrupt),
            now: clock::unix_seconds,
        };
        let mut chain = Chain::open(self.reader.clone(), options)?;
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
            waiting: VecDeque::new(),
            running: None,
            bad_blocks: Vec::new(),
            future_blocks: 0,
        })
    }
}

/// The chain with the right to write it.
struct Writer {
    chain: Chain,
    _permit: OwnedSemaphorePermit,
}

type Answer = Result<Imported, ImportRefused>;

/// See the module.
pub struct ChainActor {
    setup: ChainSetup,
    /// `None` while it is lent to the pool.
    writer: Option<Writer>,
    interrupt: Arc<AtomicBool>,
    waiting: VecDeque<(Job, Option<Replier<Answer>>)>,
    running: Option<Replier<Answer>>,
    stats: ImportStats,
    bad_blocks: Vec<BadBlock>,
    /// Blocks that wait for their time.
    future_blocks: usize,
}

/// Time between two tries of blocks that came before their time, as in geth.
const FUTURE_PERIOD: Duration = Duration::from_secs(5);

/// After a restart, until the head is told: those that stand on the chain start behind it.
const TELL_HEAD_AFTER: Duration = Duration::from_secs(1);

/// Blocks that came before their time may be due.
#[derive(Message)]
#[rtype(result = "()")]
struct RetryFuture;

/// Followers may have missed the last change.
#[derive(Message)]
#[rtype(result = "()")]
struct TellHead;

impl ChainActor {
    fn take(&mut self, job: Job, ctx: &mut Ctx<Self>) -> Later<Answer> {
        let (replier, later) = Later::channel();
        if self.waiting.len() >= WAITING_IMPORTS {
            replier.reply(Err(ImportRefused::Busy(self.waiting.len())));
            return later;
        }
        self.waiting.push_back((job, Some(replier)));
        self.run_next(ctx);
        later
    }

    fn run_next(&mut self, ctx: &mut Ctx<Self>) {
        if self.writer.is_none() || self.waiting.is_empty() {
            return;
        }
        let (Some(mut writer), Some((job, replier))) =
            (self.writer.take(), self.waiting.pop_front())
        else {
            return;
        };
        self.running = replier;
        let work = move || {
            let outcome = job.run(&mut writer.chain);
            (writer, outcome)
        };
        let submitted = self
            .setup
            .pool
            .submit(ctx.me(), work, |result| Done { result });
        if let Err(error) = submitted {
            ctx.fail(error);
        }
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(replier) = self.running.take() {
            replier.reply(answer);
        }
    }

    fn tell_followers(&self, outcome: &mut Outcome) {
        for reorg in &outcome.report.reorgs {
            log_reorg(reorg);
        }
        let events = mem::take(&mut outcome.report.events);
        self.tell(events, outcome.cause());
    }

    fn tell(&self, events: Vec<ChainEvent>, cause: ChainCause) {
        if events.is_empty() {
            return;
        }
        let events = events.into();
        let changed = ChainChanged { events, cause };
        for follower in &self.setup.followers {
            if let Err(error) = follower.tell(changed.clone())
                && let Some(left_out) = NOT_DELIVERED.admit()
            {
                let follower = follower.path();
                warn!(follower, %error, left_out, "chain events not delivered");
            }
        }
    }
}

/// Followers that peers keep busy, or that start again, miss events.
static NOT_DELIVERED: LogLimit = LogLimit::new();

/// Says so where blocks lost their place: an operator wants to know how deep it went.
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
            ctx.notify_after(TELL_HEAD_AFTER, TellHead);
        }
        Ok(())
    }

    async fn stopped(self, _: &Exit) {
        self.interrupt.store(true, Ordering::Relaxed);
        if self.writer.is_none() {
            // The job sees the interrupt at its next block and gives the writer back.
            let _ = self.setup.writer.acquire().await;
        }
        if let Err(error) = self.setup.reader.store().flush() {
            error!(%error, "database not flushed");
        }
        info!(number = self.setup.reader.head().number, "chain closed");
    }
}

impl Drop for ChainActor {
    /// Also after a panic: a job of a failed generation must not go on for long.
    fn drop(&mut self) {
        self.interrupt.store(true, Ordering::Relaxed);
    }
}

impl Handles<ImportBlocks> for ChainActor {
    type Answer = Later<Answer>;
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, message: ImportBlocks, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.take(Job::Import(message), ctx)
    }
}

impl Handles<KeepBlocks> for ChainActor {
    type Answer = Later<Answer>;
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, message: KeepBlocks, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.take(Job::Keep(message), ctx)
    }
}

impl Handles<AdoptState> for ChainActor {
    type Answer = Later<Answer>;

    fn handle(&mut self, message: AdoptState, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.take(Job::Adopt(message), ctx)
    }
}

impl Handles<SetHead> for ChainActor {
    type Answer = Later<Answer>;

    fn handle(&mut self, message: SetHead, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.take(Job::SetHead(message), ctx)
    }
}

impl Handles<RetryFuture> for ChainActor {
    type Answer = ();

    fn handle(&mut self, _: RetryFuture, ctx: &mut Ctx<Self>) {
        let is_waiting = |(job, _): &(Job, _)| matches!(job, Job::Future);
        if self.future_blocks > 0 && !self.waiting.iter().any(is_waiting) {
            self.waiting.push_back((Job::Future, None));
            self.run_next(ctx);
        }
    }
}

impl Handles<TellHead> for ChainActor {
    type Answer = ();

    fn handle(&mut self, _: TellHead, _: &mut Ctx<Self>) {
        let head = ChainEvent::Head(self.setup.reader.head());
        self.tell(vec![head], ChainCause::Import(BlockOrigin::Bulk));
    }
}

impl Handles<Done> for ChainActor {
    type Answer = ();

    fn handle(&mut self, message: Done, ctx: &mut Ctx<Self>) {
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
        self.tell_followers(&mut outcome);
        let fault = outcome.fault();
        self.answer(outcome.into_answer());
        match fault {
            Some(fault) => ctx.fail(fault),
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
