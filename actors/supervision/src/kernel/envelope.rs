//! Type-erased messages in a mailbox, and the measured delivery of a message to its handler.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;
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
use crate::kernel::exit::contain;
use crate::limits::SLOW_HANDLER;
use crate::observe::activity::Doing;
use crate::observe::metrics::MessageMetrics;
use crate::observe::node::Node;

/// The channel that an answer is sent through.
pub(crate) type ReplyTo<T> = oneshot::Sender<Result<T, AskError>>;

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
        node: &Node,
        sent_at: Nanos,
        now: Nanos,
    ) -> Nanos;

    /// Counts the message as not handled and sends its caller an error.
    fn refuse(self: Box<Self>, node: &Node, reason: Reason);
}

/// A message with the sender for its answer, if the caller wants one.
pub(crate) struct TypedEnvelope<M: Message> {
    pub(crate) message: M,
    pub(crate) reply: Option<ReplyTo<M::Result>>,
}

impl<A: Handles<M>, M: Message> Envelope<A> for TypedEnvelope<M> {
    fn open(
        self: Box<Self>,
        actor: &mut A,
        ctx: &mut Ctx<A>,
        node: &Node,
        sent_at: Nanos,
        now: Nanos,
    ) -> Nanos {
        deliver(actor, ctx, node, *self, sent_at, now)
    }

    fn refuse(self: Box<Self>, node: &Node, reason: Reason) {
        let metrics = node.messages.of::<M>();
        let (counter, error) = match reason {
            Reason::Dropped => (&metrics.dropped, AskError::Dropped),
            Reason::Lost => (&metrics.lost, AskError::Unavailable),
        };
        counter.fetch_add(1, Relaxed);
        if let Some(reply) = self.reply {
            let _ = reply.send(Err(error));
        }
    }
}

/// A message that is made when it is handled, on the receiver's thread.
pub(crate) struct LazyEnvelope<M, F> {
    make: F,
    message: PhantomData<fn() -> M>,
}

impl<M, F: FnOnce() -> M> LazyEnvelope<M, F> {
    pub(crate) fn new(make: F) -> Self {
        Self {
            make,
            message: PhantomData,
        }
    }
}

impl<A: Handles<M>, M: Message, F: FnOnce() -> M + Send> Envelope<A> for LazyEnvelope<M, F> {
    fn open(
        self: Box<Self>,
        actor: &mut A,
        ctx: &mut Ctx<A>,
        node: &Node,
        sent_at: Nanos,
        now: Nanos,
    ) -> Nanos {
        match contain(self.make) {
            Ok(message) => {
                let envelope = TypedEnvelope {
                    message,
                    reply: None,
                };
                deliver(actor, ctx, node, envelope, sent_at, now)
            }
            Err(text) => {
                error!(actor = node.path(), reason = %text, "the message about an end panicked");
                clock::now()
            }
        }
    }

    fn refuse(self: Box<Self>, node: &Node, _: Reason) {
        node.messages.of::<M>().lost.fetch_add(1, Relaxed);
    }
}

/// Runs and measures the handler of one message. Returns the time after it.
#[inline]
pub(crate) fn deliver<A: Handles<M>, M: Message>(
    actor: &mut A,
    ctx: &mut Ctx<A>,
    node: &Node,
    envelope: TypedEnvelope<M>,
    sent_at: Nanos,
    begun_at: Nanos,
) -> Nanos {
    let TypedEnvelope { message, reply } = envelope;
    let metrics = node.messages.of::<M>();
    let is_abandoned = reply.as_ref().is_some_and(oneshot::Sender::is_closed);
    if is_abandoned && A::WHEN_ABANDONED == WhenAbandoned::Skip {
        metrics.abandoned.fetch_add(1, Relaxed);
        return begun_at;
    }
    metrics.queue.record(begun_at.saturating_sub(sent_at));
    node.activity.enter(Doing::Message(metrics.index), begun_at);
    ctx.current = metrics.index;
    if node.take_crash_at(metrics) {
        panic!("a crash at this message was asked for");
    }
    let answer = actor.handle(message, ctx).into_reply();
    let ended_at = clock::now();
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
                let _ = reply.send(Ok(value));
            }
        }
        Reply::Later(later) => {
            let owed = PendingAnswer::new(metrics, begun_at);
            let is_query = A::WHEN_ABANDONED == WhenAbandoned::Skip;
            ctx.spawn(answer_later(later, reply, owed, is_query));
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

/// A pending answer, counted in the metrics until it is dropped.
struct PendingAnswer {
    metrics: Arc<MessageMetrics>,
    since: Nanos,
}

impl PendingAnswer {
    fn new(metrics: &Arc<MessageMetrics>, since: Nanos) -> Self {
        metrics.owed.fetch_add(1, Relaxed);
        Self {
            metrics: Arc::clone(metrics),
            since,
        }
    }
}

impl Drop for PendingAnswer {
    fn drop(&mut self) {
        self.metrics.owed.fetch_sub(1, Relaxed);
    }
}

async fn answer_later<T: 'static>(
    later: Later<T>,
    reply: Option<ReplyTo<T>>,
    owed: PendingAnswer,
    is_query: bool,
) {
    let Some(mut reply) = reply else {
        settle(later.resolve().await, None, owed);
        return;
    };
    if !is_query {
        settle(later.resolve().await, Some(reply), owed);
        return;
    }
    let Some(resolved) = unless_closed(later.resolve(), &mut reply).await else {
        owed.metrics.abandoned.fetch_add(1, Relaxed);
        return;
    };
    settle(resolved, Some(reply), owed);
}

fn settle<T>(
    (value, is_failure): (Option<T>, bool),
    reply: Option<ReplyTo<T>>,
    owed: PendingAnswer,
) {
    owed.metrics
        .answering
        .record(clock::now().saturating_sub(owed.since));
    if is_failure {
        owed.metrics.failed.fetch_add(1, Relaxed);
    }
    drop(owed);
    if let (Some(reply), Some(value)) = (reply, value) {
        let _ = reply.send(Ok(value));
    }
}

/// Returns the future's output, or `None` once the caller behind `reply` no longer waits.
async fn unless_closed<F: Future, T>(future: F, reply: &mut ReplyTo<T>) -> Option<F::Output> {
    let closed = pin!(reply.closed());
    match select(pin!(future), closed).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
