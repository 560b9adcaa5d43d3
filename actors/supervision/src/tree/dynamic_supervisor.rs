//! The dynamic supervisor: it starts and stops children at run time and restarts each alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tracing::error;

use crate::kernel::arbiter::Arbiters;
use crate::kernel::error::StartError;
use crate::kernel::exit::Exit;
use crate::limits::{DYNAMIC_REQUESTS, KILL_GRACE, STOP_TIMEOUT};
use crate::observe::snapshot::State;
use crate::tree::decision::{ChildRestarts, Decision, Restarts};
use crate::tree::dynamic::{ChildSlot, DynamicRef, Request, Shared, Target};
use crate::tree::launch::{Launched, Launcher, bind};
use crate::tree::running_children::{RunningChild, RunningChildren};
use crate::tree::spec::ChildSpec;
use crate::tree::strategy::{Backoff, Intensity, Restart};
use crate::tree::supervisor::{
    StopSwitch, drop_contained, launch_supervisor, report_end, state_after, until_panic,
};

/// The launcher of a dynamic supervisor.
pub(crate) struct DynamicLauncher {
    pub(crate) handle: DynamicRef,
    pub(crate) intensity: Intensity,
    pub(crate) backoff: Backoff,
}

impl Launcher for DynamicLauncher {
    fn launch(&self, spec: &ChildSpec, arbiters: &Arc<Arbiters>) -> Result<Launched, StartError> {
        let stop = StopSwitch::new();
        let (sender, requests) = mpsc::channel(DYNAMIC_REQUESTS);
        *self.handle.shared.requests.lock() = Some(sender);
        let supervisor = DynamicSupervisor {
            shared: Arc::clone(&self.handle.shared),
            requests,
            restarts: Restarts::new(self.intensity, self.backoff),
            children: BTreeMap::new(),
            ids: HashMap::new(),
            resting: BTreeMap::new(),
            next_rest: 0,
            events: FuturesUnordered::new(),
            running_children: RunningChildren::new(Arc::clone(arbiters), stop.subscribe()),
        };
        Ok(launch_supervisor(&spec.node, stop, |started| {
            supervisor.run(started)
        }))
    }
}

struct DynamicSupervisor {
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    restarts: Restarts,
    /// The children that run, by the id of their generation.
    children: BTreeMap<u64, Running>,
    /// The ids of those by their paths.
    ids: HashMap<String, u64>,
    /// The children that wait for their restart, by the number of the wait.
    resting: BTreeMap<u64, Child>,
    next_rest: u64,
    events: FuturesUnordered<LocalBoxFuture<'static, (u64, ChildEvent)>>,
    running_children: RunningChildren,
}

struct Child {
    spec: ChildSpec,
    restarts: ChildRestarts,
    /// The sender of the first start's result; `None` once the child has started.
    reply: Option<oneshot::Sender<Result<(), StartError>>>,
    /// Whether the child was requested to stop.
    is_stopping: bool,
    has_timed_out: bool,
    /// `None` once the child has ended: its slot is free before its end is reported.
    slot: Option<ChildSlot>,
}

struct Running {
    child: Child,
    generation: RunningChild,
}

/// An event of a child other than its end.
enum ChildEvent {
    Started,
    /// The child did not start within its start timeout.
    NotStarted,
    /// The child did not stop within its stop timeout.
    NotStopped,
    /// The child was killed and holds its thread.
    NotKilled,
    /// The child is ending; its end is about to be reported.
    Ending,
    /// The pause before the restart is over.
    RestartDue,
}

impl DynamicSupervisor {
    async fn run(mut self, started: oneshot::Sender<()>) -> Exit {
        let shared = Arc::clone(&self.shared);
        let path = shared.node.path();
        let exit = until_panic(path, self.supervise(started)).await;
        *shared.requests.lock() = None;
        self.stop_children().await;
        // The requests that are still queued are dropped with the supervisor.
        drop_contained(path, self);
        exit
    }

    /// Supervises the children until the supervisor is requested to stop or gives up.
    async fn supervise(&mut self, started: oneshot::Sender<()>) -> Exit {
        let _ = started.send(());
        loop {
            let stop_wanted = self.running_children.stop_wanted();
            let supervised = tokio::select! {
                biased;
                () = stop_wanted => return Exit::Shutdown,
                (id, exit) = self.running_children.next_end() => self.on_end(id, exit),
                Some((id, event)) = self.events.next() => self.on_event(id, event),
                Some(request) = self.requests.recv() => {
                    self.on_request(request);
                    Ok(())
                }
            };
            if let Err(gave_up) = supervised {
                error!(supervisor = self.shared.node.path(), reason = %gave_up, "supervisor gives up");
                return gave_up;
            }
        }
    }

    fn after(&self, pause: Duration, id: u64, event: ChildEvent) {
        let event = sleep(pause).map(move |()| (id, event));
        self.events.push(event.boxed_local());
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Start { spec, slot, reply } => self.start_child(spec, slot, reply),
            Request::Stop(target) => self.stop_child(&target),
        }
    }

    fn stop_child(&mut self, target: &Target) {
        let id = self.ids.get(target.path());
        let wanted = id.and_then(|id| self.children.get_mut(id));
        let wanted = wanted.filter(|running| target.is(&running.child.spec.node));
        if let Some(Running { child, generation }) = wanted {
            child.is_stopping = true;
            generation.ask_to_stop();
            let stop_timeout = child.spec.time_to_stop().unwrap_or(STOP_TIMEOUT);
            let id = generation.id;
            self.after(stop_timeout, id, ChildEvent::NotStopped);
            return;
        }
        let mut resting = self.resting.iter();
        let wanted = resting.find(|(_, child)| target.is(&child.spec.node));
        if let Some(number) = wanted.map(|(number, _)| *number)
            && let Some(child) = self.resting.remove(&number)
        {
            self.remove(child, State::Stopped);
        }
    }

    fn start_child(
        &mut self,
        spec: ChildSpec,
        slot: ChildSlot,
        reply: oneshot::Sender<Result<(), StartError>>,
    ) {
        // The node of a child that runs already stays where it is.
        if let Err(error) = bind(&spec, Some(&self.shared.node)) {
            let _ = reply.send(Err(error));
            drop_contained(self.shared.node.path(), spec);
            return;
        }
        let policy = spec.restart.unwrap_or(Restart::Temporary);
        let child = Child {
            restarts: ChildRestarts::new(&spec, policy, &self.restarts),
            spec,
            reply: Some(reply),
            is_stopping: false,
            has_timed_out: false,
            slot: Some(slot),
        };
        if let Err((mut child, error)) = self.begin(child) {
            let reply = child.reply.take();
            self.remove(*child, State::Failed);
            if let Some(reply) = reply {
                let _ = reply.send(Err(error));
            }
        }
    }

    /// Begins a generation of a child. Returns the child where this fails.
    fn begin(&mut self, mut child: Child) -> Result<(), (Box<Child>, StartError)> {
        child.restarts.running_since = None;
        let (generation, started) = match self.running_children.begin(&child.spec) {
            Ok(begun) => begun,
            Err(error) => return Err((Box::new(child), error)),
        };
        let id = generation.id;
        let start_timeout = child.spec.start_timeout.unwrap_or(Duration::MAX);
        let event = timeout(start_timeout, started).map(move |started| match started {
            Ok(Ok(())) => (id, ChildEvent::Started),
            Ok(Err(_)) => (id, ChildEvent::Ending),
            Err(_) => (id, ChildEvent::NotStarted),
        });
        self.events.push(event.boxed_local());
        self.ids.insert(child.spec.node.path().to_owned(), id);
        self.children.insert(id, Running { child, generation });
        Ok(())
    }

    fn on_event(&mut self, id: u64, event: ChildEvent) -> Result<(), Exit> {
        if matches!(event, ChildEvent::RestartDue) {
            return self.restart(id);
        }
        let Some(Running { child, generation }) = self.children.get_mut(&id) else {
            return Ok(());
        };
        match event {
            ChildEvent::Started => {
                let node = &child.spec.node;
                if node.state() == State::Starting {
                    node.set_state(State::Running);
                }
                if node.generation() > 1 {
                    node.count_restart();
                }
                child.restarts.running_since = Some(Instant::now());
                if let Some(reply) = child.reply.take() {
                    let _ = reply.send(Ok(()));
                }
            }
            ChildEvent::NotStarted | ChildEvent::NotStopped => {
                child.has_timed_out |= matches!(event, ChildEvent::NotStarted);
                generation.kill();
                self.after(KILL_GRACE, id, ChildEvent::NotKilled);
            }
            ChildEvent::NotKilled => {
                let exit = Exit::Killed {
                    doing: child.spec.node.doing(),
                };
                if let Some(running) = self.children.get(&id) {
                    self.running_children.give_up(&running.generation);
                }
                return self.on_end(id, exit);
            }
            ChildEvent::Ending | ChildEvent::RestartDue => {}
        }
        Ok(())
    }

    /// Handles the end of a child.
    ///
    /// # Errors
    /// The exit of this supervisor, when the restart intensity is exceeded or the child's failure is
    /// escalated.
    fn on_end(&mut self, id: u64, exit: Exit) -> Result<(), Exit> {
        match self.children.remove(&id) {
            Some(Running { child, .. }) => {
                self.ids.remove(child.spec.node.path());
                self.on_child_end(child, exit)
            }
            None => Ok(()),
        }
    }

    fn on_child_end(&mut self, mut child: Child, exit: Exit) -> Result<(), Exit> {
        // A child that does not start at first is not restarted: its starter gets the error.
        if child.is_stopping || child.reply.is_some() {
            self.forget(child, exit);
            return Ok(());
        }
        let rng = &self.running_children.arbiters.rng;
        let decision = self
            .restarts
            .decide(&child.spec, &mut child.restarts, &exit, rng);
        match decision {
            Decision::Restart(pause) => {
                report_end(&child.spec, &exit);
                child.spec.node.end(State::BackingOff);
                let number = self.next_rest;
                self.next_rest += 1;
                self.resting.insert(number, child);
                self.after(pause, number, ChildEvent::RestartDue);
            }
            Decision::Leave => self.forget(child, exit),
            Decision::Fail(own_exit) => {
                self.forget(child, exit);
                return Err(own_exit);
            }
        }
        Ok(())
    }

    fn restart(&mut self, number: u64) -> Result<(), Exit> {
        let Some(child) = self.resting.remove(&number) else {
            return Ok(());
        };
        match self.begin(child) {
            Ok(()) => Ok(()),
            Err((child, error)) => self.on_child_end(*child, error.into_exit()),
        }
    }

    /// Removes a child that has ended. Its incident stays with the supervisor.
    fn forget(&self, mut child: Child, exit: Exit) {
        let node = &child.spec.node;
        let path = node.path().to_owned();
        node.end(state_after(&exit));
        self.shared.node.remove_child(node);
        if exit.is_failure() {
            let own = &self.shared.node;
            own.note_incident(own.generation(), format!("{path} {exit}"));
        }
        child.spec.launcher.refuse_kept();
        // An actor that is told of the end may start another child.
        child.slot = None;
        report_end(&child.spec, &exit);
        let (reply, has_timed_out) = (child.reply.take(), child.has_timed_out);
        drop_contained(&path, child);
        if let Some(reply) = reply {
            let _ = reply.send(match exit {
                Exit::Normal => Ok(()),
                Exit::Shutdown => Err(StartError::Stopped { path }),
                _ if has_timed_out => Err(StartError::TimedOut { path }),
                exit => Err(StartError::Failed { path, exit }),
            });
        }
    }

    /// Removes a child without a running generation.
    fn remove(&self, child: Child, state: State) {
        child.spec.node.end(state);
        child.spec.launcher.refuse_kept();
        self.shared.node.remove_child(&child.spec.node);
        drop_contained(self.shared.node.path(), child);
    }

    /// Records the messages that a child leaves unhandled when the supervisor stops.
    fn note_unhandled(&self, child: &ChildSpec) {
        child.launcher.refuse_kept();
        self.running_children.arbiters.note_unhandled(child);
    }

    async fn stop_children(&mut self) {
        for child in std::mem::take(&mut self.resting).into_values() {
            self.note_unhandled(&child.spec);
            self.remove(child, State::Stopped);
        }
        let children: Vec<Running> = std::mem::take(&mut self.children).into_values().collect();
        let stop_timeout = children
            .iter()
            .filter_map(|running| running.child.spec.time_to_stop())
            .max();
        let generations: Vec<&RunningChild> =
            children.iter().map(|running| &running.generation).collect();
        let stop_timeout = stop_timeout.unwrap_or(STOP_TIMEOUT);
        let exits = self
            .running_children
            .stop_together(&generations, stop_timeout)
            .await;
        for (Running { child, .. }, exit) in children.into_iter().zip(exits) {
            let arbiters = &self.running_children.arbiters;
            arbiters.note_end(child.spec.node.path(), &exit);
            self.note_unhandled(&child.spec);
            self.forget(child, exit);
        }
    }
}
