//! The running children of one supervisor: starting, awaiting and stopping generations.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::kernel::arbiter::Arbiters;
use crate::kernel::clock;
use crate::kernel::error::StartError;
use crate::kernel::exit::Exit;
use crate::kernel::hang::WhenStuck;
use crate::limits::KILL_GRACE;
use crate::observe::node::{Control, Node};
use crate::observe::snapshot::State;
use crate::tree::launch::exit_of;
use crate::tree::spec::ChildSpec;
use crate::tree::supervisor::report_end;

/// The generations that a supervisor has started and whose end it awaits.
pub(crate) struct RunningChildren {
    pub(crate) arbiters: Arc<Arbiters>,
    stop: watch::Receiver<bool>,
    ends: mpsc::UnboundedReceiver<(u64, Exit)>,
    report: mpsc::UnboundedSender<(u64, Exit)>,
    /// Ends that were received while another one was awaited.
    early: VecDeque<(u64, Exit)>,
    next_id: u64,
}

/// A running generation of a child.
pub(crate) struct RunningChild {
    pub(crate) id: u64,
    pub(crate) node: Arc<Node>,
    control: Arc<dyn Control>,
    task: Rc<RefCell<Task>>,
}

/// The task of a running generation.
#[derive(Default)]
struct Task {
    /// `None` until the child's arbiter has spawned the task.
    abort: Option<AbortHandle>,
    /// Whether the child was killed, possibly before its task was spawned.
    is_killed: bool,
}

impl RunningChild {
    /// Requests that the child stops.
    pub(crate) fn ask_to_stop(&self) {
        self.node.set_state(State::Stopping);
        self.control.stop();
    }

    /// Aborts the child's task at its next await. Returns the description of its activity.
    pub(crate) fn kill(&self) -> Option<String> {
        let doing = self.node.describe(self.node.activity.read().0);
        let mut task = self.task.borrow_mut();
        task.is_killed = true;
        if let Some(abort) = &task.abort {
            abort.abort();
        }
        doing
    }
}

impl RunningChildren {
    pub(crate) fn new(arbiters: Arc<Arbiters>, stop: watch::Receiver<bool>) -> Self {
        let (report, ends) = mpsc::unbounded_channel();
        Self {
            arbiters,
            stop,
            ends,
            report,
            early: VecDeque::new(),
            next_id: 0,
        }
    }

    /// Starts a generation. The returned receiver resolves when the generation has started, and
    /// fails when it does not start.
    pub(crate) fn begin(
        &mut self,
        spec: &ChildSpec,
    ) -> Result<(RunningChild, oneshot::Receiver<()>), StartError> {
        self.arbiters.forget_ends(spec.node.path());
        let launched = spec.launcher.launch(spec, &self.arbiters)?;
        let id = self.next_id;
        self.next_id += 1;
        let handle = Rc::new(RefCell::new(Task::default()));
        let node = Arc::clone(&spec.node);
        let running = RunningChild {
            id,
            node: Arc::clone(&node),
            control: launched.control,
            task: Rc::clone(&handle),
        };
        let generation = Generation {
            node,
            control: Arc::clone(&running.control),
            handle,
            stop_timeout: spec.time_to_stop(),
            report: self.report.clone(),
        };
        let task = launched.task;
        actix::spawn(async move {
            let exit = generation.end_or_loss(task).await;
            let _ = generation.report.send((id, exit));
        });
        Ok((running, launched.started))
    }

    /// Starts a generation and waits until it has started. Where a stop interrupts the start, the
    /// end of the generation has been reported already.
    pub(crate) async fn start(&mut self, spec: &ChildSpec) -> Result<RunningChild, StartError> {
        let path = || spec.node.path().to_owned();
        let (running, started) = self.begin(spec)?;
        let deadline = spec.start_timeout.map(clock::after);
        let stop_wanted = self.stop_wanted();
        let is_started = tokio::select! {
            biased;
            () = stop_wanted => {
                let exit = self.stop(running, spec.time_to_stop()).await;
                report_end(spec, &exit);
                return Err(StartError::Stopped { path: path() });
            }
            started = started => started.is_ok(),
            exit = self.end_of(running.id) => {
                return Err(StartError::Failed { path: path(), exit });
            }
            () = sleep_until_some(deadline) => {
                self.kill_and_wait(&running).await;
                return Err(StartError::TimedOut { path: path() });
            }
        };
        if !is_started {
            let exit = self.end_of(running.id).await;
            return Err(StartError::Failed { path: path(), exit });
        }
        spec.node.set_state(State::Running);
        if spec.node.generation() > 1 {
            spec.node.count_restart();
        }
        Ok(running)
    }

    /// Stops a child and waits for its end. The child is killed after `stop_timeout`.
    pub(crate) async fn stop(
        &mut self,
        running: RunningChild,
        stop_timeout: Option<Duration>,
    ) -> Exit {
        running.ask_to_stop();
        let exit = match stop_timeout {
            None => self.end_of(running.id).await,
            Some(stop_timeout) => match timeout(stop_timeout, self.end_of(running.id)).await {
                Ok(exit) => exit,
                Err(_) => self.kill_and_wait(&running).await,
            },
        };
        running.node.end(State::Stopped);
        exit
    }

    /// Kills a child and waits at most [`KILL_GRACE`] for its end.
    async fn kill_and_wait(&mut self, running: &RunningChild) -> Exit {
        let doing = running.kill();
        if timeout(KILL_GRACE, self.end_of(running.id)).await.is_err() {
            self.arbiters.note_wedged(running.node.path());
            self.give_up(running);
        }
        Exit::Killed { doing }
    }

    /// Gives up a child whose code did not return when it was killed. Its thread is abandoned where
    /// the child's policy says so; otherwise all that runs on it waits.
    pub(crate) fn give_up(&self, running: &RunningChild) {
        running.control.give_up();
        if running.node.hang.policy() != WhenStuck::Report {
            self.arbiters.give_up(&running.node);
        }
    }

    /// Stops independent children at the same time. Returns their exits, in order.
    pub(crate) async fn stop_together(
        &mut self,
        children: &[&RunningChild],
        stop_timeout: Duration,
    ) -> Vec<Exit> {
        for running in children {
            running.ask_to_stop();
        }
        let stop_by = clock::after(stop_timeout);
        let mut exits = Vec::with_capacity(children.len());
        for running in children {
            exits.push(
                timeout_at(stop_by, self.end_of(running.id))
                    .await
                    .map_err(|_| running.kill()),
            );
        }
        let end_by = clock::after(KILL_GRACE);
        let mut ended = Vec::with_capacity(children.len());
        for (running, exit) in children.iter().zip(exits) {
            ended.push(match exit {
                Ok(exit) => exit,
                Err(doing) => {
                    if timeout_at(end_by, self.end_of(running.id)).await.is_err() {
                        self.arbiters.note_wedged(running.node.path());
                        self.give_up(running);
                    }
                    Exit::Killed { doing }
                }
            });
        }
        ended
    }

    /// Resolves when the supervisor is requested to stop.
    pub(crate) fn stop_wanted(&self) -> impl Future<Output = ()> + use<> {
        let mut stop = self.stop.clone();
        async move {
            if stop.wait_for(|is_wanted| *is_wanted).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits for the next end of a generation. Returns its id and exit.
    pub(crate) async fn next_end(&mut self) -> (u64, Exit) {
        match self.early.pop_front() {
            Some(end) => end,
            None => self.receive().await,
        }
    }

    /// Waits for the end of one generation. Cancelling the future loses nothing.
    async fn end_of(&mut self, id: u64) -> Exit {
        if let Some(place) = self.early.iter().position(|(ended, _)| *ended == id)
            && let Some((_, exit)) = self.early.remove(place)
        {
            return exit;
        }
        loop {
            match self.receive().await {
                (ended, exit) if ended == id => return exit,
                other => self.early.push_back(other),
            }
        }
    }

    async fn receive(&mut self) -> (u64, Exit) {
        match self.ends.recv().await {
            Some(end) => end,
            None => std::future::pending().await,
        }
    }
}

/// A generation whose end is awaited.
struct Generation {
    node: Arc<Node>,
    control: Arc<dyn Control>,
    handle: Rc<RefCell<Task>>,
    stop_timeout: Option<Duration>,
    report: mpsc::UnboundedSender<(u64, Exit)>,
}

impl Generation {
    /// Waits for the end of the task, or for the loss of its thread, whose tasks may never end.
    async fn end_or_loss(&self, task: oneshot::Receiver<JoinHandle<Exit>>) -> Exit {
        let Some(lease) = self.control.lease() else {
            return self.end(task).await;
        };
        let loss = tokio::select! {
            biased;
            exit = self.end(task) => return exit,
            loss = lease.lost() => loss,
        };
        self.control.give_up();
        if loss.culprit() == Some(self.node.path()) {
            let doing = self.node.note_panic();
            return Exit::Hung { doing };
        }
        Exit::ArbiterLost(loss)
    }

    async fn end(&self, task: oneshot::Receiver<JoinHandle<Exit>>) -> Exit {
        let Ok(mut task) = task.await else {
            return self.cancelled();
        };
        self.handle.borrow_mut().abort = Some(task.abort_handle());
        if self.handle.borrow().is_killed {
            task.abort();
        }
        let ended = tokio::select! {
            biased;
            ended = &mut task => ended,
            () = self.report.closed() => self.end_orphan(task).await,
        };
        match ended {
            Err(error) if error.is_cancelled() => self.cancelled(),
            ended => exit_of(ended, &self.node),
        }
    }

    /// Returns the exit of a task that was dropped unfinished: it was killed, or its thread ended.
    fn cancelled(&self) -> Exit {
        match self.control.lease() {
            Some(lease) if !self.handle.borrow().is_killed => Exit::ArbiterLost(lease.stopped()),
            _ => Exit::Killed { doing: None },
        }
    }

    /// Stops a child whose supervisor has ended before it: the supervisor was killed. Nobody else
    /// would stop the child, which would go on beside its successor.
    async fn end_orphan(&self, mut task: JoinHandle<Exit>) -> Result<Exit, JoinError> {
        self.control.stop();
        let stop_timeout = self.stop_timeout.unwrap_or(Duration::MAX);
        match timeout(stop_timeout, &mut task).await {
            Ok(ended) => ended,
            Err(_) => {
                self.handle.borrow_mut().is_killed = true;
                task.abort();
                task.await
            }
        }
    }
}

/// Sleeps until `deadline`; for ever where there is none.
pub(crate) async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
