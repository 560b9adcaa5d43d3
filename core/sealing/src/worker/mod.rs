//! The worker: decides when a block is built, has it sealed, and has it imported (geth's
//! `miner/worker.go`).
//!
//! ```text
//!           .------------------- a new head, a refusal -------------------.
//!           v                                                             |
//!   Idle --check--> Building --(Built)--> Sealing --(Sealed)--> Importing
//!    ^                  ^                    |                            |
//!    |                  '-- rebuild ---------'                            |
//!    '-------------------------- imported --------------------------------'
//! ```
//!
//! One round runs at a time. A round is not started by an event but by a check of the [`View`]; an
//! event is only a reason to check. So nothing is lost with an event, or with a restart: the worker
//! then begins with a block that was signed and perhaps not imported, and checks.
//!
//! Each method takes the view of that moment and returns the actions for the driver, which calls
//! [`Worker::poll`] when the time of [`Worker::next_timeout`] has come.
//!
//! | file | rules |
//! |---|---|
//! | `begin` | whether a block is due, and its parameters |
//! | `events` | a new head, new transactions, changed settings |
//! | `requests` | requests of users, blocks of an interval, rewinds |
//! | `sealing` | results of the building and of the sealing |
//! | `importing` | results of the import |
//! | `recommit` | when a block is built again, or its filling ended |
//! | `ommers`, `unconfirmed` | side blocks for the next block; whether blocks sealed here are in the chain |

mod begin;
mod events;
mod importing;
mod interface;
mod ommers;
mod phase;
mod recommit;
mod requests;
mod sealing;
#[cfg(test)]
mod tests;
mod unconfirmed;

use std::{collections::VecDeque, time::Duration};

use actoreum_chain::ChosenFields;
use actoreum_primitives::{B256, Block};
use tracing::{debug, info, warn};

pub use interface::{
    Action, BlockTime, BuildOrder, BuildResult, ImportResult, Pace, PoolView, RequestError,
    RequestId, RequestKind, Rules, SealResult, View,
};
use ommers::OmmerPool;
use phase::{Phase, Request, Round};
use recommit::Interval;
pub use requests::MAX_QUEUED_REQUESTS;
pub use unconfirmed::CONFIRMATION_DEPTH;
use unconfirmed::Unconfirmed;

/// Pause before a failed step is tried again.
pub const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Interval of the log lines with the same reason why blocks are not sealed.
const REMINDER: Duration = Duration::from_secs(60);

/// The worker. It starts with a question that the driver puts to the sealer: the last signed block,
/// which goes to [`Self::on_last_signed`].
#[derive(Debug)]
pub struct Worker {
    rules: Rules,
    phase: Phase,
    /// Number of the last round.
    rounds: u64,
    requests: VecDeque<Request>,
    /// Head and version of the pool that led to an empty block: they are not tried again.
    empty_build: Option<(B256, u64)>,
    /// The last head that a seal was searched on.
    searched_on: Option<B256>,
    /// Build time of the last block.
    build_time: Duration,
    recommit: Interval,
    ommers: OmmerPool,
    unconfirmed: Unconfirmed,
    /// The head on which this signer may not seal.
    refused_on: Option<B256>,
    /// Time before which the signer's key is not asked for again.
    key_retry_at: Option<Duration>,
    /// The last logged reason why blocks are not sealed, and its time.
    last_warning: Option<(String, Duration)>,
    /// Since when the pool has not seen the head.
    behind_since: Option<Duration>,
    /// Time of the next check without an event.
    check_at: Option<Duration>,
    actions: Vec<Action>,
}

impl Worker {
    /// Creates a worker that has sealed nothing.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            phase: Phase::Starting,
            rounds: 0,
            requests: VecDeque::new(),
            empty_build: None,
            searched_on: None,
            build_time: Duration::ZERO,
            recommit: Interval::default(),
            ommers: OmmerPool::default(),
            unconfirmed: Unconfirmed::default(),
            refused_on: None,
            key_retry_at: None,
            last_warning: None,
            behind_since: None,
            check_at: None,
            actions: Vec::new(),
        }
    }

    /// Takes the last block that was signed here, if there is one. One above the head is imported
    /// before another block is built.
    pub fn on_last_signed(&mut self, view: &View, last: Option<Box<Block>>) -> Vec<Action> {
        if !matches!(self.phase, Phase::Starting) {
            return Vec::new();
        }
        match last {
            Some(block) if block.header.number > view.head.number => {
                info!(
                    number = block.header.number,
                    "importing a block that was signed before"
                );
                self.import(view, Round::default(), block);
            }
            _ => self.end_round(view),
        }
        self.take_actions()
    }

    /// Returns the time at which [`Self::poll`] is to be called, if nothing happens before.
    pub fn next_timeout(&self) -> Option<Duration> {
        let timeouts = [self.check_at, self.phase.next_timeout()];
        timeouts.into_iter().flatten().min()
    }

    /// Does what is due by now, and checks whether a block is.
    pub fn poll(&mut self, view: &View) -> Vec<Action> {
        if self.check_at.is_some_and(|at| at <= view.now) {
            self.check_at = None;
        }
        match &mut self.phase {
            Phase::Building(attempt, _) | Phase::Sealing(attempt) => {
                if let Some((_, timer)) = attempt.timer.take_if(|(at, _)| *at <= view.now) {
                    self.on_timer(view, timer);
                }
            }
            Phase::Importing(import) => {
                if import.retry_at.is_some_and(|at| at <= view.now) {
                    self.import_again(view);
                }
            }
            Phase::Idle => self.start_if_due(view),
            Phase::Starting | Phase::Rewinding(_) => {}
        }
        self.take_actions()
    }

    /// Returns the actions since the last call.
    fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    fn take_phase(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Idle)
    }

    fn schedule_check(&mut self, view: &View, pause: Duration) {
        self.check_at = Some(view.now.saturating_add(pause));
    }

    /// Ends a round without a block.
    fn fail_round(&mut self, view: &View, round: Round, why: String) {
        self.answer(round.request, Err(RequestError::Failed(why)));
        self.phase = Phase::Idle;
        self.schedule_check(view, RETRY_PAUSE);
    }

    /// Ends a round whose request is still to be fulfilled, after a pause.
    fn retry_round(&mut self, view: &View, round: Round) {
        self.requests_back(round);
        self.phase = Phase::Idle;
        self.schedule_check(view, RETRY_PAUSE);
    }

    /// Ends a round, and checks whether the next is due.
    fn end_round(&mut self, view: &View) {
        self.phase = Phase::Idle;
        self.start_if_due(view);
    }

    /// Ends a round whose request is still to be fulfilled, and checks whether the next is due.
    fn restart_round(&mut self, view: &View, round: Round) {
        self.requests_back(round);
        self.end_round(view);
    }

    /// Puts the request of a round that ends before all others.
    fn requests_back(&mut self, round: Round) {
        if let Some(request) = round.request {
            self.requests.push_front(request);
        }
    }

    /// Has the chosen fields that a block had dropped. Returns the view without them: another round may
    /// begin before the driver takes a new one.
    fn without_chosen(&mut self, view: &View, used: ChosenFields) -> View {
        if used != ChosenFields::default() {
            self.actions.push(Action::DropChosen(used));
        }
        let mut view = view.clone();
        view.chosen.drop_used(used);
        view
    }

    fn answer(&mut self, request: Option<Request>, result: Result<B256, RequestError>) {
        if let Some(id) = request.and_then(|request| request.id) {
            self.actions.push(Action::Answer { id, result });
        }
    }

    /// Blocks sealing until the head changes, unless the settings changed during this round.
    fn wait_for_new_head(&mut self, view: &View, round: &Round) {
        if !round.settings_changed {
            self.refused_on = Some(view.head.hash());
        }
    }

    /// Logs why no block is sealed: at once, then every minute.
    fn warn_not_sealed(&mut self, view: &View, error: &str) {
        let number = view.head.number + 1;
        let is_logged = self
            .last_warning
            .as_ref()
            .is_some_and(|(logged, at)| logged == error && view.now.saturating_sub(*at) < REMINDER);
        if is_logged {
            return debug!(number, error, "block not sealed");
        }
        warn!(number, error, "block not sealed");
        self.last_warning = Some((error.to_owned(), view.now));
    }

    /// Returns true if an empty block is sealed only on request.
    fn waits_for_transactions(&self) -> bool {
        match self.rules.pace {
            Pace::OnDemand => true,
            Pace::Period(_) => self.rules.skips_empty_blocks,
            Pace::Search => false,
        }
    }
}
