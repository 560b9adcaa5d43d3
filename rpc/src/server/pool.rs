//! The bounded thread pool for work of unknown length.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use actoreum_supervision::{ChildSpec, Failure, JobError, Pool, PoolError, RunningPool};

use crate::error::{LIMIT_EXCEEDED, RpcError};
use crate::server::limits::HEAVY_JOB_TIME;

/// Runs heavy work apart from the threads of the connections: a bounded number of jobs at a time,
/// a bounded number in a queue, and an error for the rest. It is a supervised [`Pool`], whose page
/// shows the jobs by the names of their methods.
///
/// A caller that stops waiting (its client hung up, its time is over) leaves the queue. Its work is
/// skipped if it has not begun, and is told to stop if it runs (see `is_caller_gone`); it occupies
/// its thread until it stops.
#[derive(Debug, Clone)]
pub struct HeavyPool {
    pool: Pool,
    max_waiting: usize,
    /// The threads of a pool outside of a tree.
    _alone: Option<Arc<RunningPool>>,
}

impl HeavyPool {
    /// Creates a pool of `threads` (at least one) with a queue of `max_waiting` (at least one). It
    /// accepts work once [`child`](Self::child) has started.
    pub fn new(threads: usize, max_waiting: usize) -> Self {
        let max_waiting = max_waiting.max(1);
        Self {
            pool: Pool::with_queue("heavy", threads, max_waiting),
            max_waiting,
            _alone: None,
        }
    }

    /// Creates a pool as [`HeavyPool::new`] does, which runs outside of a tree until its last clone is
    /// dropped: for tests and benchmarks.
    ///
    /// # Errors
    /// Fails if the system does not start a thread.
    pub fn alone(threads: usize, max_waiting: usize) -> Result<Self, Failure> {
        let stopped = Self::new(threads, max_waiting);
        let running = stopped.pool.run_alone()?;
        Ok(Self {
            _alone: Some(Arc::new(running)),
            ..stopped
        })
    }

    /// Returns the specification of the pool as a child of a supervisor. It starts before the servers,
    /// and stops after them.
    pub fn child(&self) -> ChildSpec {
        self.pool.child()
    }

    /// Runs `work` for the method `name` on a thread of the pool and returns its result.
    ///
    /// # Errors
    /// Fails if the queue is full, if the pool is not running, or if `work` panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RpcError> {
        let is_gone = Arc::new(AtomicBool::new(false));
        let _leaving = SetOnDrop(Arc::clone(&is_gone));
        let job = move || {
            let _running = RunningFor::begin(is_gone);
            work()
        };
        let result = self.pool.job(name).may_take(HEAVY_JOB_TIME).run(job).await;
        result.map_err(|error| self.failure(&error))
    }

    /// Returns the answer to a request whose job has no result.
    fn failure(&self, error: &JobError) -> RpcError {
        match error {
            JobError::NotRun(PoolError::Full) => RpcError::new(
                LIMIT_EXCEEDED,
                format!(
                    "server is busy: {} requests wait for a thread",
                    self.max_waiting
                ),
            ),
            JobError::NotRun(PoolError::Closed | PoolError::Expired) => {
                RpcError::server("server is restarting or shutting down")
            }
            // The text of a panic is for the log, which has it already.
            JobError::Panicked(_) => RpcError::internal("internal error"),
        }
    }
}

/// Tells the work, when it is dropped, that its caller has gone.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

thread_local! {
    /// Whether the caller of the work on this thread has gone.
    static CALLER: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Returns whether the caller of the work on this thread has stopped waiting. Long work checks this
/// regularly and ends with any error once it is true.
pub(crate) fn is_caller_gone() -> bool {
    CALLER.with_borrow(|caller| caller.as_ref().is_some_and(|gone| gone.load(Relaxed)))
}

/// Marks this thread as running work for a caller, until the mark is dropped (also by a panic).
struct RunningFor;

impl RunningFor {
    fn begin(is_gone: Arc<AtomicBool>) -> Self {
        CALLER.set(Some(is_gone));
        Self
    }
}

impl Drop for RunningFor {
    fn drop(&mut self) {
        CALLER.set(None);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use actoreum_supervision::{Strategy, SupervisorSpec, Tree};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn work_beyond_the_queue_is_refused() {
        let pool = HeavyPool::alone(1, 1).unwrap();
        let (release, released) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run("first", move || released.recv().is_ok()).await }
        });
        while pool.pool.busy() == 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run("second", || 2).await }
        });
        while pool.pool.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        let refused = pool.run("third", || 3).await.unwrap_err();
        assert_eq!(refused.code, LIMIT_EXCEEDED);
        assert_eq!(
            refused.message,
            "server is busy: 1 requests wait for a thread"
        );
        second.abort();
        let _ = second.await;
        let fourth = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run("fourth", || 4).await }
        });
        while pool.pool.accepted() < 3 {
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));
        assert_eq!(
            fourth.await.unwrap(),
            Ok(4),
            "the second has left its place"
        );
    }

    #[tokio::test]
    async fn work_is_told_that_its_caller_has_gone() {
        let pool = HeavyPool::alone(1, 1).unwrap();
        let (sender, receiver) = mpsc::channel();
        let running = tokio::spawn({
            let pool = pool.clone();
            async move {
                let work = move || {
                    sender.send("begun").unwrap();
                    while !is_caller_gone() {
                        std::thread::yield_now();
                    }
                    sender.send("stopped").unwrap();
                };
                pool.run("work", work).await
            }
        });
        let begun = tokio::task::spawn_blocking(move || {
            let begun = receiver.recv_timeout(LONG);
            (begun, receiver)
        });
        let (begun, receiver) = begun.await.unwrap();
        assert_eq!(begun, Ok("begun"));
        running.abort();
        let _ = running.await;
        assert_eq!(receiver.recv_timeout(LONG), Ok("stopped"));
        assert_eq!(
            pool.run("next", is_caller_gone).await,
            Ok(false),
            "the caller of the next work is there"
        );
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_frees_its_thread() {
        let pool = HeavyPool::alone(1, 1).unwrap();
        let failed: Result<(), RpcError> = pool.run("broken", || panic!("on purpose")).await;
        assert_eq!(failed.unwrap_err().code, crate::error::INTERNAL_ERROR);
        assert_eq!(pool.run("next", || 1).await, Ok(1));
    }

    #[test]
    fn the_tree_shows_the_jobs_by_method() {
        actoreum_supervision::block_on(async {
            let pool = HeavyPool::new(2, 8);
            let early = pool.run("eth_call", || 0).await.unwrap_err();
            assert_eq!(early.message, "server is restarting or shutting down");
            let spec = SupervisorSpec::new("rpc", Strategy::OneForOne).child(pool.child());
            let tree = Tree::start(spec).await.unwrap();
            assert_eq!(pool.run("eth_call", || 1).await, Ok(1));
            assert_eq!(pool.run("eth_getLogs", || 2).await, Ok(2));
            let root = tree.handle().snapshot();
            let node = root.find("rpc/heavy").unwrap();
            assert_eq!(node.message("eth_call").unwrap().handled, 1);
            assert_eq!(node.message("eth_getLogs").unwrap().handled, 1);
            assert!(tree.shutdown().await.is_clean());
        });
    }
}
