//! A message of any type on its way to an actor, and what is measured when it arrives.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tracing::warn;

use super::activity::Doing;
use super::actor::{Actor, Handles, Mail, WhenAbandoned};
use super::answer::{Answer, Later, Reply};
use super::clock::{self, Nanos};
use super::context::Ctx;
use super::error::AskError;
use super::limits::SLOW_HANDLER;
use super::metrics::MessageMetrics;
use super::node::Node;

/// Where an answer goes.
pub(crate) type ReplyTo<T> = oneshot::Sender<Result<T, AskError>>;

/// Why a queued message is not handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A newer message has taken its place.
    Dropped,
    /// The generation has ended.
    Lost,
}

/// A message whose type only its handler knows.
pub(crate) trait Envelope<A: Actor>: Send {
    /// Hands the message to the actor at `now`. Returns the time afterwards.
    fn open(
        self: Box<Self>,
        actor: &mut A,
        ctx: &mut Ctx<A>,
        node: &Node,
        sent_at: Nanos,
        now: Nanos,
    ) -> Nanos;

    /// Counts the message as not handled and tells its caller.
    fn refuse(self: Box<Self>, node: &Node, reason: Reason);
}

/// A message with the place that its answer goes to, if the caller wants one.
pub(crate) struct Letter<M: Mail> {
    pub(crate) message: M,
    pub(crate) reply: Option<ReplyTo<M::Result>>,
}

impl<A: Handles<M>, M: Mail> Envelope<A> for Letter<M> {
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

/// Runs the handler of one message, measured. Returns the time after it.
#[inline]
pub(crate) fn deliver<A: Handles<M>, M: Mail>(
    actor: &mut A,
    ctx: &mut Ctx<A>,
    node: &Node,
    letter: Letter<M>,
    sent_at: Nanos,
    begun_at: Nanos,
) -> Nanos {
    let Letter { message, reply } = letter;
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
    // Counted before it is answered: who has an answer finds it in the figures.
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
            let owed = Owed::new(metrics, begun_at);
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

/// An answer that an actor owes: counted while it exists, whatever becomes of it.
struct Owed {
    metrics: Arc<MessageMetrics>,
    since: Nanos,
}

impl Owed {
    fn new(metrics: &Arc<MessageMetrics>, since: Nanos) -> Self {
        metrics.owed.fetch_add(1, Relaxed);
        Self {
            metrics: Arc::clone(metrics),
            since,
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.metrics.owed.fetch_sub(1, Relaxed);
    }
}

async fn answer_later<T: 'static>(
    later: Later<T>,
    reply: Option<ReplyTo<T>>,
    owed: Owed,
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

fn settle<T>((value, is_failure): (Option<T>, bool), reply: Option<ReplyTo<T>>, owed: Owed) {
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

/// The future's output, or `None` once nobody waits at the other end of `reply`.
async fn unless_closed<F: Future, T>(future: F, reply: &mut ReplyTo<T>) -> Option<F::Output> {
    let closed = pin!(reply.closed());
    match select(pin!(future), closed).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
