//! Samples of the messages to an actor that were not handled: which type, why, and who sent it.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;

use crate::kernel::clock::Clock;
use crate::limits::DEAD_LETTERS;
use crate::observe::metrics::MessageMetrics;
use crate::observe::senders::SenderId;

/// The reason why a message was not handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterReason {
    /// Refused because the mailbox was full.
    Rejected,
    /// Refused because the actor was down.
    Unavailable,
    /// Refused because the type is in quarantine.
    Quarantined,
    /// Dropped for a newer message.
    Dropped,
    /// Lost when a generation ended.
    Lost,
    /// Skipped because its deadline passed while it was queued.
    Expired,
}

/// A message that was not handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The time in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// The type's name without module paths.
    pub message: String,
    /// The reason.
    pub reason: DeadLetterReason,
    /// The sender, as in [`SenderSnapshot`](crate::snapshot::SenderSnapshot).
    pub sender: String,
}

/// The last samples of one actor. All such messages are counted in [`MessageMetrics`]; at most one
/// of each type in a [`DEAD_LETTER_PERIOD`](crate::limits::DEAD_LETTER_PERIOD) becomes a sample, so
/// that a flood costs little more than its counting.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    samples: Mutex<VecDeque<DeadLetter>>,
}

impl DeadLetters {
    /// Takes a message as a sample, unless one of its type was taken just before.
    pub(crate) fn note(
        &self,
        clock: &Clock,
        metrics: &MessageMetrics,
        reason: DeadLetterReason,
        sender: SenderId,
    ) {
        if metrics.take_sample(clock.now()) {
            self.add(clock.unix_millis(), metrics, reason, sender);
        }
    }

    #[cold]
    fn add(
        &self,
        unix_ms: u64,
        metrics: &MessageMetrics,
        reason: DeadLetterReason,
        sender: SenderId,
    ) {
        let sample = DeadLetter {
            unix_ms,
            message: metrics.name.to_string(),
            reason,
            sender: sender.name().to_string(),
        };
        let mut samples = self.samples.lock();
        if samples.len() == DEAD_LETTERS {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// Returns the samples, oldest first.
    pub(crate) fn read(&self) -> Vec<DeadLetter> {
        self.samples.lock().iter().cloned().collect()
    }
}
