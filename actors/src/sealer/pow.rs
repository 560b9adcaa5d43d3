//! Proof of work: what is searched for, by threads of this node and by remote miners.

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
use tracing::{debug, info, warn};

use super::{
    DatasetReady, Found, SealerActor,
    notify::{Notifier, Poster},
};
use crate::{
    miner::MinerControl,
    supervision::{ActorRef, Later, Pool, Replier},
};

/// Blocks by which work may be behind the newest and still be of use, as an ommer.
const STALE_BLOCKS: u64 = 7;
/// Works that remote miners may still be at. A recommit every second for a block time of a minute.
const MAX_WORKS: usize = 64;
/// Remote miners that may say how fast they are.
const MAX_REMOTE_RATES: usize = 1_024;
/// How long a remote miner's word counts.
const REMOTE_RATE_LIFETIME: Duration = Duration::from_secs(10);
/// Time over which the rate is taken.
const RATE_WINDOW: usize = 10;

/// What proof of work needs besides what every sealer does.
#[derive(Clone)]
pub struct PowSetup {
    /// The engine, with its datasets.
    pub ethash: Ethash,
    /// How many threads search; where the rate is shown.
    pub control: Arc<MinerControl>,
    /// Who is told of new work.
    pub notify: Notifier,
    /// Whether seals of remote miners are taken without a look at them.
    pub is_trusting: bool,
    /// Where they are verified: strangers fill its queue, and no other.
    pub verifying: Pool,
}

type Answer = Result<Block, SealRefused>;

/// A block that a seal is searched for.
struct Searched {
    seal_hash: B256,
    block: Block,
    /// Who waits for it; nobody where a newer one took its place.
    replier: Option<Replier<Answer>>,
}

/// The search, and what it is for.
pub(super) struct Pow {
    pub(super) setup: PowSetup,
    poster: Poster,
    /// Oldest first.
    works: Vec<Searched>,
    /// Set to end the threads that search.
    stop: Arc<AtomicBool>,
    /// The epoch whose dataset a thread waits for.
    awaited: Option<u64>,
    attempts: Arc<AtomicU64>,
    /// Attempts at each of the last seconds.
    samples: Vec<(Instant, u64)>,
    remote: BTreeMap<B256, (Instant, u64)>,
}

impl Pow {
    pub(super) fn new(setup: PowSetup) -> Self {
        Self {
            poster: setup.notify.poster(),
            setup,
            works: Vec::new(),
            stop: Arc::default(),
            awaited: None,
            attempts: Arc::default(),
            samples: Vec::new(),
            remote: BTreeMap::new(),
        }
    }

    /// Searches for the block's seal from now on.
    pub(super) fn take(&mut self, block: Block, me: &ActorRef<SealerActor>) -> Later<Answer> {
        let Some(seal_hash) = self.setup.ethash.seal_hash(&block.header) else {
            return Later::new(std::future::ready(Err(SealRefused::Outdated)));
        };
        for searched in &mut self.works {
            if let Some(replier) = searched.replier.take() {
                replier.reply(Err(SealRefused::Outdated));
            }
        }
        let number = block.header.number;
        let is_fresh = |searched: &Searched| searched.block.header.number + STALE_BLOCKS > number;
        self.works.retain(is_fresh);
        if self.works.len() >= MAX_WORKS {
            self.works.remove(0);
        }
        let (replier, later) = Later::channel();
        self.works.push(Searched {
            seal_hash,
            block,
            replier: Some(replier),
        });
        self.search(me);
        if let (Some(work), Some(newest)) = (self.work(), self.works.last()) {
            self.poster.tell(&work, &newest.block.header);
        }
        later
    }

    /// Lets as many threads search as are wanted, for the newest block, each from a place of its
    /// own.
    pub(super) fn search(&mut self, me: &ActorRef<SealerActor>) {
        self.end_search();
        let threads = self.setup.control.threads();
        let Some(newest) = self.works.last().filter(|newest| newest.replier.is_some()) else {
            return;
        };
        self.stop = Arc::default();
        let epoch = epoch_of(newest.block.header.number);
        if threads > 0 && !self.setup.ethash.has_dataset(epoch) {
            return self.wait_for_dataset(epoch, me);
        }
        for index in 0..threads {
            let share = Share {
                ethash: self.setup.ethash.clone(),
                header: newest.block.header.clone(),
                seal_hash: newest.seal_hash,
                stop: Arc::clone(&self.stop),
                attempts: Arc::clone(&self.attempts),
                sealer: me.clone(),
            };
            let name = format!("ethash {index}");
            if let Err(error) = thread::Builder::new().name(name).spawn(move || share.run()) {
                warn!(%error, "no thread to search with");
            }
        }
    }

    /// Has one thread read or make a dataset: minutes, in which one block after the other is to be
    /// searched for.
    fn wait_for_dataset(&mut self, epoch: u64, me: &ActorRef<SealerActor>) {
        if self.awaited.replace(epoch) == Some(epoch) {
            return;
        }
        let (ethash, sealer) = (self.setup.ethash.clone(), me.clone());
        let wait = move || match ethash.dataset(epoch, &|_| {}) {
            Ok(_) => {
                // A sealer that is down asks for it again.
                let _ = sealer.tell(DatasetReady);
            }
            Err(error) => warn!(%error, "no dataset to search with"),
        };
        if let Err(error) = thread::Builder::new().name("ethash".into()).spawn(wait) {
            self.awaited = None;
            warn!(%error, "no thread to wait for the dataset");
        }
    }

    /// Begins the search that waited for its dataset, unless nobody wants it any more.
    pub(super) fn dataset_is_ready(&mut self, me: &ActorRef<SealerActor>) {
        self.awaited = None;
        if !self.stop.load(Relaxed) {
            self.search(me);
        }
    }

    /// Ends the threads that search.
    pub(super) fn end_search(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Seals a block whose seal was found. It comes back where nobody waits for it.
    pub(super) fn found(&mut self, seal_hash: B256, solution: Solution) -> Option<Block> {
        let searched = self
            .works
            .iter_mut()
            .find(|searched| searched.seal_hash == seal_hash)?;
        let mut block = searched.block.clone();
        solution.seal(&mut block.header);
        match searched.replier.take() {
            Some(replier) => {
                self.end_search();
                replier.reply(Ok(block));
                None
            }
            None => Some(block),
        }
    }

    /// The header of a work with a seal that somebody found; `None` where there is no such work.
    pub(super) fn sealed_header(&self, seal_hash: B256, solution: Solution) -> Option<Header> {
        let mut works = self.works.iter();
        let searched = works.find(|searched| searched.seal_hash == seal_hash)?;
        let mut header = searched.block.header.clone();
        solution.seal(&mut header);
        Some(header)
    }

    /// What remote miners should search for.
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

    /// Takes the word of a remote miner about its rate, in hashes a second.
    pub(super) fn remote_rate(&mut self, miner: B256, rate: u64) {
        if self.remote.len() < MAX_REMOTE_RATES || self.remote.contains_key(&miner) {
            self.remote.insert(miner, (Instant::now(), rate));
        }
    }

    /// Once a second: works out the rate.
    pub(super) fn measure(&mut self) {
        let now = Instant::now();
        self.remote
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
        // What strangers say may be anything.
        let rates = self.remote.values().map(|(_, rate)| *rate);
        let all = rates.fold(local as u64, u64::saturating_add);
        self.setup.control.set_hash_rate(all);
    }
}

impl Drop for Pow {
    fn drop(&mut self) {
        self.end_search();
    }
}

/// What one thread does.
struct Share {
    ethash: Ethash,
    header: Header,
    seal_hash: B256,
    stop: Arc<AtomicBool>,
    attempts: Arc<AtomicU64>,
    sealer: ActorRef<SealerActor>,
}

impl Share {
    fn run(self) {
        let epoch = epoch_of(self.header.number);
        let dataset = match self.ethash.dataset(epoch, &|_| {}) {
            Ok(dataset) => dataset,
            Err(error) => return warn!(%error, "no dataset to search with"),
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
        let Some(solution) = found else {
            return debug!(number = self.header.number, "search ended");
        };
        info!(
            number = self.header.number,
            nonce = solution.nonce,
            "found a seal"
        );
        let found = Found {
            seal_hash: self.seal_hash,
            solution,
        };
        // A sealer that is down has nobody who waits for it.
        let _ = self.sealer.tell(found);
    }
}
