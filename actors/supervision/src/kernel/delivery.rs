//! The measured delivery of a message to its handler.

use std::any::Any;
use std::sync::atomic::Ordering::Relaxed;

use tracing::warn;

use crate::kernel::actor::{Actor, Handles, Message, WhenAbandoned};
use crate::kernel::answer::{Answer, Reply};
use crate::kernel::clock::{self, Nanos};
use crate::kernel::context::Ctx;
use crate::kernel::envelope::{Asked, Reason};
use crate::kernel::error::AskError;
use crate::kernel::exit::Exit;
use crate::kernel::mailbox::{Mailbox, PanicGuard};
use crate::kernel::pending_answer::{PendingAnswer, answer_later};
use crate::kernel::reply_to::ReplyTo;
use crate::kernel::spans::Handling;
use crate::limits::SLOW_HANDLER;
use crate::observe::activity::Doing;
use crate::observe::metrics::MessageMetrics;
use crate::observe::node::Node;
use crate::observe::senders::SenderId;
use crate::observe::waits::{Wait, WaitState, Waiting};

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
