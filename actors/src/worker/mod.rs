//! WorkerActor: builds blocks, has them sealed, and hands them to the chain.
//!
//! | message | what happens |
//! |---|---|
//! | [`ChainChanged`] | a new head: what is being built is interrupted, the next block begins |
//! | [`NewTransactions`] | a block begins, where nothing else is under way and the chain has no period |
//! | [`MineBlock`], [`EditState`], [`Rewind`], [`SetNextTimestamp`], [`SetInterval`] | the user's wishes |
//! | [`Look`] | the operator decided something |
//! | `Built` | the pool is done: off to the sealer |
//! | `Wake` | time to look again |
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

mod build;
mod ommers;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actoreum_chain::{BuildError, BuildPlan, ChainEvent, ChainReader, SealedHeader, StateEdit};
use actoreum_consensus::{Disposition, Engine, rules::gas_limit};
use actoreum_messages::{
    chain::{BlockOrigin, ImportBlocks, ImportRefused, Imported, SetHead},
    events::{ChainChanged, NewTransactions},
    sealer::{EndSearch, GetLastSigned, Rewound, Seal, SealRefused, Withdraw},
    worker::{
        EditState, FoundLate, Look, MineBlock, MineFailed, Rewind, SetInterval, SetNextTimestamp,
    },
};
use actoreum_primitives::{B256, Block};
use actoreum_txpool::{PoolReader, Snapshot};
use tracing::{debug, error, info, warn};

use crate::{
    chain::ChainActor,
    clock,
    miner::MinerControl,
    sealer::SealerActor,
    supervision::{
        Actor, ActorRef, AskError, Ctx, Failure, Handles, JobError, Later, Message, Pool, Replier,
        TaskHandle, WhenFull,
    },
};
use build::build;
use ommers::OmmerPool;

/// A look without a reason, in case that one was lost.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// How long before its time a block with a period is built: late transactions come along, and it
/// is there when its time has come.
const BUILD_LEAD: Duration = Duration::from_millis(400);
/// Time between two looks whether the transaction pool has seen the new head.
const POOL_PERIOD: Duration = Duration::from_millis(1);
/// How long the transaction pool is waited for, before a block is built on what it shows.
const POOL_PATIENCE: Duration = Duration::from_millis(500);
/// How long ChainActor and SealerActor are waited for: they may be starting again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause before something that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Pause before a key that could not be used is asked for again.
const KEY_PAUSE: Duration = Duration::from_secs(3);
/// Building takes at most this part of the time between two looks at what came since.
const RECOMMIT_SHARE: u32 = 10;
/// The longest time between two such looks, as in geth.
const MOST_RECOMMIT: Duration = Duration::from_secs(15);
/// Blocks that users may have asked for at a time.
const WAITING_REQUESTS: usize = 64;

/// What every generation of a WorkerActor is made from.
#[derive(Clone)]
pub struct WorkerSetup {
    /// The chain.
    pub reader: ChainReader,
    /// Who prepares headers.
    pub engine: Arc<dyn Engine>,
    /// When a block is due.
    pub pace: Pace,
    /// Where blocks are built.
    pub pool: Pool,
    /// What is pending.
    pub pending: PoolReader,
    /// Who imports.
    pub chain: ActorRef<ChainActor>,
    /// Who seals.
    pub sealer: ActorRef<SealerActor>,
    /// What the operator decided: who seals, and whether. Outlives every generation.
    pub control: Arc<MinerControl>,
}

/// When a block is due that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// When there are transactions.
    OnDemand,
    /// So many seconds after the one before, with or without transactions.
    Period(u64),
    /// All the time: a seal takes as long as it takes. First an empty block, so that the search
    /// begins at once, then one with what is pending, and again with what came since.
    Search,
}

impl WorkerSetup {
    /// Makes the next generation.
    pub fn start(self) -> WorkerActor {
        WorkerActor {
            setup: self,
            phase: Phase::Starting,
            round: 0,
            request: None,
            requests: VecDeque::new(),
            next_timestamp: None,
            fruitless: None,
            searched_on: None,
            ommers: OmmerPool::default(),
            refused_on: None,
            is_told_to_look: false,
            keyless_until: None,
            behind_since: None,
            alarm: None,
            interval: None,
        }
    }
}

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
    ommers: OmmerPool,
    /// The head on which this signer may not seal.
    refused_on: Option<B256>,
    /// In this round: what is refused at its end may be allowed since.
    is_told_to_look: bool,
    /// Until when the signer's key is not asked for again.
    keyless_until: Option<Instant>,
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
    Building(Attempt),
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

/// What somebody asked for.
struct Request {
    wish: Wish,
    /// Who waits for it, where somebody does.
    replier: Option<Replier<Result<B256, MineFailed>>>,
}

impl Request {
    fn reply(self, outcome: Result<B256, MineFailed>) {
        if let Some(replier) = self.replier {
            replier.reply(outcome);
        }
    }
}

#[derive(Clone)]
enum Wish {
    /// A block, of this time.
    Block(Option<u64>),
    /// A block with an edit of the state.
    Edit(StateEdit),
    /// An earlier head.
    Rewind(u64),
}

impl WorkerActor {
    /// Looks whether a block is to be built, and begins.
    fn look(&mut self, ctx: &mut Ctx<Self>) {
        if !matches!(self.phase, Phase::Idle) {
            return;
        }
        if self.requests.is_empty() && !self.setup.control.is_sealing() {
            return;
        }
        let head = self.setup.reader.head();
        let snapshot = self.setup.pending.snapshot();
        if self.pool_is_behind(snapshot.as_deref(), &head) {
            return self.look_in(POOL_PERIOD, ctx);
        }
        if self.requests.is_empty() && !self.is_due(&head, snapshot.as_ref(), ctx) {
            return;
        }
        self.begin(head, snapshot, ctx);
    }

    /// Whether the pool is still to see the head. It is waited for, but not for ever.
    fn pool_is_behind(&mut self, snapshot: Option<&Snapshot>, head: &SealedHeader) -> bool {
        if snapshot.is_none_or(|snapshot| snapshot.head().hash == head.hash()) {
            self.behind_since = None;
            return false;
        }
        let since = self.behind_since.get_or_insert_with(Instant::now);
        since.elapsed() < POOL_PATIENCE
    }

    /// Whether it is time for a block that nobody asked for.
    fn is_due(
        &mut self,
        head: &SealedHeader,
        snapshot: Option<&Arc<Snapshot>>,
        ctx: &mut Ctx<Self>,
    ) -> bool {
        if self.refused_on == Some(head.hash()) {
            return false;
        }
        if let Some(until) = self.keyless_until {
            let wait = until.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                self.look_in(wait, ctx);
                return false;
            }
        }
        if self.setup.pace == Pace::Search {
            return true;
        }
        if let Pace::Period(period) = self.setup.pace {
            let due = Duration::from_secs(head.timestamp.saturating_add(period));
            let wait = due.saturating_sub(clock::now()).saturating_sub(BUILD_LEAD);
            if !wait.is_zero() {
                self.look_in(wait, ctx);
            }
            return wait.is_zero();
        }
        let Some(snapshot) = snapshot.filter(|snapshot| snapshot.pending_count() > 0) else {
            return false;
        };
        let tried = self.fruitless.as_ref();
        !tried.is_some_and(|(on, tried)| *on == head.hash() && Arc::ptr_eq(tried, snapshot))
    }

    fn begin(
        &mut self,
        parent: SealedHeader,
        snapshot: Option<Arc<Snapshot>>,
        ctx: &mut Ctx<Self>,
    ) {
        self.round += 1;
        self.is_told_to_look = false;
        self.request = self.requests.pop_front();
        let wish = self.request.as_ref().map(|request| request.wish.clone());
        let mut edit = None;
        let time = match wish {
            Some(Wish::Rewind(to)) => return self.rewind(to, ctx),
            Some(Wish::Edit(wanted)) => {
                // The clock, and a time that was set for the next block, are not for this one.
                edit = Some(wanted);
                parent.timestamp
            }
            Some(Wish::Block(Some(time))) => self.move_clock(Some(time)),
            Some(Wish::Block(None)) | None => {
                let time = self.next_timestamp.take();
                self.move_clock(time)
            }
        };
        let settings = self.setup.control.settings();
        let Some(author) = settings.etherbase else {
            return self.give_up("etherbase must be explicitly specified", ctx);
        };
        let is_first = self.setup.pace == Pace::Search && self.searched_on != Some(parent.hash());
        self.searched_on = Some(parent.hash());
        let ommers = match self.setup.pace {
            Pace::Search => self.ommers.candidates(author),
            Pace::OnDemand | Pace::Period(_) => Vec::new(),
        };
        let offers = snapshot
            .as_ref()
            .filter(|_| !is_first)
            .map(|snapshot| snapshot.best(snapshot.head().base_fee_per_gas));
        let plan = BuildPlan {
            gas_limit: gas_limit::desired(
                self.setup.reader.config(),
                &parent,
                time,
                settings.gas_floor..=settings.gas_ceiling,
            ),
            parent,
            time,
            extra_data: settings.extra_data,
            author,
            edit,
        };
        let attempt = Attempt {
            parent: plan.parent.hash(),
            is_outdated: Arc::default(),
        };
        let (round, flag) = (self.round, Arc::clone(&attempt.is_outdated));
        let begun = Instant::now();
        let (reader, engine) = (self.setup.reader.clone(), Arc::clone(&self.setup.engine));
        let work = move || build(&reader, engine.as_ref(), plan, &ommers, offers, &flag);
        let submitted = self.setup.pool.submit(ctx.me(), work, move |result| Built {
            round,
            snapshot: snapshot.filter(|_| !is_first),
            took: begun.elapsed(),
            result,
        });
        match submitted {
            Ok(()) => self.phase = Phase::Building(attempt),
            Err(error) => self.give_up(&error.to_string(), ctx),
        }
    }

    /// Sets the chain's clock, where a time is given; what it shows then, in seconds since 1970.
    fn move_clock(&self, time: Option<u64>) -> u64 {
        if let Some(time) = time {
            clock::set(time);
            if let Err(error) = clock::save(self.setup.reader.store()) {
                warn!(%error, "the clock's shift is not on disk");
            }
        }
        clock::unix_seconds()
    }

    /// Takes the chain back. The sealer forgets first: after a crash in between it merely knows
    /// less of a chain that stands, and never holds on to blocks of one that is gone.
    fn rewind(&mut self, to: u64, ctx: &mut Ctx<Self>) {
        self.phase = Phase::Rewinding;
        let (sealer, chain) = (self.setup.sealer.clone(), self.setup.chain.clone());
        let answer = async move {
            sealer.within(PATIENCE).ask(Rewound { to }).await?;
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

    fn seal(&mut self, block: Block, ctx: &mut Ctx<Self>) {
        let is_outdated: Arc<AtomicBool> = Arc::default();
        self.phase = Phase::Sealing(Attempt {
            parent: block.header.parent_hash,
            is_outdated: Arc::clone(&is_outdated),
        });
        let round = self.round;
        let even_if_empty = self.request.is_some();
        let question = Seal {
            block,
            even_if_empty,
            is_outdated,
        };
        let answer = self.setup.sealer.ask(question);
        ctx.spawn_then(answer, move |actor, answer, ctx| {
            actor.sealed(round, answer, ctx);
        });
    }

    fn sealed(
        &mut self,
        round: u64,
        answer: Result<Result<Block, SealRefused>, AskError>,
        ctx: &mut Ctx<Self>,
    ) {
        if round != self.round {
            debug!(round, "sealed too late: another block took its place");
            if let (Ok(Ok(block)), Pace::Search) = (answer, self.setup.pace) {
                self.import_late(block, ctx);
            }
            return;
        }
        match answer {
            Ok(Ok(block)) => self.import(block, ctx),
            Ok(Err(SealRefused::SignedBefore(block))) => self.import(*block, ctx),
            Ok(Err(SealRefused::Engine(error))) => {
                let number = self.setup.reader.head_number() + 1;
                info!(number, %error, "block not sealed");
                self.wait_for_another_head();
                self.give_up(&error.to_string(), ctx);
            }
            // Only where the head moved: a look finds the new one.
            Ok(Err(SealRefused::Outdated)) => self.try_again(ctx),
            Ok(Err(SealRefused::Signer(error))) => {
                warn!(%error, "block not signed");
                self.keyless_until = Some(Instant::now() + KEY_PAUSE);
                self.give_up(&error, ctx);
            }
            Ok(Err(error)) => {
                warn!(%error, "block not sealed");
                self.give_up(&error.to_string(), ctx);
            }
            // The sealer is starting again. What it had signed it gives away then.
            Err(error) => {
                debug!(%error, "block not sealed");
                self.try_again(ctx);
            }
        }
    }

    /// Hands a block to the chain whose seal nobody waited for: it may still become the head, or
    /// an ommer.
    fn import_late(&self, block: Block, ctx: &mut Ctx<Self>) {
        let (number, hash) = (block.header.number, block.hash());
        let question = ImportBlocks {
            blocks: vec![block],
            origin: BlockOrigin::Live,
        };
        let chain = self.setup.chain.clone();
        let answer = async move { chain.within(PATIENCE).ask(question).await };
        ctx.spawn_then(answer, move |_: &mut Self, answer, _| match answer {
            Ok(Ok(_)) => info!(number, %hash, "sealed a block, late"),
            Ok(Err(error)) => warn!(number, %hash, %error, "late block refused"),
            Err(error) => warn!(number, %hash, %error, "late block not imported"),
        });
    }

    /// Where a seal is searched for: takes in what arrived since, now and then.
    fn recommit_later(&self, from: Option<Arc<Snapshot>>, took: Duration, ctx: &mut Ctx<Self>) {
        let settings = self.setup.control.settings();
        let pause = match &from {
            // The empty block: the real one comes at once.
            None => Duration::ZERO,
            Some(_) => settings
                .recommit
                .max(took * RECOMMIT_SHARE)
                .min(MOST_RECOMMIT),
        };
        let (round, pause) = (self.round, tokio::time::sleep(pause));
        ctx.spawn_then(pause, move |actor: &mut Self, (), ctx| {
            actor.recommit(round, from, ctx);
        });
    }

    fn recommit(&mut self, round: u64, from: Option<Arc<Snapshot>>, ctx: &mut Ctx<Self>) {
        if round != self.round || !matches!(self.phase, Phase::Sealing(_)) {
            return;
        }
        let now = self.setup.pending.snapshot();
        let is_same = match (&from, &now) {
            (Some(from), Some(now)) => Arc::ptr_eq(from, now),
            (None, Some(now)) => now.pending_count() == 0,
            (_, None) => true,
        };
        if is_same {
            let from = from.or(now);
            return self.recommit_later(from, Duration::ZERO, ctx);
        }
        // What is searched for goes on until the new block is there.
        self.round += 1;
        self.phase = Phase::Idle;
        self.look(ctx);
    }

    /// No block can be sealed on this head, unless this actor was told to look meanwhile.
    fn wait_for_another_head(&mut self) {
        if !self.is_told_to_look {
            self.refused_on = Some(self.setup.reader.head().hash());
        }
    }

    /// Hands a sealed block to the chain, again and again until the chain has said yes or no.
    fn import(&mut self, block: Block, ctx: &mut Ctx<Self>) {
        self.phase = Phase::Importing;
        let before = self.setup.reader.head().hash();
        let question = ImportBlocks {
            blocks: vec![block.clone()],
            origin: BlockOrigin::Live,
        };
        let chain = self.setup.chain.clone();
        let answer = async move { chain.within(PATIENCE).ask(question).await };
        ctx.spawn_then(answer, move |actor, answer, ctx| {
            actor.imported(block, before, answer, ctx);
        });
    }

    fn imported(
        &mut self,
        block: Block,
        before: B256,
        answer: Result<Result<Imported, ImportRefused>, AskError>,
        ctx: &mut Ctx<Self>,
    ) {
        let (number, hash) = (block.header.number, block.hash());
        let refused = match answer {
            Ok(Ok(imported)) => {
                if imported.imported > 0 {
                    let (transactions, gas) =
                        (block.body.transactions.len(), block.header.gas_used);
                    info!(number, %hash, transactions, gas, "sealed a block");
                }
                if self.setup.reader.head().hash() == before {
                    warn!(number, %hash, "a signed block did not become the head");
                    self.wait_for_another_head();
                }
                if let Some(request) = self.request.take() {
                    request.reply(Ok(hash));
                }
                return self.rest(ctx);
            }
            Ok(Err(ImportRefused::Invalid(refused))) => refused,
            Ok(Err(error)) => {
                debug!(number, %error, "sealed block not imported yet");
                return self.import_again(block, ctx);
            }
            Err(error) => {
                debug!(number, %error, "sealed block not imported yet");
                return self.import_again(block, ctx);
            }
        };
        match refused.error.disposition() {
            Disposition::Bad => {
                error!(number, %hash, error = %refused, "sealed block refused");
                // Without an answer: a sealer that is down has forgotten nothing that matters.
                let _ = self.setup.sealer.tell(Withdraw { hash });
                self.give_up(&refused.to_string(), ctx);
            }
            Disposition::Future | Disposition::Internal => self.import_again(block, ctx),
            Disposition::UnknownAncestor => {
                debug!(number, %hash, "a signed block belongs to a chain that is gone");
                self.wait_for_another_head();
                self.give_up(&refused.to_string(), ctx);
            }
        }
    }

    fn import_again(&mut self, block: Block, ctx: &mut Ctx<Self>) {
        let pause = tokio::time::sleep(RETRY_PAUSE);
        ctx.spawn_then(pause, move |actor: &mut Self, (), ctx| {
            actor.import(block, ctx);
        });
    }

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

    /// Begins to ask itself for blocks, where an interval is set.
    fn keep_interval(&mut self, ctx: &mut Ctx<Self>) {
        let interval = self.setup.control.interval();
        let ticks = (!interval.is_zero()).then(|| ctx.notify_every(interval, || Tick));
        if let Some(before) = std::mem::replace(&mut self.interval, ticks) {
            before.cancel();
        }
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

    fn look_in(&mut self, pause: Duration, ctx: &mut Ctx<Self>) {
        if let Some(alarm) = self.alarm.replace(ctx.notify_after(pause, Wake)) {
            alarm.cancel();
        }
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

impl Handles<FoundLate> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, FoundLate(block): FoundLate, ctx: &mut Ctx<Self>) {
        self.import_late(block, ctx);
    }
}

impl Handles<SetInterval> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, SetInterval(interval): SetInterval, ctx: &mut Ctx<Self>) {
        self.setup.control.set_interval(interval);
        self.keep_interval(ctx);
    }
}

impl Handles<SetNextTimestamp> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, SetNextTimestamp(time): SetNextTimestamp, _: &mut Ctx<Self>) {
        self.next_timestamp = Some(time);
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

#[derive(Message)]
#[rtype(result = "()")]
struct Wake;

impl Handles<Wake> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, _: Wake, ctx: &mut Ctx<Self>) {
        self.look(ctx);
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

/// The pool built a block.
#[derive(Message)]
#[rtype(result = "()")]
struct Built {
    round: u64,
    /// What it was built from.
    snapshot: Option<Arc<Snapshot>>,
    took: Duration,
    result: Result<Result<Block, BuildError>, JobError>,
}

impl Handles<Built> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, built: Built, ctx: &mut Ctx<Self>) {
        debug_assert_eq!(built.round, self.round, "a round ends with its build");
        match built.result {
            Ok(Ok(block)) => {
                let is_empty = block.body.transactions.is_empty();
                if is_empty && self.setup.pace == Pace::OnDemand && self.request.is_none() {
                    let on = block.header.parent_hash;
                    self.fruitless = built.snapshot.map(|snapshot| (on, snapshot));
                    return self.rest(ctx);
                }
                self.seal(block, ctx);
                if self.setup.pace == Pace::Search {
                    self.recommit_later(built.snapshot, built.took, ctx);
                }
            }
            Ok(Err(BuildError::Interrupted)) => {
                if let Some(request) = self.request.take() {
                    self.requests.push_front(request);
                }
                self.rest(ctx);
            }
            Ok(Err(error)) => {
                warn!(%error, "block not built");
                self.give_up(&error.to_string(), ctx);
            }
            Err(error) => {
                warn!(%error, "block not built");
                self.give_up(&error.to_string(), ctx);
            }
        }
    }
}
