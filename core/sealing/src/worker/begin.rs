//! Start of a round: the check whether a block is due, and its parameters.

use std::time::Duration;

use actoreum_chain::{SealedHeader, StateEdit};
use actoreum_primitives::{Address, Header};

use super::{
    Action, BlockTime, BuildOrder, Pace, Phase, RequestKind, Round, View, Worker,
    phase::{Attempt, Filling, Timer},
};

/// Interval of the checks whether the transaction pool has seen the new head.
const POOL_CHECK_INTERVAL: Duration = Duration::from_millis(1);
/// Timeout of the transaction pool, after which a block is built on its last snapshot.
const POOL_TIMEOUT: Duration = Duration::from_millis(500);

/// Time and edit of the block that a round begins.
struct Wanted {
    time: BlockTime,
    edit: Option<StateEdit>,
    /// The chain's time after the clock was set.
    chain_time: Duration,
}

impl Worker {
    /// Starts a round if a block is due.
    pub(super) fn start_if_due(&mut self, view: &View) {
        if !matches!(self.phase, Phase::Idle) {
            return;
        }
        if self.requests.is_empty() && !view.is_sealing {
            return;
        }
        if self.pool_is_behind(view) {
            return self.schedule_check(view, POOL_CHECK_INTERVAL);
        }
        if self.requests.is_empty() && !self.is_due(view) {
            return;
        }
        self.begin(view);
    }

    /// Returns whether the pool has not seen the head yet, and the wait for it has not timed out.
    fn pool_is_behind(&mut self, view: &View) -> bool {
        if view.pool.is_none_or(|pool| pool.head == view.head.hash()) {
            self.behind_since = None;
            return false;
        }
        let since = *self.behind_since.get_or_insert(view.now);
        view.now.saturating_sub(since) < POOL_TIMEOUT
    }

    /// Returns whether a block is due without a request.
    fn is_due(&mut self, view: &View) -> bool {
        if self.refused_on == Some(view.head.hash()) {
            return false;
        }
        if let Some(until) = self.key_retry_at {
            let wait = until.saturating_sub(view.now);
            if !wait.is_zero() {
                self.schedule_check(view, wait);
                return false;
            }
        }
        if self.rules.pace == Pace::Search {
            return true;
        }
        if let Pace::Period(period) = self.rules.pace {
            let until_due = time_until_due(&view.head, period, view.chain_time);
            let wait = until_due.saturating_sub(self.lead(period));
            if !wait.is_zero() {
                self.schedule_check(view, wait);
                return false;
            }
            if !self.waits_for_transactions() {
                return true;
            }
        }
        let Some(pool) = view.pool.filter(|pool| pool.pending > 0) else {
            return false;
        };
        self.empty_build != Some((view.head.hash(), pool.version))
    }

    fn begin(&mut self, view: &View) {
        self.rounds += 1;
        let mut round = Round {
            request: self.requests.pop_front(),
            ..Round::default()
        };
        if let Some(RequestKind::Rewind(to)) = round.request.as_ref().map(|request| &request.kind) {
            let (to, from) = (*to, view.head.number);
            self.actions.push(Action::Rewind { to, from });
            self.phase = Phase::Rewinding(round);
            return;
        }
        let wanted = self.wanted(view, &round);
        let Some(author) = view.etherbase else {
            let why = "etherbase must be explicitly specified".to_owned();
            return self.fail_round(view, round, why);
        };
        let parent = view.head.hash();
        let is_first = self.rules.pace == Pace::Search && self.searched_on != Some(parent);
        self.searched_on = Some(parent);
        let timer = self.first_timer(view, &round, is_first, wanted.chain_time);
        if wanted.edit.is_none() {
            round.chosen = view.chosen;
        }
        let order = BuildOrder {
            parent: view.head.clone(),
            time: wanted.time,
            author,
            ommers: self.take_ommers(author),
            with_transactions: !is_first,
            edit: wanted.edit,
            chosen: round.chosen,
        };
        self.actions.push(Action::Build(Box::new(order)));
        let attempt = Attempt {
            number: self.rounds,
            round,
            parent,
            built_from: view.pool.filter(|_| !is_first).map(|pool| pool.version),
            timer: timer.map(|(pause, timer)| (view.now.saturating_add(pause), timer)),
        };
        self.phase = Phase::Building(attempt, Filling::Open);
    }

    /// Returns time and edit of the round's block, and has the clock set if a time was given.
    fn wanted(&mut self, view: &View, round: &Round) -> Wanted {
        let time = match self.rules.pace {
            // The block is begun before its time.
            Pace::Period(period) if round.request.is_none() => {
                BlockTime::NotBefore(view.head.timestamp.saturating_add(period))
            }
            _ => BlockTime::Now,
        };
        let mut wanted = Wanted {
            time,
            edit: None,
            chain_time: view.chain_time,
        };
        let set = match round.request.as_ref().map(|request| &request.kind) {
            Some(RequestKind::Edit(edit)) => {
                // The clock and the time that was set for the next block do not apply to this one.
                wanted.edit = Some(edit.clone());
                wanted.time = BlockTime::OfParent;
                None
            }
            Some(RequestKind::Block(Some(time))) => Some(*time),
            Some(RequestKind::Block(None) | RequestKind::Rewind(_)) | None => {
                let after = view.timestamp_interval;
                let at_interval = after.map(|seconds| view.head.timestamp.saturating_add(seconds));
                view.chosen.timestamp.or(at_interval)
            }
        };
        if let Some(time) = set {
            self.actions.push(Action::SetClock(time));
            wanted.time = BlockTime::At(time);
            wanted.chain_time = Duration::from_secs(time);
        }
        wanted
    }

    /// Returns the pause before the first timer of a round.
    fn first_timer(
        &mut self,
        view: &View,
        round: &Round,
        is_first: bool,
        chain_time: Duration,
    ) -> Option<(Duration, Timer)> {
        match self.rules.pace {
            // A requested block is filled completely.
            _ if round.request.is_some() => None,
            Pace::Search if !is_first => Some((self.recommit.get(view.recommit), Timer::Recommit)),
            Pace::Period(period) => {
                let until_due = time_until_due(&view.head, period, chain_time);
                Some((until_due.max(self.lead(period)), Timer::EndFilling))
            }
            Pace::OnDemand | Pace::Search => None,
        }
    }

    fn take_ommers(&mut self, author: Address) -> Vec<Header> {
        if self.rules.pace != Pace::Search {
            return Vec::new();
        }
        let own = &self.rules.own;
        self.ommers
            .take_candidates(|of| *of == author || own.contains(of))
    }
}

/// Returns the time until a block with this period, in seconds, may follow `parent`.
fn time_until_due(parent: &SealedHeader, period: u64, chain_time: Duration) -> Duration {
    let due = Duration::from_secs(parent.timestamp.saturating_add(period));
    due.saturating_sub(chain_time)
}
