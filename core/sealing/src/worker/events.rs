//! Inputs that tell of a change: a new head, new transactions, changed settings.

use actoreum_chain::ChainEvent;

use super::{Action, Pace, Phase, View, Worker, phase::Filling};

impl Worker {
    /// Takes the events of an import. A new head ends the work on an outdated block.
    pub fn on_chain_changed(&mut self, view: &View, events: &[ChainEvent]) -> Vec<Action> {
        self.ommers.add_events(events);
        let is_head = |event: &ChainEvent| matches!(event, ChainEvent::Head(_));
        if events.iter().any(is_head) {
            self.on_new_head(view);
        } else if matches!(self.phase, Phase::Sealing(_)) && self.wants_new_ommers() {
            self.rebuild(view);
        }
        self.take_actions()
    }

    fn on_new_head(&mut self, view: &View) {
        for (number, hash) in self.unconfirmed.take_deep(view.head.number) {
            self.actions.push(Action::ReportConfirmed { number, hash });
        }
        match self.phase.attempt() {
            // Events of the head that the block is built on may come late.
            Some(attempt) if attempt.parent == view.head.hash() => {}
            _ => self.drop_attempt(view),
        }
    }

    /// Checks whether a block is due. Transactions may have arrived, or an event may be lost.
    pub fn check(&mut self, view: &View) -> Vec<Action> {
        self.start_if_due(view);
        self.take_actions()
    }

    /// The operator changed the sealing: on, off, or the etherbase.
    pub fn on_settings_changed(&mut self, view: &View) -> Vec<Action> {
        self.key_retry_at = None;
        self.refused_on = None;
        let mut is_requested = false;
        if let Some(round) = self.phase.round_mut() {
            round.settings_changed = true;
            is_requested = round.request.is_some();
        }
        let is_unwanted = !is_requested && !view.is_sealing;
        if is_unwanted && self.rules.pace == Pace::Search {
            // Also while a block is built: an earlier one is searched for meanwhile.
            self.actions.push(Action::StopSealing);
        }
        if is_unwanted {
            self.drop_attempt(view);
        } else {
            self.start_if_due(view);
        }
        self.take_actions()
    }

    /// Gives up the block that is being built or sealed; the request is still to be fulfilled.
    /// Checks whether a block is due where there is none.
    fn drop_attempt(&mut self, view: &View) {
        match self.take_phase() {
            Phase::Building(attempt, filling) => {
                if filling != Filling::Interrupted {
                    self.actions.push(Action::InterruptBuild);
                }
                self.phase = Phase::Building(attempt, Filling::Interrupted);
            }
            Phase::Sealing(attempt) => {
                self.actions.push(Action::AbandonSeal);
                self.restart_round(view, attempt.round);
            }
            phase => {
                self.phase = phase;
                self.start_if_due(view);
            }
        }
    }
}
