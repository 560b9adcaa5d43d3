//! The messages of a mailbox: four lanes with one order.

use std::collections::VecDeque;
use std::task::Waker;

use tokio::sync::oneshot;

use crate::kernel::actor::{Actor, WhenFull};
use crate::kernel::clock::Nanos;
use crate::kernel::envelope::Envelope;
use crate::kernel::spans::Origin;
use crate::limits::OWED_ANSWERS;
use crate::observe::senders::{Parting, SenderId};

/// The messages and the callers that wait for a slot. Guarded by the mailbox's lock.
///
/// Each message has a number, and the oldest message that may be handled is handled first. While
/// the actor owes as many answers as it may, messages that would owe another one stay queued, and
/// messages that owe none pass them.
pub(crate) struct Queue<A: Actor> {
    pub(crate) is_open: bool,
    /// Whether the actor was requested to stop: no further message is accepted.
    pub(crate) is_stopping: bool,
    /// Whether unhandled messages wait for the next generation.
    pub(crate) keeps: bool,
    pub(crate) generation: u64,
    pub(crate) capacity: usize,
    /// Indexed by [`lane_of`].
    lanes: Lanes<A>,
    /// The messages that wait for the next generation.
    kept: Lanes<A>,
    next_number: u64,
    /// Slots reserved for callers that waited for one.
    pub(crate) reserved: usize,
    pub(crate) waiting: VecDeque<oneshot::Sender<u64>>,
    /// The waker of the driver, where it found no message to handle.
    pub(crate) driver: Option<Waker>,
}

type Lanes<A> = [VecDeque<Entry<A>>; LANES];

/// A queued message with its sender and the time when it was sent.
pub(crate) struct Entry<A: Actor> {
    number: u64,
    pub(crate) sender: SenderId,
    pub(crate) origin: Origin,
    /// Whether a `stopped` hook sent the message: a stop without a drain does not overtake it.
    is_parting: bool,
    pub(crate) sent_at: Nanos,
    pub(crate) envelope: Box<dyn Envelope<A>>,
}

/// The attributes of a message's type at its actor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    pub(crate) when_full: WhenFull,
    /// Whether the answer comes later.
    pub(crate) is_owing: bool,
}

const LANES: usize = 4;

/// The lanes of messages whose answer is ready when they have been handled; they come first.
const LANES_OWING_NONE: usize = 2;

/// The lanes of messages that are dropped for newer ones when the mailbox is full.
const DROPPABLE: [usize; 2] = [1, 3];

fn lane_of(traits: Traits) -> usize {
    let is_droppable = traits.when_full == WhenFull::DropOldest;
    usize::from(traits.is_owing) * LANES_OWING_NONE + usize::from(is_droppable)
}

/// Takes the oldest message of some lanes.
fn pop_oldest<'a, A: Actor>(
    lanes: impl Iterator<Item = &'a mut VecDeque<Entry<A>>>,
) -> Option<Entry<A>> {
    lanes
        .filter_map(|lane| Some((lane.front()?.number, lane)))
        .min_by_key(|(number, _)| *number)
        .and_then(|(_, lane)| lane.pop_front())
}

impl<A: Actor> Queue<A> {
    pub(crate) fn new() -> Self {
        Self {
            is_open: false,
            is_stopping: false,
            keeps: false,
            generation: 0,
            capacity: 0,
            lanes: [const { VecDeque::new() }; LANES],
            kept: [const { VecDeque::new() }; LANES],
            next_number: 0,
            reserved: 0,
            waiting: VecDeque::new(),
            driver: None,
        }
    }

    pub(crate) fn is_accepting(&self) -> bool {
        self.is_open && !self.is_stopping
    }

    pub(crate) fn depth(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum()
    }

    /// Returns the number of messages that wait for the next generation.
    pub(crate) fn kept_depth(&self) -> usize {
        self.kept.iter().map(VecDeque::len).sum()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.depth() + self.reserved >= self.capacity
    }

    /// Appends a message.
    pub(crate) fn append(
        &mut self,
        sent_at: Nanos,
        traits: Traits,
        envelope: Box<dyn Envelope<A>>,
    ) {
        let number = self.next_number;
        self.next_number += 1;
        self.lanes[lane_of(traits)].push_back(Entry {
            number,
            sender: SenderId::current(),
            origin: Origin::here(),
            is_parting: Parting::is_current(),
            sent_at,
            envelope,
        });
    }

    /// Returns the messages that were sent at `before` or earlier, and whether each is owing.
    pub(crate) fn sent_until(&self, before: Nanos) -> impl Iterator<Item = (bool, &Entry<A>)> {
        self.lanes
            .iter()
            .enumerate()
            .flat_map(move |(lane, entries)| {
                let old = entries
                    .iter()
                    .take_while(move |entry| entry.sent_at <= before);
                old.map(move |entry| (lane >= LANES_OWING_NONE, entry))
            })
    }

    /// Takes the oldest message that an actor may handle which owes `owed` answers.
    pub(crate) fn pop(&mut self, owed: usize) -> Option<Entry<A>> {
        let may_owe = owed < OWED_ANSWERS.min(self.capacity);
        let lanes = if may_owe { LANES } else { LANES_OWING_NONE };
        pop_oldest(self.lanes[..lanes].iter_mut())
    }

    /// Takes the oldest droppable message.
    pub(crate) fn pop_droppable(&mut self) -> Option<Entry<A>> {
        let lanes = self.lanes.iter_mut().enumerate();
        pop_oldest(
            lanes
                .filter(|(lane, _)| DROPPABLE.contains(lane))
                .map(|(_, lane)| lane),
        )
    }

    /// Takes the messages that a stop does not wait for. Where the mailbox is kept, they are set
    /// aside for the next generation; otherwise they are returned.
    pub(crate) fn take_all_but_parting(&mut self) -> Vec<Entry<A>> {
        self.take(|entry| !entry.is_parting)
    }

    /// Takes the messages that a generation leaves at its end, except those that are kept.
    pub(crate) fn take_left(&mut self) -> Vec<Entry<A>> {
        self.take(|_| true)
    }

    fn take(&mut self, is_taken: impl Fn(&Entry<A>) -> bool) -> Vec<Entry<A>> {
        let mut dropped = Vec::new();
        for (lane, kept) in self.lanes.iter_mut().zip(&mut self.kept) {
            let (taken, left): (VecDeque<_>, VecDeque<_>) = lane.drain(..).partition(&is_taken);
            *lane = left;
            if self.keeps {
                kept.extend(taken);
            } else {
                dropped.extend(taken);
            }
        }
        dropped.sort_unstable_by_key(|entry| entry.number);
        dropped
    }

    /// Puts the kept messages back, in the order in which they were sent.
    pub(crate) fn restore_kept(&mut self) {
        for (lane, kept) in self.lanes.iter_mut().zip(&mut self.kept) {
            kept.append(lane);
            std::mem::swap(lane, kept);
            lane.make_contiguous().sort_by_key(|entry| entry.number);
        }
    }

    /// Takes the messages that were kept for a generation that will not come.
    pub(crate) fn take_kept(&mut self) -> Vec<Entry<A>> {
        let lanes = self.kept.iter_mut();
        let mut kept: Vec<_> = lanes.flat_map(|lane| lane.drain(..)).collect();
        kept.sort_unstable_by_key(|entry| entry.number);
        kept
    }

    /// Reserves free slots for the callers that have waited longest.
    pub(crate) fn grant_reservations(&mut self) {
        while !self.is_full() {
            let Some(waiting) = self.waiting.pop_front() else {
                return;
            };
            if waiting.send(self.generation).is_ok() {
                self.reserved += 1;
            }
        }
    }
}
