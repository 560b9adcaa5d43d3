//! Sealing: from the built block to SealerActor's answer.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use actoreum_chain::{BuildError, BuiltBlock};
use actoreum_consensus::{CliqueError, ConsensusError};
use actoreum_messages::sealer::{Seal, SealRefused};
use actoreum_primitives::Block;
use tracing::{debug, info, warn};

use super::{Attempt, Pace, Phase, WorkerActor, build::BuildOutcome};
use actoreum_supervision::{AskError, Ctx, Handles, JobError, Message};

/// Pause before a key that could not be used is asked for again.
const KEY_PAUSE: Duration = Duration::from_secs(3);
/// Interval of the log lines with the same reason why blocks are not sealed.
const REMINDER: Duration = Duration::from_secs(60);

/// Result of building a block.
#[derive(Message)]
pub(super) struct Built {
    pub(super) round: u64,
    pub(super) build_time: Duration,
    pub(super) result: Result<Result<BuildOutcome, BuildError>, JobError>,
}

impl Handles<Built> for WorkerActor {
    type Answer = ();

    fn handle(&mut self, built: Built, ctx: &mut Ctx<Self>) {
        debug_assert_eq!(built.round, self.round, "a round ends with its build");
        self.build_time = built.build_time;
        match built.result {
            Ok(Ok(BuildOutcome {
                built: BuiltBlock { block, .. },
                share,
            })) => {
                let transactions = block.body.transactions.len();
                let (number, micros) = (block.header.number, built.build_time.as_micros());
                let is_partial = share.is_some();
                debug!(number, transactions, micros, is_partial, "built a block");
                let is_empty = transactions == 0;
                if is_empty && self.waits_for_transactions() && self.request.is_none() {
                    let on = block.header.parent_hash;
                    self.empty_build = self.built_from.take().map(|snapshot| (on, snapshot));
                    return self.end_round(ctx);
                }
                self.included_ommers = block.body.ommers.len();
                let is_rebuilt_at_once = self.is_rebuilt_at_once();
                self.adjust_recommit(share);
                self.seal(block, ctx);
                if is_rebuilt_at_once {
                    self.recommit_in(Duration::ZERO, ctx);
                }
            }
            Ok(Err(BuildError::Interrupted)) => {
                if let Some(request) = self.request.take() {
                    self.requests.push_front(request);
                }
                self.end_round(ctx);
            }
            Ok(Err(error)) => {
                warn!(%error, "block not built");
                self.fail_round(&error.to_string(), ctx);
            }
            Err(error) => {
                warn!(%error, "block not built");
                self.fail_round(&error.to_string(), ctx);
            }
        }
    }
}

impl WorkerActor {
    /// Returns true if an empty block is sealed only on request.
    pub(super) fn waits_for_transactions(&self) -> bool {
        match self.setup.pace {
            Pace::OnDemand => true,
            Pace::Period(_) => self.setup.chain_reader.config().skips_empty_blocks,
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
                self.log_engine_refusal(&error);
                self.wait_for_new_head();
                self.fail_round(&error.to_string(), ctx);
            }
            // Only where the head moved: the next check finds the new one.
            Ok(Err(SealRefused::Outdated)) => self.retry_round(ctx),
            Ok(Err(SealRefused::Signer(error))) => {
                warn!(%error, "block not signed");
                self.key_retry_at = Some(Instant::now() + KEY_PAUSE);
                self.fail_round(&error, ctx);
            }
            Ok(Err(error @ SealRefused::SignedElsewhere { .. })) => {
                self.warn_not_sealed(error.to_string());
                self.wait_for_new_head();
                self.fail_round(&error.to_string(), ctx);
            }
            Ok(Err(SealRefused::Record(error))) => {
                self.warn_not_sealed(error.clone());
                self.key_retry_at = Some(Instant::now() + KEY_PAUSE);
                self.fail_round(&error, ctx);
            }
            Ok(Err(error)) => {
                warn!(%error, "block not sealed");
                self.fail_round(&error.to_string(), ctx);
            }
            // The sealer is restarting. A block that it had signed is imported then.
            Err(error) => {
                debug!(%error, "block not sealed");
                self.retry_round(ctx);
            }
        }
    }

    /// Logs why no block is sealed: at once, then every minute.
    pub(super) fn warn_not_sealed(&mut self, error: String) {
        let number = self.setup.chain_reader.head_number() + 1;
        let is_logged = self
            .last_warning
            .as_ref()
            .is_some_and(|(logged, at)| *logged == error && at.elapsed() < REMINDER);
        if is_logged {
            return debug!(number, error, "block not sealed");
        }
        warn!(number, error, "block not sealed");
        self.last_warning = Some((error, Instant::now()));
    }

    fn log_engine_refusal(&self, error: &ConsensusError) {
        let number = self.setup.chain_reader.head_number() + 1;
        let signer = self.setup.control.settings().etherbase.unwrap_or_default();
        match error {
            ConsensusError::Clique(
                CliqueError::MustWaitForOthers | CliqueError::WaitingForTransactions,
            ) => info!(number, %error, "block not sealed"),
            error => warn!(number, %signer, %error, "block not sealed"),
        }
    }

    /// Blocks sealing until the head changes, unless the settings changed during this round.
    pub(super) fn wait_for_new_head(&mut self) {
        if !self.settings_changed {
            self.refused_on = Some(self.setup.chain_reader.head().hash());
        }
    }
}
