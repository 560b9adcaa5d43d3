//! Operations on an actor that wait up to a timeout.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::kernel::actor::{Actor, Handles, Message};
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::clock::{self, Nanos};
use crate::kernel::deadline::expiry;
use crate::kernel::envelope::TypedEnvelope;
use crate::kernel::error::{AskError, TellError};
use crate::kernel::mailbox::{Refusal, Refused, Slot};
use crate::kernel::reply_to::ReplyTo;

/// An [`ActorRef`] whose operations wait up to a timeout.
#[derive(Debug)]
pub struct Within<'a, A: Actor> {
    actor: &'a ActorRef<A>,
    timeout: Duration,
    is_expiring: bool,
}

impl<'a, A: Actor> Within<'a, A> {
    pub(super) fn new(actor: &'a ActorRef<A>, timeout: Duration) -> Self {
        Self {
            actor,
            timeout,
            is_expiring: false,
        }
    }

    /// Makes the timeout the deadline of the messages as well: a message that is still queued when its
    /// sender has stopped waiting is skipped, as [`ActorRef::with_deadline`] describes.
    pub fn expiring(self) -> Self {
        Self {
            is_expiring: true,
            ..self
        }
    }

    /// Waits for the actor to be up. Returns its generation.
    ///
    /// # Errors
    /// [`AskError::Unavailable`] where the actor is still down at the timeout.
    pub async fn available(&self) -> Result<u64, AskError> {
        let opened = timeout(self.timeout, self.actor.mailbox().wait_open()).await;
        opened.map_err(|_| AskError::Unavailable)
    }

    /// Sends a message, waiting for the actor and for a free slot.
    ///
    /// # Errors
    /// Returns the message where it could not be sent within the timeout.
    pub async fn tell<M: Message>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handles<M>,
    {
        let deadline = clock::after(self.timeout);
        let mut envelope = TypedEnvelope::told(message);
        if self.is_expiring {
            envelope.expires_at = self.expiry(deadline).await;
        }
        self.send(envelope, deadline)
            .await
            .map(drop)
            .map_err(TellError::from)
    }

    /// Sends a request, waiting for the actor, for a free slot and for the answer. Where the actor
    /// ends before it handles the request, the request is sent to its next generation.
    ///
    /// # Errors
    /// As [`ActorRef::ask`], and [`AskError::TimedOut`] where the message was sent and no answer
    /// came within the timeout. The message may still be handled then, unless it is
    /// [expiring](Self::expiring) and still queued.
    pub async fn ask<M: Message>(&self, message: M) -> Result<M::Result, AskError>
    where
        A: Handles<M>,
    {
        let deadline = clock::after(self.timeout);
        let expires_at = if self.is_expiring {
            self.expiry(deadline).await
        } else {
            self.until_bound(deadline).await;
            self.actor.mailbox().expiry_of::<M>()
        };
        let mut message = message;
        loop {
            let (reply, answer) = oneshot::channel();
            let envelope = TypedEnvelope::asked(message, ReplyTo::Again(reply), expires_at);
            let sent = self.send(envelope, deadline).await;
            let generation = sent.map_err(|refused| refused.refusal)?;
            let answer = self.actor.received::<M, _>(generation, answer);
            match timeout_at(deadline, answer).await {
                Ok(Some(Ok(answer))) => return answer,
                Ok(Some(Err(returned))) => message = returned,
                Ok(None) => return Err(AskError::Interrupted),
                Err(_) => return Err(AskError::TimedOut),
            }
        }
    }

    /// Waits, up to the deadline, for an actor that is in no tree yet: it has no clock by which the
    /// time of a message could be counted.
    async fn until_bound(&self, deadline: Instant) {
        if !self.actor.node().is_bound() {
            let _ = timeout_at(deadline, self.actor.mailbox().wait_open()).await;
        }
    }

    /// Returns the deadline as a time on the clock of the actor's tree.
    async fn expiry(&self, deadline: Instant) -> Nanos {
        self.until_bound(deadline).await;
        let left = deadline.saturating_duration_since(Instant::now());
        expiry(self.actor.node(), left)
    }

    async fn send<M: Message>(
        &self,
        mut envelope: TypedEnvelope<M>,
        deadline: Instant,
    ) -> Result<u64, Refused<M>>
    where
        A: Handles<M>,
    {
        let mailbox = self.actor.mailbox();
        loop {
            if timeout_at(deadline, mailbox.wait_open()).await.is_err() {
                let refused = Refused {
                    envelope,
                    refusal: Refusal::Unavailable,
                };
                return Err(self.actor.count_refused(refused));
            }
            let refused = match mailbox.push(envelope, Slot::Free) {
                Ok(generation) => return Ok(generation),
                Err(refused) => refused,
            };
            let weight = mailbox.weigh(&refused.envelope.message);
            match refused.refusal {
                Refusal::Unavailable => {
                    envelope = refused.envelope;
                    continue;
                }
                Refusal::Quarantined => return Err(self.actor.count_refused(refused)),
                Refusal::Full if !mailbox.may_hold(weight) => {
                    return Err(self.actor.count_refused(refused));
                }
                Refusal::Full => {}
            }
            let Ok(reservation) = timeout_at(deadline, mailbox.reserve(weight)).await else {
                return Err(self.actor.count_refused(refused));
            };
            let Some(reservation) = reservation else {
                envelope = refused.envelope;
                continue;
            };
            match reservation.push(refused.envelope) {
                Ok(generation) => return Ok(generation),
                Err(refused) => envelope = refused.envelope,
            }
        }
    }
}
