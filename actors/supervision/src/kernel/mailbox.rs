//! The mailbox of an actor: bounded, in order, the same for all generations.
//!
//! actix's own mailbox cannot refuse a message, cannot drop its oldest one and is always drained
//! to its end (see `tests/actix_facts`), so it carries control messages only and data
//! waits here. The actor's driver takes one message at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::kernel::actor::{Actor, Handles, Message, WhenFull};
use crate::kernel::answer::Answer;
use crate::kernel::clock::Nanos;
use crate::kernel::envelope::{Envelope, LazyEnvelope, Reason, TypedEnvelope};
use crate::kernel::error::TellError;
use crate::kernel::queue::{Entry, Queue, Traits};
use crate::limits::MAILBOX_CAPACITY;
use crate::observe::dead_letters::DeadLetterReason;
use crate::observe::node::Node;
use crate::observe::senders::SenderId;
use crate::observe::waits::WaitState;

mod end;
mod waits;

/// The mailbox of an actor. Closed while the actor is down.
pub(crate) struct Mailbox<A: Actor> {
    pub(crate) node: Arc<Node>,
    queue: Mutex<Queue<A>>,
    opened: Notify,
    /// Tells the callers that wait for an answer that a generation was given up.
    given_up: Notify,
}

/// Returns the attributes of messages of type `M` at actors of type `A`.
const fn traits_of<A: Handles<M>, M: Message>(when_full: WhenFull) -> Traits {
    Traits {
        when_full,
        is_owing: <A::Answer as Answer<M::Result>>::IS_LATER,
    }
}

impl<A: Actor> Mailbox<A> {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let mailbox = Self {
            node,
            queue: Mutex::new(Queue::new()),
            opened: Notify::new(),
            given_up: Notify::new(),
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
        queue.is_accepting().then_some(queue.generation)
    }

    /// Opens the mailbox for a new generation until the guard is dropped. Does nothing where the
    /// generation was given up.
    pub(crate) fn open(self: &Arc<Self>, generation: u64) -> OpenGuard<A> {
        let mut queue = self.queue.lock();
        if !self.node.hang.is_given_up(generation) {
            queue.is_open = true;
            queue.is_stopping = false;
            queue.restore_kept();
            queue.generation = generation;
        }
        drop(queue);
        self.opened.notify_waiters();
        OpenGuard {
            mailbox: Arc::clone(self),
            generation,
        }
    }

    /// Waits until the mailbox is open. Returns the generation.
    pub(crate) async fn wait_open(&self) -> u64 {
        let mut waiting = None;
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            if let Some(generation) = self.open_generation() {
                return generation;
            }
            waiting.get_or_insert_with(|| self.begin_wait(WaitState::Start));
            opened.await;
        }
    }

    /// Appends a message to the queue. Returns the generation that accepted it. A refused message
    /// is returned and not counted yet: its sender may wait and try again.
    ///
    /// In a full mailbox the message replaces the oldest droppable message of any type, so that
    /// droppable messages never keep out undroppable ones.
    #[inline]
    pub(crate) fn push<M: Message>(
        &self,
        envelope: TypedEnvelope<M>,
        slot: Slot,
    ) -> Result<u64, Refused<M>>
    where
        A: Handles<M>,
    {
        let metrics = self.node.messages.of::<M>();
        if metrics.crashes.are_too_many() {
            return Err(Refused {
                envelope,
                refusal: Refusal::Quarantined,
            });
        }
        let sent_at = self.node.now();
        let mut queue = self.queue.lock();
        if !slot.is_in(&queue) {
            return Err(Refused {
                envelope,
                refusal: Refusal::Unavailable,
            });
        }
        let mut evicted = None;
        match slot {
            Slot::Reserved(_) => queue.reserved -= 1,
            Slot::Free if queue.is_full() => {
                evicted = queue.pop_droppable();
                if evicted.is_none() {
                    return Err(Refused {
                        envelope,
                        refusal: Refusal::Full,
                    });
                }
            }
            Slot::Free | Slot::OverCapacity(_) => {}
        }
        let driver = self.append(
            &mut queue,
            sent_at,
            traits_of::<A, M>(A::WHEN_FULL),
            Box::new(envelope),
        );
        let generation = queue.generation;
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
        metrics.senders.note();
        if let Some(entry) = evicted {
            entry
                .envelope
                .refuse(&self.node, Reason::Dropped, entry.sender);
        }
        Ok(generation)
    }

    /// Appends, beyond the capacity, a message that is made when it is handled, unless it has become
    /// void. Counts it where the actor is down, or another generation than the given one runs.
    pub(crate) fn push_lazy<M: Message>(
        &self,
        generation: Option<u64>,
        make: impl FnOnce() -> Option<M> + Send + 'static,
    ) where
        A: Handles<M>,
    {
        let envelope = Box::new(LazyEnvelope::new(make));
        let sent_at = self.node.now();
        let mut queue = self.queue.lock();
        if !Slot::OverCapacity(generation).is_in(&queue) {
            drop(queue);
            self.count::<M>(Refusal::Unavailable);
            return;
        }
        let driver = self.append(
            &mut queue,
            sent_at,
            traits_of::<A, M>(WhenFull::Reject),
            envelope,
        );
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
        traits: Traits,
        envelope: Box<dyn Envelope<A>>,
    ) -> Option<Waker> {
        queue.append(sent_at, traits, envelope);
        self.note_depth(queue);
        queue.driver.take()
    }

    /// Counts a message that was refused and will not be sent again.
    pub(crate) fn count<M: Message>(&self, refusal: Refusal) {
        let metrics = self.node.messages.of::<M>();
        let (counter, reason) = match refusal {
            Refusal::Full => (&metrics.rejected, DeadLetterReason::Rejected),
            Refusal::Unavailable => (&metrics.unavailable, DeadLetterReason::Unavailable),
            Refusal::Quarantined => (&metrics.quarantined, DeadLetterReason::Quarantined),
        };
        counter.fetch_add(1, Relaxed);
        let sender = SenderId::current();
        self.node.note_dead_letter(metrics, reason, sender);
    }

    /// Takes the oldest message for a generation that owes `owed` answers. Where there is none that
    /// it may handle, registers the waker for the next message.
    #[inline]
    pub(crate) fn pop_or_sleep(
        &self,
        waker: &Waker,
        generation: u64,
        owed: usize,
    ) -> Option<Entry<A>> {
        let mut queue = self.queue.lock();
        if queue.generation != generation {
            return None;
        }
        let Some(entry) = queue.pop(owed) else {
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
            if !queue.is_accepting() {
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
        let _waiting = self.begin_wait(WaitState::Room);
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

    #[inline]
    fn note_depth(&self, queue: &Queue<A>) {
        let depth = (queue.depth() + queue.kept_depth()) as u64;
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

impl Slot {
    /// Returns whether a message may be put in this slot.
    fn is_in<A: Actor>(self, queue: &Queue<A>) -> bool {
        let is_current = match self {
            Self::Free | Self::OverCapacity(None) => true,
            Self::Reserved(generation) | Self::OverCapacity(Some(generation)) => {
                generation == queue.generation
            }
        };
        queue.is_accepting() && is_current
    }
}

/// The reason why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Unavailable,
    Quarantined,
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
            Refusal::Quarantined => Self::Quarantined(refused.envelope.message),
        }
    }
}

/// A guard around a handler. Where a panic unwinds through it, the mailbox is closed before the
/// caller's channel is dropped: a caller that sees the interruption and sends again finds the actor
/// down, and can wait for its next generation.
pub(crate) struct PanicGuard<'a, A: Actor>(pub(crate) &'a Mailbox<A>, pub(crate) u64);

impl<A: Actor> Drop for PanicGuard<'_, A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close(self.1);
        }
    }
}

/// The guard of an open mailbox. Dropping it, also while a panic unwinds, closes the mailbox and
/// refuses the queued messages.
pub(crate) struct OpenGuard<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
    generation: u64,
}

impl<A: Actor> Drop for OpenGuard<A> {
    fn drop(&mut self) {
        self.mailbox.close(self.generation);
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
    pub(crate) fn push<M: Message>(mut self, envelope: TypedEnvelope<M>) -> Result<u64, Refused<M>>
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
