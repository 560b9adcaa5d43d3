//! What an actor is doing at this moment, readable from any thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::clock::Nanos;

/// What an actor may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing: it waits for a message.
    Nothing,
    /// Its factory.
    Factory,
    /// Its `started` hook.
    Started,
    /// Its `stopped` hook.
    Stopped,
    /// A crash that was asked for.
    Crash,
    /// The handler of the message type at this place in the actor's table.
    Message(u32),
    /// A future that the handler of this message type left behind.
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
            _ => Self::Nothing,
        }
    }
}

/// The current [`Doing`] of an actor and since when. Written by the actor's thread alone.
///
/// It is not reset by a panic: what it shows then is what the panic happened in.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    doing: AtomicU64,
    since: AtomicU64,
}

impl Activity {
    /// Notes what begins at `now`.
    #[inline]
    pub(crate) fn enter(&self, doing: Doing, now: Nanos) {
        self.since.store(now, Relaxed);
        self.doing.store(doing.encode(), Relaxed);
    }

    /// Notes the end of what was entered.
    #[inline]
    pub(crate) fn leave(&self) {
        self.doing.store(Doing::Nothing.encode(), Relaxed);
    }

    /// What goes on, and since when.
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
