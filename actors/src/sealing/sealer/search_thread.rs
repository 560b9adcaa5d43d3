//! The threads that search for the seal of a block.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use actoreum_consensus::{
    Ethash,
    ethash::{Solution, epoch_of, search},
};
use actoreum_primitives::{B256, Header};
use actoreum_supervision::{ChildSpec, Pool};
use arc_swap::ArcSwap;
use rand::Rng;
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

/// The threads that search for seals, a pool of the tree, and the newest search. They survive a restart
/// of the actor.
#[derive(Debug, Clone)]
pub struct SearchThreads {
    pub(super) pool: Pool,
    /// Stop flag of the newest search.
    newest: Arc<ArcSwap<AtomicBool>>,
}

impl SearchThreads {
    /// Creates a pool for searches on `threads` threads (at least one) at most.
    pub fn new(threads: usize) -> Self {
        Self {
            pool: Pool::new("search", threads),
            newest: Arc::default(),
        }
    }

    /// Returns the specification of the pool, to be started before SealerActor.
    pub fn child(&self) -> ChildSpec {
        self.pool.child()
    }

    /// Stops the search before, also one of a generation that hangs and has not been dropped.
    /// Returns the stop flag of the next one.
    pub(super) fn begin(&self) -> Arc<AtomicBool> {
        let stop = Arc::<AtomicBool>::default();
        self.newest.swap(Arc::clone(&stop)).store(true, Relaxed);
        stop
    }
}

/// Runs `work` on a thread of its own, which nobody waits for when the node stops.
///
/// # Errors
/// Fails if the thread could not be started, or if `work` panicked.
pub(super) async fn on_thread<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (sender, done) = oneshot::channel();
    let started = thread::Builder::new().name(name).spawn(move || {
        // The receiver has gone if the actor has ended.
        let _ = sender.send(work());
    });
    started.map_err(|error| format!("the thread was not started: {error}"))?;
    done.await.map_err(|_| "the thread panicked".to_owned())
}

/// One search thread.
#[derive(Clone)]
pub(super) struct SearchThread {
    pub(super) ethash: Ethash,
    pub(super) header: Header,
    pub(super) seal_hash: B256,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) attempts: Arc<AtomicU64>,
}

impl SearchThread {
    /// Returns the seal that was found; `None` if the search was stopped.
    pub(super) fn run(self) -> Option<Solution> {
        let epoch = epoch_of(self.header.number);
        let dataset = match self.ethash.dataset(epoch, &|_| {}) {
            Ok(dataset) => dataset,
            Err(error) => {
                warn!(%error, "ethash dataset not available");
                return None;
            }
        };
        self.ethash.prepare_next_dataset(self.header.number);
        let start = rand::rng().random_range(0..u64::MAX / 2);
        let found = search(
            &dataset,
            self.seal_hash,
            self.header.difficulty,
            start..u64::MAX,
            &self.stop,
            &self.attempts,
        );
        let number = self.header.number;
        match &found {
            Some(solution) => info!(number, nonce = solution.nonce, "found a seal"),
            None => debug!(number, "search ended"),
        }
        found
    }
}
