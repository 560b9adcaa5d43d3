//! The shell around an actor: an actix actor whose actix mailbox carries control, and whose
//! one future, the driver, brings timers and data.
//!
//! The actor's own hooks are not actix's hooks. actix calls those while a panic unwinds,
//! where a second panic would abort the process.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::pin::Pin;
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

use super::activity::Doing;
use super::actor::Actor;
use super::actor_ref::ActorRef;
use super::clock;
use super::context::Ctx;
use super::exit::Exit;
use super::limits::{TURN_MESSAGES, TURN_TASKS};
use super::mailbox::Mailbox;
use super::node::{Control, Node};
use super::spec::Factory;

/// What is left of an actor that has ended without a panic.
type Remains<A> = Rc<RefCell<Option<(A, Exit)>>>;

/// Runs one generation of an actor to its end. A panic anywhere in it comes out as a panic.
pub(crate) async fn live<A: Actor>(
    me: ActorRef<A>,
    generation: u64,
    factory: Factory<A>,
    turn_time: Duration,
    control: AddressReceiver<Cell<A>>,
    started: oneshot::Sender<()>,
) -> Exit {
    let node = Arc::clone(me.node());
    node.activity.enter(Doing::Factory, clock::now());
    let actor = match factory().await {
        Ok(actor) => actor,
        Err(failure) => return Exit::start_failed(failure),
    };
    let remains = Remains::default();
    let opened = me.mailbox().open(generation);
    let cell = Cell {
        actor: Some(actor),
        ctx: Ctx::new(me, generation, turn_time),
        started: Some(started),
        remains: Rc::clone(&remains),
    };
    Context::with_receiver(control).into_future(cell).await;
    drop(opened);
    let Some((actor, exit)) = remains.take() else {
        return Exit::Normal;
    };
    if !matches!(exit, Exit::StartFailed(_)) {
        node.activity.enter(Doing::Stopped, clock::now());
        actor.stopped(&exit).await;
    }
    node.activity.leave();
    exit
}

/// The actix actor.
pub(crate) struct Cell<A: Actor> {
    /// Present until the actor ends.
    actor: Option<A>,
    ctx: Ctx<A>,
    started: Option<oneshot::Sender<()>>,
    remains: Remains<A>,
}

/// A cell is never pinned through: it only moves its parts.
impl<A: Actor> Unpin for Cell<A> {}

impl<A: Actor> Cell<A> {
    /// Takes the actor out and ends the actix context.
    fn end(&mut self, exit: Exit, context: &mut Context<Self>) {
        self.ctx.tasks = FuturesUnordered::new();
        if let Some(actor) = self.actor.take() {
            self.remains.replace(Some((actor, exit)));
        }
        context.stop();
    }
}

impl<A: Actor> actix::Actor for Cell<A> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let Some(actor) = self.actor.as_mut() else {
            return;
        };
        self.ctx.node.activity.enter(Doing::Started, clock::now());
        let started = actor.started(&mut self.ctx);
        self.ctx.node.activity.leave();
        if let Err(failure) = started {
            self.end(Exit::start_failed(failure), context);
            return;
        }
        if let Some(started) = self.started.take() {
            let _ = started.send(());
        }
        let mailbox = Arc::clone(self.ctx.me().mailbox());
        context.spawn(Driver {
            mailbox,
            actor: PhantomData,
        });
    }
}

/// Brings the actor its timers, futures and data, a bounded number at a turn.
struct Driver<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
    actor: PhantomData<fn(A)>,
}

impl<A: Actor> ActorFuture<Cell<A>> for Driver<A> {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        cell: &mut Cell<A>,
        context: &mut Context<Cell<A>>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let turn = match cell.actor.as_mut() {
            Some(actor) => self.turn(actor, &mut cell.ctx, cx),
            None => Turn::Ended,
        };
        if let Some(exit) = cell.ctx.exit.take() {
            cell.end(exit, context);
            return Poll::Ready(());
        }
        match turn {
            Turn::Ended => Poll::Ready(()),
            Turn::Asleep => Poll::Pending,
            Turn::Used => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// How a turn of the driver ended.
enum Turn {
    /// The actor asked for its end.
    Ended,
    /// There was nothing left to do; wakers are in place.
    Asleep,
    /// There may be more to do, after everybody else had a turn.
    Used,
}

impl<A: Actor> Driver<A> {
    fn turn(&self, actor: &mut A, ctx: &mut Ctx<A>, cx: &mut TaskContext<'_>) -> Turn {
        let node: &Node = &self.mailbox.node;
        let begun_at = clock::now();
        let ends_at = begun_at.saturating_add(clock::nanos(ctx.turn_time));
        let mut now = begun_at;
        let mut messages = 0;
        loop {
            let mut tasks_left = false;
            if !ctx.tasks.is_empty() {
                tasks_left = self.run_tasks(actor, ctx, cx);
                if ctx.exit.is_some() {
                    return Turn::Ended;
                }
                now = clock::now();
            }
            while let Some(entry) = self.mailbox.pop_or_sleep(cx.waker()) {
                now = entry.envelope.open(actor, ctx, node, entry.sent_at, now);
                messages += 1;
                if ctx.exit.is_some() {
                    return Turn::Ended;
                }
                if messages >= TURN_MESSAGES || now >= ends_at {
                    return Turn::Used;
                }
            }
            if tasks_left {
                return Turn::Used;
            }
            // A task that another one left behind may have ended in the same run.
            if ctx.tasks.is_empty() || !ctx.has_new_tasks {
                return Turn::Asleep;
            }
        }
    }

    /// Completes what is ready. True when there may be more.
    fn run_tasks(&self, actor: &mut A, ctx: &mut Ctx<A>, cx: &mut TaskContext<'_>) -> bool {
        ctx.has_new_tasks = false;
        for _ in 0..TURN_TASKS {
            match ctx.tasks.poll_next_unpin(cx) {
                Poll::Ready(Some(Some(completion))) => completion(actor, ctx),
                Poll::Ready(Some(None)) => {}
                Poll::Ready(None) | Poll::Pending => return false,
            }
            if ctx.exit.is_some() {
                return false;
            }
        }
        true
    }
}

/// What the supervision wants of an actor.
enum Command {
    /// That it ends.
    Stop,
    /// A sign of life.
    Ping,
    /// That it panics in a handler.
    Crash,
}

impl actix::Message for Command {
    type Result = ();
}

impl<A: Actor> actix::Handler<Command> for Cell<A> {
    type Result = ();

    fn handle(&mut self, command: Command, context: &mut Context<Self>) {
        let node = &self.ctx.node;
        match command {
            Command::Stop => self.end(Exit::Shutdown, context),
            Command::Ping => {
                node.probe.clear();
                if node.probe.take_stuck() {
                    info!(actor = node.path(), "actor answers again");
                }
            }
            Command::Crash => {
                node.activity.enter(Doing::Crash, clock::now());
                panic!("a crash was asked for");
            }
        }
    }
}

/// The control lane of one generation.
pub(crate) struct ControlLine<A: Actor> {
    pub(crate) address: Addr<Cell<A>>,
}

impl<A: Actor> ControlLine<A> {
    /// Sends through an address of its own, which is never refused for want of room. A
    /// generation that has ended meanwhile needs no control.
    fn send(&self, command: Command) {
        let _ = self.address.clone().try_send(command);
    }
}

impl<A: Actor> Control for ControlLine<A> {
    fn stop(&self) {
        self.send(Command::Stop);
    }

    fn probe(&self) {
        self.send(Command::Ping);
    }

    fn crash(&self) {
        self.send(Command::Crash);
    }
}
