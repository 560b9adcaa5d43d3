//! Type-erased messages in a mailbox.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::atomic::Ordering::Relaxed;

use tracing::error;

use crate::kernel::actor::{Actor, Handles, Message};
use crate::kernel::clock::Nanos;
use crate::kernel::context::Ctx;
use crate::kernel::delivery::deliver;
use crate::kernel::error::AskError;
use crate::kernel::exit::contain;
use crate::kernel::mailbox::Mailbox;
use crate::kernel::queue::NEVER;
use crate::kernel::reply_to::ReplyTo;
use crate::observe::dead_letters::DeadLetterReason;
use crate::observe::metrics::MessageMetrics;
use crate::observe::node::Node;
use crate::observe::senders::SenderId;

/// The reason why a queued message is not handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A newer message replaced it in a full mailbox.
    Dropped,
    /// The generation has ended.
    Lost,
    /// Its deadline has passed.
    Expired,
    /// The generation was given up while it handled the message.
    Interrupted,
}

/// A message to an actor, with its type erased.
pub(crate) trait Envelope<A: Actor>: Any + Send {
    /// Delivers the message to the actor at `now`. Returns the time afterwards.
    fn open(
        self: Box<Self>,
        actor: &mut A,
        ctx: &mut Ctx<A>,
        mailbox: &Mailbox<A>,
        sent_at: Nanos,
        now: Nanos,
    ) -> Nanos;

    /// Counts the message as not handled and sends its caller an error.
    fn refuse(self: Box<Self>, node: &Node, reason: Reason, sender: SenderId);

    /// Returns the index of the message's type where a caller waits for its answer.
    fn awaited(&self, node: &Node) -> Option<u32> {
        let _ = node;
        None
    }
}

/// A message that is about to be queued, with the sender for its answer, if the caller wants one.
pub(crate) struct TypedEnvelope<M: Message> {
    pub(crate) message: M,
    reply: Option<ReplyTo<M>>,
    /// The time from which the message is not handled any more.
    pub(crate) expires_at: Nanos,
}

impl<M: Message> TypedEnvelope<M> {
    /// Creates the envelope of a message without a caller or a deadline.
    #[inline]
    pub(crate) fn told(message: M) -> Self {
        Self {
            message,
            reply: None,
            expires_at: NEVER,
        }
    }

    /// Creates the envelope of a request.
    #[inline]
    pub(crate) fn asked(message: M, reply: ReplyTo<M>, expires_at: Nanos) -> Self {
        Self {
            message,
            reply: Some(reply),
            expires_at,
        }
    }

    /// Puts the message in the form in which it waits in a mailbox.
    #[inline]
    pub(crate) fn into_box<A: Handles<M>>(self) -> Box<dyn Envelope<A>> {
        let Self { message, reply, .. } = self;
        match reply {
            None => Box::new(Told(message)),
            Some(reply) => Box::new(Asked {
                message: Some(message),
                reply,
            }),
        }
    }
}

/// A queued message without a caller.
struct Told<M>(M);

impl<A: Handles<M>, M: Message> Envelope<A> for Told<M> {
    fn open(
        self: Box<Self>,
        actor: &mut A,
        ctx: &mut Ctx<A>,
        mailbox: &Mailbox<A>,
        sent_at: Nanos,
        now: Nanos,
    ) -> Nanos {
        deliver(actor, ctx, mailbox, self.0, None, sent_at, now)
    }

    fn refuse(self: Box<Self>, node: &Node, reason: Reason, sender: SenderId) {
        count_refused(node.messages.of::<M>(), node, reason, sender);
    }
}

/// A queued message whose caller waits for the answer.
pub(crate) struct Asked<M: Message> {
    /// `None` while the message is handled.
    message: Option<M>,
    pub(crate) reply: ReplyTo<M>,
}

impl<A: Handles<M>, M: Message> Envelope<A> for Asked<M> {
    fn open(
        mut self: Box<Self>,
        actor: &mut A,
        ctx: &mut Ctx<A>,
        mailbox: &Mailbox<A>,
        sent_at: Nanos,
        now: Nanos,
    ) -> Nanos {
        match self.message.take() {
            Some(message) => deliver(actor, ctx, mailbox, message, Some(self), sent_at, now),
            None => now,
        }
    }

    fn awaited(&self, node: &Node) -> Option<u32> {
        let is_awaited = !self.reply.is_closed();
        is_awaited.then(|| node.messages.of::<M>().index)
    }

    fn refuse(self: Box<Self>, node: &Node, reason: Reason, sender: SenderId) {
        let Self { message, reply } = *self;
        let reply = match (reply, message, reason) {
            (ReplyTo::Again(caller), Some(message), Reason::Lost) => {
                match caller.send(Err(message)) {
                    Ok(()) => return,
                    Err(_) => None,
                }
            }
            (reply, _, _) => Some(reply),
        };
        let error = count_refused(node.messages.of::<M>(), node, reason, sender);
        if let Some(reply) = reply {
            reply.send(Err(error));
        }
    }
}

/// Counts a message that is not handled. Returns the error for its caller.
fn count_refused(
    metrics: &MessageMetrics,
    node: &Node,
    reason: Reason,
    sender: SenderId,
) -> AskError {
    let (counter, error, reason) = match reason {
        Reason::Dropped => (
            &metrics.dropped,
            AskError::Dropped,
            DeadLetterReason::Dropped,
        ),
        Reason::Lost => (&metrics.lost, AskError::Unavailable, DeadLetterReason::Lost),
        Reason::Expired => (
            &metrics.expired,
            AskError::Expired,
            DeadLetterReason::Expired,
        ),
        // The hang is counted as a failure of the message's type when the generation ends.
        Reason::Interrupted => return AskError::Interrupted,
    };
    counter.fetch_add(1, Relaxed);
    node.note_dead_letter(metrics, reason, sender);
    error
}

/// A message that is made when it is handled, on the receiver's thread.
pub(crate) struct LazyEnvelope<M, F> {
    make: F,
    message: PhantomData<fn() -> M>,
}

impl<M, F: FnOnce() -> Option<M>> LazyEnvelope<M, F> {
    pub(crate) fn new(make: F) -> Self {
        Self {
            make,
            message: PhantomData,
        }
    }
}

impl<A: Handles<M>, M: Message, F: FnOnce() -> Option<M> + Send + 'static> Envelope<A>
    for LazyEnvelope<M, F>
{
    fn open(
        self: Box<Self>,
        actor: &mut A,
        ctx: &mut Ctx<A>,
        mailbox: &Mailbox<A>,
        sent_at: Nanos,
        now: Nanos,
    ) -> Nanos {
        match contain(self.make) {
            Ok(None) => now,
            Ok(Some(message)) => deliver(actor, ctx, mailbox, message, None, sent_at, now),
            Err(text) => {
                error!(actor = mailbox.node.path(), reason = %text, "the message about an end panicked");
                mailbox.node.now()
            }
        }
    }

    fn refuse(self: Box<Self>, node: &Node, reason: Reason, sender: SenderId) {
        count_refused(node.messages.of::<M>(), node, reason, sender);
    }
}
