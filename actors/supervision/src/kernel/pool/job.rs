//! Jobs of a pool: how a caller describes one, and what becomes of it.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::kernel::actor::{Handles, Message};
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::clock::{self, Clock, Nanos};
use crate::kernel::envelope::TypedEnvelope;
use crate::kernel::exit::{contain, panic_text};
use crate::kernel::mailbox::{Refusal, Slot};
use crate::kernel::pool::{Pool, Shared};
use crate::kernel::spans::{Handling, Origin};
use crate::limits::JOB_TIME;
use crate::observe::metrics::MessageMetrics;

/// The error of a job that was not accepted, or that was accepted and not run.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolError {
    /// The queue is full.
    #[error("the pool has no room for another job")]
    Full,
    /// The pool is not running.
    #[error("the pool is not running")]
    Closed,
    /// The job was still queued at its deadline.
    #[error("the job's deadline passed before a thread was free")]
    Expired,
}

/// The error of a job without a result.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum JobError {
    /// The job panicked, with this text.
    #[error("the job panicked: {0}")]
    Panicked(String),
    /// The pool did not accept the job, or did not run it: it was stopped before, or the job's
    /// deadline had passed.
    #[error("the job was not run: {0}")]
    NotRun(PoolError),
}

/// A job that is about to be given to a pool: its name and its options. See [`Pool::job`].
#[derive(Debug, Clone, Copy)]
#[must_use = "a job does nothing until it is run or submitted"]
pub struct JobSpec<'a> {
    pool: &'a Pool,
    name: &'static str,
    deadline: Option<Duration>,
    may_take: Duration,
    is_detached: bool,
}

impl<'a> JobSpec<'a> {
    pub(super) fn new(pool: &'a Pool, name: &'static str) -> Self {
        Self {
            pool,
            name,
            deadline: None,
            may_take: JOB_TIME,
            is_detached: false,
        }
    }

    /// Sets the deadline, counted from the moment at which the job is given to the pool. A job that
    /// is still queued then is not run: its result is [`PoolError::Expired`]. A job that still runs
    /// is reported by the health monitor; it is not ended.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets how long the job may run before the health monitor reports that it hangs, in place of
    /// [`JOB_TIME`]. For work that waits for a person or takes many minutes.
    pub fn may_take(mut self, time: Duration) -> Self {
        self.may_take = time;
        self
    }

    /// Has the job run even where its future is dropped before. For work whose effect is wanted
    /// rather than its result. Without effect on [`submit`](Self::submit).
    pub fn detached(mut self) -> Self {
        self.is_detached = true;
        self
    }

    /// Runs `work` on a thread of the pool and sends `message(result)` to `actor`.
    ///
    /// The message is accepted beyond the mailbox's capacity: the pool's own bound limits the
    /// number of such messages. It is for the actor's current generation; where that has ended,
    /// the job runs all the same, and the message is counted as undelivered.
    ///
    /// # Errors
    /// Where the job is not accepted. A panic in the job, and a deadline that has passed, are errors
    /// in its result. A stop of the pool drops a queued job without a message.
    pub fn submit<A, M, T>(
        self,
        actor: &ActorRef<A>,
        work: impl FnOnce() -> T + Send + 'static,
        message: impl FnOnce(Result<T, JobError>) -> M + Send + 'static,
    ) -> Result<(), PoolError>
    where
        A: Handles<M>,
        M: Message,
        T: 'static,
    {
        let report = Report {
            work,
            message,
            generation: actor.generation(),
            actor: actor.clone(),
            types: PhantomData,
        };
        self.push(Box::new(report))
    }

    /// Runs `work` on a thread of the pool. The job is queued at once, whether or not the future is
    /// polled. The future resolves to the result.
    ///
    /// Where the future is dropped while the job is queued, the job is not run and is counted as
    /// abandoned, unless it is [`detached`](Self::detached). A job that runs is not ended.
    ///
    /// # Errors
    /// [`JobError`]
    pub fn run<T: Send + 'static, W: FnOnce() -> T + Send + 'static>(
        self,
        work: W,
    ) -> impl Future<Output = Result<T, JobError>> + Send + use<T, W> {
        let (caller, result) = oneshot::channel();
        let pushed = self.push(Box::new(Call {
            work,
            caller,
            is_detached: self.is_detached,
        }));
        let waiting = pushed.map(|()| Waiting {
            result,
            shared: Arc::clone(&self.pool.shared),
            has_result: false,
        });
        async move {
            let mut waiting = waiting.map_err(JobError::NotRun)?;
            let result = (&mut waiting.result).await;
            waiting.has_result = true;
            result.unwrap_or(Err(JobError::NotRun(PoolError::Closed)))
        }
    }

    fn push(&self, work: Box<dyn Work>) -> Result<(), PoolError> {
        let queued_at = self.pool.node().now();
        let expires_at = self
            .deadline
            .map(|deadline| queued_at.saturating_add(clock::nanos(deadline)));
        self.pool.push(Job {
            work,
            origin: Origin::here(),
            queued_at,
            expires_at,
            may_take: clock::nanos(self.may_take),
            metrics: Arc::clone(self.pool.node().messages.named(self.name)),
        })
    }
}

/// A caller that waits for the result of a job. Where it leaves before, the pool learns that its queue
/// has an abandoned job.
struct Waiting<T> {
    result: oneshot::Receiver<Result<T, JobError>>,
    shared: Arc<Shared>,
    has_result: bool,
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        if self.has_result {
            return;
        }
        self.result.close();
        // After the channel is closed, so that a search that sees this finds the job abandoned.
        self.shared.has_left.store(true, Release);
    }
}

/// The closure of a job with the receiver of its result, with their types erased.
pub(super) trait Work: Send {
    /// Runs the job and passes on its result.
    fn run(self: Box<Self>, stopwatch: Stopwatch);

    /// Passes on that the job is not run.
    fn expire(self: Box<Self>);

    /// Returns whether the caller no longer waits, so that the job need not run.
    fn is_abandoned(&self) -> bool;
}

/// A job whose result resolves a future.
struct Call<T, W> {
    work: W,
    caller: oneshot::Sender<Result<T, JobError>>,
    is_detached: bool,
}

impl<T: Send, W: FnOnce() -> T + Send> Work for Call<T, W> {
    fn run(self: Box<Self>, stopwatch: Stopwatch) {
        let _ = self.caller.send(stopwatch.time(self.work));
    }

    fn expire(self: Box<Self>) {
        let _ = self.caller.send(Err(JobError::NotRun(PoolError::Expired)));
    }

    fn is_abandoned(&self) -> bool {
        !self.is_detached && self.caller.is_closed()
    }
}

/// A job whose result is sent to an actor as a message.
struct Report<A: Handles<M>, M: Message, T, W, F> {
    work: W,
    message: F,
    generation: u64,
    actor: ActorRef<A>,
    types: PhantomData<fn() -> (M, T)>,
}

impl<A, M, T, W, F> Report<A, M, T, W, F>
where
    A: Handles<M>,
    M: Message,
    F: FnOnce(Result<T, JobError>) -> M,
{
    fn send(actor: &ActorRef<A>, generation: u64, message: M) {
        let envelope = TypedEnvelope::told(message);
        let slot = Slot::OverCapacity(Some(generation));
        if actor.mailbox().push(envelope, slot).is_err() {
            actor.mailbox().count::<M>(Refusal::Unavailable);
        }
    }
}

impl<A, M, T, W, F> Work for Report<A, M, T, W, F>
where
    A: Handles<M>,
    M: Message,
    W: FnOnce() -> T + Send,
    F: FnOnce(Result<T, JobError>) -> M + Send,
{
    fn run(self: Box<Self>, stopwatch: Stopwatch) {
        let result = stopwatch.time(self.work);
        Self::send(&self.actor, self.generation, (self.message)(result));
    }

    fn expire(self: Box<Self>) {
        let result = Err(JobError::NotRun(PoolError::Expired));
        Self::send(&self.actor, self.generation, (self.message)(result));
    }

    fn is_abandoned(&self) -> bool {
        false
    }
}

/// A job in the queue of a pool.
pub(super) struct Job {
    work: Box<dyn Work>,
    /// The span in which the job was queued.
    origin: Origin,
    queued_at: Nanos,
    pub(super) expires_at: Option<Nanos>,
    /// The time that the job may run before it is reported.
    may_take: u64,
    pub(super) metrics: Arc<MessageMetrics>,
}

impl Job {
    /// Returns whether the job need not run any more: its caller has left, or its deadline has
    /// passed.
    pub(super) fn is_unwanted(&self, now: Nanos) -> bool {
        self.is_expired(now) || self.work.is_abandoned()
    }

    fn is_expired(&self, now: Nanos) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Returns the time from which the job, where it begins at `now` and still runs, is reported.
    pub(super) fn due_at(&self, now: Nanos) -> Nanos {
        let may_run_until = now.saturating_add(self.may_take);
        self.expires_at
            .map_or(may_run_until, |at| at.min(may_run_until))
    }

    /// Runs the job of the pool at `path` from `now` on. A panic of the caller's code is contained.
    pub(super) fn run(mut self, path: &str, clock: &Clock, now: Nanos) {
        let _span = Handling::begin(&mut self.origin, path, &self.metrics.name);
        let Self { work, metrics, .. } = self;
        metrics.queue.record(now.saturating_sub(self.queued_at));
        let stopwatch = Stopwatch {
            clock: clock.clone(),
            begun_at: now,
            metrics,
        };
        // The closure that turns a result into a message is the caller's code and may panic, too.
        let _ = contain(|| work.run(stopwatch));
    }

    /// Counts a job that is not run, and passes on that its deadline has passed. Call it outside of
    /// the queue's lock: the job may own anything.
    pub(super) fn discard(self) {
        let Self { work, metrics, .. } = self;
        if work.is_abandoned() {
            metrics.abandoned.fetch_add(1, Relaxed);
            let _ = contain(|| drop(work));
        } else {
            metrics.expired.fetch_add(1, Relaxed);
            let _ = contain(|| work.expire());
        }
    }

    /// Counts a job that a stop or a crash of the pool drops.
    pub(super) fn lose(self) {
        let Self { work, metrics, .. } = self;
        metrics.lost.fetch_add(1, Relaxed);
        let _ = contain(|| drop(work));
    }
}

/// The measurement of a running job.
pub(super) struct Stopwatch {
    clock: Clock,
    begun_at: Nanos,
    metrics: Arc<MessageMetrics>,
}

impl Stopwatch {
    /// Runs the job and records its metrics before the result is sent.
    fn time<T>(self, work: impl FnOnce() -> T) -> Result<T, JobError> {
        let result = catch_unwind(AssertUnwindSafe(work));
        self.metrics
            .handling
            .record(self.clock.now().saturating_sub(self.begun_at));
        result.map_err(|payload| {
            self.metrics.failed.fetch_add(1, Relaxed);
            JobError::Panicked(panic_text(payload.as_ref()))
        })
    }
}
