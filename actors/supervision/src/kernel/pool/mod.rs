//! Thread pools for work that would hold an actor's thread for too long.

mod actor;
mod alone;
mod job;
mod queue;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed},
};
use std::thread;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use self::actor::PoolActor;
pub use self::alone::RunningPool;
use self::job::Job;
pub use self::job::{JobError, JobSpec, PoolError};
use self::queue::Queue;
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::clock::Nanos;
use crate::kernel::exit::Failure;
use crate::limits::POOL_QUEUE;
use crate::observe::activity::Doing;
use crate::observe::dead_letters::DeadLetterReason;
use crate::observe::node::Node;
use crate::observe::senders::{SenderId, Sending};
use crate::observe::snapshot::PoolSnapshot;
use crate::observe::threads::ThreadActivity;
use crate::tree::spec::ChildSpec;

/// A thread pool with a bounded queue. The result of a job is sent to an actor as a
/// message, or resolves a future. Cloning is cheap.
///
/// A pool is a child of the tree like any other: [`Pool::child`] is its specification, its
/// position among its siblings decides when it starts and stops, and its node shows the metrics
/// of each job by its name: waiting time, running time, panics. When the pool stops, it waits for
/// running jobs, and drops and counts the queued ones. After a crash the pool accepts jobs again at
/// once, but begins none until the jobs of the generation before have ended, so that jobs of two
/// generations never run at the same time.
///
/// - **Activity.** The pool's node shows for each thread which job it runs and for how long. A job
///   that runs longer than it may ([`JobSpec::may_take`]) is logged, and its pool shows as stuck
///   until the job ends, as an actor does whose handler hangs.
/// - **Deadlines.** A job may have a [deadline](JobSpec::deadline): queued, it is not run past it;
///   running, it is reported.
/// - **Abandoned jobs.** A queued job whose caller has dropped the future is skipped and counted as
///   abandoned. A job whose effect is wanted all the same is [detached](JobSpec::detached).
///   Submitted jobs, whose result is a message, always run.
///
/// ```
/// # use std::time::Duration;
/// # use actoreum_supervision::{Pool, Strategy, SupervisorSpec, Tree};
/// let pool = Pool::new("workers", 2);
/// let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(pool.child());
/// # actoreum_supervision::block_on(async {
/// let tree = Tree::start(spec).await.unwrap();
/// let sum = pool.job("Sum").deadline(Duration::from_secs(5)).run(|| 2 + 2);
/// assert_eq!(sum.await, Ok(4));
/// # tree.shutdown().await;
/// # });
/// ```
#[derive(Clone)]
pub struct Pool {
    pool_actor: ActorRef<PoolActor>,
    shared: Arc<Shared>,
}

struct Shared {
    /// The number of threads. Zero: jobs run on the thread that submits them.
    threads: usize,
    capacity: usize,
    queue: Mutex<Queue>,
    has_work: Condvar,
    /// Notified of every queued job that has a deadline.
    has_deadline: Notify,
    /// Whether a caller has left since the queue was last searched for abandoned jobs.
    has_left: AtomicBool,
    busy: AtomicUsize,
    /// Jobs accepted in all; shows a test or a caller that work continues.
    accepted: AtomicU64,
}

impl Pool {
    /// Creates a pool of `threads` (at least one) called `name` that is not started yet.
    pub fn new(name: &str, threads: usize) -> Self {
        Self::with_queue(name, threads, POOL_QUEUE)
    }

    /// Creates a pool without threads, whose jobs run on the thread that submits them: for
    /// simulations, whose clock would not wait for other threads.
    pub fn inline(name: &str) -> Self {
        Self::build(name, 0, POOL_QUEUE)
    }

    /// Creates a pool as [`Pool::new`] does, with a queue of `capacity` jobs.
    pub fn with_queue(name: &str, threads: usize, capacity: usize) -> Self {
        Self::build(name, threads.max(1), capacity)
    }

    fn build(name: &str, threads: usize, capacity: usize) -> Self {
        let pool_actor = ActorRef::new(name);
        pool_actor.mailbox().set_capacity(capacity);
        let shared = Arc::new(Shared {
            threads,
            capacity: capacity.max(1),
            queue: Mutex::default(),
            has_work: Condvar::new(),
            has_deadline: Notify::new(),
            has_left: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
        });
        let figures = Arc::clone(&shared);
        pool_actor.node().set_pool(move || PoolSnapshot {
            threads: figures.threads,
            busy: figures.busy.load(Relaxed),
        });
        Self { pool_actor, shared }
    }

    /// Returns the pool's specification as a child of a supervisor.
    pub fn child(&self) -> ChildSpec {
        let pool = self.clone();
        ChildSpec::new(&self.pool_actor, move || PoolActor {
            pool: pool.clone(),
            opening: 0,
        })
    }

    /// Begins the description of a job. `name` is that of its row in the pool's metrics, in the
    /// style of a message type: `DecodeHeaders`.
    pub fn job(&self, name: &'static str) -> JobSpec<'_> {
        JobSpec::new(self, name)
    }

    /// Returns the number of threads; zero where jobs run on the thread that submits them.
    pub fn threads(&self) -> usize {
        self.shared.threads
    }

    /// Returns the number of threads that run a job at this moment.
    pub fn busy(&self) -> usize {
        self.shared.busy.load(Relaxed)
    }

    /// Returns the number of jobs that wait for a thread. Those whose callers have left count until
    /// they are discarded.
    pub fn waiting(&self) -> usize {
        self.shared.queue.lock().jobs.len()
    }

    /// Returns whether no job runs and none is queued: for tests whose clock must wait for the
    /// threads.
    pub fn is_idle(&self) -> bool {
        let queue = self.shared.queue.lock();
        queue.jobs.is_empty() && self.busy() == 0
    }

    /// Returns the number of jobs accepted since the pool was created.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Relaxed)
    }

    fn node(&self) -> &Arc<Node> {
        self.pool_actor.node()
    }

    fn push(&self, job: Job) -> Result<(), PoolError> {
        let mut queue = self.shared.queue.lock();
        if !queue.is_open {
            drop(queue);
            job.metrics.unavailable.fetch_add(1, Relaxed);
            self.note_dead_letter(&job, DeadLetterReason::Unavailable);
            return Err(PoolError::Closed);
        }
        if self.shared.threads == 0 {
            drop(queue);
            self.shared.accepted.fetch_add(1, Relaxed);
            let now = self.node().now();
            self.perform(job, now);
            return Ok(());
        }
        let mut unwanted = Vec::new();
        if queue.jobs.len() >= self.shared.capacity && self.may_have_unwanted(&queue) {
            unwanted = queue.take_unwanted(self.node().now());
        }
        let has_deadline = job.expires_at.is_some();
        let refused = if queue.jobs.len() < self.shared.capacity {
            queue.push(job);
            None
        } else {
            Some(job)
        };
        self.note_depth(queue.jobs.len());
        drop(queue);
        unwanted.into_iter().for_each(Job::discard);
        if let Some(job) = refused {
            job.metrics.rejected.fetch_add(1, Relaxed);
            self.note_dead_letter(&job, DeadLetterReason::Rejected);
            return Err(PoolError::Full);
        }
        self.shared.accepted.fetch_add(1, Relaxed);
        self.shared.has_work.notify_one();
        if has_deadline {
            self.shared.has_deadline.notify_one();
        }
        Ok(())
    }

    /// Returns whether a full queue is worth a search: a flood of jobs that are refused must not cost a
    /// walk along the queue each.
    fn may_have_unwanted(&self, queue: &Queue) -> bool {
        let is_due = |deadline| deadline <= self.node().now();
        self.shared.has_left.swap(false, Acquire) || queue.next_deadline.is_some_and(is_due)
    }

    /// Discards the queued jobs that need not run any more. Returns the earliest deadline of the
    /// others.
    fn discard_unwanted(&self) -> Option<Nanos> {
        let mut queue = self.shared.queue.lock();
        let unwanted = queue.take_unwanted(self.node().now());
        let next_deadline = queue.next_deadline;
        self.note_depth(queue.jobs.len());
        drop(queue);
        unwanted.into_iter().for_each(Job::discard);
        next_deadline
    }

    /// Takes a job that was refused as a sample.
    fn note_dead_letter(&self, job: &Job, reason: DeadLetterReason) {
        let sender = SenderId::current();
        self.node().note_dead_letter(&job.metrics, reason, sender);
    }

    fn note_depth(&self, depth: usize) {
        let gauges = &self.node().gauges;
        gauges.depth.store(depth as u64, Relaxed);
        gauges.peak.fetch_max(depth as u64, Relaxed);
    }

    fn open(&self) -> Result<(), Failure> {
        let mut queue = self.shared.queue.lock();
        queue.is_open = true;
        queue.opening += 1;
        queue.left_over += std::mem::take(&mut queue.running);
        queue.threads.retain(|thread| !thread.is_finished());
        // Threads of an opening that was given up, and never closed, end.
        self.shared.has_work.notify_all();
        let opening = queue.opening;
        for index in 0..self.shared.threads {
            let pool = self.clone();
            let name = format!("{}-{index}", self.node().path().replace('/', "-"));
            let thread = thread::Builder::new()
                .name(name.clone())
                .spawn(move || pool.work(opening, &name))?;
            queue.threads.push(thread);
        }
        Ok(())
    }

    /// Closes the queue, drops the queued jobs, and lets each thread end after its job.
    fn close(&self) {
        let mut queue = self.shared.queue.lock();
        queue.is_open = false;
        let dropped = std::mem::take(&mut queue.jobs);
        self.note_depth(0);
        drop(queue);
        self.node().unhandled.note(dropped.len());
        self.shared.has_work.notify_all();
        dropped.into_iter().for_each(Job::lose);
    }

    /// Runs jobs on the thread called `name` until the pool is closed.
    fn work(&self, opening: u64, name: &str) {
        let thread = self.node().threads.add(name);
        while let Some(job) = self.next_job(opening) {
            self.perform_shown(job, &thread);
            self.note_end(opening);
        }
        self.node().threads.remove(&thread);
    }

    /// Records the end of a job. The last one of earlier openings lets the queued jobs begin.
    fn note_end(&self, opening: u64) {
        let mut queue = self.shared.queue.lock();
        self.shared.busy.fetch_sub(1, Relaxed);
        if queue.opening == opening {
            queue.running -= 1;
            return;
        }
        queue.left_over -= 1;
        if queue.left_over == 0 {
            self.shared.has_work.notify_all();
        }
    }

    /// Runs a job as [`perform`](Self::perform) does, and shows it as the activity of `thread`.
    fn perform_shown(&self, job: Job, thread: &ThreadActivity) {
        let now = self.node().now();
        let doing = Doing::Message(job.metrics.index);
        thread.begin(doing, now, job.due_at(now));
        self.perform(job, now);
        if thread.end() {
            let ran_ms = self.node().now().saturating_sub(now) / 1_000_000;
            let job = self.node().describe(doing).unwrap_or_default();
            tracing::info!(pool = self.node().path(), thread = thread.name(), %job, ran_ms, "job that took too long has ended");
        }
    }

    /// Runs a job, unless it need not run any more.
    fn perform(&self, job: Job, now: Nanos) {
        let _sending = Sending::begin(self.node().sender_id());
        if job.is_unwanted(now) {
            job.discard();
        } else {
            job.run(self.node().path(), self.node().clock(), now);
        }
    }

    fn next_job(&self, opening: u64) -> Option<Job> {
        let mut queue = self.shared.queue.lock();
        loop {
            if !queue.is_open || queue.opening != opening {
                return None;
            }
            if let Some(job) = queue.pop() {
                self.note_depth(queue.jobs.len());
                // Under the queue's lock, so that a job is always either queued or running.
                queue.running += 1;
                self.shared.busy.fetch_add(1, Relaxed);
                return Some(job);
            }
            self.shared.has_work.wait(&mut queue);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Pool({}, {} threads)",
            self.pool_actor.path(),
            self.shared.threads
        )
    }
}
