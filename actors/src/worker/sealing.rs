//! From the block that the pool built to the one that SealerActor gives back.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use actoreum_chain::{BuildError, BuiltBlock};
use actoreum_consensus::{CliqueError, ConsensusError};
use actoreum_messages::sealer::{Seal, SealRefused};
use actoreum_primitives::Block;
use tracing::{debug, info, warn};

use super::{Attempt, Pace, Phase, WorkerActor, build::Made};
use crate::supervision::{AskError, Ctx, Handles, JobError, Message};

/// Pause before a key that could not be used is asked for again.
const KEY_PAUSE: Duration = Duration::from_secs(3);
/// Time between two lines that say the same about what is not signed.
const REMINDER: Duration = Duration::from_secs(60);

/// The pool is done with a block.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Built {
    pub(super) round: u64,
    pub(super) took: Duration,
    pub(super) result: Result<Result<Made, BuildError>, JobError>,
}

impl Handles<Built> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, built: Built, ctx: &mut Ctx<Self>) {
        debug_assert_eq!(built.round, self.round, "a round ends with its build");
        self.took = built.took;
        match built.result {
            Ok(Ok(Made {
                built: BuiltBlock { block, .. },
                share,
            })) => {
                let transactions = block.body.transactions.len();
                let (number, micros) = (block.header.number, built.took.as_micros());
                let is_partial = share.is_some();
                debug!(number, transactions, micros, is_partial, "built a block");
                let is_empty = transactions == 0;
                if is_empty && self.waits_for_transactions() && self.request.is_none() {
                    let on = block.header.parent_hash;
                    self.fruitless = self.built_from.take().map(|snapshot| (on, snapshot));
                    return self.rest(ctx);
                }
                self.included_ommers = block.body.ommers.len();
                let is_renewed_at_once = self.is_renewed_at_once();
                self.adjust_recommit(share);
                self.seal(block, ctx);
                if is_renewed_at_once {
                    self.recommit_in(Duration::ZERO, ctx);
                }
            }
            Ok(Err(BuildError::Interrupted)) => {
                if let Some(request) = self.request.take() {
                    self.requests.push_front(request);
                }
                self.rest(ctx);
            }
            Ok(Err(error)) => {
                warn!(%error, "block not built");
                self.give_up(&error.to_string(), ctx);
            }
            Err(error) => {
                warn!(%error, "block not built");
                self.give_up(&error.to_string(), ctx);
            }
        }
    }
}

impl WorkerActor {
    /// Whether no block is sealed without a transaction, unless somebody asks for one.
    pub(super) fn waits_for_transactions(&self) -> bool {
        match self.setup.pace {
            Pace::OnDemand => true,
            Pace::Period(_) => self.setup.reader.config().skips_empty_blocks,
            Pace::Search => false,
        }
    }

    fn seal(&mut self, block: Block, ctx: &mut Ctx<Self>) {
        let is_outdated: Arc<AtomicBool> = Arc::default();
        self.phase = Phase::Sealing(Attempt {
            parent: block.header.parent_hash,
            is_outdated: Arc::clone(&is_outdated),
        });
        let round = self.round;
        let even_if_empty = self.request.is_some();
        let question = Seal {
            block,
            even_if_empty,
            is_outdated,
        };
        let answer = self.setup.sealer.ask(question);
        ctx.spawn_then(answer, move |actor, answer, ctx| {
            actor.sealed(round, answer, ctx);
        });
    }

    fn sealed(
        &mut self,
        round: u64,
        answer: Result<Result<Block, SealRefused>, AskError>,
        ctx: &mut Ctx<Self>,
    ) {
        if round != self.round {
            debug!(round, "sealed too late: another block took its place");
            if let (Ok(Ok(block)), Pace::Search) = (answer, self.setup.pace) {
                self.import_late(block, ctx);
            }
            return;
        }
        match answer {
            Ok(Ok(block)) => self.import(block, ctx),
            Ok(Err(SealRefused::SignedBefore(block))) => self.import(*block, ctx),
            Ok(Err(SealRefused::Engine(error))) => {
                self.tell_why_not(&error);
                self.wait_for_another_head();
                self.give_up(&error.to_string(), ctx);
            }
            // Only where the head moved: a look finds the new one.
            Ok(Err(SealRefused::Outdated)) => self.try_again(ctx),
            Ok(Err(SealRefused::Signer(error))) => {
                warn!(%error, "block not signed");
                self.keyless_until = Some(Instant::now() + KEY_PAUSE);
                self.give_up(&error, ctx);
            }
            Ok(Err(error @ SealRefused::OnRecord { .. })) => {
                self.remind_of_refusal(error.to_string());
                self.wait_for_another_head();
                self.give_up(&error.to_string(), ctx);
            }
            Ok(Err(SealRefused::Record(error))) => {
                self.remind_of_refusal(error.clone());
                self.keyless_until = Some(Instant::now() + KEY_PAUSE);
                self.give_up(&error, ctx);
            }
            Ok(Err(error)) => {
                warn!(%error, "block not sealed");
                self.give_up(&error.to_string(), ctx);
            }
            // The sealer is starting again. What it had signed it gives away then.
            Err(error) => {
                debug!(%error, "block not sealed");
                self.try_again(ctx);
            }
        }
    }

    /// Says why nothing is signed: at once, then every minute.
    pub(super) fn remind_of_refusal(&mut self, error: String) {
        let number = self.setup.reader.head_number() + 1;
        let is_told = self
            .refusal_told
            .as_ref()
            .is_some_and(|(told, at)| *told == error && at.elapsed() < REMINDER);
        if is_told {
            return debug!(number, error, "block not sealed");
        }
        warn!(number, error, "block not sealed");
        self.refusal_told = Some((error, Instant::now()));
    }

    fn tell_why_not(&self, error: &ConsensusError) {
        let number = self.setup.reader.head_number() + 1;
        let signer = self.setup.control.settings().etherbase.unwrap_or_default();
        match error {
            ConsensusError::Clique(
                CliqueError::MustWaitForOthers | CliqueError::WaitingForTransactions,
            ) => info!(number, %error, "block not sealed"),
            error => warn!(number, %signer, %error, "block not sealed"),
        }
    }

    /// No block can be sealed on this head, unless this actor was told to look meanwhile.
    pub(super) fn wait_for_another_head(&mut self) {
        if !self.is_told_to_look {
            self.refused_on = Some(self.setup.reader.head().hash());
        }
    }
}
