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
use crate::observe::arbiters;
use crate::observe::health;
use crate::observe::incidents::IncidentLog;
use crate::observe::snapshot::State;
use crate::tree::handle::TreeHandle;
use crate::tree::launch::{bind, exit_of};
use crate::tree::outcome::Outcome;
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
