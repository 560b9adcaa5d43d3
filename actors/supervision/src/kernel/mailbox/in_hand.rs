//! The request that an actor handles at this moment, and its caller.

use parking_lot::Mutex;

use crate::kernel::actor::Actor;
use crate::kernel::envelope::{Envelope, Reason};
use crate::kernel::mailbox::Mailbox;
use crate::observe::senders::SenderId;

/// The caller of the request that a generation handles. It waits here and not with the handler, so
/// that another thread can tell it that the generation was given up.
pub(super) struct InHand<A: Actor>(Mutex<Option<Held<A>>>);

struct Held<A: Actor> {
    generation: u64,
    request: Box<dyn Envelope<A>>,
}

impl<A: Actor> InHand<A> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }
}

impl<A: Actor> Mailbox<A> {
    /// Holds a request, without its message, until its handler has returned. Gives it back where the
    /// generation was given up.
    #[inline]
    pub(crate) fn hold(
        &self,
        generation: u64,
        request: Box<dyn Envelope<A>>,
    ) -> Result<(), Box<dyn Envelope<A>>> {
        let mut held = self.in_hand.0.lock();
        if self.node.hang.is_given_up(generation) {
            drop(held);
            return Err(request);
        }
        *held = Some(Held {
            generation,
            request,
        });
        Ok(())
    }

    /// Takes the held request, unless the generation was given up.
    #[inline]
    pub(crate) fn take_held(&self, generation: u64) -> Option<Box<dyn Envelope<A>>> {
        let taken = self
            .in_hand
            .0
            .lock()
            .take_if(|held| held.generation == generation);
        taken.map(|held| held.request)
    }

    /// Tells the caller of the request that a generation handles, if it does, that there will be no
    /// answer. The generation must have been given up before.
    pub(super) fn interrupt_held(&self, generation: u64) {
        if let Some(request) = self.take_held(generation) {
            request.refuse(&self.node, Reason::Interrupted, SenderId::current());
        }
    }
}
