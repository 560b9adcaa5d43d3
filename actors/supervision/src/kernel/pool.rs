//! Thread pools for work that would hold an actor's thread for too long.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::kernel::actor::{Actor, Handles, Message};
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::arbiter::ends_in_time;
use crate::kernel::clock::{self, Nanos};
use crate::kernel::context::Ctx;
use crate::kernel::envelope::TypedEnvelope;
use crate::kernel::exit::{Exit, Failure, panic_text};
use crate::kernel::mailbox::{Refusal, Slot};
use crate::limits::POOL_QUEUE;
use crate::observe::dead_letters::DeadLetterReason;
use crate::observe::metrics::MessageMetrics;
use crate::observe::senders::{SenderId, Sending};
use crate::observe::snapshot::PoolSnapshot;
use crate::tree::spec::ChildSpec;

/// A thread pool with a bounded queue. The result of a job is sent to an actor as a
/// message, or resolves a future. Cloning is cheap.
///
/// A pool is a child of the tree like any other: [`Pool::child`] is its specification, its
/// position among its siblings decides when it starts and stops, and its node shows the metrics
/// of each type of job: waiting time, running time, panics. When the pool stops, it waits for
/// running jobs, and drops and counts the queued ones. After a crash the pool accepts jobs again at
/// once, but begins none until the jobs of the generation before have ended, so that jobs of two
/// generations never run at the same time.
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
    busy: AtomicUsize,
    /// Jobs accepted in all; shows a test or a caller that work continues.
    accepted: AtomicU64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// The number of times that the pool was opened. Threads of an earlier opening end.
    opening: u64,
    is_open: bool,
    /// Jobs of this opening that run.
    running: usize,
    /// Jobs of earlier openings that still run after a crash. While there is one, no other job
    /// begins.
    left_over: usize,
    threads: Vec<JoinHandle<()>>,
}

struct Job {
    run: Box<dyn FnOnce(Stopwatch) + Send>,
    queued_at: Nanos,
    metrics: Arc<MessageMetrics>,
}

/// The measurement of a running job.
struct Stopwatch {
    begun_at: Nanos,
    metrics: Arc<MessageMetrics>,
}

impl Stopwatch {
    /// Runs the job and records its metrics before the result is sent.
    fn time<T>(self, job: impl FnOnce() -> T) -> Result<T, JobError> {
        let result = catch_unwind(AssertUnwindSafe(job));
        self.metrics
            .handling
            .record(clock::now().saturating_sub(self.begun_at));
        result.map_err(|payload| {
            self.metrics.failed.fetch_add(1, Relaxed);
            JobError::Panicked(panic_text(payload.as_ref()))
        })
    }
}

/// The error of a job that was not accepted.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolError {
    /// The queue is full.
    #[error("the pool has no room for another job")]
    Full,
    /// The pool is not running.
    #[error("the pool is not running")]
    Closed,
}

/// The error of a job without a result.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum JobError {
    /// The job panicked, with this text.
    #[error("the job panicked: {0}")]
    Panicked(String),
    /// The pool did not accept the job, or was stopped before the job ran.
    #[error("the job was not run: {0}")]
    NotRun(PoolError),
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
        ChildSpec::new(&self.pool_actor, move || PoolActor { pool: pool.clone() })
    }

    /// Runs `job` on a thread of the pool and sends `message(result)` to `actor`.
    ///
    /// The message is accepted beyond the mailbox's capacity: the pool's own bound limits the
    /// number of such messages. It is for the actor's current generation; where that has ended,
    /// the message is counted as undelivered.
    ///
    /// # Errors
    /// Where the job is not accepted. A panic in the job is an error in its result.
    pub fn submit<A, M, T>(
        &self,
        actor: &ActorRef<A>,
        job: impl FnOnce() -> T + Send + 'static,
        message: impl FnOnce(Result<T, JobError>) -> M + Send + 'static,
    ) -> Result<(), PoolError>
    where
        A: Handles<M>,
        M: Message,
    {
        let generation = Some(actor.generation());
        let actor = actor.clone();
        self.push::<M>(move |stopwatch| {
            let envelope = TypedEnvelope {
                message: message(stopwatch.time(job)),
                reply: None,
            };
            if actor
                .mailbox()
                .push(envelope, Slot::OverCapacity(generation))
                .is_err()
            {
                actor.mailbox().count::<M>(Refusal::Unavailable);
            }
        })
    }

    /// Runs `job` on a thread of the pool. The future resolves to its result. The metrics of the
    /// pool's node list the job by its result type. Dropping the future does not end the job.
    ///
    /// # Errors
    /// [`JobError`]
    pub fn run<T: Send + 'static, J: FnOnce() -> T + Send + 'static>(
        &self,
        job: J,
    ) -> impl Future<Output = Result<T, JobError>> + Send + use<T, J> {
        let (sender, receiver) = oneshot::channel();
        let pushed = self.push::<Call<T>>(move |stopwatch| {
            let _ = sender.send(stopwatch.time(job));
        });
        async move {
            pushed.map_err(JobError::NotRun)?;
            receiver
                .await
                .unwrap_or(Err(JobError::NotRun(PoolError::Closed)))
        }
    }

    /// Returns the number of threads; zero where jobs run on the thread that submits them.
    pub fn threads(&self) -> usize {
        self.shared.threads
    }

    /// Returns the number of threads that run a job at this moment.
    pub fn busy(&self) -> usize {
        self.shared.busy.load(Relaxed)
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

    fn push<K: 'static>(
        &self,
        run: impl FnOnce(Stopwatch) + Send + 'static,
    ) -> Result<(), PoolError> {
        let metrics = Arc::clone(self.pool_actor.node().messages.of::<K>());
        let job = Job {
            run: Box::new(run),
            queued_at: clock::now(),
            metrics,
        };
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
            self.perform(job);
            return Ok(());
        }
        if queue.jobs.len() >= self.shared.capacity {
            drop(queue);
            job.metrics.rejected.fetch_add(1, Relaxed);
            self.note_dead_letter(&job, DeadLetterReason::Rejected);
            return Err(PoolError::Full);
        }
        queue.jobs.push_back(job);
        self.note_depth(queue.jobs.len());
        drop(queue);
        self.shared.accepted.fetch_add(1, Relaxed);
        self.shared.has_work.notify_one();
        Ok(())
    }

    /// Takes a job that was refused as a sample.
    fn note_dead_letter(&self, job: &Job, reason: DeadLetterReason) {
        let dead_letters = &self.pool_actor.node().dead_letters;
        dead_letters.note(&job.metrics, reason, SenderId::current());
    }

    fn note_depth(&self, depth: usize) {
        let gauges = &self.pool_actor.node().gauges;
        gauges.depth.store(depth as u64, Relaxed);
        gauges.peak.fetch_max(depth as u64, Relaxed);
    }

    fn open(&self) -> Result<(), Failure> {
        let mut queue = self.shared.queue.lock();
        queue.is_open = true;
        queue.opening += 1;
        queue.left_over += std::mem::take(&mut queue.running);
        queue.threads.retain(|thread| !thread.is_finished());
        let opening = queue.opening;
        for index in 0..self.shared.threads {
            let pool = self.clone();
            let name = format!(
                "{}-{index}",
                self.pool_actor.node().path().replace('/', "-")
            );
            let thread = thread::Builder::new()
                .name(name)
                .spawn(move || pool.work(opening))?;
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
        self.shared.has_work.notify_all();
        for job in dropped {
            job.metrics.lost.fetch_add(1, Relaxed);
        }
    }

    /// Runs jobs on a thread until the pool is closed.
    fn work(&self, opening: u64) {
        while let Some(job) = self.next_job(opening) {
            self.perform(job);
            self.note_end(opening);
        }
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

    fn perform(&self, job: Job) {
        let Job {
            run,
            queued_at,
            metrics,
        } = job;
        let begun_at = clock::now();
        metrics.queue.record(begun_at.saturating_sub(queued_at));
        let stopwatch = Stopwatch { begun_at, metrics };
        let _sending = Sending::begin(self.pool_actor.node().sender_id());
        // The closure that turns a result into a message is the caller's code and may panic, too.
        let _ = catch_unwind(AssertUnwindSafe(|| run(stopwatch)));
    }

    fn next_job(&self, opening: u64) -> Option<Job> {
        let mut queue = self.shared.queue.lock();
        loop {
            if !queue.is_open || queue.opening != opening {
                return None;
            }
            // After a crash the jobs that run already are not overlapped by new ones.
            let next = match queue.left_over {
                0 => queue.jobs.pop_front(),
                _ => None,
            };
            if let Some(job) = next {
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

/// The job type, in the pool's metrics, of jobs that resolve a future with a `T`.
struct Call<T>(std::marker::PhantomData<T>);

/// The actor that represents a pool in the tree. It handles no messages.
pub(crate) struct PoolActor {
    pool: Pool,
}

impl Actor for PoolActor {
    fn started(&mut self, _: &mut Ctx<Self>) -> Result<(), Failure> {
        self.pool.open()
    }

    async fn stopped(self, _: &Exit) {
        self.pool.close();
        let threads = std::mem::take(&mut self.pool.shared.queue.lock().threads);
        if threads.is_empty() {
            return;
        }
        let join = move || {
            for thread in threads {
                let _ = thread.join();
            }
        };
        // A job that takes too long has the pool killed after its stop timeout.
        ends_in_time(Duration::MAX, join).await;
    }
}

impl Drop for PoolActor {
    /// Closes the pool when the actor was crashed; the next generation opens it again.
    fn drop(&mut self) {
        self.pool.close();
    }
}
