//! The actix actor that wraps an actor of this layer. Its actix mailbox carries control messages
//! (`control`); its only future, the driver (`driver`), delivers timers and data.
//!
//! The hooks of [`Actor`] are not actix's hooks: actix calls its own while a panic unwinds,
//! where a second panic would abort the process.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::channel::AddressReceiver;
use actix::{ActorContext, AsyncContext, Context};
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;

use crate::kernel::actor::Actor;
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::context::Ctx;
use crate::kernel::exit::Exit;
use crate::kernel::mailbox::OpenGuard;
use crate::observe::activity::Doing;
use crate::observe::node::Node;
use crate::observe::senders::{Parting, Sending};
use crate::tree::spec::Factory;

mod control;
mod driver;

pub(crate) use control::{ControlHandle, Drain};
use driver::Driver;

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
        context.spawn(Driver::new(mailbox));
    }
}
