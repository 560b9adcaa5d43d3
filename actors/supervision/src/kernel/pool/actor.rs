//! The actor that represents a pool in the tree.

use std::time::Duration;

use tokio::time::timeout;

use crate::kernel::actor::Actor;
use crate::kernel::arbiter::ends_in_time;
use crate::kernel::context::Ctx;
use crate::kernel::exit::{Exit, Failure};
use crate::kernel::pool::Pool;

/// The actor that represents a pool in the tree. It handles no messages.
pub(crate) struct PoolActor {
    pub(super) pool: Pool,
    pub(super) opening: u64,
}

impl Actor for PoolActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let opened = self.pool.open();
        self.opening = self.pool.shared.queue.lock().opening;
        opened?;
        ctx.spawn(expire_jobs(self.pool.clone()));
        Ok(())
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
    /// Closes the pool when the actor was crashed, unless the next generation has opened it again.
    fn drop(&mut self) {
        if self.pool.shared.queue.lock().opening == self.opening {
            self.pool.close();
        }
    }
}

/// Discards queued jobs at their deadlines, also while every thread is busy.
async fn expire_jobs(pool: Pool) {
    loop {
        let added = pool.shared.has_deadline.notified();
        match pool.discard_unwanted() {
            None => added.await,
            Some(deadline) => {
                let wait = Duration::from_nanos(deadline.saturating_sub(pool.node().now()));
                // The time has come, or a job was added whose deadline may be earlier.
                let _ = timeout(wait, added).await;
            }
        }
    }
}
