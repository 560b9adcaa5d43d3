//! Pools outside of a tree.

use crate::kernel::exit::Failure;
use crate::kernel::pool::Pool;

/// A pool that runs outside of a tree until this value is dropped: for tests, benchmarks and tools.
/// Nothing restarts it, a queued job past its deadline is discarded by the thread that takes it, and
/// the end does not wait for running jobs.
#[derive(Debug)]
pub struct RunningPool {
    pool: Pool,
    opening: u64,
}

impl Pool {
    /// Opens the pool outside of a tree.
    ///
    /// # Errors
    /// Where the system does not start a thread.
    pub fn run_alone(&self) -> Result<RunningPool, Failure> {
        let opened = self.open();
        // Threads that did start end with this value, also after an error.
        let running = RunningPool {
            pool: self.clone(),
            opening: self.shared.queue.lock().opening,
        };
        opened.map(|()| running)
    }
}

impl Drop for RunningPool {
    fn drop(&mut self) {
        if self.pool.shared.queue.lock().opening == self.opening {
            self.pool.close();
        }
    }
}
