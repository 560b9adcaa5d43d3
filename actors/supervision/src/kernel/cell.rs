//! The actix actor that wraps an actor of this layer. Its actix mailbox carries control messages;
//! its only future, the driver, delivers timers and data.
//!
//! The hooks of [`Actor`] are not actix's hooks: actix calls its own while a panic unwinds,
//! where a second panic would abort the process.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::dev::channel::AddressReceiver;
use actix::{ActorContext, ActorFuture, Addr, AsyncContext, Context};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;
use tracing::info;

use crate::kernel::actor::Actor;
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::clock::Nanos;
use crate::kernel::context::Ctx;
use crate::kernel::exit::Exit;
use crate::kernel::hang::Lease;
use crate::kernel::mailbox::{Mailbox, OpenGuard};
use crate::kernel::turn::{Budget, Debt, is_long};
use crate::observe::activity::Doing;
use crate::observe::node::{Control, Node};
use crate::observe::senders::{Parting, Sending};
use crate::observe::waits::Wait;
use crate::tree::spec::Factory;

/// The state and the exit of an actor that has ended without a panic.
type EndedActor<A> = Rc<RefCell<Option<(A, Exit)>>>;

/// Runs one generation of an actor to its end. A panic anywhere in the actor propagates.
pub(crate) async fn run_generation<A: Actor>(
    me: ActorRef<A>,
    generation: u64,
    factory: Factory<A>,
    turn_time: Duration,
    control: AddressReceiver<Cell<A>>,
    started: oneshot::Sender<()>,
) -> Exit {
    let node = Arc::clone(me.node());
    node.activity.enter(Doing::Factory, node.now());
    let actor = match sent_by(&node, factory()).await {
        Ok(actor) => actor,
        Err(failure) => return Exit::start_failed(failure),
    };
    if node.hang.is_given_up(generation) {
        return Exit::Killed { doing: None };
    }
    let ended = EndedActor::default();
    let opened = me.mailbox().open(generation);
    let cell = Cell {
        opened: Some(opened),
        actor: Some(actor),
        ctx: Ctx::new(me, generation, turn_time),
        started: Some(started),
        stopping: None,
        ended: Rc::clone(&ended),
    };
    Context::with_receiver(control).into_future(cell).await;
    let Some((actor, exit)) = ended.take() else {
        return Exit::Normal;
    };
    if node.hang.is_given_up(generation) {
        return exit;
    }
    if !matches!(exit, Exit::StartFailed(_)) {
        node.activity.enter(Doing::Stopped, node.now());
        sent_by(&node, parting(actor.stopped(&exit))).await;
    }
    node.leave(generation);
    exit
}

/// Runs a future of the node, with the node as the sender of the messages that the future sends.
async fn sent_by<F: Future>(node: &Node, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _sending = Sending::begin(node.sender_id());
        future.as_mut().poll(cx)
    })
    .await
}

/// Runs a future whose messages are not overtaken by the stop of their receivers.
async fn parting<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _parting = Parting::begin();
        future.as_mut().poll(cx)
    })
    .await
}

/// The actix actor around an [`Actor`].
pub(crate) struct Cell<A: Actor> {
    /// The open mailbox; `None` once the actor has ended. The first field, so that a panic closes
    /// the mailbox before the answers that are owed are dropped.
    opened: Option<OpenGuard<A>>,
    /// The actor; `None` once it has ended.
    actor: Option<A>,
    ctx: Ctx<A>,
    started: Option<oneshot::Sender<()>>,
    /// How the actor stops, once it was requested to.
    stopping: Option<Drain>,
    ended: EndedActor<A>,
}

/// No field of a cell is ever pinned.
impl<A: Actor> Unpin for Cell<A> {}

impl<A: Actor> Cell<A> {
    /// Takes the actor out and ends the actix context.
    fn end(&mut self, exit: Exit, context: &mut Context<Self>) {
        self.opened = None;
        self.ctx.tasks = FuturesUnordered::new();
        if let Some(actor) = self.actor.take() {
            self.ended.replace(Some((actor, exit)));
        }
        context.stop();
    }

    /// Stops the actor once the messages are handled that `drain` says, within its time.
    fn stop(&mut self, drain: Drain, context: &mut Context<Self>) {
        if self.stopping.is_some() {
            return;
        }
        let mailbox = self.ctx.me().mailbox();
        mailbox.begin_stop();
        if !drain.is_full {
            mailbox.drop_all_but_parting(self.ctx.generation());
        }
        self.stopping = Some(drain);
        if self.is_drained() {
            self.end(Exit::Shutdown, context);
            return;
        }
        context.run_later(drain.limit, |cell, context| {
            cell.end(Exit::Shutdown, context);
        });
    }

    /// Returns whether an actor that stops has handled its last message and owes no answer.
    fn is_drained(&self) -> bool {
        let generation = self.ctx.generation();
        self.stopping.is_some_and(|drain| {
            self.ctx.me().mailbox().is_empty(generation)
                && !(drain.is_full && self.ctx.node.owes_answers())
        })
    }

    /// Ends the generation where it was given up: another one has taken its place. Its state is
    /// dropped. Returns whether it was.
    fn end_if_given_up(&mut self, context: &mut Context<Self>) -> bool {
        let is_given_up = self.ctx.is_given_up();
        if is_given_up {
            self.end(Exit::Killed { doing: None }, context);
        }
        is_given_up
    }
}

impl<A: Actor> actix::Actor for Cell<A> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let Some(actor) = self.actor.as_mut() else {
            return;
        };
        let node = &self.ctx.node;
        node.activity.enter(Doing::Started, node.now());
        let started = {
            let _sending = Sending::begin(self.ctx.node.sender_id());
            actor.started(&mut self.ctx)
        };
        self.ctx.node.leave(self.ctx.generation());
        if self.end_if_given_up(context) {
            return;
        }
        if let Err(failure) = started {
            self.end(Exit::start_failed(failure), context);
            return;
        }
        if let Some(started) = self.started.take() {
            let _ = started.send(());
        }
        // A stop in `started` comes before any message.
        if let Some(exit) = self.ctx.exit.take() {
            self.end(exit, context);
            return;
        }
        let mailbox = Arc::clone(self.ctx.me().mailbox());
        context.spawn(Driver {
            mailbox,
            messages_first: false,
            debt: Debt::default(),
            actor: PhantomData,
        });
    }
}

/// The future that runs the actor's timers, futures and messages, a bounded number a turn.
struct Driver<A: Actor> {
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

/// A control message of the supervision to an actor.
enum Command {
    /// Stop after the messages that the drain says.
    Stop(Drain),
    /// Answer a health probe.
    Ping,
    /// Panic inside a handler.
    Crash,
    /// Hold the thread for this long.
    Hang(Duration),
}

impl actix::Message for Command {
    type Result = ();
}

impl<A: Actor> actix::Handler<Command> for Cell<A> {
    type Result = ();

    fn handle(&mut self, command: Command, context: &mut Context<Self>) {
        if self.end_if_given_up(context) {
            return;
        }
        let node = &self.ctx.node;
        match command {
            Command::Stop(drain) => self.stop(drain, context),
            Command::Ping => {
                node.probe.clear();
                if node.probe.take_stuck() {
                    info!(actor = node.path(), "actor answers again");
                }
            }
            Command::Crash => {
                node.activity.enter(Doing::Crash, node.now());
                panic!("a crash was asked for");
            }
            Command::Hang(time) => {
                node.activity.enter(Doing::Hang, node.now());
                std::thread::sleep(time);
                node.leave(self.ctx.generation());
                self.end_if_given_up(context);
            }
        }
    }
}

/// The messages that an actor still handles when it is requested to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drain {
    /// Whether it handles every message that it has accepted, and gives the answers that it owes.
    /// Otherwise it handles those that `stopped` hooks sent.
    pub(crate) is_full: bool,
    /// The time that it has for them.
    pub(crate) limit: Duration,
}

/// The sender of control messages to one generation.
pub(crate) struct ControlHandle<A: Actor> {
    pub(crate) address: Addr<Cell<A>>,
    pub(crate) mailbox: Arc<Mailbox<A>>,
    /// The thread that the generation runs on; `None` on a single thread.
    pub(crate) lease: Option<Arc<Lease>>,
    pub(crate) drain: Drain,
}

impl<A: Actor> ControlHandle<A> {
    /// Sends through a fresh address, whose message is never refused because of a full mailbox. A
    /// generation that has ended meanwhile needs no control.
    fn send(&self, command: Command) {
        let _ = self.address.clone().try_send(command);
    }
}

impl<A: Actor> Control for ControlHandle<A> {
    fn stop(&self) {
        self.mailbox.begin_stop();
        self.send(Command::Stop(self.drain));
    }

    fn probe(&self) {
        self.send(Command::Ping);
    }

    fn crash(&self) {
        self.send(Command::Crash);
    }

    fn hang(&self, time: Duration) {
        self.send(Command::Hang(time));
    }

    fn add_waits(&self, before: Nanos, waits: &mut Vec<Wait>) {
        self.mailbox.add_waits(before, waits);
    }

    fn give_up(&self) {
        self.mailbox.give_up(self.mailbox.node.generation());
    }

    fn lease(&self) -> Option<&Arc<Lease>> {
        self.lease.as_ref()
    }
}
