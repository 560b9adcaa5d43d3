//! The mailbox of an actor: bounded, in order, the same for all generations.
//!
//! actix's own mailbox cannot refuse a message, cannot drop its oldest one and is always drained
//! to its end (see `tests/actix_facts`), so it carries control messages only and data
//! waits here. The actor's driver takes one message at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::kernel::actor::{Actor, Handles, Message, WhenFull};
use crate::kernel::answer::Answer;
use crate::kernel::clock::{self, Nanos};
use crate::kernel::envelope::{LazyEnvelope, Reason, TypedEnvelope};
use crate::kernel::error::TellError;
use crate::kernel::queue::{Entry, NEVER, NewEntry, Queue, Traits};
use crate::kernel::spans::Origin;
use crate::limits::MAILBOX_CAPACITY;
use crate::observe::dead_letters::DeadLetterReason;
use crate::observe::node::Node;
use crate::observe::senders::SenderId;
use crate::observe::waits::WaitState;

mod end;
mod in_hand;
mod reservation;
mod waits;

use in_hand::InHand;

/// The mailbox of an actor. Closed while the actor is down.
pub(crate) struct Mailbox<A: Actor> {
    pub(crate) node: Arc<Node>,
    queue: Mutex<Queue<A>>,
    opened: Notify,
    in_hand: InHand<A>,
    /// Tells the callers that wait for an answer that comes later that a generation was given up.
    given_up: Notify,
    /// The deadline of requests whose type has none, in nanoseconds, plus one; zero for none.
    ask_deadline: AtomicU64,
}

/// Returns the attributes of messages of type `M` at actors of type `A`.
const fn traits_of<A: Handles<M>, M: Message>(when_full: WhenFull) -> Traits {
    Traits {
        when_full,
        priority: A::PRIORITY,
        is_owing: <A::Answer as Answer<M::Result>>::IS_LATER,
    }
}

impl<A: Actor> Mailbox<A> {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let mailbox = Self {
            node,
            queue: Mutex::new(Queue::new()),
            opened: Notify::new(),
            in_hand: InHand::new(),
            given_up: Notify::new(),
            ask_deadline: AtomicU64::new(0),
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

    /// Sets how many bytes the queued messages may weigh, at least one.
    pub(crate) fn set_max_bytes(&self, bytes: usize) {
        let bytes = bytes.max(1);
        self.queue.lock().max_bytes = Some(bytes);
        self.node.gauges.bytes.set_bound(bytes as u64);
    }

    /// Sets the deadline of requests whose type has none.
    pub(crate) fn set_ask_deadline(&self, deadline: Duration) {
        let nanos = clock::nanos(deadline).saturating_add(1);
        self.ask_deadline.store(nanos, Relaxed);
    }

    /// Returns the time at which a request expires that is sent now without a deadline of its own.
    #[inline]
    pub(crate) fn expiry_of<M: Message>(&self) -> Nanos
    where
        A: Handles<M>,
    {
        let deadline = match A::DEADLINE {
            Some(deadline) => clock::nanos(deadline),
            None => match self.ask_deadline.load(Relaxed) {
                0 => return NEVER,
                deadline => deadline - 1,
            },
        };
        self.node.now().saturating_add(deadline)
    }

    /// Returns the weight of a message; zero where the mailbox has no bound in bytes. Runs the
    /// sender's code: call it outside of the lock.
    #[inline]
    pub(crate) fn weigh(&self, message: &impl Message) -> usize {
        match self.node.gauges.bytes.bound() {
            None => 0,
            Some(_) => message.weight(),
        }
    }

    /// Returns whether a message of this weight is not heavier than the whole mailbox.
    pub(crate) fn may_hold(&self, weight: usize) -> bool {
        let bound = self.node.gauges.bytes.bound();
        bound.is_none_or(|bound| weight as u64 <= bound)
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
            queue.open(generation);
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
    /// In a full mailbox the message replaces the oldest droppable message of any type, and as many as
    /// its weight needs, so that droppable messages never keep out undroppable ones.
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
        let weight = self.weigh(&envelope.message);
        let sent_at = self.node.now();
        let origin = Origin::here();
        let mut queue = self.queue.lock();
        if !slot.is_in(&queue) {
            return Err(Refused {
                envelope,
                refusal: Refusal::Unavailable,
            });
        }
        let mut evicted = Vec::new();
        match slot {
            Slot::Reserved { weight, .. } => queue.unreserve(weight),
            Slot::Free if !queue.has_free_room(weight) => match queue.evict_for(weight) {
                Some(entries) => evicted = entries,
                None => {
                    return Err(Refused {
                        envelope,
                        refusal: Refusal::Full,
                    });
                }
            },
            Slot::Free | Slot::OverCapacity(_) => {}
        }
        let driver = self.append(
            &mut queue,
            NewEntry {
                sent_at,
                expires_at: envelope.expires_at,
                weight,
                traits: traits_of::<A, M>(A::WHEN_FULL),
                origin,
                envelope: envelope.into_box(),
            },
        );
        if !evicted.is_empty() {
            // They may have been heavier than the message.
            queue.grant_reservations();
        }
        let generation = queue.generation;
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
        metrics.senders.note();
        for entry in evicted {
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
        let bound = self.node.gauges.bytes.bound();
        let weight = bound.map_or(0, |_| size_of::<M>());
        let sent_at = self.node.now();
        let origin = Origin::here();
        let mut queue = self.queue.lock();
        if !Slot::OverCapacity(generation).is_in(&queue) {
            drop(queue);
            self.count::<M>(Refusal::Unavailable);
            return;
        }
        let driver = self.append(
            &mut queue,
            NewEntry {
                sent_at,
                expires_at: NEVER,
                weight,
                traits: traits_of::<A, M>(WhenFull::Reject),
                origin,
                envelope,
            },
        );
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Appends a message to the queue. Returns the driver's waker where it sleeps.
    #[inline]
    fn append(&self, queue: &mut Queue<A>, new: NewEntry<A>) -> Option<Waker> {
        queue.append(new);
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
        queue.grant_reservations();
        self.note_depth(&queue);
        Some(entry)
    }

    #[inline]
    fn note_depth(&self, queue: &Queue<A>) {
        let depth = (queue.depth() + queue.kept_depth()) as u64;
        let gauges = &self.node.gauges;
        gauges.depth.store(depth, Relaxed);
        if depth > gauges.peak.load(Relaxed) {
            gauges.peak.store(depth, Relaxed);
        }
        if queue.max_bytes.is_some() {
            gauges.bytes.note(queue.bytes() as u64);
        }
    }
}

/// The slot of the mailbox that a message is put in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slot {
    /// A free slot, if there is one.
    Free,
    /// A slot that was reserved in this generation for a message of this weight.
    Reserved { generation: u64, weight: usize },
    /// A slot beyond the capacity, if this generation runs (any generation for `None`). For
    /// messages whose number is bounded elsewhere.
    OverCapacity(Option<u64>),
}

impl Slot {
    /// Returns whether a message may be put in this slot.
    fn is_in<A: Actor>(self, queue: &Queue<A>) -> bool {
        let is_current = match self {
            Self::Free | Self::OverCapacity(None) => true,
            Self::Reserved { generation, .. } | Self::OverCapacity(Some(generation)) => {
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
            drop(self.0.take_held(self.1));
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
