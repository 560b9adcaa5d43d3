//! Checks transactions before they come to the pool: on threads, slice by slice, in fair turns.
//!
//! ```text
//!   conversation of a peer --- slice ---> lane of the peer --+
//!   FetcherActor --- slice of an answer --^                  |  FairQueue     signatures
//!   RPC: blobs of a local transaction -----------> local ----+------------>   (a Pool)
//! ```
//!
//! A slice is a bounded number of transactions, still encoded. A producer hands over the next one
//! when it knows what came of the last: a peer has a few slices here, never messages, and is read
//! no faster than they are checked. What waits goes with its peer ([`Lane`]), and with the future
//! that waits for it.

mod queue;
mod slice;

use std::sync::Arc;

use actoreum_txpool::PeerId;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use self::queue::{FairQueue, JobId};
use super::limits::{LOCAL_UNCHECKED, SHARED_UNCHECKED_BYTES};
use crate::supervision::{JobError, Pool, PoolError};

pub use self::slice::RawTransaction;
pub(super) use self::slice::{Checked, SliceRules, check_slice};

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct TransactionVerifier(Arc<Shared>);

struct Shared {
    threads: Pool,
    state: Mutex<State>,
    local: Semaphore,
    /// Room for large messages, see [`SHARED_UNCHECKED_BYTES`].
    bytes: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    queue: FairQueue<Job>,
    /// Turns that the threads have been given and have not ended.
    turns: usize,
}

/// Runs, or says why it does not.
type Job = Box<dyn FnOnce(Option<JobError>) + Send>;

impl TransactionVerifier {
    /// Has `threads` check.
    pub fn new(threads: Pool) -> Self {
        Self(Arc::new(Shared {
            threads,
            state: Mutex::default(),
            local: Semaphore::new(LOCAL_UNCHECKED),
            bytes: Arc::new(Semaphore::new(SHARED_UNCHECKED_BYTES)),
        }))
    }

    /// A peer's place, from its coming to its leaving.
    pub fn join(&self, peer: PeerId) -> Lane {
        self.0.state.lock().queue.join(peer);
        Lane {
            shared: Arc::clone(&self.0),
            peer,
        }
    }

    /// Room for a large message until the permit is dropped; `None` where there is none.
    pub fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok()?;
        Arc::clone(&self.0.bytes).try_acquire_many_owned(bytes).ok()
    }

    /// Bytes of large messages that are held.
    pub fn reserved_bytes(&self) -> usize {
        SHARED_UNCHECKED_BYTES - self.0.bytes.available_permits()
    }

    /// Runs the check of a local transaction, before those of peers. Dropping the future takes it
    /// back where it has not begun.
    pub(super) async fn run_local<T: Send + 'static>(
        &self,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let closed = |_| JobError::NotRun(PoolError::Closed);
        let _place = self.0.local.acquire().await.map_err(closed)?;
        self.run_job(None, check).await
    }

    /// Runs the check of a slice of a peer's when its turn comes. Dropping the future takes it back
    /// where it has not begun; it fails where the peer has left or leaves.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        peer: PeerId,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobError> {
        self.run_job(Some(peer), check).await
    }

    async fn run_job<T: Send + 'static>(
        &self,
        peer: Option<PeerId>,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |refused| {
            let result = match refused {
                None => Ok(check()),
                Some(error) => Err(error),
            };
            // Nobody waits any more where its peer has left.
            let _ = sender.send(result);
        });
        let id = {
            let mut state = self.0.state.lock();
            match peer {
                Some(peer) => state.queue.push(peer, job).ok_or_else(unfinished)?,
                None => state.queue.push_local(job),
            }
        };
        let _waiting = Waiting {
            shared: &self.0,
            peer,
            id,
        };
        self.0.give_turn();
        receiver.await.unwrap_or_else(|_| Err(unfinished()))
    }

    /// Jobs that have not begun.
    #[cfg(test)]
    fn is_idle(&self) -> bool {
        let state = self.0.state.lock();
        state.queue.is_empty() && state.turns == 0
    }
}

/// Its peer has left, or it panicked: it is not tried again.
fn unfinished() -> JobError {
    JobError::Panicked("a transaction's check was not finished".to_owned())
}

impl Shared {
    /// Has a thread take the next job, unless all of them are about to.
    fn give_turn(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            if state.queue.is_empty() || state.turns >= self.threads.threads().max(1) {
                return;
            }
            state.turns += 1;
        }
        let turn = Turn {
            shared: Arc::clone(self),
            has_begun: false,
        };
        // The job is its own: a pool that is down drops it, and with it the turn.
        drop(self.threads.run(move || turn.take()));
    }
}

/// One job's turn on a thread. At its end, however it ends, the next one is given.
struct Turn {
    shared: Arc<Shared>,
    has_begun: bool,
}

impl Turn {
    fn take(mut self) {
        self.has_begun = true;
        let next = self.shared.state.lock().queue.pop();
        let Some((peer, job)) = next else {
            return;
        };
        // tokio's clock: in a simulation it is the simulated one, so that a seed gives one order.
        let begun = Instant::now();
        job(None);
        if let Some(peer) = peer {
            let mut state = self.shared.state.lock();
            state.queue.charge(&peer, begun.elapsed());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let refused = {
            let mut state = self.shared.state.lock();
            state.turns -= 1;
            match self.has_begun {
                true => Vec::new(),
                false => state.queue.drain(),
            }
        };
        for job in refused {
            job(Some(JobError::NotRun(PoolError::Closed)));
        }
        if self.has_begun {
            self.shared.give_turn();
        }
    }
}

/// A job whose result is waited for.
struct Waiting<'a> {
    shared: &'a Shared,
    peer: Option<PeerId>,
    id: JobId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Outside of the lock: the job may hold anything.
        let _removed = {
            let mut state = self.shared.state.lock();
            state.queue.remove(self.peer.as_ref(), self.id)
        };
    }
}

/// A peer's place among those whose transactions are checked. Dropping it takes back what waits.
pub struct Lane {
    shared: Arc<Shared>,
    peer: PeerId,
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Outside of the lock: jobs may hold anything.
        let _jobs = { self.shared.state.lock().queue.leave(&self.peer) };
    }
}

#[cfg(test)]
mod tests;
