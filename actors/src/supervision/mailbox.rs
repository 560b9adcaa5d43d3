//! The data lane of an actor: bounded, in order, the same over all generations.
//!
//! actix's own mailbox cannot refuse, cannot drop its oldest message and cannot be left
//! half full (see the facts in `tests/actix_facts.rs`), so it carries control only and data
//! waits here. The actor's driver takes one message at a time from it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::actor::{Actor, Handles, Mail, WhenFull};
use super::clock::{self, Nanos};
use super::envelope::{Envelope, Letter, Reason};
use super::error::TellError;
use super::limits::MAILBOX_CAPACITY;
use super::node::Node;

/// The queue in front of an actor. Closed while the actor is down.
pub(crate) struct Mailbox<A: Actor> {
    pub(crate) node: Arc<Node>,
    lane: Mutex<Lane<A>>,
    opened: Notify,
}

struct Lane<A: Actor> {
    is_open: bool,
    generation: u64,
    capacity: usize,
    /// Messages that stay until they are handled.
    firm: VecDeque<Entry<A>>,
    /// Messages that give way when the mailbox is full. The number in an entry keeps the two
    /// queues in one order.
    droppable: VecDeque<Entry<A>>,
    next_number: u64,
    /// Places that were promised to callers who had waited for room.
    promised: usize,
    waiting: VecDeque<oneshot::Sender<u64>>,
    /// The driver, when it has found the mailbox empty and sleeps.
    driver: Option<Waker>,
}

/// A message that waits, and since when.
pub(crate) struct Entry<A: Actor> {
    number: u64,
    pub(crate) sent_at: Nanos,
    pub(crate) envelope: Box<dyn Envelope<A>>,
}

impl<A: Actor> Lane<A> {
    fn depth(&self) -> usize {
        self.firm.len() + self.droppable.len()
    }

    fn is_full(&self) -> bool {
        self.depth() + self.promised >= self.capacity
    }

    fn pop(&mut self) -> Option<Entry<A>> {
        let droppable_is_older = match (self.firm.front(), self.droppable.front()) {
            (Some(firm), Some(droppable)) => droppable.number < firm.number,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if droppable_is_older {
            self.droppable.pop_front()
        } else {
            self.firm.pop_front()
        }
    }

    fn accepts(&self, place: Place) -> bool {
        let is_current = match place {
            Place::Free | Place::Beyond(None) => true,
            Place::Promised(generation) | Place::Beyond(Some(generation)) => {
                generation == self.generation
            }
        };
        self.is_open && is_current
    }

    /// Promises free places to those who have waited longest.
    fn grant(&mut self) {
        while !self.is_full() {
            let Some(waiting) = self.waiting.pop_front() else {
                return;
            };
            if waiting.send(self.generation).is_ok() {
                self.promised += 1;
            }
        }
    }
}

impl<A: Actor> Mailbox<A> {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let mailbox = Self {
            node,
            lane: Mutex::new(Lane {
                is_open: false,
                generation: 0,
                capacity: 0,
                firm: VecDeque::new(),
                droppable: VecDeque::new(),
                next_number: 0,
                promised: 0,
                waiting: VecDeque::new(),
                driver: None,
            }),
            opened: Notify::new(),
        };
        mailbox.set_capacity(MAILBOX_CAPACITY);
        mailbox
    }

    /// Sets how many messages may wait: at least one.
    pub(crate) fn set_capacity(&self, capacity: usize) {
        let capacity = capacity.max(1);
        self.lane.lock().capacity = capacity;
        self.node.gauges.capacity.store(capacity as u64, Relaxed);
    }

    /// The generation that takes messages, if one does.
    pub(crate) fn open_generation(&self) -> Option<u64> {
        let lane = self.lane.lock();
        lane.is_open.then_some(lane.generation)
    }

    /// Takes messages for a new generation until the guard is dropped.
    pub(crate) fn open(self: &Arc<Self>, generation: u64) -> Opened<A> {
        let mut lane = self.lane.lock();
        lane.is_open = true;
        lane.generation = generation;
        drop(lane);
        self.opened.notify_waiters();
        Opened {
            mailbox: Arc::clone(self),
        }
    }

    /// Resolves when the mailbox is open, at once if it is.
    pub(crate) async fn wait_open(&self) -> u64 {
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            if let Some(generation) = self.open_generation() {
                return generation;
            }
            opened.await;
        }
    }

    /// Puts a message in its place in the queue. A message that is refused comes back and is
    /// not counted yet: its sender may want to wait.
    ///
    /// In a full mailbox it takes the place of the oldest message that may be dropped,
    /// whatever its type: what may be dropped never stands in the way of what may not.
    #[inline]
    pub(crate) fn push<M: Mail>(&self, letter: Letter<M>, place: Place) -> Result<(), Refused<M>>
    where
        A: Handles<M>,
    {
        let sent_at = clock::now();
        let mut lane = self.lane.lock();
        if !lane.accepts(place) {
            return Err(Refused {
                letter,
                because: Refusal::Unavailable,
            });
        }
        let mut gave_way = None;
        match place {
            Place::Promised(_) => lane.promised -= 1,
            Place::Free if lane.is_full() => {
                gave_way = lane.droppable.pop_front();
                if gave_way.is_none() {
                    return Err(Refused {
                        letter,
                        because: Refusal::Full,
                    });
                }
            }
            Place::Free | Place::Beyond(_) => {}
        }
        let number = lane.next_number;
        lane.next_number += 1;
        let entry = Entry {
            number,
            sent_at,
            envelope: Box::new(letter),
        };
        match A::WHEN_FULL {
            WhenFull::DropOldest => lane.droppable.push_back(entry),
            WhenFull::Reject | WhenFull::Wait => lane.firm.push_back(entry),
        }
        self.note_depth(&lane);
        let driver = lane.driver.take();
        drop(lane);
        if let Some(driver) = driver {
            driver.wake();
        }
        if let Some(entry) = gave_way {
            entry.envelope.refuse(&self.node, Reason::Dropped);
        }
        Ok(())
    }

    /// Counts a message that was refused for good.
    pub(crate) fn count<M: Mail>(&self, because: Refusal) {
        let metrics = self.node.messages.of::<M>();
        let counter = match because {
            Refusal::Full => &metrics.rejected,
            Refusal::Unavailable => &metrics.unavailable,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Takes the oldest message, or has the waker woken when there is one.
    #[inline]
    pub(crate) fn pop_or_sleep(&self, waker: &Waker) -> Option<Entry<A>> {
        let mut lane = self.lane.lock();
        let Some(entry) = lane.pop() else {
            lane.driver = Some(waker.clone());
            return None;
        };
        if !lane.waiting.is_empty() {
            lane.grant();
        }
        self.note_depth(&lane);
        Some(entry)
    }

    /// Waits for a place in the queue. First come, first served, ahead of those who do not
    /// wait. `None` when the actor is down or goes down.
    pub(crate) async fn place(self: &Arc<Self>) -> Option<Promised<A>> {
        let receiver = {
            let mut lane = self.lane.lock();
            if !lane.is_open {
                return None;
            }
            let (sender, receiver) = oneshot::channel();
            lane.waiting.push_back(sender);
            lane.grant();
            receiver
        };
        let mut ticket = Ticket {
            mailbox: self,
            receiver,
        };
        let generation = (&mut ticket.receiver).await.ok()?;
        Some(Promised {
            mailbox: Arc::clone(self),
            generation,
            is_used: false,
        })
    }

    fn give_back(&self, generation: u64) {
        let mut lane = self.lane.lock();
        if lane.is_open && lane.generation == generation {
            lane.promised -= 1;
            lane.grant();
        }
    }

    fn close(&self) {
        let mut lane = self.lane.lock();
        lane.is_open = false;
        lane.promised = 0;
        lane.driver = None;
        let mut entries: Vec<Entry<A>> = lane.firm.drain(..).collect();
        entries.extend(lane.droppable.drain(..));
        let waiting = std::mem::take(&mut lane.waiting);
        self.note_depth(&lane);
        drop(lane);
        drop(waiting);
        for entry in entries {
            entry.envelope.refuse(&self.node, Reason::Lost);
        }
    }

    #[inline]
    fn note_depth(&self, lane: &Lane<A>) {
        let depth = lane.depth() as u64;
        let gauges = &self.node.gauges;
        gauges.depth.store(depth, Relaxed);
        if depth > gauges.peak.load(Relaxed) {
            gauges.peak.store(depth, Relaxed);
        }
    }
}

/// Where a message goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// To a free place, if there is one.
    Free,
    /// To the place that this generation has promised.
    Promised(u64),
    /// To the end, full or not, if this generation runs (any, where none is named). For
    /// messages whose number is bounded elsewhere.
    Beyond(Option<u64>),
}

/// Why a message has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Unavailable,
}

/// A message that has no place.
pub(crate) struct Refused<M: Mail> {
    pub(crate) letter: Letter<M>,
    pub(crate) because: Refusal,
}

impl<M: Mail> From<Refused<M>> for TellError<M> {
    fn from(refused: Refused<M>) -> Self {
        match refused.because {
            Refusal::Full => Self::Full(refused.letter.message),
            Refusal::Unavailable => Self::Unavailable(refused.letter.message),
        }
    }
}

/// An open mailbox. Dropping it, also while a panic unwinds, closes the mailbox and
/// refuses what it holds.
pub(crate) struct Opened<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
}

impl<A: Actor> Drop for Opened<A> {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

/// A caller's place in the line of those who wait for room.
struct Ticket<'a, A: Actor> {
    mailbox: &'a Mailbox<A>,
    receiver: oneshot::Receiver<u64>,
}

impl<A: Actor> Drop for Ticket<'_, A> {
    /// Gives back a place that was promised but never seen.
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(generation) = self.receiver.try_recv() {
            self.mailbox.give_back(generation);
        }
    }
}

/// A place in the queue. Given back when it is dropped unused.
pub(crate) struct Promised<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
    generation: u64,
    is_used: bool,
}

impl<A: Actor> Promised<A> {
    /// Puts the message in its place.
    pub(crate) fn push<M: Mail>(mut self, letter: Letter<M>) -> Result<(), Refused<M>>
    where
        A: Handles<M>,
    {
        self.is_used = true;
        self.mailbox.push(letter, Place::Promised(self.generation))
    }
}

impl<A: Actor> Drop for Promised<A> {
    fn drop(&mut self) {
        if !self.is_used {
            self.mailbox.give_back(self.generation);
        }
    }
}
