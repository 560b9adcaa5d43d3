//! The current activity of an actor, readable from any thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::kernel::clock::Nanos;

/// The code of an actor that is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// None: the actor waits for a message.
    Nothing,
    /// The factory.
    Factory,
    /// The `started` hook.
    Started,
    /// The `stopped` hook.
    Stopped,
    /// A requested crash.
    Crash,
    /// A requested hang.
    Hang,
    /// The handler of the message type at this index of the actor's message table; on a thread of a
    /// pool, the job at this index.
    Message(u32),
    /// A future that was spawned by the handler of the message type at this index.
    Future(u32),
}

impl Doing {
    fn encode(self) -> u64 {
        let (phase, index) = match self {
            Self::Nothing => (0, 0),
            Self::Factory => (1, 0),
            Self::Started => (2, 0),
            Self::Stopped => (3, 0),
            Self::Crash => (4, 0),
            Self::Message(index) => (5, index),
            Self::Future(index) => (6, index),
            Self::Hang => (7, 0),
        };
        u64::from(index) << 8 | phase
    }

    fn decode(bits: u64) -> Self {
        let index = (bits >> 8) as u32;
        match bits & 0xff {
            1 => Self::Factory,
            2 => Self::Started,
            3 => Self::Stopped,
            4 => Self::Crash,
            5 => Self::Message(index),
            6 => Self::Future(index),
            7 => Self::Hang,
            _ => Self::Nothing,
        }
    }
}

/// The current [`Doing`] of an actor and when it began. Written by the actor's thread alone.
///
/// A panic does not reset the activity: it then shows where the panic happened.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    doing: AtomicU64,
    since: AtomicU64,
}

impl Activity {
    /// Records that `doing` begins at `now`.
    #[inline]
    pub(crate) fn enter(&self, doing: Doing, now: Nanos) {
        self.since.store(now, Relaxed);
        self.doing.store(doing.encode(), Relaxed);
    }

    /// Records the end of the current activity.
    #[inline]
    pub(crate) fn leave(&self) {
        self.doing.store(Doing::Nothing.encode(), Relaxed);
    }

    /// Returns the current activity and when it began.
    #[inline]
    pub(crate) fn read(&self) -> (Doing, Nanos) {
        (
            Doing::decode(self.doing.load(Relaxed)),
            self.since.load(Relaxed),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_activity_reads_back() {
        let activity = Activity::default();
        assert_eq!(activity.read(), (Doing::Nothing, 0));
        let all = [
            Doing::Factory,
            Doing::Started,
            Doing::Stopped,
            Doing::Crash,
            Doing::Hang,
            Doing::Message(0),
            Doing::Message(u32::MAX),
            Doing::Future(7),
        ];
        for doing in all {
            activity.enter(doing, 9);
            assert_eq!(activity.read(), (doing, 9));
        }
        activity.leave();
        assert_eq!(activity.read().0, Doing::Nothing);
    }
}
