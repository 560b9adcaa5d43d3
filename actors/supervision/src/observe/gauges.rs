//! The gauges of an actor: its mailbox, its outstanding probe, what it left unhandled.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::observe::snapshot::BytesSnapshot;

/// The gauges of a mailbox. Written under the mailbox's lock.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) depth: AtomicU64,
    pub(crate) peak: AtomicU64,
    pub(crate) capacity: AtomicU64,
    pub(crate) bytes: ByteGauges,
}

/// The gauges of a mailbox with a bound in bytes.
#[derive(Debug, Default)]
pub(crate) struct ByteGauges {
    queued: AtomicU64,
    peak: AtomicU64,
    /// Zero where there is no bound.
    bound: AtomicU64,
}

impl ByteGauges {
    pub(crate) fn set_bound(&self, bound: u64) {
        self.bound.store(bound, Relaxed);
    }

    /// Returns the bound, if there is one.
    #[inline]
    pub(crate) fn bound(&self) -> Option<u64> {
        let bound = self.bound.load(Relaxed);
        (bound > 0).then_some(bound)
    }

    /// Records the weight of the queued messages.
    pub(crate) fn note(&self, queued: u64) {
        self.queued.store(queued, Relaxed);
        if queued > self.peak.load(Relaxed) {
            self.peak.store(queued, Relaxed);
        }
    }

    /// Returns the figures, where there is a bound.
    pub(crate) fn read(&self) -> Option<BytesSnapshot> {
        self.bound().map(|bound| BytesSnapshot {
            queued: self.queued.load(Relaxed),
            peak: self.peak.load(Relaxed),
            bound,
        })
    }
}

/// The number of messages that a generation had accepted and did not handle.
#[derive(Debug, Default)]
pub(crate) struct Unhandled(AtomicU64);

impl Unhandled {
    pub(crate) fn note(&self, messages: usize) {
        self.0.fetch_add(messages as u64, Relaxed);
    }

    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Relaxed)
    }
}

/// The state of the outstanding health probe, if any.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// The time when the probe was sent; zero when none is outstanding.
    pub(crate) sent_at: AtomicU64,
    pub(crate) stuck: AtomicBool,
}

impl Probe {
    /// Clears the probe: the actor has answered, or a new generation begins.
    pub(crate) fn clear(&self) {
        self.sent_at.store(0, Relaxed);
    }

    /// Clears the stuck mark. Returns whether it was set.
    pub(crate) fn take_stuck(&self) -> bool {
        self.stuck.load(Relaxed) && self.stuck.swap(false, Relaxed)
    }
}
