//! Messages with a deadline.

use std::future::Future;
use std::time::Duration;

use crate::kernel::actor::{Actor, Handles, Message};
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::clock::{self, Nanos};
use crate::kernel::envelope::TypedEnvelope;
use crate::kernel::error::{AskError, TellError};
use crate::kernel::mailbox::Slot;
use crate::observe::node::Node;

/// An [`ActorRef`] whose messages have a deadline.
#[derive(Debug)]
pub struct WithDeadline<'a, A: Actor> {
    actor: &'a ActorRef<A>,
    deadline: Duration,
}

impl<'a, A: Actor> WithDeadline<'a, A> {
    pub(super) fn new(actor: &'a ActorRef<A>, deadline: Duration) -> Self {
        Self { actor, deadline }
    }

    /// Sends a message without waiting, as [`ActorRef::tell`].
    ///
    /// # Errors
    /// As [`ActorRef::tell`]. Nobody is told where the message expires.
    pub fn tell<M: Message>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handles<M>,
    {
        let mut envelope = TypedEnvelope::told(message);
        envelope.expires_at = expiry(self.actor.node(), self.deadline);
        let pushed = self.actor.mailbox().push(envelope, Slot::Free);
        pushed
            .map(drop)
            .map_err(|refused| self.actor.count_refused(refused).into())
    }

    /// Sends a request at once, as [`ActorRef::ask`], with this deadline instead of that of its type.
    ///
    /// # Errors
    /// As [`ActorRef::ask`], and [`AskError::Expired`] where the actor did not come to the message in
    /// time. The caller gets that error when the actor comes to the message, and not at the deadline;
    /// [`Within::expiring`](crate::Within::expiring) bounds the wait as well.
    pub fn ask<M: Message>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<M::Result, AskError>> + Send + use<A, M>
    where
        A: Handles<M>,
    {
        self.actor
            .ask_until(message, expiry(self.actor.node(), self.deadline))
    }
}

/// Returns the time of a deadline that is counted from now, by the clock of the receiver `node`.
pub(super) fn expiry(node: &Node, deadline: Duration) -> Nanos {
    node.now().saturating_add(clock::nanos(deadline))
}
