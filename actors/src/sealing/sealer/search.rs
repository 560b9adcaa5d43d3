//! The search for proofs of work: begun, ended and begun again by SealerActor.

use std::time::Duration;

use actoreum_consensus::ethash::Solution;
use actoreum_messages::{sealer::SealRefused, worker::LateSeal};
use actoreum_primitives::{B256, Block};
use actoreum_supervision::{Ctx, Handles, Later, Message};
use tracing::warn;

use super::{
    SealerActor,
    pow::{Answer, NextSearch, Pow},
    search_thread::{SearchThread, on_thread},
};

/// Pause before a search that failed begins again.
const SEARCH_RETRY: Duration = Duration::from_secs(10);

impl SealerActor {
    /// Begins the search for the block's seal, unless the head has changed since it was built.
    pub(super) fn add_work(&mut self, block: Block, ctx: &mut Ctx<Self>) -> Later<Answer> {
        let is_on_head = self.setup.chain_reader.head().hash() == block.header.parent_hash;
        let pow = self.pow.as_mut().filter(|_| is_on_head);
        let added = pow.and_then(|pow| pow.add_work(block));
        let Some(later) = added else {
            return Later::new(std::future::ready(Err(SealRefused::Outdated)));
        };
        self.search(ctx);
        for post in self.pow.iter().flat_map(Pow::posts) {
            ctx.spawn(post);
        }
        later
    }

    /// Restarts the search for the newest block's seal.
    pub(super) fn search(&mut self, ctx: &mut Ctx<Self>) {
        match self.pow.as_mut().map(Pow::next_search) {
            None | Some(NextSearch::Nothing) => {}
            Some(NextSearch::Dataset(epoch)) => self.load_dataset(epoch, ctx),
            Some(NextSearch::Threads(threads)) => {
                for thread in threads {
                    self.start_thread(thread, ctx);
                }
            }
        }
    }

    /// Starts a search on one thread of the pool. Its result comes as the completion of a future, for
    /// which the actor's mailbox always has room.
    fn start_thread(&self, thread: SearchThread, ctx: &mut Ctx<Self>) {
        let Some(pow) = &self.pow else { return };
        let seal_hash = thread.seal_hash;
        // A search takes as long as it has to.
        let job = pow.setup.search.pool.job("SearchSeal");
        let found = job.may_take(Duration::MAX).run(move || thread.run());
        ctx.spawn_then(found, move |actor: &mut Self, found, ctx| match found {
            Ok(Some(solution)) => actor.on_seal_found(seal_hash, solution),
            Ok(None) => {}
            Err(error) => actor.retry_search(&error.to_string(), ctx),
        });
    }

    /// Loads or generates a dataset on one thread, then begins the search for the newest block's
    /// seal. Generating takes minutes, in which the newest block changes.
    fn load_dataset(&self, epoch: u64, ctx: &mut Ctx<Self>) {
        let Some(pow) = &self.pow else { return };
        let ethash = pow.setup.ethash.clone();
        let load = move || ethash.dataset(epoch, &|_| {}).map(drop);
        let loaded = on_thread("ethash".to_owned(), load);
        ctx.spawn_then(loaded, |actor: &mut Self, loaded, ctx| {
            if let Some(pow) = &mut actor.pow {
                pow.dataset_loaded();
            }
            match loaded {
                Ok(Ok(())) => actor.resume_search(ctx),
                Ok(Err(error)) => actor.retry_search(&error.to_string(), ctx),
                Err(error) => actor.retry_search(&error, ctx),
            }
        });
    }

    /// Begins the search for the newest block's seal, unless mining was stopped.
    fn resume_search(&mut self, ctx: &mut Ctx<Self>) {
        if self.pow.as_ref().is_some_and(|pow| !pow.is_stopped()) {
            self.search(ctx);
        }
    }

    /// Completes the work with a seal; a seal for an older work goes to WorkerActor.
    pub(super) fn on_seal_found(&mut self, seal_hash: B256, solution: Solution) {
        let late = self
            .pow
            .as_mut()
            .and_then(|pow| pow.on_seal_found(seal_hash, solution));
        if let Some(block) = late {
            // A worker that is down starts with new work.
            let _ = self.setup.worker.tell(LateSeal(block));
        }
    }

    /// Begins a search that failed again after a pause.
    fn retry_search(&mut self, error: &str, ctx: &mut Ctx<Self>) {
        warn!(error, retry = ?SEARCH_RETRY, "search for a seal failed");
        if self.pow.as_mut().is_some_and(Pow::note_failed) {
            ctx.notify_after(SEARCH_RETRY, SearchAgain);
        }
    }
}

/// Timer message: begin the search that failed again.
#[derive(Message)]
struct SearchAgain;

impl Handles<SearchAgain> for SealerActor {
    type Answer = ();

    /// Begins the search again, unless another one has begun or mining was stopped.
    fn handle(&mut self, _: SearchAgain, ctx: &mut Ctx<Self>) {
        if self.pow.as_mut().is_some_and(Pow::take_retry) {
            self.resume_search(ctx);
        }
    }
}
