//! Slots of a full mailbox that are reserved for callers that wait.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::kernel::actor::{Actor, Handles, Message};
use crate::kernel::envelope::TypedEnvelope;
use crate::kernel::mailbox::{Mailbox, Refused, Slot};
use crate::observe::waits::WaitState;

impl<A: Actor> Mailbox<A> {
    /// Waits for a slot in the queue with room for this weight: first come, first served, ahead of
    /// senders that do not wait. Returns `None` when the actor is down or goes down.
    pub(crate) async fn reserve(self: &Arc<Self>, weight: usize) -> Option<Reservation<A>> {
        let receiver = {
            let mut queue = self.queue.lock();
            if !queue.is_accepting() {
                return None;
            }
            queue.wait_for_slot(weight)
        };
        let mut pending = PendingReservation {
            mailbox: self,
            weight,
            receiver,
        };
        let _waiting = self.begin_wait(WaitState::Room);
        let generation = (&mut pending.receiver).await.ok()?;
        Some(Reservation {
            mailbox: Arc::clone(self),
            generation,
            weight,
            is_used: false,
        })
    }

    fn release(&self, generation: u64, weight: usize) {
        let mut queue = self.queue.lock();
        if queue.is_open && queue.generation == generation {
            queue.unreserve(weight);
            queue.grant_reservations();
        }
    }
}

/// A caller's position among those that wait for a slot.
struct PendingReservation<'a, A: Actor> {
    mailbox: &'a Mailbox<A>,
    weight: usize,
    receiver: oneshot::Receiver<u64>,
}

impl<A: Actor> Drop for PendingReservation<'_, A> {
    /// Releases a slot that was reserved but never received; a caller that leaves before lets those
    /// behind it have the room that was not enough for it.
    fn drop(&mut self) {
        self.receiver.close();
        match self.receiver.try_recv() {
            Ok(generation) => self.mailbox.release(generation, self.weight),
            Err(_) => self.mailbox.queue.lock().grant_reservations(),
        }
    }
}

/// A reserved slot of the mailbox. Released when it is dropped unused.
pub(crate) struct Reservation<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
    generation: u64,
    weight: usize,
    is_used: bool,
}

impl<A: Actor> Reservation<A> {
    /// Puts the message in the reserved slot.
    pub(crate) fn push<M: Message>(mut self, envelope: TypedEnvelope<M>) -> Result<u64, Refused<M>>
    where
        A: Handles<M>,
    {
        self.is_used = true;
        let slot = Slot::Reserved {
            generation: self.generation,
            weight: self.weight,
        };
        self.mailbox.push(envelope, slot)
    }
}

impl<A: Actor> Drop for Reservation<A> {
    fn drop(&mut self) {
        if !self.is_used {
            self.mailbox.release(self.generation, self.weight);
        }
    }
}
