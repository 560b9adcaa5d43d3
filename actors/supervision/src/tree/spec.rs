//! Specifications of children and of supervisors, from which a tree is started.

use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::kernel::actor::{Actor, Handles, Message};
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::cell::Drain;
use crate::kernel::exit::{Exit, Failure};
use crate::kernel::hang::WhenStuck;
use crate::limits::{PARTING_TIME, QUARANTINE_AFTER, START_TIMEOUT, STOP_TIMEOUT};
use crate::observe::node::Node;
use crate::observe::snapshot::Kind;
use crate::tree::dynamic::DynamicRef;
use crate::tree::dynamic_supervisor::DynamicLauncher;
use crate::tree::launch::{ActorLauncher, Launcher};
use crate::tree::strategy::{Backoff, Intensity, Mailbox, Restart, Strategy};
use crate::tree::supervisor::SupervisorLauncher;

/// Creates the actor of each generation, on the thread that the actor runs on.
pub(crate) type Factory<A> =
    Arc<dyn Fn() -> LocalBoxFuture<'static, Result<A, Failure>> + Send + Sync>;

/// The callback for the end of a generation.
pub(crate) type ExitHook = Arc<dyn Fn(&Exit) + Send + Sync>;

/// The arbiter of children that name none.
pub(crate) const MAIN_ARBITER: &str = "main";

/// The return type of a factory: the actor, or a `Result` with the actor.
pub trait IntoActor<A: Actor> {
    /// Converts the factory's output into the actor.
    ///
    /// # Errors
    /// The error of the factory.
    fn into_actor(self) -> Result<A, Failure>;
}

impl<A: Actor> IntoActor<A> for A {
    fn into_actor(self) -> Result<A, Failure> {
        Ok(self)
    }
}

impl<A: Actor, E: Into<Failure>> IntoActor<A> for Result<A, E> {
    fn into_actor(self) -> Result<A, Failure> {
        self.map_err(Into::into)
    }
}

/// The specification of a child: how it is started, restarted and stopped.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) node: Arc<Node>,
    pub(crate) launcher: Arc<dyn Launcher>,
    /// `None` where the specification leaves it to the kind of supervisor.
    pub(crate) restart: Option<Restart>,
    pub(crate) arbiter: String,
    /// `None` for a supervisor, which takes as long as its children.
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) stop_timeout: Option<Duration>,
    pub(crate) drain: Option<Duration>,
    pub(crate) intensity: Option<Intensity>,
    pub(crate) on_exit: Option<ExitHook>,
}

impl ChildSpec {
    /// Creates the specification of a permanent child with the reference `me`. The factory is
    /// called for each generation, on the child's thread, and may block that thread during the
    /// start.
    pub fn new<A: Actor, M: IntoActor<A>>(
        me: &ActorRef<A>,
        factory: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        Self::from_factory(
            me,
            Arc::new(move || ready(factory().into_actor()).boxed_local()),
        )
    }

    /// Creates a specification as [`ChildSpec::new`] does, with an asynchronous factory.
    pub fn new_async<A: Actor, M: IntoActor<A> + 'static, F: Future<Output = M> + 'static>(
        me: &ActorRef<A>,
        factory: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self::from_factory(
            me,
            Arc::new(move || factory().map(IntoActor::into_actor).boxed_local()),
        )
    }

    fn from_factory<A: Actor>(me: &ActorRef<A>, factory: Factory<A>) -> Self {
        Self {
            node: Arc::clone(me.node()),
            launcher: Arc::new(ActorLauncher {
                me: me.clone(),
                factory,
            }),
            restart: None,
            arbiter: MAIN_ARBITER.to_owned(),
            start_timeout: Some(START_TIMEOUT),
            stop_timeout: Some(STOP_TIMEOUT),
            drain: None,
            intensity: None,
            on_exit: None,
        }
    }

    /// Sets when the child is restarted. Otherwise it is permanent, and under a dynamic supervisor
    /// temporary.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = Some(restart);
        self
    }

    /// Sets the arbiter (thread) that the child runs on, shared by all children with the same
    /// arbiter name. There is one arbiter for each latency class: an actor that may block shares
    /// no thread with one that must not wait.
    pub fn arbiter(mut self, name: &str) -> Self {
        name.clone_into(&mut self.arbiter);
        self
    }

    /// Sets the capacity of the child's mailbox in messages, at least one.
    pub fn mailbox(self, capacity: usize) -> Self {
        self.launcher.set_mailbox_capacity(capacity);
        self
    }

    /// Bounds what the queued messages weigh together, in bytes, at least one; the bound in messages
    /// holds as well. A message that would pass the bound finds the mailbox full, with the consequences
    /// of its type's [`WhenFull`](crate::WhenFull); one that is heavier than the whole bound is always
    /// refused. While messages wait for room, lighter ones do not pass them: they wait as well, or find
    /// the mailbox full. [`Message::weight`] says what a message weighs. No effect on a supervisor, nor on a pool.
    pub fn mailbox_bytes(self, bytes: usize) -> Self {
        self.launcher.set_mailbox_bytes(bytes);
        self
    }

    /// Sets the time in which the child has to begin with a request, for the types of message that set
    /// none of their own ([`Handles::DEADLINE`]), and unless the caller says otherwise. Later it is
    /// skipped, and its caller gets [`AskError::Expired`](crate::AskError::Expired). Without this a
    /// request waits for as long as it takes.
    pub fn ask_deadline(self, deadline: Duration) -> Self {
        self.launcher.set_ask_deadline(deadline);
        self
    }

    /// Sets what happens to the child's queued messages when it restarts, by itself or with its
    /// group; they are lost unless this says otherwise. With [`Mailbox::Keep`] a message type that
    /// crashed the actor [`QUARANTINE_AFTER`] times is quarantined. No effect on a supervisor, nor
    /// on the jobs of a pool.
    pub fn on_restart(self, policy: Mailbox) -> Self {
        self.launcher.set_mailbox_policy(policy);
        let crashes = match policy {
            Mailbox::Lose => 0,
            Mailbox::Keep => QUARANTINE_AFTER,
        };
        self.quarantine_after(crashes)
    }

    /// Quarantines a message type whose handler, or a future of it, has panicked or hung `crashes`
    /// times within the period of the restart intensity: messages of the type are refused, with an
    /// error of their own, until the supervisor is started again, and the child has an incident.
    /// Zero, the default for an actor that loses its mailbox, is never.
    pub fn quarantine_after(self, crashes: u32) -> Self {
        self.node.quarantine.set_after(crashes);
        self
    }

    /// Sets what is done about the child when its code does not return, as
    /// [`WhenStuck`] describes; it is reported unless this says otherwise. Of actors that share an
    /// arbiter, the policy of the one that holds the thread decides. No effect on a supervisor.
    pub fn when_stuck(self, policy: WhenStuck) -> Self {
        self.node.hang.set_policy(policy);
        self
    }

    /// Sets the time that the factory and `started` have together.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = Some(timeout);
        self
    }

    /// Lets the child handle, when it is requested to stop, the messages that it has accepted, and
    /// give the answers that it owes, for at most `limit`. New messages are refused meanwhile. The
    /// rest is refused and counted in the [`Outcome`](crate::Outcome). The stop timeout begins
    /// after `limit`. Without a drain the accepted messages are refused and counted at once, except
    /// those that the `stopped` hooks of other actors sent. No effect on a supervisor, nor on the
    /// jobs of a pool.
    pub fn drain(mut self, limit: Duration) -> Self {
        self.drain = Some(limit);
        self
    }

    /// Returns what the child handles after a request to stop.
    pub(crate) fn drain_on_stop(&self) -> Drain {
        let half = self.stop_timeout.unwrap_or(STOP_TIMEOUT) / 2;
        Drain {
            is_full: self.drain.is_some(),
            limit: self.drain.unwrap_or_else(|| PARTING_TIME.min(half)),
        }
    }

    /// Returns the time from the stop request after which the child is killed.
    pub(crate) fn time_to_stop(&self) -> Option<Duration> {
        let drain = self.drain.unwrap_or_default();
        Some(self.stop_timeout?.saturating_add(drain))
    }

    /// Sets the time that the child has from the stop request to the end of `stopped`, not counting
    /// its drain.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = Some(timeout);
        self
    }

    /// Bounds the restarts of this child alone, in addition to its supervisor's bound. The
    /// supervisor gives up when the bound is exceeded.
    pub fn max_restarts(mut self, restarts: u32, period: Duration) -> Self {
        self.intensity = Some(Intensity { restarts, period });
        self
    }

    /// Sends a message with the exit of each generation to `watcher`, for all generations of both
    /// ([`Ctx::monitor`](crate::Ctx::monitor) is for one generation of the watcher), so that the
    /// watcher can remove the child's state even where the child failed. The message is accepted
    /// beyond the mailbox's capacity; there is one for each end, whoever caused it. It is made on the
    /// watcher's thread, when it is handled.
    pub fn monitored_by<A, M>(
        mut self,
        watcher: &ActorRef<A>,
        message: impl Fn(&Exit) -> M + Send + Sync + 'static,
    ) -> Self
    where
        A: Handles<M>,
        M: Message,
    {
        let watcher = watcher.clone();
        let message = Arc::new(message);
        self.on_exit = Some(Arc::new(move |exit| {
            let (message, exit) = (Arc::clone(&message), exit.clone());
            let make = move || Some(message(&exit));
            watcher.mailbox().push_lazy::<M>(None, make);
        }));
        self
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ChildSpec")
            .field("node", &self.node)
            .field("restart", &self.restart)
            .field("arbiter", &self.arbiter)
            .finish_non_exhaustive()
    }
}

/// The specification of a supervisor with its children, in their order of start.
#[derive(Debug, Clone)]
pub struct SupervisorSpec {
    pub(crate) node: Arc<Node>,
    pub(crate) strategy: Strategy,
    pub(crate) intensity: Intensity,
    pub(crate) backoff: Backoff,
    pub(crate) children: Vec<ChildSpec>,
    restart: Option<Restart>,
    dynamic: Option<DynamicRef>,
}

impl SupervisorSpec {
    /// Creates the specification of a supervisor without children.
    pub fn new(name: &str, strategy: Strategy) -> Self {
        Self {
            node: Node::new(&name.replace('/', "_"), Kind::Supervisor),
            strategy,
            intensity: Intensity::default(),
            backoff: Backoff::default(),
            children: Vec::new(),
            restart: None,
            dynamic: None,
        }
    }

    /// Creates the specification of a dynamic supervisor: its children are started through
    /// `handle` while it runs, and restarted according to their policies, each alone. They are
    /// temporary unless their specification says otherwise. Children given here are ignored.
    pub fn dynamic(handle: &DynamicRef) -> Self {
        Self {
            node: Arc::clone(handle.node()),
            dynamic: Some(handle.clone()),
            ..Self::new("", Strategy::OneForOne)
        }
    }

    /// Adds a child, an actor or a supervisor, that starts after the children before it.
    pub fn child(mut self, child: impl Into<ChildSpec>) -> Self {
        self.children.push(child.into());
        self
    }

    /// Sets how many restarts are allowed within `period` before the supervisor gives up, which
    /// is a failure at its parent and, at the root, the end of the tree.
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.intensity = Intensity { restarts, period };
        self
    }

    /// Sets the pauses before restarts.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets when the parent restarts this supervisor itself, after it gave up.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = Some(restart);
        self
    }
}

impl From<SupervisorSpec> for ChildSpec {
    fn from(spec: SupervisorSpec) -> Self {
        let node = Arc::clone(&spec.node);
        let restart = spec.restart;
        let launcher: Arc<dyn Launcher> = match spec.dynamic.clone() {
            Some(handle) => Arc::new(DynamicLauncher {
                handle,
                intensity: spec.intensity,
                backoff: spec.backoff,
            }),
            None => Arc::new(SupervisorLauncher { spec }),
        };
        Self {
            node,
            launcher,
            restart,
            arbiter: MAIN_ARBITER.to_owned(),
            start_timeout: None,
            stop_timeout: None,
            drain: None,
            intensity: None,
            on_exit: None,
        }
    }
}
