//! The running children of one supervisor: beginning, awaiting and ending generations.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::arbiter::Arbiters;
use super::clock;
use super::error::StartError;
use super::exit::Exit;
use super::launch::exit_of;
use super::limits::KILL_GRACE;
use super::node::{Control, Node};
use super::snapshot::State;
use super::spec::ChildSpec;

/// What a supervisor knows of the generations that it has begun and whose end it awaits.
pub(crate) struct Offspring {
    pub(crate) arbiters: Arc<Arbiters>,
    stop: watch::Receiver<bool>,
    ends: mpsc::UnboundedReceiver<(u64, Exit)>,
    report: mpsc::UnboundedSender<(u64, Exit)>,
    /// Ends that came while another one was awaited.
    early: VecDeque<(u64, Exit)>,
    next_id: u64,
}

/// A generation of a child.
pub(crate) struct Running {
    pub(crate) id: u64,
    pub(crate) node: Arc<Node>,
    control: Arc<dyn Control>,
    task: Rc<RefCell<Option<AbortHandle>>>,
}

impl Running {
    /// Asks for its end.
    pub(crate) fn ask_to_stop(&self) {
        self.node.set_state(State::Stopping);
        self.control.stop();
    }

    /// Cuts its task off at its next pause. Says what it is in.
    pub(crate) fn kill(&self) -> Option<String> {
        let doing = self.node.describe(self.node.activity.read().0);
        if let Some(task) = self.task.borrow().as_ref() {
            task.abort();
        }
        doing
    }
}

impl Offspring {
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

    /// Begins a generation. The second part resolves when it has started, and is dropped when
    /// it will not.
    pub(crate) fn begin(
        &mut self,
        spec: &ChildSpec,
    ) -> Result<(Running, oneshot::Receiver<()>), StartError> {
        let launched = spec.launcher.launch(spec, &self.arbiters)?;
        let id = self.next_id;
        self.next_id += 1;
        let handle = Rc::new(RefCell::new(None));
        let node = Arc::clone(&spec.node);
        let running = Running {
            id,
            node: Arc::clone(&node),
            control: launched.control,
            task: Rc::clone(&handle),
        };
        let report = self.report.clone();
        let task = launched.task;
        actix::spawn(async move {
            let exit = match task.await {
                Ok(task) => {
                    handle.replace(Some(task.abort_handle()));
                    exit_of(task.await, &node)
                }
                Err(_) => Exit::start_failed("its arbiter has ended".into()),
            };
            let _ = report.send((id, exit));
        });
        Ok((running, launched.started))
    }

    /// Begins a generation and waits until it has started.
    pub(crate) async fn start(&mut self, spec: &ChildSpec) -> Result<Running, StartError> {
        let path = || spec.node.path().to_owned();
        let (running, started) = self.begin(spec)?;
        let deadline = spec.start_timeout.map(clock::after);
        let stop_wanted = self.stop_wanted();
        let is_started = tokio::select! {
            biased;
            () = stop_wanted => {
                self.stop(running, spec.stop_timeout).await;
                return Err(StartError::Stopped { path: path() });
            }
            started = started => started.is_ok(),
            () = sleep_until_some(deadline) => {
                self.cut_off(&running).await;
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

    /// Asks a child to stop and waits for its end, at most `patience` before it is killed.
    pub(crate) async fn stop(&mut self, running: Running, patience: Option<Duration>) -> Exit {
        running.ask_to_stop();
        let exit = match patience {
            None => self.end_of(running.id).await,
            Some(patience) => match timeout(patience, self.end_of(running.id)).await {
                Ok(exit) => exit,
                Err(_) => self.cut_off(&running).await,
            },
        };
        running.node.end(State::Stopped);
        exit
    }

    /// Kills a child and waits for its end, not for ever.
    async fn cut_off(&mut self, running: &Running) -> Exit {
        let doing = running.kill();
        if timeout(KILL_GRACE, self.end_of(running.id)).await.is_err() {
            self.arbiters.note_wedged(running.node.path());
        }
        Exit::Killed { doing }
    }

    /// Stops children that do not depend on each other, all at once. Their exits, in order.
    pub(crate) async fn stop_together(
        &mut self,
        children: &[&Running],
        patience: Duration,
    ) -> Vec<Exit> {
        for running in children {
            running.ask_to_stop();
        }
        let stop_by = clock::after(patience);
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
                    }
                    Exit::Killed { doing }
                }
            });
        }
        ended
    }

    /// Resolves when the supervisor is asked to stop.
    pub(crate) fn stop_wanted(&self) -> impl Future<Output = ()> + use<> {
        let mut stop = self.stop.clone();
        async move {
            if stop.wait_for(|is_wanted| *is_wanted).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next end of a generation.
    pub(crate) async fn next_end(&mut self) -> (u64, Exit) {
        match self.early.pop_front() {
            Some(end) => end,
            None => self.receive().await,
        }
    }

    /// The end of one generation. May be cancelled without loss.
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

/// Sleeps until `deadline`, for ever where there is none.
pub(crate) async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
