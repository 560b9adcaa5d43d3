//! The context that is passed to an actor's hooks and handlers: timers, futures, streams, stop.

use std::cell::Cell;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, Stream, StreamExt};
use futures_util::{FutureExt, stream};
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use crate::kernel::actor::{Actor, Handles, Message};
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::clock::{self, Nanos};
use crate::kernel::delivery::{deliver, warn_slow};
use crate::kernel::exit::{Exit, Failure};
use crate::kernel::monitor::{Down, Monitor, Monitors};
use crate::kernel::spans::{self, Origin};
use crate::kernel::turn::TurnEnd;
use crate::limits::SLOW_HANDLER;
use crate::observe::activity::Doing;
use crate::observe::metrics::MessageMetrics;
use crate::observe::node::Node;
use crate::observe::senders::SenderId;

/// The index that stands for the `started` hook in place of a message type's index.
const STARTED: u32 = u32::MAX;

/// The numbers of a generation's messages begin at its own number times two to this power.
const GENERATION_SHIFT: u32 = 20;

/// The code that runs in the actor when one of its futures completes.
type Completion<A> = Box<dyn FnOnce(&mut A, &mut Ctx<A>)>;

/// A future of the actor. Its output, if any, runs with access to the actor.
type Task<A> = LocalBoxFuture<'static, Option<Completion<A>>>;

/// The context of an actor, passed to each hook and handler.
///
/// Timers, futures and streams that are started through the context end with the generation.
/// Timers and streams deliver messages to the actor's usual handlers, measured like all others,
/// but bypass the mailbox: a flooded actor keeps its ticks.
pub struct Ctx<A: Actor> {
    me: ActorRef<A>,
    generation: u64,
    pub(crate) node: Arc<Node>,
    /// The time that a turn may take.
    pub(crate) turn_time: Duration,
    pub(crate) turn_end: TurnEnd,
    /// The index of the message type that is handled now or was handled last; [`STARTED`] before
    /// the first.
    pub(crate) current: u32,
    /// The span in which the message that is about to be handled was sent.
    pub(crate) origin: Origin,
    /// The sender of the message that is about to be handled.
    pub(crate) sender: SenderId,
    /// The number of the message that is worked on; zero for the hooks.
    work: u32,
    /// The number of the last message. Each generation begins with others, for the futures of one that
    /// hangs may still wait.
    last_work: u32,
    pub(crate) exit: Option<Exit>,
    monitors: Monitors,
    pub(crate) tasks: FuturesUnordered<Task<A>>,
    /// The number of answers that this generation owes.
    pub(crate) owed: Rc<Cell<usize>>,
    /// Whether futures were added since the driver last polled the tasks.
    pub(crate) has_new_tasks: bool,
}

impl<A: Actor> Ctx<A> {
    pub(crate) fn new(me: ActorRef<A>, generation: u64, turn_time: Duration) -> Self {
        Self {
            node: Arc::clone(me.node()),
            me,
            generation,
            turn_time,
            turn_end: TurnEnd::default(),
            current: STARTED,
            origin: Origin::none(),
            sender: SenderId::default(),
            work: 0,
            last_work: (generation as u32) << GENERATION_SHIFT,
            exit: None,
            monitors: Monitors::default(),
            tasks: FuturesUnordered::new(),
            owed: Rc::default(),
            has_new_tasks: false,
        }
    }

    /// Returns the actor's own reference, which accepts messages from `started` on.
    pub fn me(&self) -> &ActorRef<A> {
        &self.me
    }

    /// Returns the number of this generation, counted from one.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Begins the work on another message.
    #[inline]
    pub(crate) fn begin_work(&mut self) {
        self.last_work = self.last_work.wrapping_add(1);
        self.work_on(self.last_work);
    }

    /// Continues the work on a message, in a future or after it.
    #[inline]
    fn work_on(&mut self, work: u32) {
        self.work = work;
        work_on(&self.node, work);
    }

    /// Returns the number of the message that is worked on.
    pub(crate) fn work(&self) -> u32 {
        self.work
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.node.hang.is_given_up(self.generation)
    }

    /// Returns the actor's path in the tree.
    pub fn path(&self) -> &str {
        self.node.path()
    }

    /// Stops the actor normally after this handler. A permanent child is restarted.
    pub fn stop(&mut self) {
        self.exit.get_or_insert(Exit::Normal);
    }

    /// Stops the actor after this handler with an error, which counts as a failure.
    pub fn fail(&mut self, failure: impl Into<Failure>) {
        self.exit
            .get_or_insert_with(|| Exit::failed(failure.into()));
    }

    /// Sends this actor a [`Down`] at each end of a generation of `target`, whoever caused it, until
    /// [`demonitor`](Self::demonitor) or the end of this generation. Where the target was running
    /// and is down, the last end is told at once; a target that has not started yet is not down.
    /// The message is accepted beyond the mailbox's capacity. Monitoring an actor again returns the
    /// monitor that exists.
    pub fn monitor<B: Actor>(&mut self, target: &ActorRef<B>) -> Monitor
    where
        A: Handles<Down>,
    {
        self.monitors.add(&self.me, self.generation, target)
    }

    /// Removes a monitor: no further [`Down`] of it is handled. Returns false where it does not
    /// exist.
    pub fn demonitor(&mut self, monitor: Monitor) -> bool {
        self.monitors.remove(monitor)
    }

    /// Runs a future on the actor's thread, concurrently with the handlers.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) -> TaskHandle {
        self.add(self.current, async move {
            future.await;
            None
        })
    }

    /// Runs a future as [`spawn`](Self::spawn) does, then `then` with its output and the actor.
    pub fn spawn_then<T: 'static>(
        &mut self,
        future: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut A, T, &mut Ctx<A>) + 'static,
    ) -> TaskHandle {
        let (author, work) = (self.current, self.work);
        self.add(author, async move {
            let output = future.await;
            let completion: Completion<A> = Box::new(move |actor, ctx| {
                let node = Arc::clone(&ctx.node);
                ctx.current = author;
                ctx.work_on(work);
                let metrics = node.message_at(author).cloned();
                let now = node.now();
                measured(
                    &node,
                    ctx.generation,
                    author,
                    metrics.as_deref(),
                    now,
                    || then(actor, output, ctx),
                );
            });
            Some(completion)
        })
    }

    /// Delivers `message` to this actor right after this handler, ahead of the mailbox.
    pub fn notify<M: Message>(&mut self, message: M)
    where
        A: Handles<M>,
    {
        self.deliver_after(ready(()), message);
    }

    /// Delivers `message` to this actor once `delay` has passed.
    pub fn notify_after<M: Message>(&mut self, delay: Duration, message: M) -> TaskHandle
    where
        A: Handles<M>,
    {
        self.deliver_after(sleep(delay), message)
    }

    /// Delivers a message made by `message` every `period`, first after one period. A late tick
    /// delays the next ones; missed ticks are not made up for.
    ///
    /// # Panics
    /// Panics when the period is zero.
    pub fn notify_every<M: Message>(
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

    /// Delivers each item of a stream as a message, until the stream ends.
    pub fn attach<S>(&mut self, messages: S) -> TaskHandle
    where
        S: Stream<Item: Message> + 'static,
        A: Handles<S::Item>,
    {
        let (abort, registration) = AbortHandle::new_pair();
        let messages = Abortable::new(messages, registration);
        self.next_of(Box::pin(messages));
        TaskHandle { abort }
    }

    fn next_of<S>(&mut self, mut messages: Pin<Box<Abortable<S>>>)
    where
        S: Stream<Item: Message> + 'static,
        A: Handles<S::Item>,
    {
        let author = self.index_of::<S::Item>();
        let node = Arc::clone(&self.node);
        self.push(author, async move {
            let message = messages.next().await?;
            let ready_at = node.now();
            let completion: Completion<A> = Box::new(move |actor, ctx| {
                deliver_now(actor, ctx, message, ready_at);
                ctx.next_of(messages);
            });
            Some(completion)
        });
    }

    fn deliver_after<M: Message>(
        &mut self,
        wait: impl Future<Output = ()> + 'static,
        message: M,
    ) -> TaskHandle
    where
        A: Handles<M>,
    {
        let node = Arc::clone(&self.node);
        self.add(self.index_of::<M>(), async move {
            wait.await;
            let ready_at = node.now();
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

    /// Adds a future that is shown, while it is polled, as one of the message type `author`.
    fn push(&mut self, author: u32, task: impl Future<Output = Option<Completion<A>>> + 'static) {
        let (node, generation, work) = (Arc::clone(&self.node), self.generation, self.work);
        let metrics = node.message_at(author).cloned();
        let turn_end = self.turn_end.clone();
        let shown = async move {
            let mut task = pin!(task);
            poll_fn(|cx| {
                let now = node.now();
                if turn_end.is_over(now) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let metrics = metrics.as_deref();
                work_on(&node, work);
                measured(&node, generation, author, metrics, now, || {
                    task.as_mut().poll(cx)
                })
            })
            .await
        };
        self.tasks.push(spans::follow(shown).boxed_local());
        self.has_new_tasks = true;
    }
}

/// A future or timer of an actor. Dropping the handle leaves it running.
#[derive(Debug, Clone)]
pub struct TaskHandle {
    abort: AbortHandle,
}

impl TaskHandle {
    /// Cancels the future or the timer. Its earlier effects on the actor remain.
    pub fn cancel(&self) {
        self.abort.abort();
    }
}

fn deliver_now<A: Handles<M>, M: Message>(
    actor: &mut A,
    ctx: &mut Ctx<A>,
    message: M,
    ready_at: Nanos,
) {
    let mailbox = Arc::clone(ctx.me.mailbox());
    ctx.origin = Origin::none();
    ctx.sender = SenderId::default();
    let now = mailbox.node.now();
    deliver(actor, ctx, &mailbox, message, None, ready_at, now);
}

/// Records that the code which runs next works on this message of the actor.
#[inline]
fn work_on(node: &Node, work: u32) {
    SenderId::work_on(work);
    node.current.begin(work);
}

/// Runs and measures, from `begun_at` on, one poll of a future that the handler of a message type
/// spawned. `metrics` are
/// those of that type; the `started` hook has none.
fn measured<T>(
    node: &Node,
    generation: u64,
    author: u32,
    metrics: Option<&MessageMetrics>,
    begun_at: Nanos,
    piece: impl FnOnce() -> T,
) -> T {
    let doing = Doing::Future(author);
    node.activity.enter(doing, begun_at);
    let output = piece();
    node.leave(generation);
    let ended_at = node.now();
    let held = ended_at.saturating_sub(begun_at);
    let polling = metrics.map_or(&node.polling_at_start, |metrics| &metrics.polling);
    polling.fetch_add(held, Relaxed);
    if held >= clock::nanos(SLOW_HANDLER)
        && let Some(metrics) = metrics
    {
        warn_slow(node, metrics, doing, held, ended_at);
    }
    output
}
