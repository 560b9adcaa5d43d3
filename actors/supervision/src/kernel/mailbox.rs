//! The mailbox of an actor: bounded, in order, the same for all generations.
//!
//! actix's own mailbox cannot refuse a message, cannot drop its oldest one and is always drained
//! to its end (see `tests/actix_facts`), so it carries control messages only and data
//! waits here. The actor's driver takes one message at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::kernel::actor::{Actor, Handles, Message, WhenFull};
use crate::kernel::clock::{self, Nanos};
use crate::kernel::envelope::{Envelope, LazyEnvelope, Reason, TypedEnvelope};
use crate::kernel::error::TellError;
use crate::kernel::spans::Origin;
use crate::limits::MAILBOX_CAPACITY;
use crate::observe::dead_letters::DeadLetterReason;
use crate::observe::node::Node;
use crate::observe::senders::SenderId;

/// The mailbox of an actor. Closed while the actor is down.
pub(crate) struct Mailbox<A: Actor> {
    pub(crate) node: Arc<Node>,
    queue: Mutex<Queue<A>>,
    opened: Notify,
}

struct Queue<A: Actor> {
    is_open: bool,
    generation: u64,
    capacity: usize,
    /// Messages that stay until they are handled.
    undroppable: VecDeque<Entry<A>>,
    /// Messages that are dropped for newer ones when the mailbox is full. The numbers of the
    /// entries keep the two queues in one order.
    droppable: VecDeque<Entry<A>>,
    next_number: u64,
    /// Slots reserved for callers that waited for one.
    reserved: usize,
    waiting: VecDeque<oneshot::Sender<u64>>,
    /// The waker of the driver, where it found the mailbox empty.
    driver: Option<Waker>,
}

/// A queued message with the time when it was sent.
pub(crate) struct Entry<A: Actor> {
    number: u64,
    sender: SenderId,
    pub(crate) origin: Origin,
    pub(crate) sent_at: Nanos,
    pub(crate) envelope: Box<dyn Envelope<A>>,
}

impl<A: Actor> Queue<A> {
    fn depth(&self) -> usize {
        self.undroppable.len() + self.droppable.len()
    }

    fn is_full(&self) -> bool {
        self.depth() + self.reserved >= self.capacity
    }

    fn pop(&mut self) -> Option<Entry<A>> {
        let droppable_is_older = match (self.undroppable.front(), self.droppable.front()) {
            (Some(undroppable), Some(droppable)) => droppable.number < undroppable.number,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if droppable_is_older {
            self.droppable.pop_front()
        } else {
            self.undroppable.pop_front()
        }
    }

    fn accepts(&self, slot: Slot) -> bool {
        let is_current = match slot {
            Slot::Free | Slot::OverCapacity(None) => true,
            Slot::Reserved(generation) | Slot::OverCapacity(Some(generation)) => {
                generation == self.generation
            }
        };
        self.is_open && is_current
    }

    /// Reserves free slots for the callers that have waited longest.
    fn grant_reservations(&mut self) {
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

impl<A: Actor> Mailbox<A> {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let mailbox = Self {
            node,
            queue: Mutex::new(Queue {
                is_open: false,
                generation: 0,
                capacity: 0,
                undroppable: VecDeque::new(),
                droppable: VecDeque::new(),
                next_number: 0,
                reserved: 0,
                waiting: VecDeque::new(),
                driver: None,
            }),
            opened: Notify::new(),
        };
        mailbox.set_capacity(MAILBOX_CAPACITY);
        mailbox
    }

    /// Sets how many messages may be queued, at least one.
    pub(crate) fn set_capacity(&self, capacity: usize) {
        let capacity = capacity.max(1);
        self.queue.lock().capacity = capacity;
        self.node.gauges.capacity.store(capacity as u64, Relaxed);
    }

    /// Returns the generation that accepts messages, if one does.
    pub(crate) fn open_generation(&self) -> Option<u64> {
        let queue = self.queue.lock();
        queue.is_open.then_some(queue.generation)
    }

    /// Opens the mailbox for a new generation until the guard is dropped.
    pub(crate) fn open(self: &Arc<Self>, generation: u64) -> OpenGuard<A> {
        let mut queue = self.queue.lock();
        queue.is_open = true;
        queue.generation = generation;
        drop(queue);
        self.opened.notify_waiters();
        OpenGuard {
            mailbox: Arc::clone(self),
        }
    }

    /// Waits until the mailbox is open. Returns the generation.
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

    /// Appends a message to the queue. A refused message is returned and not counted yet: its
    /// sender may wait and try again.
    ///
    /// In a full mailbox the message replaces the oldest droppable message of any type, so that
    /// droppable messages never keep out undroppable ones.
    #[inline]
    pub(crate) fn push<M: Message>(
        &self,
        envelope: TypedEnvelope<M>,
        slot: Slot,
    ) -> Result<(), Refused<M>>
    where
        A: Handles<M>,
    {
        let sent_at = clock::now();
        let mut queue = self.queue.lock();
        if !queue.accepts(slot) {
            return Err(Refused {
                envelope,
                refusal: Refusal::Unavailable,
            });
        }
        let mut evicted = None;
        match slot {
            Slot::Reserved(_) => queue.reserved -= 1,
            Slot::Free if queue.is_full() => {
                evicted = queue.droppable.pop_front();
                if evicted.is_none() {
                    return Err(Refused {
                        envelope,
                        refusal: Refusal::Full,
                    });
                }
            }
            Slot::Free | Slot::OverCapacity(_) => {}
        }
        let driver = self.append(&mut queue, sent_at, Box::new(envelope), A::WHEN_FULL);
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
        self.node.messages.of::<M>().senders.note();
        if let Some(entry) = evicted {
            entry
                .envelope
                .refuse(&self.node, Reason::Dropped, entry.sender);
        }
        Ok(())
    }

    /// Appends, beyond the capacity, a message that is made when it is handled. Counts it where the
    /// actor is down.
    pub(crate) fn push_lazy<M: Message>(&self, make: impl FnOnce() -> M + Send + 'static)
    where
        A: Handles<M>,
    {
        let envelope = Box::new(LazyEnvelope::new(make));
        let sent_at = clock::now();
        let mut queue = self.queue.lock();
        if !queue.is_open {
            drop(queue);
            self.count::<M>(Refusal::Unavailable);
            return;
        }
        let driver = self.append(&mut queue, sent_at, envelope, WhenFull::Reject);
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Appends a message to the queue. Returns the driver's waker where it sleeps.
    #[inline]
    fn append(
        &self,
        queue: &mut Queue<A>,
        sent_at: Nanos,
        envelope: Box<dyn Envelope<A>>,
        when_full: WhenFull,
    ) -> Option<Waker> {
        let number = queue.next_number;
        queue.next_number += 1;
        let entry = Entry {
            number,
            sender: SenderId::current(),
            origin: Origin::here(),
            sent_at,
            envelope,
        };
        match when_full {
            WhenFull::DropOldest => queue.droppable.push_back(entry),
            WhenFull::Reject | WhenFull::Wait => queue.undroppable.push_back(entry),
        }
        self.note_depth(queue);
        queue.driver.take()
    }

    /// Counts a message that was refused and will not be sent again.
    pub(crate) fn count<M: Message>(&self, refusal: Refusal) {
        let metrics = self.node.messages.of::<M>();
        let (counter, reason) = match refusal {
            Refusal::Full => (&metrics.rejected, DeadLetterReason::Rejected),
            Refusal::Unavailable => (&metrics.unavailable, DeadLetterReason::Unavailable),
        };
        counter.fetch_add(1, Relaxed);
        let sender = SenderId::current();
        self.node.dead_letters.note(metrics, reason, sender);
    }

    /// Takes the oldest message. Where there is none, registers the waker for the next one.
    #[inline]
    pub(crate) fn pop_or_sleep(&self, waker: &Waker) -> Option<Entry<A>> {
        let mut queue = self.queue.lock();
        let Some(entry) = queue.pop() else {
            queue.driver = Some(waker.clone());
            return None;
        };
        if !queue.waiting.is_empty() {
            queue.grant_reservations();
        }
        self.note_depth(&queue);
        Some(entry)
    }

    /// Waits for a slot in the queue: first come, first served, ahead of senders that do not
    /// wait. Returns `None` when the actor is down or goes down.
    pub(crate) async fn reserve(self: &Arc<Self>) -> Option<Reservation<A>> {
        let receiver = {
            let mut queue = self.queue.lock();
            if !queue.is_open {
                return None;
            }
            let (sender, receiver) = oneshot::channel();
            queue.waiting.push_back(sender);
            queue.grant_reservations();
            receiver
        };
        let mut pending = PendingReservation {
            mailbox: self,
            receiver,
        };
        let generation = (&mut pending.receiver).await.ok()?;
        Some(Reservation {
            mailbox: Arc::clone(self),
            generation,
            is_used: false,
        })
    }

    fn release(&self, generation: u64) {
        let mut queue = self.queue.lock();
        if queue.is_open && queue.generation == generation {
            queue.reserved -= 1;
            queue.grant_reservations();
        }
    }

    fn close(&self) {
        let mut queue = self.queue.lock();
        queue.is_open = false;
        queue.reserved = 0;
        queue.driver = None;
        let mut entries: Vec<Entry<A>> = queue.undroppable.drain(..).collect();
        entries.extend(queue.droppable.drain(..));
        let waiting = std::mem::take(&mut queue.waiting);
        self.note_depth(&queue);
        drop(queue);
        drop(waiting);
        for entry in entries {
            entry
                .envelope
                .refuse(&self.node, Reason::Lost, entry.sender);
        }
    }

    #[inline]
    fn note_depth(&self, queue: &Queue<A>) {
        let depth = queue.depth() as u64;
        let gauges = &self.node.gauges;
        gauges.depth.store(depth, Relaxed);
        if depth > gauges.peak.load(Relaxed) {
            gauges.peak.store(depth, Relaxed);
        }
    }
}

/// The slot of the mailbox that a message is put in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slot {
    /// A free slot, if there is one.
    Free,
    /// A slot that was reserved in this generation.
    Reserved(u64),
    /// A slot beyond the capacity, if this generation runs (any generation for `None`). For
    /// messages whose number is bounded elsewhere.
    OverCapacity(Option<u64>),
}

/// The reason why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Unavailable,
}

/// A refused message.
pub(crate) struct Refused<M: Message> {
    pub(crate) envelope: TypedEnvelope<M>,
    pub(crate) refusal: Refusal,
}

impl<M: Message> From<Refused<M>> for TellError<M> {
    fn from(refused: Refused<M>) -> Self {
        match refused.refusal {
            Refusal::Full => Self::Full(refused.envelope.message),
            Refusal::Unavailable => Self::Unavailable(refused.envelope.message),
        }
    }
}

/// A guard around a handler. Where a panic unwinds through it, the mailbox is closed before the
/// caller's channel is dropped: a caller that sees the interruption and sends again finds the actor
/// down, and can wait for its next generation.
pub(crate) struct PanicGuard<'a, A: Actor>(pub(crate) &'a Mailbox<A>);

impl<A: Actor> Drop for PanicGuard<'_, A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

/// The guard of an open mailbox. Dropping it, also while a panic unwinds, closes the mailbox and
/// refuses the queued messages.
pub(crate) struct OpenGuard<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
}

impl<A: Actor> Drop for OpenGuard<A> {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

/// A caller's position among those that wait for a slot.
struct PendingReservation<'a, A: Actor> {
    mailbox: &'a Mailbox<A>,
    receiver: oneshot::Receiver<u64>,
}

impl<A: Actor> Drop for PendingReservation<'_, A> {
    /// Releases a slot that was reserved but never received.
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(generation) = self.receiver.try_recv() {
            self.mailbox.release(generation);
        }
    }
}

/// A reserved slot of the mailbox. Released when it is dropped unused.
pub(crate) struct Reservation<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
    generation: u64,
    is_used: bool,
}

impl<A: Actor> Reservation<A> {
    /// Puts the message in the reserved slot.
    pub(crate) fn push<M: Message>(mut self, envelope: TypedEnvelope<M>) -> Result<(), Refused<M>>
    where
        A: Handles<M>,
    {
        self.is_used = true;
        self.mailbox.push(envelope, Slot::Reserved(self.generation))
    }
}

impl<A: Actor> Drop for Reservation<A> {
    fn drop(&mut self) {
        if !self.is_used {
            self.mailbox.release(self.generation);
        }
    }
}
