//! References to actors that stay valid over restarts.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::kernel::actor::{Actor, Handles, Message, WhenFull};
use crate::kernel::answer::Answer;
use crate::kernel::clock::Nanos;
use crate::kernel::deadline::WithDeadline;
use crate::kernel::envelope::TypedEnvelope;
use crate::kernel::error::{AskError, TellError};
use crate::kernel::mailbox::{Mailbox, Refusal, Refused, Slot};
use crate::kernel::recipient::Recipient;
use crate::kernel::reply_to::ReplyTo;
use crate::kernel::within::Within;
use crate::observe::metrics::short_name;
use crate::observe::node::Node;
use crate::observe::snapshot::{Kind, State};

/// A reference to an actor, valid for all of its generations. Cloning is cheap.
///
/// A reference exists before its actor does: create the references first, hand out clones
/// (siblings may refer to each other in a circle), then build the specifications. While the
/// actor is down, a send fails at once with `Unavailable`; [`within`](Self::within) waits for
/// the actor for a bounded time. Undelivered messages are counted at the actor by message type.
pub struct ActorRef<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
}

impl<A: Actor> ActorRef<A> {
    /// Creates a reference to an actor that is not started yet. `name` must be unique among its
    /// siblings; a `/`, the separator of paths, is replaced by `_`.
    pub fn new(name: &str) -> Self {
        let node = Node::new(&name.replace('/', "_"), Kind::Actor);
        Self {
            mailbox: Arc::new(Mailbox::new(node)),
        }
    }

    /// Returns the actor's path in the tree; its bare name before the tree is built.
    pub fn path(&self) -> &str {
        self.mailbox.node.path()
    }

    /// Returns how often the actor was started; zero before the first start.
    pub fn generation(&self) -> u64 {
        self.mailbox.node.generation()
    }

    /// Returns true while the actor accepts messages.
    pub fn is_available(&self) -> bool {
        self.mailbox.open_generation().is_some()
    }

    /// Requests that the running generation stops as at a stop of the tree, with its drain and its
    /// `stopped` hook, and returns at once. Nobody kills it where it does not stop. A permanent
    /// child is restarted. Returns false where no generation runs.
    pub fn stop(&self) -> bool {
        let running = match self.node().state() {
            State::Starting | State::Running => self.node().control(),
            _ => None,
        };
        let Some(control) = running else {
            return false;
        };
        control.stop();
        true
    }

    /// Sends a message without waiting.
    ///
    /// # Errors
    /// Returns the message where the actor is down, or where the mailbox is full and the type's
    /// [`WhenFull`] policy refuses it.
    #[inline]
    pub fn tell<M: Message>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handles<M>,
    {
        let envelope = TypedEnvelope::told(message);
        self.mailbox
            .push(envelope, Slot::Free)
            .map(drop)
            .map_err(|refused| self.count_refused(refused).into())
    }

    /// Sends a message, after waiting for a free slot where the mailbox is full. Waiting callers
    /// are served in their order.
    ///
    /// # Errors
    /// Returns the message where the actor is down, or goes down during the wait.
    pub async fn tell_when_room<M: Message>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handles<M>,
    {
        let envelope = TypedEnvelope::told(message);
        let Err(refused) = self.mailbox.push(envelope, Slot::Free) else {
            return Ok(());
        };
        push_when_room(&self.mailbox, refused)
            .await
            .map(drop)
            .map_err(|refused| self.count_refused(refused).into())
    }

    /// Sends a request at once, whether or not the future is polled. The future resolves to the
    /// answer. Dropping the future does not take the message back;
    /// [`WHEN_ABANDONED`](Handles::WHEN_ABANDONED) decides whether the actor still handles it.
    ///
    /// Where the mailbox is full and the type's [`WhenFull`] is `Wait`, the message is sent once
    /// a slot is free, and dropping the future before that takes the message back.
    ///
    /// # Errors
    /// [`AskError`] says whether the message can have had an effect.
    pub fn ask<M: Message>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<M::Result, AskError>> + Send + use<A, M>
    where
        A: Handles<M>,
    {
        self.ask_until(message, self.mailbox.expiry_of::<M>())
    }

    /// Sends a request that expires at a time.
    #[inline]
    pub(super) fn ask_until<M: Message>(
        &self,
        message: M,
        expires_at: Nanos,
    ) -> impl Future<Output = Result<M::Result, AskError>> + Send + use<A, M>
    where
        A: Handles<M>,
    {
        let (reply, answer) = oneshot::channel();
        let envelope = TypedEnvelope::asked(message, ReplyTo::Once(reply), expires_at);
        let sent = match self.mailbox.push(envelope, Slot::Free) {
            // The mailbox tells the caller whatever happens.
            Ok(_) if !is_later::<A, M>() => Sent::Accepted,
            Ok(generation) => Sent::Owed(self.clone(), generation),
            Err(refused) if A::WHEN_FULL == WhenFull::Wait => Sent::Waits(self.clone(), refused),
            Err(refused) => Sent::Refused(self.count_refused(refused).refusal),
        };
        async move {
            let answer = match sent {
                Sent::Accepted => answer.await.ok(),
                Sent::Owed(actor, generation) => actor.received::<M, _>(generation, answer).await,
                Sent::Waits(actor, refused) => {
                    let generation = push_when_room(&actor.mailbox, refused)
                        .await
                        .map_err(|refused| actor.count_refused(refused).refusal)?;
                    actor.received::<M, _>(generation, answer).await
                }
                Sent::Refused(refusal) => return Err(refusal.into()),
            };
            answer.unwrap_or(Err(AskError::Interrupted))
        }
    }

    /// Waits for the answer to a message that `generation` accepted. Returns `None` where there will
    /// be none: the actor has ended, or was given up while it hung.
    ///
    /// The caller of a handler that hangs is told through the mailbox. Of an answer that comes later
    /// only its future knows, which hangs with its thread, so that the caller waits for both.
    pub(super) async fn received<M: Message, T>(
        &self,
        generation: u64,
        answer: oneshot::Receiver<T>,
    ) -> Option<T>
    where
        A: Handles<M>,
    {
        if !is_later::<A, M>() {
            return answer.await.ok();
        }
        tokio::select! {
            biased;
            answer = answer => answer.ok(),
            () = self.mailbox.until_given_up(generation) => None,
        }
    }

    /// Returns this reference with a deadline, counted from the moment at which a message is sent. A
    /// message that is still queued then is skipped and counted as expired; one that is handled is not
    /// ended. A queued message takes up its slot until its turn comes.
    pub fn with_deadline(&self, deadline: Duration) -> WithDeadline<'_, A> {
        WithDeadline::new(self, deadline)
    }

    /// Returns this reference with a timeout, for callers that would rather wait than fail: an
    /// operation has `timeout` in all for the actor to be up, for a free slot and for the answer.
    pub fn within(&self, timeout: Duration) -> Within<'_, A> {
        Within::new(self, timeout)
    }

    /// Returns the actor as a receiver of one type of message.
    pub fn recipient<M: Message>(&self) -> Recipient<M>
    where
        A: Handles<M>,
    {
        Recipient::new(self.clone())
    }

    /// Counts a refused message that will not be sent again.
    pub(super) fn count_refused<M: Message>(&self, refused: Refused<M>) -> Refused<M> {
        self.mailbox.count::<M>(refused.refusal);
        refused
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox<A>> {
        &self.mailbox
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.mailbox.node
    }
}

/// Returns whether the answers of a handler come later.
const fn is_later<A: Handles<M>, M: Message>() -> bool {
    <A::Answer as Answer<M::Result>>::IS_LATER
}

/// The outcome of sending a request.
enum Sent<A: Actor, M: Message> {
    Accepted,
    /// Accepted by this generation, which answers later.
    Owed(ActorRef<A>, u64),
    /// Refused by a full mailbox, for a slot of which the caller waits.
    Waits(ActorRef<A>, Refused<M>),
    Refused(Refusal),
}

impl<A: Actor> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self {
            mailbox: Arc::clone(&self.mailbox),
        }
    }
}

impl<A: Actor> PartialEq for ActorRef<A> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mailbox, &other.mailbox)
    }
}

impl<A: Actor> Eq for ActorRef<A> {}

impl<A: Actor> fmt::Debug for ActorRef<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "ActorRef<{}>({})",
            short_name(type_name::<A>()),
            self.path()
        )
    }
}

/// Sends a refused message again after waiting for a free slot. Returns the generation that
/// accepted it.
async fn push_when_room<A: Handles<M>, M: Message>(
    mailbox: &Arc<Mailbox<A>>,
    refused: Refused<M>,
) -> Result<u64, Refused<M>> {
    let weight = mailbox.weigh(&refused.envelope.message);
    if refused.refusal != Refusal::Full || !mailbox.may_hold(weight) {
        return Err(refused);
    }
    match mailbox.reserve(weight).await {
        Some(reservation) => reservation.push(refused.envelope),
        None => Err(Refused {
            refusal: Refusal::Unavailable,
            ..refused
        }),
    }
}
