//! The reference model's actors and dynamic supervisors, and the events that reach them.

use std::time::Duration;

use super::plan::*;
use super::state::{End, Model};
use super::traffic::Time;
use crate::snapshot::State;

impl Model {
    /// Starts a generation of an actor.
    pub(super) fn start_actor(&mut self, id: Id) -> Result<(), End> {
        let fault = self.nodes[id].start_faults.pop_front();
        self.log.push(format!("make n{id}"));
        // A failed start stops siblings that may still handle what waited for them.
        let is_sibling_busy = self.served_at == Some(self.now);
        self.is_ambiguous |= fault.is_some() && is_sibling_busy;
        match fault {
            Some(StartFault::FactoryFails | StartFault::StartedFails) => {
                return Err(End::StartFailed);
            }
            Some(StartFault::FactoryPanics | StartFault::StartedPanics) => {
                return Err(End::Panicked);
            }
            Some(StartFault::FactoryHangs) => {
                self.pass(START_TIMEOUT);
                return Err(if self.plan.is_dynamic_child(id) {
                    End::Killed
                } else {
                    End::StartFailed
                });
            }
            Some(StartFault::StartedStops) | None => {}
        }
        let generation = self.nodes[id].generation;
        self.log.push(format!("up n{id} {generation}"));
        if fault.is_some() {
            self.end_by_itself(id, End::Normal);
            return Ok(());
        }
        let traffic = &mut self.nodes[id].traffic;
        if traffic.has_waiting_requests() {
            self.served_at = Some(self.now);
        }
        traffic.open(&mut self.results);
        // Siblings start while it works.
        self.is_ambiguous |= traffic.has_holds();
        if let Some(end) = self.work(id) {
            self.is_ambiguous |= is_sibling_busy;
            self.end_by_itself(id, end);
        }
        Ok(())
    }

    /// Lets an actor handle its messages. Returns its end, if it ends.
    fn work(&mut self, id: Id) -> Option<End> {
        let mut time = self.time();
        let traffic = &mut self.nodes[id].traffic;
        let end = traffic.turn(&mut time, &mut self.results);
        self.is_ambiguous |= traffic.had_to_wait;
        self.held = time.held;
        end
    }

    fn time(&self) -> Time {
        Time {
            now: self.now,
            held: self.held,
        }
    }

    /// Records the end of an actor that its supervisor has yet to see.
    fn end_by_itself(&mut self, id: Id, end: End) {
        if matches!(end, End::Normal | End::Failed) {
            self.log.push(format!("down n{id} {end}"));
            // Nothing bounds the time of its hook, and other events come before its end.
            if !self.nodes[id].stop_faults.is_empty() {
                self.is_ambiguous = true;
            }
        }
        if let Some(parent) = self.plan.nodes[id].parent {
            self.nodes[parent].ends.push_back((id, end));
        }
    }

    /// Tells an actor to stop. Returns the time that it takes, and its end.
    fn begin_stop(&mut self, id: Id) -> (Duration, End) {
        self.nodes[id].traffic.close(&mut self.results);
        self.log.push(format!("down n{id} shutdown"));
        match self.nodes[id].stop_faults.pop_front() {
            None => (Duration::ZERO, End::Shutdown),
            Some(StopFault::Slow) => (SLOW_STOP, End::Shutdown),
            Some(StopFault::Hangs) => (STOP_TIMEOUT, End::Killed),
        }
    }

    pub(super) fn stop_actor(&mut self, id: Id) -> End {
        let (time, end) = self.begin_stop(id);
        self.pass(time);
        end
    }

    /// Removes a child of a dynamic supervisor that has ended.
    pub(super) fn forget(&mut self, id: Id, child: Id, end: &End) {
        self.nodes[id].members.retain(|member| *member != child);
        self.nodes[child].is_up = false;
        self.nodes[child].state = if end.is_failure() {
            State::Failed
        } else {
            State::Stopped
        };
        self.note_exit(child, end);
    }

    /// Stops the children of a dynamic supervisor at the same time.
    pub(super) fn stop_members(&mut self, id: Id) {
        let members = std::mem::take(&mut self.nodes[id].members);
        let stops: Vec<_> = members
            .iter()
            .map(|member| self.begin_stop(*member))
            .collect();
        let longest = stops.iter().map(|(time, _)| *time).max();
        self.pass(longest.unwrap_or_default());
        for (member, (_, end)) in members.into_iter().zip(stops) {
            if end == End::Killed {
                self.killed.push(member);
            }
            self.forget(id, member, &end);
        }
    }

    fn start_member(&mut self, id: Id, child: Id) -> &'static str {
        let Role::Dynamic { limit } = self.plan.nodes[id].role else {
            return "Unavailable";
        };
        if self.nodes[id].members.len() >= limit {
            return "NoRoom";
        }
        if !self.nodes[id].is_up {
            return "Unavailable";
        }
        if self.nodes[child].is_bound {
            return "AlreadyBound";
        }
        self.nodes[child].is_bound = true;
        self.nodes[id].members.push(child);
        match self.start(child) {
            Ok(()) => "Ok",
            Err(end) => {
                self.forget(id, child, &end);
                if end == End::Killed {
                    "TimedOut"
                } else {
                    "Failed"
                }
            }
        }
    }

    fn stop_member(&mut self, id: Id, child: Id) -> &'static str {
        if self.nodes[id].members.contains(&child) {
            let end = self.stop_actor(child);
            self.forget(id, child, &end);
        }
        if self.nodes[id].is_up {
            "Ok"
        } else {
            "Unavailable"
        }
    }

    /// Acts on the actors in one instant. Returns those that have something to do, in order.
    pub(super) fn stimulate(&mut self, stimuli: &[Stimulus]) -> Vec<Id> {
        let mut ready = Vec::new();
        let time = self.time();
        for Stimulus { number, to, what } in stimuli {
            let is_woken = match *what {
                What::Send(post) => {
                    let has_clock = !self.plan.is_dynamic_child(*to) || self.nodes[*to].is_bound;
                    let traffic = &mut self.nodes[*to].traffic;
                    // Before its first start an actor does not have the clock of the tree.
                    self.is_ambiguous |= !has_clock && traffic.deadline_of(&post).is_some();
                    traffic.send(*number, post, time, &mut self.results);
                    traffic.depth() > 0
                }
                What::Crash => {
                    let result = self.request_crash(*to);
                    self.results.insert(*number, result);
                    result == "Ok"
                }
                What::CrashAt(kind) => {
                    let result = if self.is_in_tree(*to) {
                        self.nodes[*to].traffic.crash_at = Some(kind);
                        "Ok"
                    } else {
                        "NoSuchActor"
                    };
                    self.results.insert(*number, result);
                    false
                }
                What::SpoilStart(fault) => {
                    self.nodes[*to].start_faults.push_back(fault);
                    false
                }
                What::SpoilStop(fault) => {
                    self.nodes[*to].stop_faults.push_back(fault);
                    false
                }
                What::StartDynamic | What::StopDynamic => false,
            };
            if is_woken && !ready.contains(to) {
                ready.push(*to);
            }
        }
        ready
    }

    fn is_in_tree(&self, id: Id) -> bool {
        let parent = self.plan.nodes[id].parent.unwrap_or(id);
        !self.plan.is_dynamic_child(id) || self.nodes[parent].members.contains(&id)
    }

    fn request_crash(&mut self, id: Id) -> &'static str {
        let is_in_tree = self.is_in_tree(id);
        let node = &mut self.nodes[id];
        if !is_in_tree {
            return "NoSuchActor";
        }
        if node.state != State::Running {
            return "Down";
        }
        if node.crashed == node.generation {
            return "Crashing";
        }
        node.crashed = node.generation;
        node.is_crashing = true;
        "Ok"
    }

    /// Lets the actors run that have something to do, and then the supervisors.
    pub(super) fn settle(&mut self, stimuli: &[Stimulus], ready: &[Id]) {
        let mut parents: Vec<Id> = Vec::new();
        let waits = |id: &&Id| self.nodes[**id].traffic.has_waiting_messages();
        let waiting: Vec<Id> = ready.iter().filter(waits).copied().collect();
        // The deadlines of one actor pass while another one works.
        let holds = |id: &Id| self.nodes[*id].traffic.has_holds();
        self.is_ambiguous |= ready.len() > 1 && ready.iter().any(holds);
        for id in ready {
            let node = &mut self.nodes[*id];
            let end = if std::mem::take(&mut node.is_crashing) {
                node.traffic.close(&mut self.results);
                Some(End::Panicked)
            } else {
                self.work(*id)
            };
            if let Some(end) = end {
                self.end_by_itself(*id, end);
                parents.extend(self.plan.nodes[*id].parent);
                // A supervisor sees the end while another actor handles what waited for a slot.
                self.is_ambiguous |= waiting.iter().any(|other| other != id);
            }
        }
        if parents.iter().any(|parent| *parent != parents[0]) {
            self.is_ambiguous = true;
            return;
        }
        if let Some(parent) = parents.first() {
            self.supervise(*parent);
        }
        for Stimulus { number, to, what } in stimuli {
            let parent = self.plan.nodes[*to].parent.unwrap_or(0);
            let result = match what {
                What::StartDynamic => self.start_member(parent, *to),
                What::StopDynamic => self.stop_member(parent, *to),
                _ => continue,
            };
            self.results.insert(*number, result);
            self.supervise(parent);
        }
    }

    /// Returns the next time at which an answer is ready or a caller leaves.
    fn next_answer(&self) -> Option<Duration> {
        let events = self
            .nodes
            .iter()
            .filter_map(|node| node.traffic.next_event());
        events.min()
    }

    /// Lets all answers be given that are ready at `now`.
    fn give_answers(&mut self) {
        for node in &mut self.nodes {
            self.is_ambiguous |= node.traffic.is_ambiguous_at(self.now);
            node.traffic.settle(self.now, &mut self.results);
        }
    }

    /// Lets time pass while a supervisor waits for a child that starts or stops.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        if time.is_zero() {
            return;
        }
        while let Some(at) = self.next_answer().filter(|at| *at <= until) {
            self.is_ambiguous |= at == until;
            self.now = self.now.max(at);
            self.give_answers();
        }
        self.is_ambiguous |= self.next_restart().is_some_and(|(at, _)| at <= until);
        self.now = until;
    }

    /// Lets time pass while all is quiet.
    pub(super) fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        while !self.is_ambiguous {
            let (restart, answer) = (self.next_restart(), self.next_answer());
            let at = [restart.map(|(at, _)| at), answer]
                .into_iter()
                .flatten()
                .min();
            let Some(at) = at.filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(at);
            let restart = restart.filter(|(due, _)| *due <= self.now);
            let is_answer = answer.is_some_and(|due| due <= self.now);
            if is_answer {
                self.is_ambiguous |= restart.is_some();
                self.give_answers();
            } else if let Some((_, supervisor)) = restart {
                self.busy.push(supervisor);
                let other = self.next_restart();
                self.busy.pop();
                self.is_ambiguous |= other.is_some_and(|(due, _)| due <= self.now);
                self.supervise(supervisor);
            }
        }
        self.now = self.now.max(until);
    }

    /// Lets time pass until every caller has an answer or has left.
    pub(super) fn await_callers(&mut self) {
        while let Some(at) = self.next_answer() {
            self.now = self.now.max(at);
            self.give_answers();
        }
    }
}
