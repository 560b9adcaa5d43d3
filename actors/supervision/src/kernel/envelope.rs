//! Type-erased messages in a mailbox, and the measured delivery of a message to its handler.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::{Either, select};
use tracing::{error, warn};

use crate::kernel::actor::{Actor, Handles, Message, WhenAbandoned};
use crate::kernel::answer::{Answer, Later, Reply};
use crate::kernel::clock::{self, Nanos};
use crate::kernel::context::Ctx;
use crate::kernel::error::AskError;
use crate::kernel::exit::{Exit, contain};
use crate::kernel::mailbox::{Mailbox, PanicGuard};
use crate::kernel::queue::NEVER;
use crate::kernel::reply_to::ReplyTo;
use crate::kernel::spans::Handling;
use crate::limits::SLOW_HANDLER;
use crate::observe::activity::Doing;
use crate::observe::dead_letters::DeadLetterReason;
use crate::observe::metrics::MessageMetrics;
use crate::observe::node::Node;
use crate::observe::senders::SenderId;
use crate::observe::waits::{Wait, WaitState, Waiting};

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
    reply: ReplyTo<M>,
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

/// Runs and measures the handler of one message. `request` is the rest of the message where its
/// caller waits for the answer. Returns the time after it.
#[inline]
pub(crate) fn deliver<A: Handles<M>, M: Message>(
    actor: &mut A,
    ctx: &mut Ctx<A>,
    mailbox: &Mailbox<A>,
    message: M,
    request: Option<Box<Asked<M>>>,
    sent_at: Nanos,
    begun_at: Nanos,
) -> Nanos {
    let node: &Node = &mailbox.node;
    let metrics = node.messages.of::<M>();
    if A::WHEN_ABANDONED == WhenAbandoned::Skip
        && request.as_ref().is_some_and(|it| it.reply.is_closed())
    {
        metrics.abandoned.fetch_add(1, Relaxed);
        return begun_at;
    }
    if metrics.crashes.are_too_many() {
        metrics.quarantined.fetch_add(1, Relaxed);
        if let Some(request) = request {
            request.reply.send(Err(AskError::Quarantined));
        }
        return begun_at;
    }
    let is_request = request.is_some();
    if let Some(request) = request
        && let Err(request) = mailbox.hold(ctx.generation(), request)
    {
        request.refuse(node, Reason::Lost, SenderId::current());
        ctx.exit = Some(Exit::Killed { doing: None });
        return begun_at;
    }
    metrics.queue.record(begun_at.saturating_sub(sent_at));
    node.activity.enter(Doing::Message(metrics.index), begun_at);
    ctx.current = metrics.index;
    ctx.begin_work();
    let caller = is_request.then_some(ctx.sender);
    if let Some(caller) = caller {
        node.current.note_caller(caller.work());
    }
    let _span = Handling::begin(&mut ctx.origin, node.path(), &metrics.name);
    let guard = PanicGuard(mailbox, ctx.generation());
    if node.take_crash_at(metrics) {
        panic!("a crash at this message was asked for");
    }
    let answer = actor.handle(message, ctx).into_reply();
    std::mem::forget(guard);
    let ended_at = node.now();
    if node.hang.is_given_up(ctx.generation()) {
        // Another generation runs; the caller knows that this one was interrupted.
        ctx.exit = Some(Exit::Killed { doing: None });
        return ended_at;
    }
    let reply = if is_request {
        take_reply::<A, M>(mailbox, ctx.generation())
    } else {
        None
    };
    node.activity.leave();
    // Recorded before the answer is sent: a caller that has an answer finds it in the metrics.
    let held = ended_at.saturating_sub(begun_at);
    metrics.handling.record(held);
    if held >= clock::nanos(SLOW_HANDLER) {
        warn_slow(node, metrics, Doing::Message(metrics.index), held, ended_at);
    }
    match answer {
        Reply::Now { value, is_failure } => {
            if is_failure {
                metrics.failed.fetch_add(1, Relaxed);
            }
            if let Some(reply) = reply {
                reply.send(Ok(value));
            }
        }
        Reply::Later(later) => {
            let owed = PendingAnswer::new(&mailbox.node, metrics, &ctx.owed, begun_at);
            let waiting = caller.map(|from| {
                let wait = Wait {
                    from,
                    message: Some(metrics.index),
                    since: begun_at,
                    state: WaitState::Owed(ctx.work()),
                };
                Waiting::begin(&mailbox.node, wait)
            });
            let is_query = A::WHEN_ABANDONED == WhenAbandoned::Skip;
            ctx.spawn(answer_later(later, reply.zip(waiting), owed, is_query));
        }
    }
    ended_at
}

/// Takes the caller of the request that was held while its handler ran. Returns `None` where it has
/// been told meanwhile that the generation was given up.
#[inline]
fn take_reply<A: Actor, M: Message>(mailbox: &Mailbox<A>, generation: u64) -> Option<ReplyTo<M>> {
    let request: Box<dyn Any> = mailbox.take_held(generation)?;
    let request = request.downcast::<Asked<M>>().ok()?;
    Some(request.reply)
}

#[cold]
pub(crate) fn warn_slow(
    node: &Node,
    metrics: &MessageMetrics,
    doing: Doing,
    held: u64,
    now: Nanos,
) {
    if metrics.note_slow(now) {
        let doing = node.describe(doing).unwrap_or_default();
        warn!(actor = node.path(), message = %doing, held_ms = held / 1_000_000, "slow handler");
    }
}

/// A pending answer, counted in the metrics and among those that the generation owes until it is
/// dropped.
struct PendingAnswer {
    node: Arc<Node>,
    metrics: Arc<MessageMetrics>,
    owed: Rc<Cell<usize>>,
    since: Nanos,
}

impl PendingAnswer {
    fn new(
        node: &Arc<Node>,
        metrics: &Arc<MessageMetrics>,
        owed: &Rc<Cell<usize>>,
        since: Nanos,
    ) -> Self {
        metrics.owed.fetch_add(1, Relaxed);
        owed.set(owed.get() + 1);
        Self {
            node: Arc::clone(node),
            metrics: Arc::clone(metrics),
            owed: Rc::clone(owed),
            since,
        }
    }
}

impl Drop for PendingAnswer {
    fn drop(&mut self) {
        self.metrics.owed.fetch_sub(1, Relaxed);
        self.owed.set(self.owed.get() - 1);
    }
}

async fn answer_later<M: Message>(
    later: Later<M::Result>,
    caller: Option<(ReplyTo<M>, Waiting)>,
    owed: PendingAnswer,
    is_query: bool,
) {
    let Some((mut reply, waiting)) = caller else {
        settle::<M>(later.resolve().await, None, owed);
        return;
    };
    let mut later = pin!(later.resolve());
    let resolved = unless_closed(later.as_mut(), &mut reply).await;
    let resolved = match resolved {
        Some(resolved) => resolved,
        None if is_query => {
            owed.metrics.abandoned.fetch_add(1, Relaxed);
            return;
        }
        None => {
            // Nobody waits any more.
            drop(waiting);
            settle::<M>(later.await, None, owed);
            return;
        }
    };
    drop(waiting);
    settle(resolved, Some(reply), owed);
}

fn settle<M: Message>(
    (value, is_failure): (Option<M::Result>, bool),
    reply: Option<ReplyTo<M>>,
    owed: PendingAnswer,
) {
    owed.metrics
        .answering
        .record(owed.node.now().saturating_sub(owed.since));
    if is_failure {
        owed.metrics.failed.fetch_add(1, Relaxed);
    }
    drop(owed);
    if let (Some(reply), Some(value)) = (reply, value) {
        reply.send(Ok(value));
    }
}

/// Returns the future's output, or `None` once the caller behind `reply` no longer waits.
async fn unless_closed<F: Future, M: Message>(
    future: F,
    reply: &mut ReplyTo<M>,
) -> Option<F::Output> {
    let closed = pin!(reply.closed());
    match select(pin!(future), closed).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
