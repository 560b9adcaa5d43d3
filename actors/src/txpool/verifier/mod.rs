//! Checks of transactions before they reach the pool: on threads, slice by slice, in fair turns.
//!
//! ```text
//!   session of a peer --- slice ---> queue of the peer ------+
//!   FetcherActor --- slice of an answer --^                  |  FairQueue     signatures
//!   RPC: blobs of a local transaction -----------> local ----+------------>   (threads)
//! ```
//!
//! A slice is a bounded number of transactions, still encoded. A producer submits the next one when
//! it has the results of the last: a peer has a few slices here, never messages, and is read no
//! faster than they are checked. Waiting jobs are removed when their peer leaves
//! ([`VerifierMembership`]), and when the future that waits for them is dropped.

mod queue;
mod slice;

use actoreum_primitives::PeerId;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use self::queue::{FairQueue, JobId};
use super::limits::{MAX_LOCAL_UNCHECKED, SHARED_UNCHECKED_BYTES};
use actoreum_supervision::{JobError, Pool, PoolError};

pub use self::slice::RawTransaction;
pub(super) use self::slice::{Checked, SliceRules, check_slice};

/// Verifier of transactions; see the module. Cheap to clone.
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
    /// Number of turns on the threads that have not ended.
    turns: usize,
}

/// A job: runs, or passes on the error that prevents it.
type Job = Box<dyn FnOnce(Option<JobError>) + Send>;

impl TransactionVerifier {
    /// Creates a verifier that runs on `threads`.
    pub fn new(threads: Pool) -> Self {
        Self(Arc::new(Shared {
            threads,
            state: Mutex::default(),
            local: Semaphore::new(MAX_LOCAL_UNCHECKED),
            bytes: Arc::new(Semaphore::new(SHARED_UNCHECKED_BYTES)),
        }))
    }

    /// Adds a peer for as long as the returned guard lives.
    pub fn join(&self, peer: PeerId) -> VerifierMembership {
        self.0.state.lock().queue.join(peer);
        VerifierMembership {
            shared: Arc::clone(&self.0),
            peer,
        }
    }

    /// Reserves room for a large message until the permit is dropped; `None` where there is none.
    pub fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok()?;
        Arc::clone(&self.0.bytes).try_acquire_many_owned(bytes).ok()
    }

    /// Returns the number of reserved bytes of large messages.
    pub fn reserved_bytes(&self) -> usize {
        SHARED_UNCHECKED_BYTES - self.0.bytes.available_permits()
    }

    /// Runs the check of a local transaction, before those of peers. Dropping the future removes a
    /// check that has not begun.
    pub(super) async fn run_local<T: Send + 'static>(
        &self,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let closed = |_| JobError::NotRun(PoolError::Closed);
        let _place = self.0.local.acquire().await.map_err(closed)?;
        self.run_job(None, check).await
    }

    /// Runs the check of a peer's slice when its turn comes. Dropping the future removes a check
    /// that has not begun; it fails where the peer has left or leaves.
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
            // The receiver is gone where the peer has left.
            let _ = sender.send(result);
        });
        let id = {
            let mut state = self.0.state.lock();
            match peer {
                Some(peer) => state.queue.push(peer, job).ok_or_else(unfinished)?,
                None => state.queue.push_local(job),
            }
        };
        let _pending = PendingJob {
            shared: &self.0,
            peer,
            id,
        };
        self.0.start_turn();
        receiver.await.unwrap_or_else(|_| Err(unfinished()))
    }

    /// Returns whether no job waits or runs.
    #[cfg(test)]
    fn is_idle(&self) -> bool {
        let state = self.0.state.lock();
        state.queue.is_empty() && state.turns == 0
    }
}

/// Error of a job whose peer has left, or that panicked: it is not tried again.
fn unfinished() -> JobError {
    JobError::Panicked("a transaction's check was not finished".to_owned())
}

impl Shared {
    /// Gives a turn to a thread, unless there are as many turns as threads.
    fn start_turn(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            if state.queue.is_empty() || state.turns >= self.threads.threads().max(1) {
                return;
            }
            state.turns += 1;
        }
        let turn = Turn {
            shared: Arc::clone(self),
            is_started: false,
        };
        // The future is not needed: threads that are down drop the job, and with it the turn.
        let job = self.threads.job("CheckTransactions").detached();
        drop(job.run(move || turn.take()));
    }
}

/// One job's turn on a thread. When it ends, in whatever way, the next turn is given.
struct Turn {
    shared: Arc<Shared>,
    is_started: bool,
}

impl Turn {
    fn take(mut self) {
        self.is_started = true;
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
            if self.is_started {
                Vec::new()
            } else {
                state.queue.drain()
            }
        };
        for job in refused {
            job(Some(JobError::NotRun(PoolError::Closed)));
        }
        if self.is_started {
            self.shared.start_turn();
        }
    }
}

/// Guard of a job whose result is awaited.
struct PendingJob<'a> {
    shared: &'a Shared,
    peer: Option<PeerId>,
    id: JobId,
}

impl Drop for PendingJob<'_> {
    fn drop(&mut self) {
        // Dropped outside of the lock: the job may own anything.
        let _removed = {
            let mut state = self.shared.state.lock();
            state.queue.remove(self.peer.as_ref(), self.id)
        };
    }
}

/// A peer's membership in the verifier. Dropping it removes the peer's waiting jobs.
pub struct VerifierMembership {
    shared: Arc<Shared>,
    peer: PeerId,
}

impl Drop for VerifierMembership {
    fn drop(&mut self) {
        // Dropped outside of the lock: jobs may own anything.
        let _jobs = { self.shared.state.lock().queue.leave(&self.peer) };
    }
}

#[cfg(test)]
mod tests;
