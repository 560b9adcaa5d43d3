//! The dynamic supervisor: its children are added and removed at run time and never restarted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::kernel::arbiter::Arbiters;
use crate::kernel::error::StartError;
use crate::kernel::exit::Exit;
use crate::limits::{DYNAMIC_CHILDREN, DYNAMIC_REQUESTS, STOP_TIMEOUT};
use crate::observe::node::Node;
use crate::observe::snapshot::State;
use crate::tree::launch::{Launched, Launcher, bind};
use crate::tree::running_children::{RunningChild, RunningChildren};
use crate::tree::spec::ChildSpec;
use crate::tree::supervisor::{
    StopSwitch, drop_contained, launch_supervisor, report_end, state_after, until_panic,
};

/// A reference to a dynamic supervisor, valid over its restarts.
#[derive(Clone)]
pub struct DynamicRef {
    shared: Arc<Shared>,
}

struct Shared {
    node: Arc<Node>,
    max_children: usize,
    /// The number of children, counted from the request to start them, so that the bound is never
    /// exceeded.
    children: AtomicU64,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
}

/// A request to a dynamic supervisor.
enum Request {
    Start {
        spec: ChildSpec,
        slot: ChildSlot,
        reply: oneshot::Sender<Result<(), StartError>>,
    },
    Stop {
        path: String,
    },
}

/// One child's share of the bound on children, returned when dropped.
struct ChildSlot {
    shared: Arc<Shared>,
}

impl Drop for ChildSlot {
    fn drop(&mut self) {
        self.shared.children.fetch_sub(1, Relaxed);
    }
}

impl DynamicRef {
    /// Creates a reference to a dynamic supervisor called `name` that is not started yet.
    pub fn new(name: &str) -> Self {
        Self::with_limit(name, DYNAMIC_CHILDREN)
    }

    /// Creates a reference as [`DynamicRef::new`] does, with at most `max_children` at a time.
    pub fn with_limit(name: &str, max_children: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                node: Node::new_dynamic(&name.replace('/', "_")),
                max_children,
                children: AtomicU64::new(0),
                requests: Mutex::new(None),
            }),
        }
    }

    /// Returns the supervisor's path in the tree.
    pub fn path(&self) -> &str {
        self.shared.node.path()
    }

    /// Returns the number of children that run or start.
    pub fn children(&self) -> usize {
        self.shared.children.load(Relaxed) as usize
    }

    /// Starts a child as temporary: its restart policy is ignored. The request is sent at once;
    /// the future resolves when the child has started. Dropping the future does not stop the
    /// child.
    ///
    /// # Errors
    /// The child's own failure; or the bound on children is reached, or the supervisor is down.
    pub fn start(
        &self,
        spec: ChildSpec,
    ) -> impl Future<Output = Result<(), StartError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let requested = self.request_start(spec, reply);
        let path = self.path().to_owned();
        async move {
            requested?;
            answer
                .await
                .unwrap_or(Err(StartError::Unavailable { path }))
        }
    }

    fn request_start(
        &self,
        spec: ChildSpec,
        reply: oneshot::Sender<Result<(), StartError>>,
    ) -> Result<(), StartError> {
        let path = || self.path().to_owned();
        let before = self.shared.children.fetch_add(1, Relaxed);
        let slot = ChildSlot {
            shared: Arc::clone(&self.shared),
        };
        if before >= self.shared.max_children as u64 {
            return Err(StartError::NoRoom { path: path() });
        }
        let requests = self.shared.requests.lock().clone();
        let requests = requests.ok_or_else(|| StartError::Unavailable { path: path() })?;
        let sent = requests.try_send(Request::Start { spec, slot, reply });
        sent.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StartError::NoRoom { path: path() },
            mpsc::error::TrySendError::Closed(_) => StartError::Unavailable { path: path() },
        })
    }

    /// Requests that the child at `path` stops. Returns at once; false when the request could not
    /// be sent. Does nothing when there is no such child.
    pub fn stop(&self, path: &str) -> bool {
        let requests = self.shared.requests.lock().clone();
        let request = Request::Stop {
            path: path.to_owned(),
        };
        requests.is_some_and(|requests| requests.try_send(request).is_ok())
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.shared.node
    }
}

impl fmt::Debug for DynamicRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "DynamicRef({}, {} children)",
            self.path(),
            self.children()
        )
    }
}

/// The launcher of a dynamic supervisor.
pub(crate) struct DynamicLauncher {
    pub(crate) handle: DynamicRef,
}

impl Launcher for DynamicLauncher {
    fn launch(&self, spec: &ChildSpec, arbiters: &Arc<Arbiters>) -> Result<Launched, StartError> {
        let stop = StopSwitch::new();
        let (sender, requests) = mpsc::channel(DYNAMIC_REQUESTS);
        *self.handle.shared.requests.lock() = Some(sender);
        let supervisor = DynamicSupervisor {
            shared: Arc::clone(&self.handle.shared),
            requests,
            children: BTreeMap::new(),
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
    children: BTreeMap<u64, Child>,
    events: FuturesUnordered<LocalBoxFuture<'static, (u64, ChildEvent)>>,
    running_children: RunningChildren,
}

struct Child {
    spec: ChildSpec,
    running: RunningChild,
    /// The sender of the start's result; `None` once the child has started.
    reply: Option<oneshot::Sender<Result<(), StartError>>>,
    has_timed_out: bool,
    _slot: ChildSlot,
}

/// An event of a child other than its end.
enum ChildEvent {
    Started,
    /// The child did not start within its start timeout.
    NotStarted,
    /// The child did not stop within its stop timeout.
    NotStopped,
    /// The child is ending; its end is about to be reported.
    Ending,
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

    /// Supervises the children until the supervisor is requested to stop.
    async fn supervise(&mut self, started: oneshot::Sender<()>) -> Exit {
        let _ = started.send(());
        loop {
            let stop_wanted = self.running_children.stop_wanted();
            tokio::select! {
                biased;
                () = stop_wanted => return Exit::Shutdown,
                (id, exit) = self.running_children.next_end() => self.on_end(id, exit),
                Some((id, event)) = self.events.next() => self.on_event(id, event),
                Some(request) = self.requests.recv() => self.on_request(request),
            }
        }
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Start { spec, slot, reply } => self.start_child(spec, slot, reply),
            Request::Stop { path } => {
                let wanted = self
                    .children
                    .values()
                    .find(|child| child.spec.node.path() == path);
                let Some(child) = wanted else { return };
                child.running.ask_to_stop();
                let id = child.running.id;
                let stop_timeout = child.spec.time_to_stop().unwrap_or(STOP_TIMEOUT);
                self.events.push(
                    sleep(stop_timeout)
                        .map(move |()| (id, ChildEvent::NotStopped))
                        .boxed_local(),
                );
            }
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
        let (running, started) = match self.running_children.begin(&spec) {
            Ok(begun) => begun,
            Err(error) => {
                self.shared.node.remove_child(&spec.node);
                let _ = reply.send(Err(error));
                drop_contained(self.shared.node.path(), spec);
                return;
            }
        };
        let id = running.id;
        let start_timeout = spec.start_timeout.unwrap_or(Duration::MAX);
        let event = timeout(start_timeout, started).map(move |started| match started {
            Ok(Ok(())) => (id, ChildEvent::Started),
            Ok(Err(_)) => (id, ChildEvent::Ending),
            Err(_) => (id, ChildEvent::NotStarted),
        });
        self.events.push(event.boxed_local());
        let reply = Some(reply);
        let child = Child {
            spec,
            running,
            reply,
            has_timed_out: false,
            _slot: slot,
        };
        self.children.insert(id, child);
    }

    fn on_event(&mut self, id: u64, event: ChildEvent) {
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        match event {
            ChildEvent::Started => {
                if child.spec.node.state() == State::Starting {
                    child.spec.node.set_state(State::Running);
                }
                if let Some(reply) = child.reply.take() {
                    let _ = reply.send(Ok(()));
                }
            }
            ChildEvent::NotStarted => {
                child.has_timed_out = true;
                child.running.kill();
            }
            ChildEvent::NotStopped => {
                child.running.kill();
            }
            ChildEvent::Ending => {}
        }
    }

    fn on_end(&mut self, id: u64, exit: Exit) {
        let Some(child) = self.children.remove(&id) else {
            return;
        };
        self.forget(child, exit);
    }

    /// Removes a child that has ended. Its incident stays with the supervisor.
    fn forget(&self, child: Child, exit: Exit) {
        let node = &child.spec.node;
        let path = node.path().to_owned();
        node.end(state_after(&exit));
        self.shared.node.remove_child(node);
        if exit.is_failure() {
            self.shared
                .node
                .note_incident(self.shared.node.generation(), format!("{path} {exit}"));
        }
        report_end(&child.spec, &exit);
        let Child {
            spec,
            reply,
            has_timed_out,
            ..
        } = child;
        drop_contained(&path, spec);
        if let Some(reply) = reply {
            let _ = reply.send(match exit {
                Exit::Normal => Ok(()),
                Exit::Shutdown => Err(StartError::Stopped { path }),
                _ if has_timed_out => Err(StartError::TimedOut { path }),
                exit => Err(StartError::Failed { path, exit }),
            });
        }
    }

    async fn stop_children(&mut self) {
        let children: Vec<Child> = std::mem::take(&mut self.children).into_values().collect();
        let stop_timeout = children
            .iter()
            .filter_map(|child| child.spec.time_to_stop())
            .max();
        let running: Vec<&RunningChild> = children.iter().map(|child| &child.running).collect();
        let stop_timeout = stop_timeout.unwrap_or(STOP_TIMEOUT);
        let exits = self
            .running_children
            .stop_together(&running, stop_timeout)
            .await;
        for (child, exit) in children.into_iter().zip(exits) {
            self.running_children.arbiters.note_end(&child.spec, &exit);
            self.forget(child, exit);
        }
    }
}
