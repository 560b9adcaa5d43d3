//! The messages of a mailbox: lanes with one order, of which those of high priority come first.

use std::collections::VecDeque;
use std::task::Waker;

use tokio::sync::oneshot;

use crate::kernel::actor::{Actor, Priority};
use crate::kernel::clock::Nanos;
use crate::kernel::envelope::Envelope;
use crate::kernel::queue::lanes::{Band, Lanes};
use crate::kernel::spans::Origin;
use crate::limits::{HIGH_PRIORITY_RUN, OWED_ANSWERS};
use crate::observe::senders::{Parting, SenderId};

mod lanes;

pub(crate) use lanes::{Entry, Traits};

/// The deadline of a message that has none.
pub(crate) const NEVER: Nanos = Nanos::MAX;

/// The messages and the callers that wait for a slot. Guarded by the mailbox's lock.
///
/// Each message has a number, and of one priority the oldest message that may be handled is handled
/// first. While the actor owes as many answers as it may, messages that would owe another one stay
/// queued, and messages that owe none pass them.
pub(crate) struct Queue<A: Actor> {
    pub(crate) is_open: bool,
    /// Whether the actor was requested to stop: no further message is accepted.
    pub(crate) is_stopping: bool,
    /// Whether unhandled messages wait for the next generation.
    pub(crate) keeps: bool,
    pub(crate) generation: u64,
    pub(crate) capacity: usize,
    /// The bound in bytes, if there is one.
    pub(crate) max_bytes: Option<usize>,
    lanes: Lanes<A>,
    /// The messages that wait for the next generation.
    kept: Vec<Entry<A>>,
    next_number: u64,
    /// Messages of high priority that this generation took since the last one of normal priority.
    high_run: usize,
    /// The room reserved for callers that waited for a slot.
    reserved: Room,
    waiting: VecDeque<Waiting>,
    /// The waker of the driver, where it found no message to handle.
    pub(crate) driver: Option<Waker>,
}

/// Slots of a mailbox and their bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Room {
    slots: usize,
    bytes: usize,
}

/// A caller that waits for a slot with room for a message of this weight. It gets the generation.
pub(crate) struct Waiting {
    weight: usize,
    caller: oneshot::Sender<u64>,
}

/// A message that is about to be queued.
pub(crate) struct NewEntry<A: Actor> {
    pub(crate) sent_at: Nanos,
    /// [`NEVER`] where the message has no deadline.
    pub(crate) expires_at: Nanos,
    /// The weight in bytes; zero where the mailbox has no bound in bytes.
    pub(crate) weight: usize,
    pub(crate) traits: Traits,
    /// Taken before the queue is locked, as the subscriber's code runs for it.
    pub(crate) origin: Origin,
    pub(crate) envelope: Box<dyn Envelope<A>>,
}

impl<A: Actor> Queue<A> {
    pub(crate) fn new() -> Self {
        Self {
            is_open: false,
            is_stopping: false,
            keeps: false,
            generation: 0,
            capacity: 0,
            max_bytes: None,
            lanes: Lanes::new(),
            kept: Vec::new(),
            next_number: 0,
            high_run: 0,
            reserved: Room::default(),
            waiting: VecDeque::new(),
            driver: None,
        }
    }

    pub(crate) fn is_accepting(&self) -> bool {
        self.is_open && !self.is_stopping
    }

    #[inline]
    pub(crate) fn depth(&self) -> usize {
        self.lanes.len()
    }

    /// Returns the number of messages that wait for the next generation.
    #[inline]
    pub(crate) fn kept_depth(&self) -> usize {
        self.kept.len()
    }

    /// Returns the weight of all messages, with those that wait for the next generation.
    pub(crate) fn bytes(&self) -> usize {
        let kept: usize = self.kept.iter().map(|entry| entry.weight).sum();
        self.lanes.bytes() + kept
    }

    /// Returns whether a message of this weight is accepted whose sender has not waited: there is
    /// room, and nobody waits for it.
    #[inline]
    pub(crate) fn has_free_room(&self, weight: usize) -> bool {
        !self.is_awaited() && self.has_room(weight)
    }

    #[inline]
    fn has_room(&self, weight: usize) -> bool {
        !self.is_full() && self.fits(weight, 0)
    }

    /// Returns whether a caller waits for a slot.
    #[inline]
    fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn is_full(&self) -> bool {
        self.depth() + self.reserved.slots >= self.capacity
    }

    /// Returns whether the bound in bytes holds with a message of this weight, once messages of the
    /// weight `gone` are gone.
    #[inline]
    fn fits(&self, weight: usize, gone: usize) -> bool {
        self.max_bytes.is_none_or(|bound| {
            let queued = self.lanes.bytes() - gone + self.reserved.bytes;
            queued.saturating_add(weight) <= bound
        })
    }

    /// Takes the oldest droppable messages so that there is room for one of this weight. Returns
    /// `None`, and takes none, where there are too few of them.
    ///
    /// Where callers wait for room, free room is theirs: the messages that are taken must weigh as
    /// much as the new one.
    pub(crate) fn evict_for(&mut self, weight: usize) -> Option<Vec<Entry<A>>> {
        let is_awaited = self.is_awaited();
        let droppable = self.lanes.droppable_bytes();
        let is_too_heavy = self.max_bytes.is_some() && is_awaited && droppable < weight;
        if is_too_heavy || !self.fits(weight, droppable) {
            return None;
        }
        let needs_slot = is_awaited || self.is_full();
        let (mut evicted, mut gone) = (Vec::new(), 0);
        while (needs_slot && evicted.is_empty())
            || (is_awaited && gone < weight)
            || !self.fits(weight, 0)
        {
            let entry = self.lanes.pop_droppable()?;
            gone += entry.weight;
            evicted.push(entry);
        }
        Some(evicted)
    }

    /// Appends a message.
    #[inline]
    pub(crate) fn append(&mut self, new: NewEntry<A>) {
        let number = self.next_number;
        self.next_number += 1;
        self.lanes.push(Entry {
            number,
            lane: new.traits.lane(),
            is_parting: Parting::is_current(),
            sender: SenderId::current(),
            origin: new.origin,
            sent_at: new.sent_at,
            expires_at: new.expires_at,
            weight: new.weight,
            envelope: new.envelope,
        });
    }

    /// Returns the messages that were sent at `before` or earlier, and whether each is owing.
    pub(crate) fn sent_until(&self, before: Nanos) -> impl Iterator<Item = (bool, &Entry<A>)> {
        self.lanes.sent_until(before)
    }

    /// Takes the next message that an actor may handle which owes `owed` answers: the oldest one of
    /// high priority, and after [`HIGH_PRIORITY_RUN`] of those the oldest one of normal priority.
    #[inline]
    pub(crate) fn pop(&mut self, owed: usize) -> Option<Entry<A>> {
        let with_owing = owed < OWED_ANSWERS.min(self.capacity);
        let band = |priority| Band {
            priority,
            with_owing,
        };
        if !self.lanes.has_high() {
            self.high_run = 0;
            return self.lanes.pop(band(Priority::Normal));
        }
        if self.high_run >= HIGH_PRIORITY_RUN {
            self.high_run = 0;
            if let Some(normal) = self.lanes.pop(band(Priority::Normal)) {
                return Some(normal);
            }
        }
        if let Some(high) = self.lanes.pop(band(Priority::High)) {
            self.high_run += 1;
            return Some(high);
        }
        self.lanes.pop(band(Priority::Normal))
    }

    /// Takes the messages that a stop does not wait for. Where the mailbox is kept, they are set
    /// aside for the next generation; otherwise they are returned.
    pub(crate) fn take_all_but_parting(&mut self) -> Vec<Entry<A>> {
        self.take(|entry| !entry.is_parting)
    }

    /// Takes the messages that a generation leaves at its end, except those that are kept.
    pub(crate) fn take_left(&mut self) -> Vec<Entry<A>> {
        self.reserved = Room::default();
        self.take(|_| true)
    }

    fn take(&mut self, is_taken: impl Fn(&Entry<A>) -> bool) -> Vec<Entry<A>> {
        let taken = self.lanes.take(is_taken);
        if !self.keeps {
            return taken;
        }
        self.kept.extend(taken);
        Vec::new()
    }

    /// Accepts messages for a new generation. The kept ones are put back, in the order in which they
    /// were sent.
    pub(crate) fn open(&mut self, generation: u64) {
        self.is_open = true;
        self.is_stopping = false;
        self.generation = generation;
        self.high_run = 0;
        self.lanes.restore(std::mem::take(&mut self.kept));
    }

    /// Takes the messages that were kept for a generation that will not come.
    pub(crate) fn take_kept(&mut self) -> Vec<Entry<A>> {
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_unstable_by_key(|entry| entry.number);
        kept
    }

    /// Takes the callers that wait for a slot, which get none once they are dropped. Drop them
    /// outside of the lock.
    pub(crate) fn take_waiting(&mut self) -> VecDeque<Waiting> {
        std::mem::take(&mut self.waiting)
    }

    /// Adds a caller that waits for a slot with room for a message of this weight.
    pub(crate) fn wait_for_slot(&mut self, weight: usize) -> oneshot::Receiver<u64> {
        let (caller, granted) = oneshot::channel();
        self.waiting.push_back(Waiting { weight, caller });
        self.grant_reservations();
        granted
    }

    /// Reserves free slots for the callers that have waited longest.
    #[inline]
    pub(crate) fn grant_reservations(&mut self) {
        while let Some(Waiting { weight, caller }) = self.waiting.front() {
            let weight = *weight;
            if !caller.is_closed() && !self.has_room(weight) {
                return;
            }
            let granted = self
                .waiting
                .pop_front()
                .is_some_and(|first| first.caller.send(self.generation).is_ok());
            if granted {
                self.reserved.slots += 1;
                self.reserved.bytes += weight;
            }
        }
    }

    /// Gives back a reserved slot, which its message is about to take or whose caller has left.
    pub(crate) fn unreserve(&mut self, weight: usize) {
        self.reserved.slots -= 1;
        self.reserved.bytes -= weight;
    }
}
