//! Results of the building and of the sealing of a block.

use std::time::Duration;

use actoreum_consensus::{CliqueError, ConsensusError};
use actoreum_primitives::Block;
use tracing::{debug, info, warn};

use super::{
    Action, BuildResult, Pace, Phase, SealResult, View, Worker,
    phase::{Attempt, Filling, Timer},
};

/// Pause before a key that could not be used is asked for again.
const KEY_PAUSE: Duration = Duration::from_secs(3);

impl Worker {
    /// Takes the result of [`Action::Build`], and how long it took.
    pub fn on_built(
        &mut self,
        view: &View,
        build_time: Duration,
        result: BuildResult,
    ) -> Vec<Action> {
        self.build_time = build_time;
        match (self.take_phase(), result) {
            // A block that was completed in spite of the interruption is not sealed: its search
            // would go on, on an outdated head or although sealing is off.
            (Phase::Building(attempt, Filling::Interrupted), BuildResult::Built { .. })
            | (Phase::Building(attempt, _), BuildResult::Interrupted) => {
                self.restart_round(view, attempt.round);
            }
            (Phase::Building(attempt, filling), BuildResult::Built { block, share }) => {
                self.use_block(view, attempt, filling, block, share);
            }
            (Phase::Building(attempt, _), BuildResult::Failed(error)) => {
                warn!(%error, "block not built");
                self.fail_round(view, attempt.round, error);
            }
            (phase, _) => self.phase = phase,
        }
        self.take_actions()
    }

    /// No thread takes the job of [`Action::Build`].
    pub fn on_build_refused(&mut self, view: &View, why: String) -> Vec<Action> {
        match self.take_phase() {
            Phase::Building(attempt, _) => self.fail_round(view, attempt.round, why),
            phase => self.phase = phase,
        }
        self.take_actions()
    }

    fn use_block(
        &mut self,
        view: &View,
        mut attempt: Attempt,
        filling: Filling,
        block: Box<Block>,
        share: Option<f64>,
    ) {
        let is_requested = attempt.round.request.is_some();
        let is_empty = block.body.transactions.is_empty();
        if is_empty && self.waits_for_transactions() && !is_requested {
            let on = block.header.parent_hash;
            self.empty_build = attempt.built_from.map(|version| (on, version));
            return self.end_round(view);
        }
        self.ommers.set_included(block.body.ommers.len());
        // With proof of work another block follows at once, because this one is empty, was not
        // filled in time, or lacks an ommer.
        let is_rebuilt_at_once = self.rules.pace == Pace::Search
            && (attempt.built_from.is_none()
                || filling == Filling::Ended
                || self.wants_new_ommers());
        self.adjust_recommit(&attempt, share);
        if is_rebuilt_at_once {
            attempt.timer = Some((view.now, Timer::Recommit));
        } else if attempt
            .timer
            .is_some_and(|(_, timer)| timer == Timer::EndFilling)
        {
            attempt.timer = None;
        }
        self.actions.push(Action::Seal {
            round: attempt.number,
            block,
            even_if_empty: is_requested,
        });
        self.phase = Phase::Sealing(attempt);
    }

    /// Takes the result of [`Action::Seal`] of a round.
    pub fn on_sealed(&mut self, view: &View, round: u64, result: SealResult) -> Vec<Action> {
        match self.take_phase() {
            Phase::Sealing(attempt) if attempt.number == round => {
                self.on_answer(view, attempt, result);
            }
            phase => {
                self.phase = phase;
                debug!(round, "sealed too late: another block took its place");
                if let (SealResult::Sealed(block), Pace::Search) = (result, self.rules.pace) {
                    self.actions.push(Action::ImportLate(block));
                }
            }
        }
        self.take_actions()
    }

    fn on_answer(&mut self, view: &View, attempt: Attempt, result: SealResult) {
        let round = attempt.round;
        match result {
            SealResult::Sealed(block) | SealResult::SignedBefore(block) => {
                self.import(view, round, block);
            }
            SealResult::Engine(error) => {
                log_engine_refusal(view, &error);
                self.wait_for_new_head(view, &round);
                self.fail_round(view, round, error.to_string());
            }
            SealResult::SignedElsewhere(error) => {
                self.warn_not_sealed(view, &error);
                self.wait_for_new_head(view, &round);
                self.fail_round(view, round, error);
            }
            SealResult::KeyFailed(error) => {
                warn!(%error, "block not signed");
                self.key_retry_at = Some(view.now.saturating_add(KEY_PAUSE));
                self.fail_round(view, round, error);
            }
            SealResult::RecordFailed(error) => {
                self.warn_not_sealed(view, &error);
                self.key_retry_at = Some(view.now.saturating_add(KEY_PAUSE));
                self.fail_round(view, round, error);
            }
            SealResult::Failed(error) => {
                warn!(%error, "block not sealed");
                self.fail_round(view, round, error);
            }
            // The next check finds the new head, or the sealer that is up again.
            SealResult::Outdated | SealResult::Unanswered => self.retry_round(view, round),
        }
    }
}

fn log_engine_refusal(view: &View, error: &ConsensusError) {
    let number = view.head.number + 1;
    let signer = view.etherbase.unwrap_or_default();
    match error {
        ConsensusError::Clique(
            CliqueError::MustWaitForOthers | CliqueError::WaitingForTransactions,
        ) => info!(number, %error, "block not sealed"),
        error => warn!(number, %signer, %error, "block not sealed"),
    }
}
