//! A supervisor of children that come and go, and are never restarted.

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

use super::arbiter::Arbiters;
use super::error::StartError;
use super::exit::Exit;
use super::launch::{Launched, Launcher, bind};
use super::limits::{DYNAMIC_CHILDREN, DYNAMIC_REQUESTS, STOP_TIMEOUT};
use super::node::Node;
use super::offspring::{Offspring, Running};
use super::snapshot::{Kind, State};
use super::spec::ChildSpec;
use super::supervisor::{StopSwitch, launch_supervisor, report_end, state_after};

/// A reference to a dynamic supervisor, the same over its restarts.
#[derive(Clone)]
pub struct DynamicRef {
    shared: Arc<Shared>,
}

struct Shared {
    node: Arc<Node>,
    max_children: usize,
    /// Children now, counted when they are asked for, so that the bound holds at once.
    children: AtomicU64,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
}

/// What is asked of a dynamic supervisor.
enum Request {
    Start {
        spec: ChildSpec,
        place: TakenPlace,
        reply: oneshot::Sender<Result<(), StartError>>,
    },
    Stop {
        path: String,
    },
}

/// One child's place under the bound.
struct TakenPlace {
    shared: Arc<Shared>,
}

impl Drop for TakenPlace {
    fn drop(&mut self) {
        self.shared.children.fetch_sub(1, Relaxed);
    }
}

impl DynamicRef {
    /// A reference to a dynamic supervisor that is yet to be started, under `name`.
    pub fn new(name: &str) -> Self {
        Self::with_limit(name, DYNAMIC_CHILDREN)
    }

    /// As [`DynamicRef::new`], with at most `max_children` at a time.
    pub fn with_limit(name: &str, max_children: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                node: Node::new(&name.replace('/', "_"), Kind::Supervisor),
                max_children,
                children: AtomicU64::new(0),
                requests: Mutex::new(None),
            }),
        }
    }

    /// The supervisor's place in the tree.
    pub fn path(&self) -> &str {
        self.shared.node.path()
    }

    /// Children that run or start.
    pub fn children(&self) -> usize {
        self.shared.children.load(Relaxed) as usize
    }

    /// Starts a child, whose restart policy is ignored: it is temporary. The request is made
    /// now; the future resolves when the child has started. Dropping it does not stop the
    /// child.
    ///
    /// # Errors
    /// The child's own failure; or no room, or the supervisor is down.
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
        let place = TakenPlace {
            shared: Arc::clone(&self.shared),
        };
        if before >= self.shared.max_children as u64 {
            return Err(StartError::NoRoom { path: path() });
        }
        let requests = self.shared.requests.lock().clone();
        let requests = requests.ok_or_else(|| StartError::Unavailable { path: path() })?;
        let sent = requests.try_send(Request::Start { spec, place, reply });
        sent.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StartError::NoRoom { path: path() },
            mpsc::error::TrySendError::Closed(_) => StartError::Unavailable { path: path() },
        })
    }

    /// Asks the child at `path` to stop. Returns at once; false when the request could not
    /// be made. Nothing happens when there is no such child.
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

/// Starts a dynamic supervisor.
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
            news: FuturesUnordered::new(),
            offspring: Offspring::new(Arc::clone(arbiters), stop.subscribe()),
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
    news: FuturesUnordered<LocalBoxFuture<'static, (u64, News)>>,
    offspring: Offspring,
}

struct Child {
    spec: ChildSpec,
    running: Running,
    /// Present until it has started.
    reply: Option<oneshot::Sender<Result<(), StartError>>>,
    has_timed_out: bool,
    _place: TakenPlace,
}

/// What is heard of a child other than its end.
enum News {
    Started,
    /// It did not start in its time.
    NotStarted,
    /// It did not stop in its time.
    NotStopped,
    /// Nothing: its end is about to be reported.
    Ending,
}

impl DynamicSupervisor {
    async fn run(mut self, started: oneshot::Sender<()>) -> Exit {
        let _ = started.send(());
        loop {
            let stop_wanted = self.offspring.stop_wanted();
            tokio::select! {
                biased;
                () = stop_wanted => break,
                (id, exit) = self.offspring.next_end() => self.on_end(id, exit),
                Some((id, news)) = self.news.next() => self.on_news(id, news),
                Some(request) = self.requests.recv() => self.on_request(request),
            }
        }
        *self.shared.requests.lock() = None;
        self.stop_children().await;
        Exit::Shutdown
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Start { spec, place, reply } => self.start_child(spec, place, reply),
            Request::Stop { path } => {
                let wanted = self
                    .children
                    .values()
                    .find(|child| child.spec.node.path() == path);
                let Some(child) = wanted else { return };
                child.running.ask_to_stop();
                let id = child.running.id;
                let patience = child.spec.stop_timeout.unwrap_or(STOP_TIMEOUT);
                self.news.push(
                    sleep(patience)
                        .map(move |()| (id, News::NotStopped))
                        .boxed_local(),
                );
            }
        }
    }

    fn start_child(
        &mut self,
        spec: ChildSpec,
        place: TakenPlace,
        reply: oneshot::Sender<Result<(), StartError>>,
    ) {
        let begun = bind(&spec, Some(&self.shared.node)).and_then(|()| self.offspring.begin(&spec));
        let (running, started) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                self.shared.node.remove_child(&spec.node);
                let _ = reply.send(Err(error));
                return;
            }
        };
        let id = running.id;
        let patience = spec.start_timeout.unwrap_or(Duration::MAX);
        let news = timeout(patience, started).map(move |started| match started {
            Ok(Ok(())) => (id, News::Started),
            Ok(Err(_)) => (id, News::Ending),
            Err(_) => (id, News::NotStarted),
        });
        self.news.push(news.boxed_local());
        let reply = Some(reply);
        let child = Child {
            spec,
            running,
            reply,
            has_timed_out: false,
            _place: place,
        };
        self.children.insert(id, child);
    }

    fn on_news(&mut self, id: u64, news: News) {
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        match news {
            News::Started => {
                if child.spec.node.state() == State::Starting {
                    child.spec.node.set_state(State::Running);
                }
                if let Some(reply) = child.reply.take() {
                    let _ = reply.send(Ok(()));
                }
            }
            News::NotStarted => {
                child.has_timed_out = true;
                child.running.kill();
            }
            News::NotStopped => {
                child.running.kill();
            }
            News::Ending => {}
        }
    }

    fn on_end(&mut self, id: u64, exit: Exit) {
        let Some(child) = self.children.remove(&id) else {
            return;
        };
        self.forget(child, exit);
    }

    /// A child has ended: its incident stays with the supervisor, all else goes.
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
        if let Some(reply) = child.reply {
            let _ = reply.send(match exit {
                Exit::Normal => Ok(()),
                Exit::Shutdown => Err(StartError::Stopped { path }),
                _ if child.has_timed_out => Err(StartError::TimedOut { path }),
                exit => Err(StartError::Failed { path, exit }),
            });
        }
    }

    async fn stop_children(&mut self) {
        let children: Vec<Child> = std::mem::take(&mut self.children).into_values().collect();
        let patience = children
            .iter()
            .filter_map(|child| child.spec.stop_timeout)
            .max();
        let running: Vec<&Running> = children.iter().map(|child| &child.running).collect();
        let patience = patience.unwrap_or(STOP_TIMEOUT);
        let exits = self.offspring.stop_together(&running, patience).await;
        for (child, exit) in children.into_iter().zip(exits) {
            self.offspring
                .arbiters
                .note_end(child.spec.node.path(), &exit);
            self.forget(child, exit);
        }
    }
}
