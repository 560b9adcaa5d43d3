//! Proof-of-work sealing, by threads of this node and by remote miners: the works, the state of the
//! search, the hash rate.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use actoreum_consensus::{
    Engine,
    ethash::{Solution, epoch_of, seed_hash, target},
};
use actoreum_messages::sealer::{SealRefused, Work};
use actoreum_primitives::{B256, Block, Header};

use super::{notify::Poster, search_thread::SearchThread, setup::PowSetup};
use actoreum_supervision::{Later, Replier};

/// Number of blocks by which work may be older than the newest and still be of use, as an ommer.
const STALE_BLOCKS: u64 = 7;
/// Maximum number of works that remote miners may still submit: a recommit every second for a block
/// time of a minute.
const MAX_WORKS: usize = 64;
/// Maximum number of remote miners whose hash rate is counted.
const MAX_REMOTE_RATES: usize = 1_024;
/// Lifetime of a remote miner's hash rate.
const REMOTE_RATE_LIFETIME: Duration = Duration::from_secs(10);
/// Number of samples, one a second, over which the hash rate is measured.
const RATE_WINDOW: usize = 10;

pub(super) type Answer = Result<Block, SealRefused>;

/// A block whose seal is searched.
struct PendingWork {
    seal_hash: B256,
    block: Block,
    /// Waits for the seal; `None` once a newer block took its place.
    replier: Option<Replier<Answer>>,
}

/// The next step of the search for a block's seal.
pub(super) enum NextSearch {
    /// There is no block to search for, or its dataset is awaited already.
    Nothing,
    /// The dataset of this epoch is to be loaded or generated first.
    Dataset(u64),
    /// These threads search.
    Threads(Vec<SearchThread>),
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
            stop: setup.search.begin(),
            setup,
            works: Vec::new(),
            awaited_epoch: None,
            is_retry_due: false,
            attempts: Arc::default(),
            samples: Vec::new(),
            remote_rates: BTreeMap::new(),
        }
    }

    /// Adds the block as the newest work; the older ones wait no longer. Returns `None` where the
    /// block has no seal hash.
    pub(super) fn add_work(&mut self, block: Block) -> Option<Later<Answer>> {
        let seal_hash = self.setup.ethash.seal_hash(&block.header)?;
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
        Some(later)
    }

    /// Returns the posts of the newest work, one future for each receiver of new work.
    pub(super) fn posts(&self) -> Vec<impl Future<Output = ()> + use<>> {
        match (self.work(), self.works.last()) {
            (Some(work), Some(newest)) => self.poster.posts(&work, &newest.block.header),
            _ => Vec::new(),
        }
    }

    /// Ends the current search, and returns what begins the search for the newest block's seal, on
    /// as many threads as are set and as the pool has.
    pub(super) fn next_search(&mut self) -> NextSearch {
        self.end_search();
        self.is_retry_due = false;
        let available = self.setup.search.pool.threads();
        let threads = self.setup.control.threads().min(available);
        let Some(newest) = self.works.last().filter(|newest| newest.replier.is_some()) else {
            return NextSearch::Nothing;
        };
        self.stop = self.setup.search.begin();
        let epoch = epoch_of(newest.block.header.number);
        if threads > 0 && !self.setup.ethash.has_dataset(epoch) {
            return match self.awaited_epoch.replace(epoch) {
                Some(awaited) if awaited == epoch => NextSearch::Nothing,
                _ => NextSearch::Dataset(epoch),
            };
        }
        let thread = SearchThread {
            ethash: self.setup.ethash.clone(),
            header: newest.block.header.clone(),
            seal_hash: newest.seal_hash,
            stop: Arc::clone(&self.stop),
            attempts: Arc::clone(&self.attempts),
        };
        NextSearch::Threads(vec![thread; threads])
    }

    /// Records that no dataset is awaited any more.
    pub(super) fn dataset_loaded(&mut self) {
        self.awaited_epoch = None;
    }

    /// Notes that the search failed. Returns true if no other retry is due yet.
    pub(super) fn note_failed(&mut self) -> bool {
        !std::mem::replace(&mut self.is_retry_due, true)
    }

    /// Returns whether a search that failed is to begin again, and forgets it.
    pub(super) fn take_retry(&mut self) -> bool {
        std::mem::take(&mut self.is_retry_due)
    }

    /// Returns whether the search was stopped: mining has ended.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Stops the search threads.
    pub(super) fn end_search(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Ends the search for the newest block's seal where that block is not on top of `head` any more.
    /// A remote miner may still submit its seal, for an ommer.
    pub(super) fn end_search_unless_on(&mut self, head: B256) {
        let newest = self.works.last_mut();
        let outdated = newest.filter(|newest| newest.block.header.parent_hash != head);
        if let Some(replier) = outdated.and_then(|outdated| outdated.replier.take()) {
            self.end_search();
            replier.reply(Err(SealRefused::Outdated));
        }
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
