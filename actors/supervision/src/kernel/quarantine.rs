//! The quarantine of message types that crash their actor again and again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use crate::kernel::clock::{self, Nanos};

/// How many crashes within what time put a message type of an actor into quarantine.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    /// Zero for never.
    after: AtomicU32,
    period: AtomicU64,
}

impl Quarantine {
    pub(crate) fn set_after(&self, crashes: u32) {
        self.after.store(crashes, Relaxed);
    }

    pub(crate) fn set_period(&self, period: Duration) {
        self.period.store(clock::nanos(period), Relaxed);
    }

    /// Counts a crash of a message type. Returns the number of crashes where the type goes into
    /// quarantine.
    pub(crate) fn note_crash(&self, crashes: &Crashes, now: Nanos) -> Option<usize> {
        let after = self.after.load(Relaxed) as usize;
        if after == 0 {
            return None;
        }
        let mut times = crashes.times.lock();
        times.push_back(now);
        let period = self.period.load(Relaxed);
        while times
            .front()
            .is_some_and(|time| now.saturating_sub(*time) >= period)
        {
            times.pop_front();
        }
        let count = times.len();
        let is_new = count >= after && !crashes.is_quarantined.swap(true, Relaxed);
        is_new.then_some(count)
    }
}

/// The crashes of one message type at one actor.
#[derive(Debug, Default)]
pub(crate) struct Crashes {
    /// The times of those within the period, not more than the number that is allowed.
    times: Mutex<VecDeque<Nanos>>,
    is_quarantined: AtomicBool,
}

impl Crashes {
    /// Returns whether messages of the type are refused.
    #[inline]
    pub(crate) fn are_too_many(&self) -> bool {
        self.is_quarantined.load(Relaxed)
    }

    /// Ends the quarantine.
    pub(crate) fn forget(&self) {
        self.times.lock().clear();
        self.is_quarantined.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crashes_within_the_period_lead_to_quarantine() {
        let quarantine = Quarantine::default();
        let crashes = Crashes::default();
        assert_eq!(quarantine.note_crash(&crashes, 1), None, "never");
        quarantine.set_after(3);
        quarantine.set_period(Duration::from_nanos(10));
        for (now, expected) in [(1, None), (2, None), (11, None), (12, None), (13, Some(3))] {
            assert_eq!(quarantine.note_crash(&crashes, now), expected, "at {now}");
        }
        assert!(crashes.are_too_many());
        assert_eq!(quarantine.note_crash(&crashes, 14), None, "once");
        crashes.forget();
        assert!(!crashes.are_too_many());
    }
}
