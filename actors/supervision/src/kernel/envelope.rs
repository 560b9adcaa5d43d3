//! Type-erased messages in a mailbox, and the measured delivery of a message to its handler.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tracing::{error, warn};

use crate::kernel::actor::{Actor, Handles, Message, WhenAbandoned};
use crate::kernel::answer::{Answer, Later, Reply};
use crate::kernel::clock::{self, Nanos};
use crate::kernel::context::Ctx;
use crate::kernel::error::AskError;
use crate::kernel::exit::{Exit, contain};
use crate::kernel::mailbox::{Mailbox, PanicGuard};
use crate::kernel::spans::Handling;
use crate::limits::SLOW_HANDLER;
use crate::observe::activity::Doing;
use crate::observe::dead_letters::DeadLetterReason;
use crate::observe::metrics::MessageMetrics;
use crate::observe::node::Node;
use crate::observe::senders::SenderId;
use crate::observe::waits::{Wait, WaitState, Waiting};

/// The channel that an answer is sent through.
pub(crate) enum ReplyTo<M: Message> {
    /// The caller gets an answer or an error.
    Once(oneshot::Sender<Result<M::Result, AskError>>),
    /// The caller gets the message back where its generation ended before it was handled, and sends
    /// it to the next one.
    Again(oneshot::Sender<Returned<M>>),
}

/// The answer to a message, or the message where it was not handled.
pub(crate) type Returned<M> = Result<Result<<M as Message>::Result, AskError>, M>;

impl<M: Message> ReplyTo<M> {
    /// Sends the answer. Does nothing when the caller no longer waits.
    fn send(self, answer: Result<M::Result, AskError>) {
        match self {
            Self::Once(caller) => drop(caller.send(answer)),
            Self::Again(caller) => drop(caller.send(Ok(answer))),
        }
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::Once(caller) => caller.is_closed(),
            Self::Again(caller) => caller.is_closed(),
        }
    }

    async fn closed(&mut self) {
        match self {
            Self::Once(caller) => caller.closed().await,
            Self::Again(caller) => caller.closed().await,
        }
    }
}

/// The reason why a queued message is not handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A newer message replaced it in a full mailbox.
    Dropped,
    /// The generation has ended.
    Lost,
}

/// A message to an actor, with its type erased.
pub(crate) trait Envelope<A: Actor>: Send {
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

/// A message with the sender for its answer, if the caller wants one.
pub(crate) struct TypedEnvelope<M: Message> {
    pub(crate) message: M,
    pub(crate) reply: Option<ReplyTo<M>>,
}

impl<A: Handles<M>, M: Message> Envelope<A> for TypedEnvelope<M> {
    fn open(
        self: Box<Self>,
        actor: &mut A,
        ctx: &mut Ctx<A>,
        mailbox: &Mailbox<A>,
        sent_at: Nanos,
        now: Nanos,
    ) -> Nanos {
        deliver(actor, ctx, mailbox, *self, sent_at, now)
    }

    fn awaited(&self, node: &Node) -> Option<u32> {
        let is_awaited = self.reply.as_ref().is_some_and(|reply| !reply.is_closed());
        is_awaited.then(|| node.messages.of::<M>().index)
    }

    fn refuse(self: Box<Self>, node: &Node, reason: Reason, sender: SenderId) {
        let Self { message, reply } = *self;
        let reply = match (reply, reason) {
            (Some(ReplyTo::Again(caller)), Reason::Lost) => match caller.send(Err(message)) {
                Ok(()) => return,
                Err(_) => None,
            },
            (reply, _) => reply,
        };
        let metrics = node.messages.of::<M>();
        let (counter, error, reason) = match reason {
            Reason::Dropped => (
                &metrics.dropped,
                AskError::Dropped,
                DeadLetterReason::Dropped,
            ),
            Reason::Lost => (&metrics.lost, AskError::Unavailable, DeadLetterReason::Lost),
        };
        counter.fetch_add(1, Relaxed);
        node.note_dead_letter(metrics, reason, sender);
        if let Some(reply) = reply {
            reply.send(Err(error));
        }
    }
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

impl<A: Handles<M>, M: Message, F: FnOnce() -> Option<M> + Send> Envelope<A>
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
            Ok(Some(message)) => {
                let envelope = TypedEnvelope {
                    message,
                    reply: None,
                };
                deliver(actor, ctx, mailbox, envelope, sent_at, now)
            }
            Err(text) => {
                error!(actor = mailbox.node.path(), reason = %text, "the message about an end panicked");
                mailbox.node.now()
            }
        }
    }

    fn refuse(self: Box<Self>, node: &Node, _: Reason, sender: SenderId) {
        let metrics = node.messages.of::<M>();
        metrics.lost.fetch_add(1, Relaxed);
        node.note_dead_letter(metrics, DeadLetterReason::Lost, sender);
    }
}

/// Runs and measures the handler of one message. Returns the time after it.
#[inline]
pub(crate) fn deliver<A: Handles<M>, M: Message>(
    actor: &mut A,
    ctx: &mut Ctx<A>,
    mailbox: &Mailbox<A>,
    envelope: TypedEnvelope<M>,
    sent_at: Nanos,
    begun_at: Nanos,
) -> Nanos {
    let TypedEnvelope { message, reply } = envelope;
    let node: &Node = &mailbox.node;
    let metrics = node.messages.of::<M>();
    let is_abandoned = reply.as_ref().is_some_and(ReplyTo::is_closed);
    if is_abandoned && A::WHEN_ABANDONED == WhenAbandoned::Skip {
        metrics.abandoned.fetch_add(1, Relaxed);
        return begun_at;
    }
    if metrics.crashes.are_too_many() {
        metrics.quarantined.fetch_add(1, Relaxed);
        if let Some(reply) = reply {
            reply.send(Err(AskError::Quarantined));
        }
        return begun_at;
    }
    metrics.queue.record(begun_at.saturating_sub(sent_at));
    node.activity.enter(Doing::Message(metrics.index), begun_at);
    ctx.current = metrics.index;
    ctx.begin_work();
    let caller = reply.is_some().then_some(ctx.sender);
    if let Some(caller) = caller {
        node.current.note_caller(caller.work());
    }
    let _span = Handling::begin(&mut ctx.origin, node.path(), &metrics.name);
    // Declared after `reply`, so that a panic drops the guard first.
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
