//! The tree as it is meant to be: specifications of children and of supervisors.

use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::actor::{Actor, Handles, Mail};
use super::actor_ref::ActorRef;
use super::dynamic::{DynamicLauncher, DynamicRef};
use super::envelope::Letter;
use super::exit::{Exit, Failure};
use super::launch::{ActorLauncher, Launcher};
use super::limits::{START_TIMEOUT, STOP_TIMEOUT};
use super::mailbox::{Place, Refusal};
use super::node::Node;
use super::snapshot::Kind;
use super::strategy::{Backoff, Intensity, Restart, Strategy};
use super::supervisor::SupervisorLauncher;

/// Makes the actor of each generation, on the thread that it is going to live on.
pub(crate) type Factory<A> =
    Arc<dyn Fn() -> LocalBoxFuture<'static, Result<A, Failure>> + Send + Sync>;

/// What is done when a generation ends.
pub(crate) type ExitHook = Arc<dyn Fn(&Exit) + Send + Sync>;

/// The arbiter of children that name none.
pub(crate) const MAIN_ARBITER: &str = "main";

/// What a factory may return: the actor, or a result with the actor in it.
pub trait Made<A: Actor> {
    /// The actor or the reason why there is none.
    ///
    /// # Errors
    /// Whatever the factory failed with.
    fn into_made(self) -> Result<A, Failure>;
}

impl<A: Actor> Made<A> for A {
    fn into_made(self) -> Result<A, Failure> {
        Ok(self)
    }
}

impl<A: Actor, E: Into<Failure>> Made<A> for Result<A, E> {
    fn into_made(self) -> Result<A, Failure> {
        self.map_err(Into::into)
    }
}

/// How one child is started, restarted and stopped.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) node: Arc<Node>,
    pub(crate) launcher: Arc<dyn Launcher>,
    pub(crate) restart: Restart,
    pub(crate) arbiter: String,
    /// `None` for a supervisor, which takes as long as its children.
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) stop_timeout: Option<Duration>,
    pub(crate) intensity: Option<Intensity>,
    pub(crate) on_exit: Option<ExitHook>,
}

impl ChildSpec {
    /// A permanent child behind `me`. The factory is called for each generation, on the
    /// child's own thread, and may block it for as long as the start takes.
    pub fn new<A: Actor, M: Made<A>>(
        me: &ActorRef<A>,
        factory: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        Self::from_factory(
            me,
            Arc::new(move || ready(factory().into_made()).boxed_local()),
        )
    }

    /// As [`ChildSpec::new`], for an actor that has to wait for something before it exists.
    pub fn new_async<A: Actor, M: Made<A> + 'static, F: Future<Output = M> + 'static>(
        me: &ActorRef<A>,
        factory: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self::from_factory(
            me,
            Arc::new(move || factory().map(Made::into_made).boxed_local()),
        )
    }

    fn from_factory<A: Actor>(me: &ActorRef<A>, factory: Factory<A>) -> Self {
        Self {
            node: Arc::clone(me.node()),
            launcher: Arc::new(ActorLauncher {
                me: me.clone(),
                factory,
            }),
            restart: Restart::Permanent,
            arbiter: MAIN_ARBITER.to_owned(),
            start_timeout: Some(START_TIMEOUT),
            stop_timeout: Some(STOP_TIMEOUT),
            intensity: None,
            on_exit: None,
        }
    }

    /// When the child is started again.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// The arbiter (thread) that the child lives on, shared with all that name the same.
    /// Arbiters go by latency class: what may block shares no thread with what must not wait.
    pub fn arbiter(mut self, name: &str) -> Self {
        name.clone_into(&mut self.arbiter);
        self
    }

    /// How many messages may wait in the child's mailbox, at least one.
    pub fn mailbox(self, capacity: usize) -> Self {
        self.launcher.set_mailbox_capacity(capacity);
        self
    }

    /// The time that the factory and `started` have together.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = Some(timeout);
        self
    }

    /// The time that the child has from the wish that it stops to the end of `stopped`.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = Some(timeout);
        self
    }

    /// Bounds the restarts of this child alone, on top of its supervisor's bound: one more,
    /// and the supervisor gives up.
    pub fn max_restarts(mut self, restarts: u32, period: Duration) -> Self {
        self.intensity = Some(Intensity { restarts, period });
        self
    }

    /// Tells an actor, by a message, how each generation ends, so that it can forget the
    /// child even where the child had no time for a farewell. The message is accepted beyond
    /// the mailbox's bound; there is one for each end.
    pub fn tell_exit<A, M>(
        mut self,
        watcher: &ActorRef<A>,
        message: impl Fn(&Exit) -> M + Send + Sync + 'static,
    ) -> Self
    where
        A: Handles<M>,
        M: Mail,
    {
        let watcher = watcher.clone();
        self.on_exit = Some(Arc::new(move |exit| {
            let letter = Letter {
                message: message(exit),
                reply: None,
            };
            if watcher.mailbox().push(letter, Place::Beyond(None)).is_err() {
                watcher.mailbox().count::<M>(Refusal::Unavailable);
            }
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

/// A supervisor and its children, in their order of start.
#[derive(Debug, Clone)]
pub struct SupervisorSpec {
    pub(crate) node: Arc<Node>,
    pub(crate) strategy: Strategy,
    pub(crate) intensity: Intensity,
    pub(crate) backoff: Backoff,
    pub(crate) children: Vec<ChildSpec>,
    restart: Restart,
    dynamic: Option<DynamicRef>,
}

impl SupervisorSpec {
    /// A supervisor without children.
    pub fn new(name: &str, strategy: Strategy) -> Self {
        Self {
            node: Node::new(&name.replace('/', "_"), Kind::Supervisor),
            strategy,
            intensity: Intensity::default(),
            backoff: Backoff::default(),
            children: Vec::new(),
            restart: Restart::Permanent,
            dynamic: None,
        }
    }

    /// A supervisor whose children come and go while it runs, and are never restarted. They
    /// are started through `handle`; children given here are ignored.
    pub fn dynamic(handle: &DynamicRef) -> Self {
        Self {
            node: Arc::clone(handle.node()),
            dynamic: Some(handle.clone()),
            ..Self::new("", Strategy::OneForOne)
        }
    }

    /// Adds a child, an actor or a supervisor, that starts after those before it.
    pub fn child(mut self, child: impl Into<ChildSpec>) -> Self {
        self.children.push(child.into());
        self
    }

    /// How many restarts are allowed in what time before the supervisor gives up, which is
    /// its own failure at its parent and, at the root, the end of the tree.
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.intensity = Intensity { restarts, period };
        self
    }

    /// The pauses before restarts.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// When this supervisor itself is started again by its parent, after it gave up.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }
}

impl From<SupervisorSpec> for ChildSpec {
    fn from(spec: SupervisorSpec) -> Self {
        let node = Arc::clone(&spec.node);
        let restart = spec.restart;
        let launcher: Arc<dyn Launcher> = match spec.dynamic.clone() {
            Some(handle) => Arc::new(DynamicLauncher { handle }),
            None => Arc::new(SupervisorLauncher { spec }),
        };
        Self {
            node,
            launcher,
            restart,
            arbiter: MAIN_ARBITER.to_owned(),
            start_timeout: None,
            stop_timeout: None,
            intensity: None,
            on_exit: None,
        }
    }
}
