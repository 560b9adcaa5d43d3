//! A thread that searches for the seal of a block.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    thread,
};

use actoreum_consensus::{
    Ethash,
    ethash::{Solution, epoch_of, search},
};
use actoreum_primitives::{B256, Header};
use rand::Rng;
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

/// Runs `work` on a thread of its own.
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
