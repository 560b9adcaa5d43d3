//! The lanes of a mailbox: messages of the same attributes, in the order in which they were sent.

use std::collections::VecDeque;

use crate::kernel::actor::{Actor, Priority, WhenFull};
use crate::kernel::clock::Nanos;
use crate::kernel::envelope::{Envelope, Reason};
use crate::kernel::spans::Origin;
use crate::observe::node::Node;
use crate::observe::senders::SenderId;

/// A queued message with its sender and the time when it was sent.
pub(crate) struct Entry<A: Actor> {
    pub(super) number: u64,
    pub(super) lane: u8,
    /// Whether a `stopped` hook sent the message: a stop without a drain does not overtake it.
    pub(super) is_parting: bool,
    pub(crate) sender: SenderId,
    pub(crate) origin: Origin,
    pub(crate) sent_at: Nanos,
    /// The time from which the message is not handled any more.
    pub(super) expires_at: Nanos,
    /// The weight in bytes; zero where the mailbox has no bound in bytes.
    pub(super) weight: usize,
    pub(crate) envelope: Box<dyn Envelope<A>>,
}

impl<A: Actor> Entry<A> {
    /// Returns whether the message's deadline has passed.
    #[inline]
    pub(crate) fn is_expired(&self, now: Nanos) -> bool {
        self.expires_at <= now
    }

    /// Counts the message as expired and tells its caller.
    #[cold]
    pub(crate) fn skip_expired(self, node: &Node) {
        self.envelope.refuse(node, Reason::Expired, self.sender);
    }
}

/// The attributes of a message's type at its actor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    pub(crate) when_full: WhenFull,
    pub(crate) priority: Priority,
    /// Whether the answer comes later.
    pub(crate) is_owing: bool,
}

impl Traits {
    /// Returns the lane of messages with these attributes.
    #[inline]
    pub(super) fn lane(self) -> u8 {
        let is_droppable = self.when_full == WhenFull::DropOldest;
        let is_high = self.priority == Priority::High;
        u8::from(is_high) << 2 | u8::from(self.is_owing) << 1 | u8::from(is_droppable)
    }
}

const LANES: usize = 8;

/// A set of lanes: a bit for each, as [`Traits::lane`] numbers them.
type LaneSet = u8;

const NORMAL: LaneSet = 0b0000_1111;
const HIGH: LaneSet = 0b1111_0000;
const OWING_NONE: LaneSet = 0b0011_0011;
const DROPPABLE: LaneSet = 0b1010_1010;

/// Some lanes of one priority.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    pub(super) priority: Priority,
    /// Whether messages whose answer comes later are among them.
    pub(super) with_owing: bool,
}

/// The messages of a mailbox by lane, and their sums.
pub(super) struct Lanes<A: Actor> {
    lanes: [VecDeque<Entry<A>>; LANES],
    /// The lanes that hold a message.
    occupied: LaneSet,
    len: usize,
    bytes: usize,
    droppable_bytes: usize,
}

impl<A: Actor> Lanes<A> {
    pub(super) fn new() -> Self {
        Self {
            lanes: [const { VecDeque::new() }; LANES],
            occupied: 0,
            len: 0,
            bytes: 0,
            droppable_bytes: 0,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is a message of high priority.
    #[inline]
    pub(super) fn has_high(&self) -> bool {
        self.occupied & HIGH != 0
    }

    /// Returns the weight of all messages.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the weight of the messages that are dropped for newer ones.
    pub(super) fn droppable_bytes(&self) -> usize {
        self.droppable_bytes
    }

    #[inline]
    pub(super) fn push(&mut self, entry: Entry<A>) {
        let lane = usize::from(entry.lane);
        self.len += 1;
        self.bytes += entry.weight;
        if is_droppable(entry.lane) {
            self.droppable_bytes += entry.weight;
        }
        self.occupied |= 1 << entry.lane;
        self.lanes[lane].push_back(entry);
    }

    /// Returns the messages that were sent at `before` or earlier, and whether each is owing.
    pub(super) fn sent_until(&self, before: Nanos) -> impl Iterator<Item = (bool, &Entry<A>)> {
        self.lanes
            .iter()
            .enumerate()
            .flat_map(move |(lane, entries)| {
                let old = entries
                    .iter()
                    .take_while(move |entry| entry.sent_at <= before);
                old.map(move |entry| (is_owing(lane), entry))
            })
    }

    /// Takes the oldest message of some lanes.
    #[inline]
    pub(super) fn pop(&mut self, band: Band) -> Option<Entry<A>> {
        let lanes = match band.priority {
            Priority::Normal => NORMAL,
            Priority::High => HIGH,
        };
        let owing = if band.with_owing {
            LaneSet::MAX
        } else {
            OWING_NONE
        };
        self.pop_oldest(lanes & owing)
    }

    /// Takes the oldest droppable message: one of normal priority, if there is one.
    pub(super) fn pop_droppable(&mut self) -> Option<Entry<A>> {
        let normal = self.pop_oldest(DROPPABLE & NORMAL);
        normal.or_else(|| self.pop_oldest(DROPPABLE & HIGH))
    }

    #[inline]
    fn pop_oldest(&mut self, lanes: LaneSet) -> Option<Entry<A>> {
        let occupied = self.occupied & lanes;
        let lane = if occupied.is_power_of_two() {
            occupied.trailing_zeros() as usize
        } else {
            self.oldest(occupied)?
        };
        let entry = self.lanes[lane].pop_front()?;
        if self.lanes[lane].is_empty() {
            self.occupied &= !(1 << lane);
        }
        self.forget(&entry);
        Some(entry)
    }

    /// Returns the one of several lanes whose first message is the oldest.
    fn oldest(&self, lanes: LaneSet) -> Option<usize> {
        (0..LANES)
            .filter(|lane| lanes & 1 << lane != 0)
            .filter_map(|lane| Some((self.lanes[lane].front()?.number, lane)))
            .min_by_key(|(number, _)| *number)
            .map(|(_, lane)| lane)
    }

    /// Takes the messages for which `is_taken` returns true, in the order in which they were sent.
    pub(super) fn take(&mut self, is_taken: impl Fn(&Entry<A>) -> bool) -> Vec<Entry<A>> {
        let mut all_taken = Vec::new();
        self.occupied = 0;
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            let (taken, left): (VecDeque<_>, VecDeque<_>) = lane.drain(..).partition(&is_taken);
            self.occupied |= LaneSet::from(!left.is_empty()) << number;
            *lane = left;
            all_taken.extend(taken);
        }
        for entry in &all_taken {
            self.forget(entry);
        }
        all_taken.sort_unstable_by_key(|entry| entry.number);
        all_taken
    }

    /// Puts messages back among the others, in the order in which they were sent.
    pub(super) fn restore(&mut self, entries: Vec<Entry<A>>) {
        if entries.is_empty() {
            return;
        }
        for entry in entries {
            self.push(entry);
        }
        for lane in &mut self.lanes {
            lane.make_contiguous().sort_by_key(|entry| entry.number);
        }
    }

    /// Takes a message out of the sums.
    #[inline]
    fn forget(&mut self, entry: &Entry<A>) {
        self.len -= 1;
        self.bytes -= entry.weight;
        if is_droppable(entry.lane) {
            self.droppable_bytes -= entry.weight;
        }
    }
}

/// Returns whether the answers to the messages of a lane come later.
const fn is_owing(lane: usize) -> bool {
    OWING_NONE & 1 << lane == 0
}

/// Returns whether the messages of a lane are dropped for newer ones when the mailbox is full.
const fn is_droppable(lane: u8) -> bool {
    DROPPABLE & 1 << lane != 0
}
