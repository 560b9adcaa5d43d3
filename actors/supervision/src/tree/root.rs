//! The supervision tree: its start, its handle, and its ordered stop.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::kernel::arbiter::{Arbiters, LeftBehind};
use crate::kernel::clock::Clock;
use crate::kernel::error::StartError;
use crate::kernel::exit::Exit;
use crate::limits::{JOIN_TIMEOUT, PROBE_PERIOD, PROBE_TIMEOUT, SINK_TIME};
use crate::observe::arbiters::{self, ArbiterTable};
use crate::observe::health;
use crate::observe::incidents::IncidentLog;
use crate::observe::node::{Control, Node};
use crate::observe::snapshot::{ArbiterSnapshot, Kind, NodeSnapshot, State};
use crate::tree::launch::{bind, exit_of};
use crate::tree::rng::SeededRng;
use crate::tree::spec::{ChildSpec, SupervisorSpec};

/// Options of a tree.
#[derive(Debug, Clone)]
pub struct TreeOptions {
    is_single_thread: bool,
    rng: SeededRng,
    clock: Clock,
    probe_period: Duration,
    probe_timeout: Duration,
    incidents: IncidentLog,
}

impl Default for TreeOptions {
    fn default() -> Self {
        Self {
            is_single_thread: false,
            rng: SeededRng::default(),
            clock: Clock::system(),
            probe_period: PROBE_PERIOD,
            probe_timeout: PROBE_TIMEOUT,
            incidents: IncidentLog::default(),
        }
    }
}

impl TreeOptions {
    /// Runs every actor on the thread that starts the tree, regardless of its arbiter. For
    /// tests, which can then pause the clock.
    pub fn single_thread(mut self) -> Self {
        self.is_single_thread = true;
        self
    }

    /// Sets the random number generator. For tests, which seed it.
    pub fn rng(mut self, rng: SeededRng) -> Self {
        self.rng = rng;
        self
    }

    /// Sets the clock of the tree, in place of the system's: that of its measurements, its health
    /// monitor, the deadlines of jobs and the times of incidents. Timers follow the tokio runtime of
    /// their thread.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets how often actors are probed, and the time after which an actor that has not answered
    /// its probe shows as stuck.
    pub fn probe(mut self, period: Duration, timeout: Duration) -> Self {
        self.probe_period = period;
        self.probe_timeout = timeout;
        self
    }

    /// Sets the log of the tree's incidents; without it they are kept in memory alone.
    pub fn incidents(mut self, log: IncidentLog) -> Self {
        self.incidents = log;
        self
    }

    /// Starts a tree: children in order, each after the one before it has started.
    ///
    /// Must be called inside an actix system, whose thread from then on runs the supervisors;
    /// actors run on the tree's own arbiters.
    ///
    /// # Errors
    /// The error of the first child that does not start. All children that had started before it
    /// have been stopped again, in reverse order, and their threads joined.
    pub async fn start(self, spec: SupervisorSpec) -> Result<Tree, StartError> {
        let root = ChildSpec::from(spec);
        root.node.set_clock(self.clock.clone());
        root.node.set_incident_log(self.incidents.clone());
        bind(&root, None)?;
        let arbiters = Arc::new(Arbiters::new(self.is_single_thread, self.rng, self.clock));
        let launched = root.launcher.launch(&root, &arbiters)?;
        let node = Arc::clone(&root.node);
        let task = launched.task.await.map_err(|_| StartError::Stopped {
            path: node.path().to_owned(),
        })?;
        let handle = TreeHandle {
            root: Arc::clone(&node),
            control: launched.control,
            arbiters: Arc::clone(&arbiters.table),
            incidents: self.incidents,
        };
        if launched.started.await.is_err() {
            let exit = exit_of(task.await, &node);
            node.end(State::Failed);
            let unjoined = arbiters.join(JOIN_TIMEOUT).await;
            if !unjoined.is_empty() {
                error!(threads = %unjoined.join(", "), "threads left behind by a failed start");
            }
            return Err(first_cause(node.path(), exit));
        }
        node.set_state(State::Running);
        let (period, timeout) = (self.probe_period, self.probe_timeout);
        let (watched, threads) = (Arc::clone(&node), Arc::clone(&arbiters));
        let watch = health::keep_watching("health monitor", period, move || {
            health::watch(Arc::clone(&watched), Arc::clone(&threads), period, timeout)
        });
        let (watched, table) = (Arc::clone(&node), Arc::clone(&arbiters.table));
        let watch_arbiters = health::keep_watching("arbiter monitor", period, move || {
            arbiters::watch(Arc::clone(&watched), Arc::clone(&table), period)
        });
        let monitor = actix::spawn(async move {
            join(watch, watch_arbiters).await;
        });
        Ok(Tree {
            handle,
            task,
            monitor,
            arbiters,
        })
    }
}

/// Returns the error of the child that did not start, unwrapped from those of its supervisors.
fn first_cause(path: &str, exit: Exit) -> StartError {
    match &exit {
        Exit::Shutdown => StartError::Stopped {
            path: path.to_owned(),
        },
        Exit::StartFailed(error) => match error.downcast_ref::<StartError>() {
            Some(StartError::Failed { path, exit }) => first_cause(path, exit.clone()),
            Some(error) => error.clone(),
            None => StartError::Failed {
                path: path.to_owned(),
                exit,
            },
        },
        _ => StartError::Failed {
            path: path.to_owned(),
            exit,
        },
    }
}

/// A running tree. Dropping it requests a stop and does not wait.
#[must_use = "somebody has to wait for its end"]
pub struct Tree {
    handle: TreeHandle,
    task: JoinHandle<Exit>,
    monitor: JoinHandle<()>,
    arbiters: Arc<Arbiters>,
}

impl Tree {
    /// Starts a tree with the default [`TreeOptions`].
    ///
    /// # Errors
    /// As [`TreeOptions::start`].
    pub async fn start(spec: SupervisorSpec) -> Result<Self, StartError> {
        TreeOptions::default().start(spec).await
    }

    /// Returns the handle for inspecting and stopping the tree.
    pub fn handle(&self) -> &TreeHandle {
        &self.handle
    }

    /// Stops the tree in order: the last child first, each within its stop timeout; then joins the
    /// threads.
    pub async fn shutdown(self) -> Outcome {
        self.handle.stop();
        self.wait().await
    }

    /// Waits for the end of the tree: a stop through a handle, or the root supervisor giving up.
    /// In both cases the tree has stopped in order and its threads are joined.
    pub async fn wait(mut self) -> Outcome {
        let node = Arc::clone(&self.handle.root);
        let exit = exit_of((&mut self.task).await, &node);
        self.monitor.abort();
        node.end(crate::tree::supervisor::state_after(&exit));
        let unjoined = self.arbiters.join(JOIN_TIMEOUT).await;
        let LeftBehind {
            killed,
            wedged,
            unhandled,
            undrained,
        } = self.arbiters.take_left_behind();
        if !self.handle.incidents.flush(SINK_TIME).await {
            warn!(tree = node.path(), "the last incidents are not kept yet");
        }
        let outcome = Outcome {
            exit,
            killed,
            wedged,
            unjoined,
            unhandled,
            undrained,
        };
        if outcome.is_clean() {
            info!(tree = node.path(), %outcome, "stopped in order");
        } else {
            error!(tree = node.path(), %outcome, "stopped");
        }
        outcome
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.handle.stop();
        self.monitor.abort();
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Tree")
            .field(&self.handle.root)
            .finish()
    }
}

/// The outcome of a tree that has ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The reason: [`Exit::Shutdown`], or [`Exit::GaveUp`] with the child that kept failing.
    pub exit: Exit,
    /// Paths of children that did not stop within their timeout and were killed: unflushed data
    /// of theirs may be lost.
    pub killed: Vec<String>,
    /// Paths of actors that kept holding their thread after being killed.
    pub wedged: Vec<String>,
    /// Names of arbiters whose thread did not end.
    pub unjoined: Vec<String>,
    /// Paths of the children that had accepted messages (for a pool, jobs) which they did not
    /// handle when the tree stopped, with the number. Their senders were told.
    pub unhandled: Vec<(String, u64)>,
    /// Paths of those among them that were to handle all ([`ChildSpec::drain`]) and did not in
    /// time.
    pub undrained: Vec<String>,
}

impl Outcome {
    /// Returns true where the tree stopped on request, and completely: every child ran to its end,
    /// and drained where it is to. Unhandled messages of children without a drain are no fault.
    pub fn is_clean(&self) -> bool {
        !self.exit.is_failure()
            && self.killed.is_empty()
            && self.wedged.is_empty()
            && self.unjoined.is_empty()
            && self.undrained.is_empty()
    }

    /// Returns the process's exit code: zero where the outcome is clean, one otherwise.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.is_clean())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exit.fmt(formatter)?;
        if !self.killed.is_empty() {
            write!(formatter, "; killed: {}", self.killed.join(", "))?;
        }
        if !self.wedged.is_empty() {
            write!(
                formatter,
                "; could not be killed: {}",
                self.wedged.join(", ")
            )?;
        }
        if !self.unjoined.is_empty() {
            write!(
                formatter,
                "; threads left behind: {}",
                self.unjoined.join(", ")
            )?;
        }
        let unhandled: u64 = self.unhandled.iter().map(|(_, messages)| messages).sum();
        if unhandled > 0 {
            let each = self.unhandled.iter();
            let each: Vec<_> = each
                .map(|(path, number)| format!("{path} {number}"))
                .collect();
            write!(
                formatter,
                "; {unhandled} messages not handled: {}",
                each.join(", ")
            )?;
        }
        if !self.undrained.is_empty() {
            write!(
                formatter,
                "; did not drain in time: {}",
                self.undrained.join(", ")
            )?;
        }
        Ok(())
    }
}

/// A handle to a running tree, usable from any thread.
#[derive(Clone)]
pub struct TreeHandle {
    root: Arc<Node>,
    control: Arc<dyn Control>,
    arbiters: Arc<ArbiterTable>,
    incidents: IncidentLog,
}

/// The error of a request that an actor crashes or hangs.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashError {
    /// No node has this path.
    #[error("no such actor")]
    NoSuchActor,
    /// The node is a supervisor, which has no handlers to panic or to hang in.
    #[error("a supervisor cannot be crashed")]
    Supervisor,
    /// The actor is between two generations, is stopping, or has ended.
    #[error("the actor is down")]
    Down,
    /// A crash of this generation was requested already.
    #[error("the actor is about to crash already")]
    Crashing,
}

impl TreeHandle {
    /// Returns a snapshot of the tree. Uses no mailbox.
    pub fn snapshot(&self) -> NodeSnapshot {
        self.root.snapshot()
    }

    /// Returns the arbiters (threads) of the tree in the order of their first use, with the figures
    /// of the last interval. Uses no mailbox.
    pub fn arbiters(&self) -> Vec<ArbiterSnapshot> {
        self.arbiters.read()
    }

    /// Returns the log of the tree's incidents.
    pub fn incidents(&self) -> &IncidentLog {
        &self.incidents
    }

    /// Requests that the tree stops in order, and returns at once.
    pub fn stop(&self) {
        self.control.stop();
    }

    /// Makes the actor at `path` panic inside a handler, now. For chaos tests.
    ///
    /// # Errors
    /// [`CrashError`]
    pub fn crash(&self, path: &str) -> Result<(), CrashError> {
        let (actor, control) = self.running(path)?;
        if !actor.note_crash() {
            return Err(CrashError::Crashing);
        }
        control.crash();
        Ok(())
    }

    /// Makes the actor at `path` panic in place of its next handler of the message
    /// type called `message` (its name without module paths). For chaos tests.
    ///
    /// # Errors
    /// [`CrashError`]
    pub fn crash_at(&self, path: &str, message: &str) -> Result<(), CrashError> {
        self.actor(path)?.set_crash_at(message);
        Ok(())
    }

    /// Makes a handler of the actor at `path` hold its thread for `time`, whatever becomes of the
    /// actor meanwhile. For chaos tests.
    ///
    /// # Errors
    /// [`CrashError`]
    pub fn hang(&self, path: &str, time: Duration) -> Result<(), CrashError> {
        let (_, control) = self.running(path)?;
        control.hang(time);
        Ok(())
    }

    /// Stops the arbiter called `name`, with all actors that run on it. Their supervisors restart
    /// them on a new thread. Returns false where there is no such thread. For chaos tests.
    pub fn stop_arbiter(&self, name: &str) -> bool {
        self.arbiters.stop(name)
    }

    /// Returns an actor that has not ended, and its control.
    fn running(&self, path: &str) -> Result<(Arc<Node>, Arc<dyn Control>), CrashError> {
        let actor = self.actor(path)?;
        let control = match actor.state() {
            State::Starting | State::Running => actor.control(),
            _ => None,
        };
        Ok((actor, control.ok_or(CrashError::Down)?))
    }

    fn actor(&self, path: &str) -> Result<Arc<Node>, CrashError> {
        let node = self.root.find(path).ok_or(CrashError::NoSuchActor)?;
        match node.kind() {
            Kind::Actor => Ok(node),
            Kind::Supervisor => Err(CrashError::Supervisor),
        }
    }
}

impl fmt::Debug for TreeHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("TreeHandle")
            .field(&self.root)
            .finish()
    }
}
