//! Threads for work that would hold an actor's thread for too long.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::actor::{Actor, Handles, Mail};
use super::actor_ref::ActorRef;
use super::arbiter::ends_in_time;
use super::clock::{self, Nanos};
use super::context::Ctx;
use super::envelope::Letter;
use super::exit::{Exit, Failure, panic_text};
use super::limits::POOL_QUEUE;
use super::mailbox::{Place, Refusal};
use super::metrics::MessageMetrics;
use super::spec::ChildSpec;

/// A bounded pool of threads of its own. What a job returns comes back to an actor as a
/// message, or to a future. Cloning is cheap.
///
/// A pool is a child of the tree like any other: [`Pool::child`] is its specification, its
/// place among its siblings says when it starts and stops, and its node shows a row for each
/// type of job: waiting time, running time, panics. When it stops, jobs that run are waited
/// for and jobs that wait are dropped, counted.
#[derive(Clone)]
pub struct Pool {
    keeper: ActorRef<Keeper>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Zero: jobs run where they are submitted.
    threads: usize,
    capacity: usize,
    queue: Mutex<Queue>,
    has_work: Condvar,
    busy: AtomicUsize,
    /// Jobs accepted over all; tells a test or a caller that work goes on.
    accepted: AtomicU64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Counts how often the pool was opened: threads of an earlier opening end.
    opening: u64,
    is_open: bool,
    threads: Vec<JoinHandle<()>>,
}

struct Job {
    run: Box<dyn FnOnce(Stopwatch) + Send>,
    queued_at: Nanos,
    metrics: Arc<MessageMetrics>,
}

/// The figures of a job that runs.
struct Stopwatch {
    begun_at: Nanos,
    metrics: Arc<MessageMetrics>,
}

impl Stopwatch {
    /// Runs the job and counts it, before anybody hears of its result.
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

/// Why a job was not accepted.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolError {
    /// As many jobs wait as may.
    #[error("the pool has no room for another job")]
    Full,
    /// The pool is not running.
    #[error("the pool is not running")]
    Closed,
}

/// Why a job has no result.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum JobError {
    /// It panicked, with this text.
    #[error("the job panicked: {0}")]
    Panicked(String),
    /// The pool took no more jobs, or was stopped before the job's turn.
    #[error("the job was not run: {0}")]
    NotRun(PoolError),
}

impl Pool {
    /// A pool of `threads` (at least one) that is yet to be started, under `name`.
    pub fn new(name: &str, threads: usize) -> Self {
        Self::with_queue(name, threads, POOL_QUEUE)
    }

    /// A pool without threads, whose jobs run where they are submitted: for simulations, whose
    /// clock would not wait for other threads.
    pub fn inline(name: &str) -> Self {
        Self::build(name, 0, POOL_QUEUE)
    }

    /// As [`Pool::new`], with room for `capacity` jobs that wait.
    pub fn with_queue(name: &str, threads: usize, capacity: usize) -> Self {
        Self::build(name, threads.max(1), capacity)
    }

    fn build(name: &str, threads: usize, capacity: usize) -> Self {
        let keeper = ActorRef::new(name);
        keeper.mailbox().set_capacity(capacity);
        Self {
            keeper,
            shared: Arc::new(Shared {
                threads,
                capacity: capacity.max(1),
                queue: Mutex::default(),
                has_work: Condvar::new(),
                busy: AtomicUsize::new(0),
                accepted: AtomicU64::new(0),
            }),
        }
    }

    /// The pool's place in the tree.
    pub fn child(&self) -> ChildSpec {
        let pool = self.clone();
        ChildSpec::new(&self.keeper, move || Keeper { pool: pool.clone() })
    }

    /// Runs `job` on a thread of the pool and sends `message` of its result to `actor`.
    ///
    /// The message is accepted beyond the mailbox's bound: the pool's own bound limits how
    /// many there are. It goes to the generation that is up now: a later one has not asked
    /// for it, and the message is counted as undelivered.
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
        M: Mail,
    {
        let generation = Some(actor.generation());
        let actor = actor.clone();
        self.push::<M>(move |stopwatch| {
            let letter = Letter {
                message: message(stopwatch.time(job)),
                reply: None,
            };
            if actor
                .mailbox()
                .push(letter, Place::Beyond(generation))
                .is_err()
            {
                actor.mailbox().count::<M>(Refusal::Unavailable);
            }
        })
    }

    /// Runs `job` on a thread of the pool. The future is its result. `job`'s type names it in
    /// the pool's node. Dropping the future does not end the job.
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

    /// Its threads; none where jobs run where they are submitted.
    pub fn threads(&self) -> usize {
        self.shared.threads
    }

    /// Threads that run a job at this moment.
    pub fn busy(&self) -> usize {
        self.shared.busy.load(Relaxed)
    }

    /// Whether no job runs and none waits: for tests whose clock must wait for the work of
    /// threads.
    pub fn is_idle(&self) -> bool {
        let queue = self.shared.queue.lock();
        queue.jobs.is_empty() && self.busy() == 0
    }

    /// Jobs accepted since the pool was made.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Relaxed)
    }

    fn push<K: 'static>(
        &self,
        run: impl FnOnce(Stopwatch) + Send + 'static,
    ) -> Result<(), PoolError> {
        let metrics = Arc::clone(self.keeper.node().messages.of::<K>());
        let job = Job {
            run: Box::new(run),
            queued_at: clock::now(),
            metrics,
        };
        let mut queue = self.shared.queue.lock();
        if !queue.is_open {
            drop(queue);
            job.metrics.unavailable.fetch_add(1, Relaxed);
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
            return Err(PoolError::Full);
        }
        queue.jobs.push_back(job);
        self.note_depth(queue.jobs.len());
        drop(queue);
        self.shared.accepted.fetch_add(1, Relaxed);
        self.shared.has_work.notify_one();
        Ok(())
    }

    fn note_depth(&self, depth: usize) {
        let gauges = &self.keeper.node().gauges;
        gauges.depth.store(depth as u64, Relaxed);
        gauges.peak.fetch_max(depth as u64, Relaxed);
    }

    fn open(&self) -> Result<(), Failure> {
        let mut queue = self.shared.queue.lock();
        queue.is_open = true;
        queue.opening += 1;
        let opening = queue.opening;
        for index in 0..self.shared.threads {
            let pool = self.clone();
            let name = format!("{}-{index}", self.keeper.node().path().replace('/', "-"));
            let thread = thread::Builder::new()
                .name(name)
                .spawn(move || pool.work(opening))?;
            queue.threads.push(thread);
        }
        Ok(())
    }

    /// Takes no more jobs, drops those that wait, and lets threads end after their job.
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

    /// What a thread does.
    fn work(&self, opening: u64) {
        while let Some(job) = self.next_job(opening) {
            self.perform(job);
            self.shared.busy.fetch_sub(1, Relaxed);
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
        // What turns a result into a message is foreign code too.
        let _ = catch_unwind(AssertUnwindSafe(|| run(stopwatch)));
    }

    fn next_job(&self, opening: u64) -> Option<Job> {
        let mut queue = self.shared.queue.lock();
        loop {
            if !queue.is_open || queue.opening != opening {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                self.note_depth(queue.jobs.len());
                // With the queue held, so that a job always either waits or runs.
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
            self.keeper.path(),
            self.shared.threads
        )
    }
}

/// Stands for jobs whose result is a future's, in the pool's table of job types.
struct Call<T>(std::marker::PhantomData<T>);

/// The actor that stands for a pool in the tree. It handles no messages.
pub(crate) struct Keeper {
    pool: Pool,
}

impl Actor for Keeper {
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

impl Drop for Keeper {
    /// A keeper that was crashed closes the pool too; the next one opens it again.
    fn drop(&mut self) {
        self.pool.close();
    }
}
