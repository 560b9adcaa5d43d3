//! The driver of an actor: which of its timers, futures and messages run in a turn.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use actix::{ActorFuture, Context};
use futures_util::StreamExt;

use super::Cell;
use crate::kernel::actor::Actor;
use crate::kernel::clock::Nanos;
use crate::kernel::context::Ctx;
use crate::kernel::exit::Exit;
use crate::kernel::mailbox::Mailbox;
use crate::kernel::turn::{Budget, Debt, is_long};
use crate::observe::senders::Sending;

/// The future that runs the actor's timers, futures and messages, a bounded number a turn.
pub(super) struct Driver<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
    /// Whether completions used up the last turn, so that messages come first in the next one.
    messages_first: bool,
    debt: Debt,
    actor: PhantomData<fn(A)>,
}

impl<A: Actor> ActorFuture<Cell<A>> for Driver<A> {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        cell: &mut Cell<A>,
        context: &mut Context<Cell<A>>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        if cell.end_if_given_up(context) {
            return Poll::Ready(());
        }
        let sending = Sending::begin(cell.ctx.node.sender_id());
        let turn = match cell.actor.as_mut() {
            Some(actor) => self.turn(actor, &mut cell.ctx, cx),
            None => Turn::Ended,
        };
        drop(sending);
        if let Some(exit) = cell.ctx.exit.take() {
            cell.end(exit, context);
            return Poll::Ready(());
        }
        if cell.is_drained() {
            cell.end(Exit::Shutdown, context);
            return Poll::Ready(());
        }
        match turn {
            Turn::Ended => Poll::Ready(()),
            Turn::Asleep => Poll::Pending,
            Turn::Used { is_long } => {
                if is_long {
                    wake_after_others(cx);
                } else {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }
}

/// The outcome of a turn of the driver.
enum Turn {
    /// The actor ended itself.
    Ended,
    /// No work was left; wakers are registered.
    Asleep,
    /// The turn's share was used up, or it was left to others: more work may be left for the next
    /// turn. `is_long` says whether the others must have their turn before.
    Used { is_long: bool },
}

/// Wakes the task that is polled once all others of its thread that were woken have run.
///
/// A plain wake-up of the task by itself goes ahead of those that other threads woke: tokio looks for
/// these only where nothing else is left to do, and at every 31st task.
fn wake_after_others(cx: &mut TaskContext<'_>) {
    let deferred = pin!(tokio::task::yield_now());
    // It is woken by the first poll.
    let _ = deferred.poll(cx);
}

/// The work that is left after a turn.
enum Work {
    /// The actor ended itself.
    Ended,
    /// Nothing; wakers are registered.
    Asleep,
    /// More work, perhaps: the budget is used up.
    Left,
}

impl<A: Actor> Driver<A> {
    pub(super) fn new(mailbox: Arc<Mailbox<A>>) -> Self {
        Self {
            mailbox,
            messages_first: false,
            debt: Debt::default(),
            actor: PhantomData,
        }
    }

    fn turn(&mut self, actor: &mut A, ctx: &mut Ctx<A>, cx: &mut TaskContext<'_>) -> Turn {
        let begun_at = ctx.node.now();
        if self.debt.yields_at(begun_at) {
            return Turn::Used { is_long: true };
        }
        let mut now = begun_at;
        let work = self.work(actor, ctx, cx, &mut now);
        self.debt.note_turn(begun_at, now, ctx.turn_time);
        match work {
            Work::Ended => Turn::Ended,
            Work::Asleep => Turn::Asleep,
            Work::Left => Turn::Used {
                is_long: is_long(now.saturating_sub(begun_at), ctx.turn_time),
            },
        }
    }

    /// Runs a turn from `now` on, which is afterwards the time of its end.
    fn work(
        &mut self,
        actor: &mut A,
        ctx: &mut Ctx<A>,
        cx: &mut TaskContext<'_>,
        now: &mut Nanos,
    ) -> Work {
        let mut is_task_round = !std::mem::take(&mut self.messages_first);
        let mut budget = Budget::new(*now, ctx.turn_time);
        ctx.turn_end.set(budget.ends_at);
        loop {
            if is_task_round && !ctx.tasks.is_empty() {
                let is_used_up = run_tasks(actor, ctx, cx, &mut budget, now);
                if ctx.exit.is_some() {
                    return Work::Ended;
                }
                if is_used_up {
                    self.messages_first = true;
                    return Work::Left;
                }
            }
            while let Some(entry) =
                self.mailbox
                    .pop_or_sleep(cx.waker(), ctx.generation(), ctx.owed.get())
            {
                if entry.is_expired(*now) {
                    entry.skip_expired(&self.mailbox.node);
                } else {
                    ctx.origin = entry.origin;
                    ctx.sender = entry.sender;
                    *now = entry
                        .envelope
                        .open(actor, ctx, &self.mailbox, entry.sent_at, *now);
                }
                if ctx.exit.is_some() {
                    return Work::Ended;
                }
                if budget.spend(*now) {
                    return Work::Left;
                }
            }
            // A completed task may have spawned another one that is ready already.
            let is_idle = ctx.tasks.is_empty() || (is_task_round && !ctx.has_new_tasks);
            if is_idle {
                return Work::Asleep;
            }
            is_task_round = true;
        }
    }
}

/// Polls the tasks that were woken and runs what they lead to, within the budget, from `now` on. Returns
/// whether the budget is used up, so that more may be ready.
fn run_tasks<A: Actor>(
    actor: &mut A,
    ctx: &mut Ctx<A>,
    cx: &mut TaskContext<'_>,
    budget: &mut Budget,
    now: &mut Nanos,
) -> bool {
    ctx.has_new_tasks = false;
    loop {
        let is_asleep = match ctx.tasks.poll_next_unpin(cx) {
            Poll::Ready(Some(Some(completion))) => {
                completion(actor, ctx);
                false
            }
            Poll::Ready(Some(None)) => false,
            Poll::Ready(None) | Poll::Pending => true,
        };
        *now = ctx.node.now();
        if ctx.exit.is_some() {
            return false;
        }
        if is_asleep {
            return *now >= budget.ends_at;
        }
        if budget.spend(*now) {
            return true;
        }
    }
}
