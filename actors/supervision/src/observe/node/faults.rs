//! Failures of an actor, hangs and deadlocks: their records, and the requests to fail.

use std::sync::atomic::Ordering::Relaxed;

use tracing::error;

use super::Node;
use crate::kernel::exit::Exit;
use crate::limits::MAX_INCIDENTS;
use crate::observe::activity::Doing;
use crate::observe::dead_letters::DeadLetterReason;
use crate::observe::incidents::{IncidentKind, IncidentLog};
use crate::observe::metrics::MessageMetrics;
use crate::observe::senders::SenderId;
use crate::observe::snapshot::Incident;

impl Node {
    /// Takes a message that was not handled as a sample, unless one of its type was taken just
    /// before.
    pub(crate) fn note_dead_letter(
        &self,
        metrics: &MessageMetrics,
        reason: DeadLetterReason,
        sender: SenderId,
    ) {
        self.dead_letters
            .note(self.clock(), metrics, reason, sender);
    }

    /// Sets the log of the tree's incidents. The nodes that are bound under this one get it, too.
    pub(crate) fn set_incident_log(&self, log: IncidentLog) {
        let _ = self.incident_log.set(log);
    }

    /// Records a failure, here and in the log of the tree.
    pub(crate) fn note_failure(&self, generation: u64, exit: &Exit) {
        let reason = exit.to_string();
        self.log_incident(IncidentKind::of(exit), generation, &reason);
        self.note_incident(generation, reason);
    }

    /// Records an end together with a sibling, here and in the log of the tree.
    pub(crate) fn note_group(&self, generation: u64, reason: String) {
        self.log_incident(IncidentKind::Group, generation, &reason);
        self.note_incident(generation, reason);
    }

    /// Records in the log of the tree that the actor does not answer its probe.
    pub(crate) fn note_stuck(&self, doing: &str) {
        let reason = format!("does not answer: {doing}");
        self.log_incident(IncidentKind::Stuck, self.generation(), &reason);
    }

    /// Records in the log of the tree that the actor is part of a cycle of asks.
    pub(crate) fn note_deadlock(&self, cycle: &str) {
        self.log_incident(IncidentKind::Deadlock, self.generation(), cycle);
    }

    fn log_incident(&self, kind: IncidentKind, generation: u64, reason: &str) {
        if let Some(log) = self.incident_log.get() {
            let unix_ms = self.clock().unix_millis();
            log.add(unix_ms, kind, self.path(), generation, reason);
        }
    }

    /// Records, for this node alone, why a generation ended.
    pub(crate) fn note_incident(&self, generation: u64, reason: String) {
        let mut generation_state = self.generation_state.lock();
        if generation_state.incidents.len() == MAX_INCIDENTS {
            generation_state.incidents.pop_front();
        }
        generation_state.incidents.push_back(Incident {
            unix_ms: self.clock().unix_millis(),
            generation,
            reason,
        });
    }

    /// Lets the actor handle all message types again.
    pub(crate) fn end_quarantine(&self) {
        self.messages
            .iter()
            .for_each(|metrics| metrics.crashes.forget());
    }

    /// Counts a panic as a failure of the message type that was handled. Returns the description
    /// of the activity that panicked.
    pub(crate) fn note_panic(&self) -> Option<String> {
        let (doing, _) = self.activity.read();
        if let Doing::Message(index) | Doing::Future(index) = doing
            && let Some(metrics) = self.message_at(index)
        {
            metrics.failed.fetch_add(1, Relaxed);
            let crashes = self.quarantine.note_crash(&metrics.crashes, self.now());
            if let Some(crashes) = crashes {
                let reason = format!("{} quarantined after {crashes} crashes", metrics.name);
                error!(actor = self.path(), message = %metrics.name, crashes, "message type quarantined");
                self.note_incident(self.generation(), reason);
            }
        }
        self.describe(doing)
    }

    /// Records a crash request to the current generation. Returns false where there was one.
    #[must_use]
    pub(crate) fn note_crash(&self) -> bool {
        let generation = self.generation();
        self.crashed.swap(generation, Relaxed) != generation
    }

    /// Makes the next handler of the message type called `message` panic.
    pub(crate) fn set_crash_at(&self, message: &str) {
        *self.crash_at.lock() = Some(message.to_owned());
        self.crash_is_set.store(true, Relaxed);
    }

    /// Returns true, once, where a panic was requested at this message type.
    #[inline]
    pub(crate) fn take_crash_at(&self, metrics: &MessageMetrics) -> bool {
        self.crash_is_set.load(Relaxed) && self.take_set_crash(metrics)
    }

    #[cold]
    fn take_set_crash(&self, metrics: &MessageMetrics) -> bool {
        let mut crash_at = self.crash_at.lock();
        let is_here = crash_at.as_deref() == Some(&*metrics.name);
        if is_here {
            *crash_at = None;
            self.crash_is_set.store(false, Relaxed);
        }
        is_here
    }
}
