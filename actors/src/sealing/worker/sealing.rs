//! Building of a block on the threads, and its sealing by SealerActor.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use actoreum_chain::{BuildError, BuildPlan};
use actoreum_consensus::rules::gas_limit;
use actoreum_messages::sealer::{Seal, SealRefused};
use actoreum_primitives::Block;
use actoreum_sealing::worker::{BlockTime, BuildOrder, BuildResult, SealResult};
use tracing::debug;

use super::{
    WorkerActor,
    build::{BuildOutcome, Interrupts, build},
};
use actoreum_supervision::{AskError, Ctx, Handles, JobError, Message};

/// Result of building a block.
#[derive(Message)]
pub(super) struct Built {
    build_time: Duration,
    result: Result<Result<BuildOutcome, BuildError>, JobError>,
}

impl Handles<Built> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, Built { build_time, result }: Built, ctx: &mut Ctx<Self>) {
        let result = match result {
            Ok(Ok(BuildOutcome { built, share })) => {
                let block = built.block;
                let transactions = block.body.transactions.len();
                let (number, micros) = (block.header.number, build_time.as_micros());
                let is_partial = share.is_some();
                debug!(number, transactions, micros, is_partial, "built a block");
                let block = Box::new(block);
                BuildResult::Built { block, share }
            }
            Ok(Err(BuildError::Interrupted)) => BuildResult::Interrupted,
            Ok(Err(error)) => BuildResult::Failed(error.to_string()),
            Err(error) => BuildResult::Failed(error.to_string()),
        };
        self.step(ctx, |worker, view| {
            worker.on_built(view, build_time, result)
        });
    }
}

impl WorkerActor {
    /// Has a thread build a block, with the transactions of the snapshot that the state machine saw.
    pub(super) fn build(&mut self, order: BuildOrder, ctx: &mut Ctx<Self>) {
        let BuildOrder {
            parent,
            author,
            ommers,
            edit,
            chosen,
            ..
        } = order;
        let time = match order.time {
            BlockTime::Now => self.setup.clock.unix_seconds(),
            BlockTime::NotBefore(time) => self.setup.clock.unix_seconds().max(time),
            BlockTime::OfParent => parent.timestamp,
            BlockTime::At(time) => time,
        };
        let settings = self.setup.control.settings();
        let plan = BuildPlan {
            gas_limit: gas_limit::desired(
                self.setup.chain_reader.config(),
                &parent,
                time,
                settings.gas_floor..=settings.gas_ceiling,
            ),
            parent,
            time,
            extra_data: settings.extra_data,
            author,
            edit,
            chosen,
        };
        let snapshot = self.snapshot.as_ref();
        let offers = snapshot
            .filter(|_| order.with_transactions)
            .map(|snapshot| snapshot.best(chosen.base_fee.or(snapshot.head().base_fee_per_gas)));
        self.interrupts = Interrupts::default();
        let interrupts = self.interrupts.clone();
        let (chain_reader, engine) = (
            self.setup.chain_reader.clone(),
            Arc::clone(&self.setup.engine),
        );
        let work = move || {
            build(
                &chain_reader,
                engine.as_ref(),
                plan,
                &ommers,
                offers,
                &interrupts,
            )
        };
        let begun = Instant::now();
        let submitted =
            self.setup
                .threads
                .job("BuildBlock")
                .submit(ctx.me(), work, move |result| Built {
                    build_time: begun.elapsed(),
                    result,
                });
        if let Err(error) = submitted {
            let why = error.to_string();
            self.step(ctx, |worker, view| worker.on_build_refused(view, why));
        }
    }

    /// Has the sealer seal a block.
    pub(super) fn seal(
        &mut self,
        round: u64,
        block: Block,
        even_if_empty: bool,
        ctx: &mut Ctx<Self>,
    ) {
        let is_outdated: Arc<AtomicBool> = Arc::default();
        self.is_outdated = Arc::clone(&is_outdated);
        let answer = self.setup.sealer.ask(Seal {
            block,
            even_if_empty,
            is_outdated,
        });
        ctx.spawn_then(answer, move |actor: &mut Self, answer, ctx| {
            let result = seal_result(answer);
            actor.step(ctx, |worker, view| worker.on_sealed(view, round, result));
        });
    }
}

fn seal_result(answer: Result<Result<Block, SealRefused>, AskError>) -> SealResult {
    match answer {
        Ok(Ok(block)) => SealResult::Sealed(Box::new(block)),
        Ok(Err(SealRefused::SignedBefore(block))) => SealResult::SignedBefore(block),
        Ok(Err(SealRefused::Engine(error))) => SealResult::Engine(Box::new(error)),
        Ok(Err(SealRefused::Outdated)) => SealResult::Outdated,
        Ok(Err(SealRefused::Signer(error))) => SealResult::KeyFailed(error),
        Ok(Err(SealRefused::Record(error))) => SealResult::RecordFailed(error),
        Ok(Err(error @ SealRefused::SignedElsewhere { .. })) => {
            SealResult::SignedElsewhere(error.to_string())
        }
        Ok(Err(error @ (SealRefused::Busy | SealRefused::Store(_)))) => {
            SealResult::Failed(error.to_string())
        }
        Err(error) => {
            debug!(%error, "block not sealed");
            SealResult::Unanswered
        }
    }
}
