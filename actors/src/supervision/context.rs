//! What an actor can do to itself: its reference, timers, futures, its end.

use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, Stream, StreamExt};
use futures_util::{FutureExt, stream};
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use super::activity::Doing;
use super::actor::{Actor, Handles, Mail};
use super::actor_ref::ActorRef;
use super::clock::{self, Nanos};
use super::envelope::{Letter, deliver, warn_slow};
use super::exit::{Exit, Failure};
use super::limits::SLOW_HANDLER;
use super::node::Node;

/// Stands for the `started` hook where a message type's index is expected.
const STARTED: u32 = u32::MAX;

/// What runs in the actor when one of its futures completes.
type Completion<A> = Box<dyn FnOnce(&mut A, &mut Ctx<A>)>;

/// A future of the actor: it ends, or it asks for a turn with the actor.
type Task<A> = LocalBoxFuture<'static, Option<Completion<A>>>;

/// The actor's side of the layer, handed to each hook and handler.
///
/// Everything that it starts (timers, futures, streams) ends with the generation. Timers and
/// streams arrive as messages through the same table as everybody else's, and are measured
/// the same way, but pass the queue by: a flooded actor keeps its ticks.
pub struct Ctx<A: Actor> {
    me: ActorRef<A>,
    generation: u64,
    pub(crate) node: Arc<Node>,
    /// Time that a turn may take.
    pub(crate) turn_time: Duration,
    /// The message type that is handled now, or was last; [`STARTED`] before the first.
    pub(crate) current: u32,
    pub(crate) exit: Option<Exit>,
    pub(crate) tasks: FuturesUnordered<Task<A>>,
    /// Futures were added since the driver last looked.
    pub(crate) has_new_tasks: bool,
}

impl<A: Actor> Ctx<A> {
    pub(crate) fn new(me: ActorRef<A>, generation: u64, turn_time: Duration) -> Self {
        Self {
            node: Arc::clone(me.node()),
            me,
            generation,
            turn_time,
            current: STARTED,
            exit: None,
            tasks: FuturesUnordered::new(),
            has_new_tasks: false,
        }
    }

    /// The actor's own reference. It is open from `started` on.
    pub fn me(&self) -> &ActorRef<A> {
        &self.me
    }

    /// The number of this generation, from one.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The actor's place in the tree.
    pub fn path(&self) -> &str {
        self.node.path()
    }

    /// Ends the actor after this handler: its work is done. A permanent child is restarted.
    pub fn stop(&mut self) {
        self.exit.get_or_insert(Exit::Normal);
    }

    /// Ends the actor after this handler with an error, as a failure.
    pub fn fail(&mut self, failure: impl Into<Failure>) {
        self.exit
            .get_or_insert_with(|| Exit::failed(failure.into()));
    }

    /// Runs a future beside the handlers, on the actor's thread.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) -> TaskHandle {
        self.add(self.current, async move {
            future.await;
            None
        })
    }

    /// Runs a future beside the handlers, then `then` with its output inside the actor.
    pub fn spawn_then<T: 'static>(
        &mut self,
        future: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut A, T, &mut Ctx<A>) + 'static,
    ) -> TaskHandle {
        let author = self.current;
        self.add(author, async move {
            let output = future.await;
            let completion: Completion<A> = Box::new(move |actor, ctx| {
                let node = Arc::clone(&ctx.node);
                ctx.current = author;
                watched(&node, author, || then(actor, output, ctx));
            });
            Some(completion)
        })
    }

    /// Handles `message` right after this handler, ahead of the queue.
    pub fn notify<M: Mail>(&mut self, message: M)
    where
        A: Handles<M>,
    {
        self.deliver_after(ready(()), message);
    }

    /// Handles `message` once `delay` has passed.
    pub fn notify_after<M: Mail>(&mut self, delay: Duration, message: M) -> TaskHandle
    where
        A: Handles<M>,
    {
        self.deliver_after(sleep(delay), message)
    }

    /// Handles what `message` makes every `period`, first after one period. A tick that is
    /// late delays the next ones; none are made up for.
    ///
    /// # Panics
    /// When the period is zero.
    pub fn notify_every<M: Mail>(
        &mut self,
        period: Duration,
        message: impl FnMut() -> M + 'static,
    ) -> TaskHandle
    where
        A: Handles<M>,
    {
        let mut ticks = interval_at(clock::after(period), period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let messages = stream::unfold((ticks, message), |(mut ticks, mut message)| async move {
            ticks.tick().await;
            Some((message(), (ticks, message)))
        });
        self.attach(messages)
    }

    /// Handles each item of a stream as a message, until the stream ends.
    pub fn attach<S>(&mut self, messages: S) -> TaskHandle
    where
        S: Stream<Item: Mail> + 'static,
        A: Handles<S::Item>,
    {
        let (abort, registration) = AbortHandle::new_pair();
        let messages = Abortable::new(messages, registration);
        self.next_of(Box::pin(messages));
        TaskHandle { abort }
    }

    fn next_of<S>(&mut self, mut messages: Pin<Box<Abortable<S>>>)
    where
        S: Stream<Item: Mail> + 'static,
        A: Handles<S::Item>,
    {
        let author = self.index_of::<S::Item>();
        self.push(author, async move {
            let message = messages.next().await?;
            let ready_at = clock::now();
            let completion: Completion<A> = Box::new(move |actor, ctx| {
                deliver_now(actor, ctx, message, ready_at);
                ctx.next_of(messages);
            });
            Some(completion)
        });
    }

    fn deliver_after<M: Mail>(
        &mut self,
        wait: impl Future<Output = ()> + 'static,
        message: M,
    ) -> TaskHandle
    where
        A: Handles<M>,
    {
        self.add(self.index_of::<M>(), async move {
            wait.await;
            let ready_at = clock::now();
            let completion: Completion<A> = Box::new(move |actor, ctx| {
                deliver_now(actor, ctx, message, ready_at);
            });
            Some(completion)
        })
    }

    fn index_of<M: 'static>(&self) -> u32 {
        self.node.messages.of::<M>().index
    }

    fn add(
        &mut self,
        author: u32,
        task: impl Future<Output = Option<Completion<A>>> + 'static,
    ) -> TaskHandle {
        let (abort, registration) = AbortHandle::new_pair();
        let task = Abortable::new(task, registration);
        self.push(author, task.map(|output| output.ok().flatten()));
        TaskHandle { abort }
    }

    /// Adds a future that shows, while it is polled, which message type is its author.
    fn push(&mut self, author: u32, task: impl Future<Output = Option<Completion<A>>> + 'static) {
        let node = Arc::clone(&self.node);
        let shown = async move {
            let mut task = pin!(task);
            poll_fn(|cx| watched(&node, author, || task.as_mut().poll(cx))).await
        };
        self.tasks.push(shown.boxed_local());
        self.has_new_tasks = true;
    }
}

/// A future or timer of an actor. Dropping the handle leaves it running.
#[derive(Debug, Clone)]
pub struct TaskHandle {
    abort: AbortHandle,
}

impl TaskHandle {
    /// Ends the future or the timer. What it has already made the actor do stays done.
    pub fn cancel(&self) {
        self.abort.abort();
    }
}

fn deliver_now<A: Handles<M>, M: Mail>(
    actor: &mut A,
    ctx: &mut Ctx<A>,
    message: M,
    ready_at: Nanos,
) {
    let node = Arc::clone(&ctx.node);
    deliver(
        actor,
        ctx,
        &node,
        Letter {
            message,
            reply: None,
        },
        ready_at,
        clock::now(),
    );
}

/// Runs a piece of a future that a message type has left behind.
fn watched<T>(node: &Node, author: u32, piece: impl FnOnce() -> T) -> T {
    let begun_at = clock::now();
    let doing = Doing::Future(author);
    node.activity.enter(doing, begun_at);
    let output = piece();
    node.activity.leave();
    let ended_at = clock::now();
    let held = ended_at.saturating_sub(begun_at);
    if held >= clock::nanos(SLOW_HANDLER)
        && let Some(metrics) = node.message_at(author)
    {
        warn_slow(node, metrics, doing, held, ended_at);
    }
    output
}
