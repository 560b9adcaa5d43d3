//! The reference model: OTP's rules of supervision, applied to a plan one event after the other.
//!
//! The rules are those of Erlang's `supervisor`, with the differences that this crate documents: a
//! pause before each restart, a child that stopped itself normally stays down when its siblings
//! restart, and an actor can have a restart intensity of its own.

use std::collections::VecDeque;
use std::time::Duration;

use rand::Rng;

use super::plan::*;
use super::state::{End, Model, Slot};
use crate::snapshot::State;
use crate::{Backoff, Intensity, Restart, Strategy};

/// Counts a restart, unless there were `intensity.restarts` in the last period.
fn allows(intensity: Intensity, times: &mut VecDeque<Duration>, now: Duration) -> bool {
    times.retain(|time| now < *time + intensity.period);
    let is_allowed = times.len() < intensity.restarts as usize;
    if is_allowed {
        times.push_back(now);
    }
    is_allowed
}

impl Model {
    /// Starts the tree.
    pub(super) fn start_tree(&mut self) {
        match self.start(0) {
            Ok(()) => {
                self.nodes[0].state = State::Running;
                self.supervise(0);
            }
            Err(end) => {
                self.nodes[0].state = State::Failed;
                self.ended = Some(end);
            }
        }
    }

    /// Stops the tree, the last child first.
    pub(super) fn stop_tree(&mut self) {
        if self.ended.is_none() {
            self.stop_children(0);
            self.ended = Some(End::Shutdown);
        }
    }

    fn parent(&self, id: Id) -> Id {
        self.plan.nodes[id].parent.unwrap_or(id)
    }

    pub(super) fn note_exit(&mut self, id: Id, end: &End) {
        self.log.push(format!("exit n{id} {end}"));
    }

    /// Starts a child. Its end is the error.
    /// Forgets how a node and those below it ended before: they start again.
    fn forget_ends(&mut self, id: Id) {
        let nodes = &self.plan.nodes;
        let is_below = |of: Id| {
            std::iter::successors(Some(of), |at| nodes[*at].parent).any(|above| above == id)
        };
        self.killed.retain(|child| !is_below(*child));
    }

    pub(super) fn start(&mut self, id: Id) -> Result<(), End> {
        let node = &mut self.nodes[id];
        node.generation += 1;
        node.state = State::Starting;
        self.forget_ends(id);
        match self.plan.nodes[id].role {
            Role::Actor { .. } => self.start_actor(id)?,
            Role::Supervisor { .. } => self.start_children(id)?,
            Role::Dynamic { .. } => {}
        }
        let node = &mut self.nodes[id];
        node.is_up = true;
        node.state = State::Running;
        if node.generation > 1 {
            node.restarts += 1;
        }
        Ok(())
    }

    fn start_children(&mut self, id: Id) -> Result<(), End> {
        let children = self.plan.children(id);
        let node = &mut self.nodes[id];
        node.restart_times.clear();
        node.slots = children.iter().map(|child| Slot::new(*child)).collect();
        self.busy.push(id);
        for (index, child) in children.into_iter().enumerate() {
            if let Err(end) = self.start(child) {
                self.first_failed.get_or_insert(child);
                self.note_exit(child, &end);
                self.nodes[child].state = end.state();
                self.stop_children(id);
                self.busy.pop();
                return Err(End::StartFailed);
            }
            // The supervisor below is up and sees its child's end while this one starts others.
            if !self.nodes[child].ends.is_empty() {
                self.is_ambiguous = true;
            }
            self.set_running(id, index);
        }
        self.busy.pop();
        Ok(())
    }

    fn set_running(&mut self, id: Id, index: usize) {
        let now = self.now;
        let slot = &mut self.nodes[id].slots[index];
        slot.is_running = true;
        slot.running_since = Some(now);
    }

    /// Handles the ends of children and the restarts that are due, until all is quiet.
    pub(super) fn supervise(&mut self, id: Id) {
        loop {
            let now = self.now;
            let gave_up = if let Some((child, end)) = self.nodes[id].ends.pop_front() {
                self.on_end(id, child, end)
            } else if self.nodes[id]
                .slots
                .iter()
                .any(|slot| slot.due.is_some_and(|due| due <= now))
            {
                self.restart_due(id)
            } else {
                return;
            };
            if let Err(end) = gave_up {
                self.stop_children(id);
                self.nodes[id].is_up = false;
                if id == 0 {
                    self.ended = Some(end);
                    return;
                }
                let parent = self.parent(id);
                self.nodes[parent].ends.push_back((id, end));
                return self.supervise(parent);
            }
        }
    }

    /// Handles the end of a child. The supervisor's own end is the error.
    fn on_end(&mut self, id: Id, child: Id, end: End) -> Result<(), End> {
        if self.plan.is_dynamic(id) {
            self.forget(id, child, &end);
            return Ok(());
        }
        let Role::Supervisor {
            strategy,
            intensity,
            backoff,
        } = self.plan.nodes[id].role
        else {
            return Ok(());
        };
        self.note_exit(child, &end);
        let (now, is_restarted) = (self.now, self.is_restarted(child, &end));
        let node = &mut self.nodes[id];
        let index = node
            .slots
            .iter()
            .position(|slot| slot.child == child)
            .unwrap();
        let slot = &mut node.slots[index];
        slot.is_running = false;
        slot.due = None;
        if !is_restarted {
            slot.is_done = true;
            self.nodes[child].state = end.state();
            return Ok(());
        }
        let own = match self.plan.nodes[child].role {
            Role::Actor { intensity, .. } => intensity,
            _ => None,
        };
        let is_allowed = own.is_none_or(|own| allows(own, &mut slot.restart_times, now))
            && allows(intensity, &mut node.restart_times, now);
        if !is_allowed {
            self.nodes[child].state = State::Failed;
            return Err(End::GaveUp(child, Box::new(end)));
        }
        let since = slot.running_since;
        if since.is_some_and(|since| now >= since + backoff.healthy_after) {
            slot.failures = 0;
        }
        let failures = slot.failures;
        slot.failures += 1;
        let due = now + self.pause(backoff, failures);
        self.restart_together(id, index, strategy, due);
        Ok(())
    }

    fn is_restarted(&self, child: Id, end: &End) -> bool {
        match self.plan.nodes[child].restart {
            Restart::Permanent => true,
            Restart::Transient => end.is_failure(),
            Restart::Temporary => false,
        }
    }

    fn pause(&mut self, backoff: Backoff, failures: u32) -> Duration {
        let doubled = (0..failures).fold(backoff.first, |pause, _| (pause * 2).min(backoff.max));
        let share = self.pauses.random_range(0.5..=1.0);
        doubled.min(backoff.max).mul_f64(share)
    }

    /// Stops the siblings that restart together with a child, the last first.
    fn restart_together(&mut self, id: Id, failed: usize, strategy: Strategy, due: Duration) {
        let count = self.nodes[id].slots.len();
        let affected = match strategy {
            Strategy::OneForOne => failed..failed + 1,
            Strategy::OneForAll => 0..count,
            Strategy::RestForOne => failed..count,
        };
        for index in affected.rev() {
            let slot = &self.nodes[id].slots[index];
            let child = slot.child;
            if slot.is_done {
                continue;
            }
            if slot.is_running {
                let end = self.stop_child(id, index);
                let is_restarted = match end {
                    End::Shutdown => self.plan.nodes[child].restart != Restart::Temporary,
                    _ => self.is_restarted(child, &end),
                };
                if !is_restarted {
                    self.nodes[id].slots[index].is_done = true;
                    self.nodes[child].state = end.state();
                    continue;
                }
            }
            self.nodes[child].state = State::BackingOff;
            self.nodes[id].slots[index].due = Some(due);
        }
    }

    fn stop_child(&mut self, id: Id, index: usize) -> End {
        let slot = &mut self.nodes[id].slots[index];
        slot.is_running = false;
        let child = slot.child;
        self.busy.push(id);
        let end = self.stop(id, child);
        self.busy.pop();
        self.note_exit(child, &end);
        end
    }

    /// Starts the children whose pause is over, in order.
    fn restart_due(&mut self, id: Id) -> Result<(), End> {
        let now = self.now;
        for index in 0..self.nodes[id].slots.len() {
            let slot = &mut self.nodes[id].slots[index];
            if slot.due.is_none_or(|due| due > now) {
                continue;
            }
            slot.due = None;
            slot.running_since = None;
            let child = slot.child;
            // A child has ended while its siblings start, and a request that waited for it or for
            // this sibling is handled at the same time.
            let ends = &self.nodes[id].ends;
            let has_requests = self.nodes[child].traffic.has_waiting_requests();
            if ends
                .iter()
                .any(|(_, end)| has_requests || *end != End::Normal)
            {
                self.is_ambiguous = true;
            }
            self.busy.push(id);
            let started = self.start(child);
            self.busy.pop();
            match started {
                Ok(()) => self.set_running(id, index),
                Err(end) => return self.on_end(id, child, end),
            }
            if !self.nodes[child].ends.is_empty() {
                self.is_ambiguous = true;
            }
        }
        Ok(())
    }

    /// Stops the children of a supervisor, the last first.
    pub(super) fn stop_children(&mut self, id: Id) {
        if self.plan.is_dynamic(id) {
            return self.stop_members(id);
        }
        for index in (0..self.nodes[id].slots.len()).rev() {
            let slot = &mut self.nodes[id].slots[index];
            slot.due = None;
            let child = slot.child;
            if slot.is_running {
                let end = self.stop_child(id, index);
                if end == End::Killed {
                    self.killed.push(child);
                }
            } else if self.nodes[child].state == State::BackingOff {
                self.nodes[child].state = State::Stopped;
            }
        }
    }

    /// Stops a child of `parent`. Returns its end, which may have come before.
    fn stop(&mut self, parent: Id, child: Id) -> End {
        let ends = &mut self.nodes[parent].ends;
        let early = ends.iter().position(|(ended, _)| *ended == child);
        let end = match early.and_then(|index| ends.remove(index)) {
            Some((_, end)) => end,
            None if self.plan.is_actor(child) => self.stop_actor(child),
            None => {
                self.stop_children(child);
                self.nodes[child].ends.clear();
                End::Shutdown
            }
        };
        self.nodes[child].is_up = false;
        self.nodes[child].state = State::Stopped;
        end
    }

    /// Returns the time of the next restart under a supervisor that is free.
    pub(super) fn next_restart(&self) -> Option<(Duration, Id)> {
        let ids = (0..self.nodes.len()).filter(|id| !self.busy.contains(id));
        let dues = ids.filter_map(|id| {
            let due = self.nodes[id]
                .slots
                .iter()
                .filter_map(|slot| slot.due)
                .min()?;
            Some((whole_millis(due), id))
        });
        dues.min()
    }
}

/// Rounds up to the granularity of timers.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(time.as_nanos().div_ceil(1_000_000) as u64)
}
