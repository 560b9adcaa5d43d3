//! The bounded thread pool for work of unknown length.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use tokio::sync::Semaphore;

use crate::error::{LIMIT_EXCEEDED, RpcError};

/// Runs heavy work apart from the threads of the connections: a bounded number of tasks at a time,
/// a bounded number in a queue, and an error for the rest.
///
/// A caller that stops waiting (its client hung up, its time is over) leaves the queue. Its work is
/// skipped if it has a thread but has not begun, and is told to stop if it runs (see
/// `is_caller_gone`); it occupies its thread until it stops.
#[derive(Debug, Clone)]
pub struct HeavyPool {
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    max_waiting: usize,
    threads: usize,
}

/// The load of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolState {
    /// Maximum number of tasks that run at a time.
    pub threads: usize,
    /// Number of tasks that run now.
    pub running: usize,
    /// Number of tasks that wait for a thread.
    pub waiting: usize,
}

impl HeavyPool {
    /// Creates a pool of `threads` (at least one) with a queue of `max_waiting`.
    pub fn new(threads: usize, max_waiting: usize) -> Self {
        let threads = threads.max(1);
        Self {
            permits: Arc::new(Semaphore::new(threads)),
            waiting: Arc::new(AtomicUsize::new(0)),
            max_waiting,
            threads,
        }
    }

    /// Returns the load of the pool.
    pub fn state(&self) -> PoolState {
        PoolState {
            threads: self.threads,
            running: self
                .threads
                .saturating_sub(self.permits.available_permits()),
            waiting: self.waiting.load(Relaxed),
        }
    }

    /// Runs `work` on a thread of the pool and returns its result.
    ///
    /// # Errors
    /// Fails if the queue is full, or if `work` panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RpcError> {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _place = Place::take(&self.waiting, self.max_waiting)?;
                let acquired = Arc::clone(&self.permits).acquire_owned().await;
                acquired.map_err(|_| RpcError::server("server is shutting down"))?
            }
        };
        let is_gone = Arc::new(AtomicBool::new(false));
        let _leaving = SetOnDrop(Arc::clone(&is_gone));
        let running = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            if is_gone.load(Relaxed) {
                return None;
            }
            let _running = RunningFor::begin(is_gone);
            Some(work())
        });
        let failed = || RpcError::internal("internal error");
        running.await.map_err(|_| failed())?.ok_or_else(failed)
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

/// A place in the queue, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Result<Self, RpcError> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Relaxed) >= max {
            return Err(RpcError::new(
                LIMIT_EXCEEDED,
                format!("server is busy: {max} requests wait for a thread"),
            ));
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_beyond_the_queue_is_refused() {
        let pool = HeavyPool::new(1, 1);
        let (release, released) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || released.recv().is_ok()).await }
        });
        while pool.state().running == 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(|| 2).await }
        });
        while pool.state().waiting == 0 {
            tokio::task::yield_now().await;
        }
        let refused = pool.run(|| 3).await.unwrap_err();
        assert_eq!(refused.code, LIMIT_EXCEEDED);
        assert_eq!(
            refused.message,
            "server is busy: 1 requests wait for a thread"
        );
        second.abort();
        let _ = second.await;
        assert_eq!(pool.state().waiting, 0);
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));
        assert_eq!(pool.run(|| 4).await, Ok(4));
    }

    #[tokio::test]
    async fn work_is_told_that_its_caller_has_gone() {
        let pool = HeavyPool::new(1, 1);
        let (sender, receiver) = mpsc::channel();
        let timeout = std::time::Duration::from_secs(60);
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
                pool.run(work).await
            }
        });
        let begun = tokio::task::spawn_blocking(move || {
            let begun = receiver.recv_timeout(timeout);
            (begun, receiver)
        });
        let (begun, receiver) = begun.await.unwrap();
        assert_eq!(begun, Ok("begun"));
        running.abort();
        let _ = running.await;
        assert_eq!(receiver.recv_timeout(timeout), Ok("stopped"));
        assert_eq!(
            pool.run(is_caller_gone).await,
            Ok(false),
            "the caller of the next work is there"
        );
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_frees_its_thread() {
        let pool = HeavyPool::new(1, 1);
        let failed: Result<(), RpcError> = pool.run(|| panic!("on purpose")).await;
        assert_eq!(failed.unwrap_err().code, crate::error::INTERNAL_ERROR);
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }
}
