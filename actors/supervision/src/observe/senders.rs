//! The senders of each type of message: who sends what to whom, and how often.
//!
//! A sender is the code that runs when a message is pushed: an actor, a job of a thread pool, or
//! code outside of the tree, such as the connection of a client. Children of a dynamic supervisor
//! share one name, so that their number does not matter.
//!
//! A message also carries which actor sent it, and on behalf of which message: the graph of the asks
//! that wait for each other ([`wait_graph`](crate::observe::wait_graph)) is built from that.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use serde::Serialize;

/// Senders of one type of message at one actor that are counted apart. Most types have one or two.
const SENDERS: usize = 6;

/// The name in snapshots of code that runs outside of the tree.
const OUTSIDE: &str = "outside";

/// The name in snapshots of the senders beyond [`SENDERS`].
const OTHERS: &str = "others";

/// Names of senders, by their ids. A tree has some dozens: they are never removed.
static NAMES: Mutex<Vec<Arc<str>>> = Mutex::new(Vec::new());

/// The number of the actor that was bound last, of all trees of the process.
static LAST_ACTOR: AtomicU32 = AtomicU32::new(0);

/// The id of a sender. The default is code outside of the tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SenderId {
    /// An index of [`NAMES`] plus one; zero for code outside of the tree.
    group: u32,
    work: WorkId,
}

/// A piece of an actor's work: the handling of one message with the futures that it spawned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct WorkId {
    /// The number of the actor in the process; zero for code outside of the tree.
    pub(crate) actor: u32,
    /// The number of the message in the actor's generation, from one; zero for its hooks.
    pub(crate) message: u32,
}

impl SenderId {
    /// Returns the id of a new sender, whose messages are counted under `name`.
    pub(crate) fn of(name: &str) -> Self {
        let mut names = NAMES.lock();
        let index = names.iter().position(|known| **known == *name);
        let index = index.unwrap_or_else(|| {
            names.push(name.into());
            names.len() - 1
        });
        Self {
            group: u32::try_from(index + 1).unwrap_or_default(),
            work: WorkId {
                actor: LAST_ACTOR.fetch_add(1, Relaxed).wrapping_add(1),
                message: 0,
            },
        }
    }

    /// Returns the sender that is known by its work alone. Its name is that of code outside.
    pub(crate) fn of_work(work: WorkId) -> Self {
        Self { group: 0, work }
    }

    /// Returns what the sender worked on when it sent.
    pub(crate) fn work(self) -> WorkId {
        self.work
    }

    /// Makes the code that runs on this thread work on another message of its actor, until its mark
    /// as a sender ends.
    #[inline]
    pub(crate) fn work_on(message: u32) {
        let mut current = CURRENT.get();
        current.work.message = message;
        CURRENT.set(current);
    }

    /// Returns the id of the sender whose code runs on this thread.
    pub(crate) fn current() -> Self {
        CURRENT.get()
    }

    pub(crate) fn name(self) -> Arc<str> {
        let index = (self.group as usize).checked_sub(1);
        let names = NAMES.lock();
        let name = index.and_then(|index| names.get(index));
        name.map_or_else(|| OUTSIDE.into(), Arc::clone)
    }
}

thread_local! {
    /// The sender whose code runs on this thread.
    static CURRENT: Cell<SenderId> = const {
        Cell::new(SenderId { group: 0, work: WorkId { actor: 0, message: 0 } })
    };

    /// Whether the code that runs on this thread is a `stopped` hook.
    static IS_PARTING: Cell<bool> = const { Cell::new(false) };
}

/// Marks the code that runs on this thread as that of a sender, until the mark is dropped.
pub(crate) struct Sending(SenderId);

impl Sending {
    #[inline]
    pub(crate) fn begin(sender: SenderId) -> Self {
        Self(CURRENT.replace(sender))
    }
}

impl Drop for Sending {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Marks the code that runs on this thread as a `stopped` hook, until the mark is dropped.
pub(crate) struct Parting(bool);

impl Parting {
    pub(crate) fn begin() -> Self {
        Self(IS_PARTING.replace(true))
    }

    #[inline]
    pub(crate) fn is_current() -> bool {
        IS_PARTING.get()
    }
}

impl Drop for Parting {
    fn drop(&mut self) {
        IS_PARTING.set(self.0);
    }
}

/// The number of messages of one type that each sender sent to one actor.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    /// Ids and counts; a slot is taken by the first message of its sender. The id is stored as its
    /// value plus one, so that zero is a free slot.
    slots: [(AtomicU32, AtomicU64); SENDERS],
    others: AtomicU64,
}

impl Senders {
    /// Counts a message of the code that runs on this thread.
    #[inline]
    pub(crate) fn note(&self) {
        let key = CURRENT.get().group.wrapping_add(1);
        for (taken_by, count) in &self.slots {
            let mut found = taken_by.load(Relaxed);
            if found == 0 {
                let taken = taken_by.compare_exchange(0, key, Relaxed, Relaxed);
                found = taken.map_or_else(|other| other, |_| key);
            }
            if found == key {
                count.fetch_add(1, Relaxed);
                return;
            }
        }
        self.others.fetch_add(1, Relaxed);
    }

    /// Returns the senders with their numbers of messages.
    pub(crate) fn read(&self) -> Vec<SenderSnapshot> {
        let taken = self.slots.iter().map_while(|(taken_by, count)| {
            let key = taken_by.load(Relaxed).checked_sub(1)?;
            let sender = SenderId {
                group: key,
                work: WorkId::default(),
            };
            Some((sender.name(), count.load(Relaxed)))
        });
        let others = self.others.load(Relaxed);
        let others = (others > 0).then(|| (OTHERS.into(), others));
        let all = taken.chain(others).filter(|(_, sent)| *sent > 0);
        all.map(|(path, sent)| SenderSnapshot {
            path: path.to_string(),
            sent,
        })
        .collect()
    }
}

/// A sender of a type of message to an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SenderSnapshot {
    /// The path of the actor or pool, with `*` for all children of a dynamic supervisor; `outside`
    /// for code outside of the tree, and `others` for the senders beyond the number that is counted
    /// apart.
    pub path: String,
    /// The number of messages that were accepted.
    pub sent: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(senders: &Senders) -> Vec<(String, u64)> {
        let all = senders.read().into_iter();
        all.map(|sender| (sender.path, sender.sent)).collect()
    }

    #[test]
    fn messages_are_counted_by_their_sender() {
        let senders = Senders::default();
        senders.note();
        {
            let _outer = Sending::begin(SenderId::of("senders/a"));
            senders.note();
            {
                let _inner = Sending::begin(SenderId::of("senders/b"));
                senders.note();
            }
            senders.note();
        }
        senders.note();
        let expected = [("outside", 2), ("senders/a", 2), ("senders/b", 1)];
        assert_eq!(
            sent(&senders),
            expected.map(|(path, sent)| (path.to_owned(), sent))
        );
    }

    #[test]
    fn senders_beyond_the_bound_are_counted_together() {
        let senders = Senders::default();
        for index in 0..SENDERS + 3 {
            let _sending = Sending::begin(SenderId::of(&format!("senders/{index}")));
            senders.note();
        }
        let all = sent(&senders);
        assert_eq!(all.len(), SENDERS + 1);
        assert_eq!(all.last(), Some(&(OTHERS.to_owned(), 3)));
    }

    #[test]
    fn a_panic_ends_the_mark_of_its_sender() {
        let before = CURRENT.get();
        let result = std::panic::catch_unwind(|| {
            let _sending = Sending::begin(SenderId::of("senders/panic"));
            panic!("on purpose");
        });
        assert!(result.is_err());
        assert_eq!(CURRENT.get(), before);
    }
}
