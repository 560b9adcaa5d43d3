//! Proof-of-work sealing, by threads of this node and by remote miners.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use actoreum_consensus::{
    Engine, Ethash,
    ethash::{Solution, epoch_of, search, seed_hash, target},
};
use actoreum_messages::sealer::{SealRefused, Work};
use actoreum_primitives::{B256, Block, Header};
use rand::Rng;
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::{
    SealerActor,
    notify::{Notifier, Poster},
};
use crate::sealing::control::MinerControl;
use actoreum_supervision::{Ctx, Later, Pool, Replier};

/// Number of blocks by which work may be older than the newest and still be of use, as an ommer.
const STALE_BLOCKS: u64 = 7;
/// Maximum number of works that remote miners may still submit: a recommit every second for a block
/// time of a minute.
const MAX_WORKS: usize = 64;
/// Maximum number of remote miners whose hash rate is counted.
const MAX_REMOTE_RATES: usize = 1_024;
/// Lifetime of a remote miner's hash rate.
const REMOTE_RATE_LIFETIME: Duration = Duration::from_secs(10);
/// Pause before a search that failed begins again.
pub(super) const SEARCH_RETRY: Duration = Duration::from_secs(10);
/// Number of samples, one a second, over which the hash rate is measured.
const RATE_WINDOW: usize = 10;

/// Arguments of proof-of-work sealing.
#[derive(Clone)]
pub struct PowSetup {
    /// The engine, with its datasets.
    pub ethash: Ethash,
    /// Holds the number of search threads and the published hash rate.
    pub control: Arc<MinerControl>,
    /// Receivers of new work.
    pub notify: Notifier,
    /// Whether seals of remote miners are accepted without verification (`--miner.noverify`).
    pub no_verify: bool,
    /// Threads that verify seals of remote miners: untrusted input fills the queue of these threads
    /// only.
    pub verify_threads: Pool,
}

type Answer = Result<Block, SealRefused>;

/// A block whose seal is searched.
struct PendingWork {
    seal_hash: B256,
    block: Block,
    /// Waits for the seal; `None` once a newer block took its place.
    replier: Option<Replier<Answer>>,
}

/// The current search and its works.
pub(super) struct Pow {
    pub(super) setup: PowSetup,
    poster: Poster,
    /// Oldest first.
    works: Vec<PendingWork>,
    /// Stop flag of the search threads.
    stop: Arc<AtomicBool>,
    /// Epoch whose dataset a thread waits for.
    awaited_epoch: Option<u64>,
    /// Whether the search failed and begins again after a pause.
    is_retry_due: bool,
    attempts: Arc<AtomicU64>,
    /// Total number of attempts at each of the last seconds.
    samples: Vec<(Instant, u64)>,
    remote_rates: BTreeMap<B256, (Instant, u64)>,
}

impl Pow {
    pub(super) fn new(setup: PowSetup) -> Self {
        Self {
            poster: setup.notify.poster(),
            setup,
            works: Vec::new(),
            stop: Arc::default(),
            awaited_epoch: None,
            is_retry_due: false,
            attempts: Arc::default(),
            samples: Vec::new(),
            remote_rates: BTreeMap::new(),
        }
    }

    /// Begins the search for the block's seal.
    pub(super) fn add_work(&mut self, block: Block, ctx: &mut Ctx<SealerActor>) -> Later<Answer> {
        let Some(seal_hash) = self.setup.ethash.seal_hash(&block.header) else {
            return Later::new(std::future::ready(Err(SealRefused::Outdated)));
        };
        for pending in &mut self.works {
            if let Some(replier) = pending.replier.take() {
                replier.reply(Err(SealRefused::Outdated));
            }
        }
        let number = block.header.number;
        let is_fresh = |pending: &PendingWork| pending.block.header.number + STALE_BLOCKS > number;
        self.works.retain(is_fresh);
        if self.works.len() >= MAX_WORKS {
            self.works.remove(0);
        }
        let (replier, later) = Later::channel();
        self.works.push(PendingWork {
            seal_hash,
            block,
            replier: Some(replier),
        });
        self.search(ctx);
        if let (Some(work), Some(newest)) = (self.work(), self.works.last()) {
            self.poster.post(&work, &newest.block.header);
        }
        later
    }

    /// Restarts the search for the newest block's seal, on as many threads as are set, each from a
    /// random nonce. Their results come as completions of futures, for which the actor's mailbox
    /// always has room.
    pub(super) fn search(&mut self, ctx: &mut Ctx<SealerActor>) {
        self.end_search();
        self.is_retry_due = false;
        let threads = self.setup.control.threads();
        let Some(newest) = self.works.last().filter(|newest| newest.replier.is_some()) else {
            return;
        };
        self.stop = Arc::default();
        let epoch = epoch_of(newest.block.header.number);
        if threads > 0 && !self.setup.ethash.has_dataset(epoch) {
            return self.wait_for_dataset(epoch, ctx);
        }
        for index in 0..threads {
            let search_thread = SearchThread {
                ethash: self.setup.ethash.clone(),
                header: newest.block.header.clone(),
                seal_hash: newest.seal_hash,
                stop: Arc::clone(&self.stop),
                attempts: Arc::clone(&self.attempts),
            };
            let seal_hash = newest.seal_hash;
            let found = on_thread(format!("ethash {index}"), move || search_thread.run());
            ctx.spawn_then(
                found,
                move |actor: &mut SealerActor, found, ctx| match found {
                    Ok(Some(solution)) => actor.on_seal_found(seal_hash, solution),
                    Ok(None) => {}
                    Err(error) => actor.retry_search(&error, ctx),
                },
            );
        }
    }

    /// Loads or generates a dataset on one thread, then begins the search for the newest block's
    /// seal. Generating takes minutes, in which the newest block changes.
    fn wait_for_dataset(&mut self, epoch: u64, ctx: &mut Ctx<SealerActor>) {
        if self.awaited_epoch.replace(epoch) == Some(epoch) {
            return;
        }
        let ethash = self.setup.ethash.clone();
        let load = move || ethash.dataset(epoch, &|_| {}).map(drop);
        let loaded = on_thread("ethash".to_owned(), load);
        ctx.spawn_then(loaded, |actor: &mut SealerActor, loaded, ctx| {
            let Some(pow) = &mut actor.pow else { return };
            pow.awaited_epoch = None;
            match loaded {
                Ok(Ok(())) => pow.resume_search(ctx),
                Ok(Err(error)) => actor.retry_search(&error.to_string(), ctx),
                Err(error) => actor.retry_search(&error, ctx),
            }
        });
    }

    /// Notes that the search failed. Returns true if no other retry is due yet.
    pub(super) fn note_failed(&mut self) -> bool {
        !std::mem::replace(&mut self.is_retry_due, true)
    }

    /// Begins a search that failed again, unless another one has begun or mining was stopped.
    pub(super) fn search_again(&mut self, ctx: &mut Ctx<SealerActor>) {
        if self.is_retry_due {
            self.is_retry_due = false;
            self.resume_search(ctx);
        }
    }

    /// Begins the search for the newest block's seal, unless mining was stopped.
    fn resume_search(&mut self, ctx: &mut Ctx<SealerActor>) {
        if !self.stop.load(Relaxed) {
            self.search(ctx);
        }
    }

    /// Stops the search threads.
    pub(super) fn end_search(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Seals the block of a found seal. Returns the block where nothing waits for it.
    pub(super) fn on_seal_found(&mut self, seal_hash: B256, solution: Solution) -> Option<Block> {
        let pending = self
            .works
            .iter_mut()
            .find(|pending| pending.seal_hash == seal_hash)?;
        let mut block = pending.block.clone();
        solution.seal(&mut block.header);
        match pending.replier.take() {
            Some(replier) => {
                self.end_search();
                replier.reply(Ok(block));
                None
            }
            None => Some(block),
        }
    }

    /// Returns the header of a work with a submitted seal; `None` where there is no such work.
    pub(super) fn sealed_header(&self, seal_hash: B256, solution: Solution) -> Option<Header> {
        let mut works = self.works.iter();
        let pending = works.find(|pending| pending.seal_hash == seal_hash)?;
        let mut header = pending.block.header.clone();
        solution.seal(&mut header);
        Some(header)
    }

    /// Returns the work that remote miners should search.
    pub(super) fn work(&self) -> Option<Work> {
        let newest = self.works.last()?;
        let header = &newest.block.header;
        Some(Work {
            seal_hash: newest.seal_hash,
            seed_hash: B256::from(seed_hash(epoch_of(header.number))),
            target: target(header.difficulty)?,
            number: header.number,
        })
    }

    /// Records the hash rate that a remote miner claims, in hashes per second.
    pub(super) fn set_remote_rate(&mut self, miner: B256, rate: u64) {
        if self.remote_rates.len() < MAX_REMOTE_RATES || self.remote_rates.contains_key(&miner) {
            self.remote_rates.insert(miner, (Instant::now(), rate));
        }
    }

    /// Publishes the hash rate; called once a second.
    pub(super) fn measure_rate(&mut self) {
        let now = Instant::now();
        self.remote_rates
            .retain(|_, (said, _)| now.duration_since(*said) < REMOTE_RATE_LIFETIME);
        self.samples.push((now, self.attempts.load(Relaxed)));
        if self.samples.len() > RATE_WINDOW {
            self.samples.remove(0);
        }
        let local = match (self.samples.first(), self.samples.last()) {
            (Some((from, before)), Some((to, after))) if to > from => {
                (after - before) as f64 / to.duration_since(*from).as_secs_f64()
            }
            _ => 0.0,
        };
        // Remote miners may claim any rate, so the sum saturates.
        let rates = self.remote_rates.values().map(|(_, rate)| *rate);
        let all = rates.fold(local as u64, u64::saturating_add);
        self.setup.control.set_hash_rate(all);
    }
}

impl Drop for Pow {
    fn drop(&mut self) {
        self.end_search();
    }
}

/// Runs `work` on a thread of its own.
///
/// # Errors
/// Fails if the thread could not be started, or if `work` panicked.
async fn on_thread<T: Send + 'static>(
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
struct SearchThread {
    ethash: Ethash,
    header: Header,
    seal_hash: B256,
    stop: Arc<AtomicBool>,
    attempts: Arc<AtomicU64>,
}

impl SearchThread {
    /// Returns the seal that was found; `None` if the search was stopped.
    fn run(self) -> Option<Solution> {
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
