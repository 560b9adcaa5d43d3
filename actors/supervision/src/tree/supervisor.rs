//! The supervisor of a fixed list of children.
//!
//! A supervisor is a task on the thread that started the tree. That thread runs no code of the
//! children, so that no handler, factory or hook can block a supervisor.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::kernel::arbiter::Arbiters;
use crate::kernel::clock;
use crate::kernel::error::StartError;
use crate::kernel::exit::{Exit, contain, take_panic_text};
use crate::observe::node::{Control, Node};
use crate::observe::snapshot::State;
use crate::tree::decision::{ChildRestarts, Decision, Restarts};
use crate::tree::launch::{Launched, Launcher, bind};
use crate::tree::running_children::{RunningChild, RunningChildren, sleep_until_some};
use crate::tree::spec::{ChildSpec, SupervisorSpec};
use crate::tree::strategy::{Restart, Strategy};

/// The launcher of a supervisor.
pub(crate) struct SupervisorLauncher {
    pub(crate) spec: SupervisorSpec,
}

impl Launcher for SupervisorLauncher {
    fn launch(&self, spec: &ChildSpec, arbiters: &Arc<Arbiters>) -> Result<Launched, StartError> {
        let stop = StopSwitch::new();
        let running_children = RunningChildren::new(Arc::clone(arbiters), stop.subscribe());
        let supervisor = Supervisor::new(&self.spec, running_children);
        Ok(launch_supervisor(&spec.node, stop, |started| {
            supervisor.run(started)
        }))
    }

    fn bind_children(&self) -> Result<(), StartError> {
        self.spec
            .children
            .iter()
            .try_for_each(|child| bind(child, Some(&self.spec.node)))
    }
}

/// Starts a generation of a supervisor on this thread.
pub(crate) fn launch_supervisor<F>(
    node: &Node,
    stop: StopSwitch,
    run: impl FnOnce(oneshot::Sender<()>) -> F,
) -> Launched
where
    F: Future<Output = Exit> + 'static,
{
    let control: Arc<dyn Control> = Arc::new(stop);
    node.begin(None, Arc::clone(&control));
    let (started_sender, started) = oneshot::channel();
    let (task_sender, task) = oneshot::channel();
    let _ = task_sender.send(actix::spawn(run(started_sender)));
    Launched {
        control,
        started,
        task,
    }
}

/// The stop signal of a supervisor.
#[derive(Debug)]
pub(crate) struct StopSwitch {
    is_wanted: watch::Sender<bool>,
}

impl StopSwitch {
    pub(crate) fn new() -> Self {
        Self {
            is_wanted: watch::Sender::new(false),
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<bool> {
        self.is_wanted.subscribe()
    }
}

impl Control for StopSwitch {
    fn stop(&self) {
        self.is_wanted.send_replace(true);
    }

    /// Does nothing: a supervisor runs no foreign code that could block it.
    fn probe(&self) {}

    /// Does nothing: only actors are crashed.
    fn crash(&self) {}
}

struct Supervisor {
    node: Arc<Node>,
    strategy: Strategy,
    restarts: Restarts,
    children: Vec<Child>,
    running_children: RunningChildren,
}

struct Child {
    spec: ChildSpec,
    running: Option<RunningChild>,
    restarts: ChildRestarts,
    restart_at: Option<Instant>,
    /// Whether the child has ended and will not be restarted.
    is_done: bool,
}

impl Child {
    fn new(spec: &ChildSpec, supervisor: &Restarts) -> Self {
        let policy = spec.restart.unwrap_or(Restart::Permanent);
        Self {
            spec: spec.clone(),
            running: None,
            restarts: ChildRestarts::new(spec, policy, supervisor),
            restart_at: None,
            is_done: false,
        }
    }
}

impl Supervisor {
    fn new(spec: &SupervisorSpec, running_children: RunningChildren) -> Self {
        let restarts = Restarts::new(spec.intensity, spec.backoff);
        let children = spec.children.iter();
        let children = children.map(|child| Child::new(child, &restarts)).collect();
        Self {
            node: Arc::clone(&spec.node),
            strategy: spec.strategy,
            restarts,
            children,
            running_children,
        }
    }

    async fn run(mut self, started: oneshot::Sender<()>) -> Exit {
        let node = Arc::clone(&self.node);
        let exit = until_panic(node.path(), self.start_and_supervise(started)).await;
        self.stop_children().await;
        // The factories may be dropped with the supervisor, with all that they own.
        drop_contained(node.path(), self);
        exit
    }

    /// Starts the children and supervises them. The caller stops those that run at the end.
    async fn start_and_supervise(&mut self, started: oneshot::Sender<()>) -> Exit {
        for index in 0..self.children.len() {
            if let Err(error) = self.start_child(index).await {
                let spec = &self.children[index].spec;
                let exit = error.clone().into_exit();
                if !matches!(error, StartError::Stopped { .. }) {
                    report_end(spec, &exit);
                }
                spec.node.end(state_after(&exit));
                return match error {
                    StartError::Stopped { .. } => Exit::Shutdown,
                    error => Exit::StartFailed(Arc::new(error)),
                };
            }
        }
        let _ = started.send(());
        self.supervise().await
    }

    /// Restarts children until the supervisor is requested to stop or gives up.
    async fn supervise(&mut self) -> Exit {
        loop {
            let next_restart = self
                .children
                .iter()
                .filter_map(|child| child.restart_at)
                .min();
            let stop_wanted = self.running_children.stop_wanted();
            let supervised = tokio::select! {
                biased;
                () = stop_wanted => return Exit::Shutdown,
                (id, exit) = self.running_children.next_end() => self.on_end(id, exit).await,
                () = sleep_until_some(next_restart) => self.restart_due().await,
            };
            if let Err(gave_up) = supervised {
                error!(supervisor = self.node.path(), reason = %gave_up, "supervisor gives up");
                return gave_up;
            }
        }
    }

    async fn start_child(&mut self, index: usize) -> Result<(), StartError> {
        let child = &mut self.children[index];
        child.restarts.running_since = None;
        child.restart_at = None;
        let running = self.running_children.start(&child.spec).await?;
        debug!(
            actor = running.node.path(),
            generation = running.node.generation(),
            "started"
        );
        child.restarts.running_since = Some(Instant::now());
        child.running = Some(running);
        Ok(())
    }

    async fn on_end(&mut self, id: u64, exit: Exit) -> Result<(), Exit> {
        let ended = self.children.iter().position(|child| {
            child
                .running
                .as_ref()
                .is_some_and(|running| running.id == id)
        });
        match ended {
            Some(index) => self.on_child_end(index, exit).await,
            None => Ok(()),
        }
    }

    /// Handles the end of a child that ended by itself or could not be restarted.
    ///
    /// # Errors
    /// The exit of this supervisor, when the restart intensity is exceeded or the child's failure is
    /// escalated.
    async fn on_child_end(&mut self, index: usize, exit: Exit) -> Result<(), Exit> {
        let child = &mut self.children[index];
        child.running = None;
        report_end(&child.spec, &exit);
        let rng = &self.running_children.arbiters.rng;
        let decision = self
            .restarts
            .decide(&child.spec, &mut child.restarts, &exit, rng);
        let pause = match decision {
            Decision::Restart(pause) => pause,
            Decision::Leave => {
                child.is_done = true;
                child.spec.node.end(state_after(&exit));
                child.spec.launcher.refuse_kept();
                return Ok(());
            }
            Decision::Fail(own_exit) => {
                child.spec.node.end(State::Failed);
                return Err(own_exit);
            }
        };
        child.spec.node.end(State::BackingOff);
        let culprit = child.spec.node.path().to_owned();
        info!(actor = %culprit, pause_ms = pause.as_millis() as u64, "restart");
        self.schedule(index, clock::after(pause), &culprit).await;
        Ok(())
    }

    /// Stops the children that are restarted together with `culprit`, the last first, and sets
    /// when they restart.
    async fn schedule(&mut self, index: usize, due: Instant, culprit: &str) {
        for affected in self.strategy.affected(index, self.children.len()).rev() {
            let child = &mut self.children[affected];
            if child.is_done {
                continue;
            }
            if let Some(running) = child.running.take() {
                let exit = self
                    .running_children
                    .stop(running, child.spec.time_to_stop())
                    .await;
                report_end(&child.spec, &exit);
                let node = &child.spec.node;
                let generation = node.generation();
                if !child.restarts.joins_group_restart(&exit) {
                    child.is_done = true;
                    node.note_group(generation, format!("stopped with {culprit}"));
                    node.end(state_after(&exit));
                    child.spec.launcher.refuse_kept();
                    continue;
                }
                node.note_group(generation, format!("restarted with {culprit}"));
            }
            child.spec.node.set_state(State::BackingOff);
            child.restart_at = Some(due);
        }
    }

    /// Starts the children whose pause is over, in order.
    async fn restart_due(&mut self) -> Result<(), Exit> {
        let now = Instant::now();
        for index in 0..self.children.len() {
            if self.children[index].restart_at.is_none_or(|due| due > now) {
                continue;
            }
            match self.start_child(index).await {
                Ok(()) => {}
                Err(StartError::Stopped { .. }) => return Ok(()),
                Err(error) => return self.on_child_end(index, error.into_exit()).await,
            }
        }
        Ok(())
    }

    async fn stop_children(&mut self) {
        for child in self.children.iter_mut().rev() {
            child.restart_at = None;
            match child.running.take() {
                Some(running) => {
                    let exit = self
                        .running_children
                        .stop(running, child.spec.time_to_stop())
                        .await;
                    self.running_children
                        .arbiters
                        .note_end(child.spec.node.path(), &exit);
                    report_end(&child.spec, &exit);
                }
                None if child.spec.node.state() == State::BackingOff => {
                    child.spec.node.set_state(State::Stopped);
                }
                None => {}
            }
            child.spec.launcher.refuse_kept();
            self.running_children.arbiters.note_unhandled(&child.spec);
        }
    }
}

/// Returns the state of a child that ended with `exit` and is not restarted.
pub(crate) fn state_after(exit: &Exit) -> State {
    if exit.is_failure() {
        State::Failed
    } else {
        State::Stopped
    }
}

/// Runs a supervisor. A panic, which no foreign code should be able to cause, becomes the exit of
/// the supervisor, so that its children are still stopped in order.
pub(crate) async fn until_panic(path: &str, supervise: impl Future<Output = Exit>) -> Exit {
    match AssertUnwindSafe(supervise).catch_unwind().await {
        Ok(exit) => exit,
        Err(payload) => {
            let text = take_panic_text(payload);
            error!(supervisor = path, reason = %text, "supervisor panicked");
            Exit::Panicked { doing: None, text }
        }
    }
}

/// Drops a value that owns foreign code. A panic in its destructor is logged.
pub(crate) fn drop_contained<T>(path: &str, value: T) {
    if let Err(text) = contain(|| drop(value)) {
        error!(actor = path, reason = %text, "a destructor panicked");
    }
}

/// Records and logs the exit of a generation, and calls the child's exit callback.
pub(crate) fn report_end(spec: &ChildSpec, exit: &Exit) {
    let node = &spec.node;
    let generation = node.generation();
    if exit.is_failure() {
        node.note_failure(generation, exit);
        warn!(actor = node.path(), generation, reason = %exit, "actor failed");
    } else {
        debug!(actor = node.path(), generation, reason = %exit, "actor ended");
    }
    node.watchers.note_end(generation, exit);
    if let Some(on_exit) = &spec.on_exit {
        on_exit(exit);
    }
}
