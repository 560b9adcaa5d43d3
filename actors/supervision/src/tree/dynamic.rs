//! The reference to a dynamic supervisor, whose children are added and removed at run time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::kernel::actor::Actor;
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::error::StartError;
use crate::limits::DYNAMIC_CHILDREN;
use crate::observe::node::Node;
use crate::tree::spec::ChildSpec;

/// A reference to a dynamic supervisor, valid over its restarts.
#[derive(Clone)]
pub struct DynamicRef {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) node: Arc<Node>,
    max_children: usize,
    /// The number of children, counted from the request to start them, so that the bound is never
    /// exceeded.
    children: AtomicU64,
    pub(crate) requests: Mutex<Option<mpsc::Sender<Request>>>,
}

/// A request to a dynamic supervisor.
pub(crate) enum Request {
    Start {
        spec: ChildSpec,
        slot: ChildSlot,
        reply: oneshot::Sender<Result<(), StartError>>,
    },
    Stop(Target),
}

/// The child that a request is about.
pub(crate) enum Target {
    Path(String),
    Node(Arc<Node>),
}

impl Target {
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Path(path) => path,
            Self::Node(target) => target.path(),
        }
    }

    pub(crate) fn is(&self, node: &Arc<Node>) -> bool {
        match self {
            Self::Path(path) => node.path() == path,
            Self::Node(target) => Arc::ptr_eq(node, target),
        }
    }
}

/// One child's share of the bound on children, returned when dropped.
pub(crate) struct ChildSlot {
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

    /// Starts a child, which is temporary unless its specification sets another
    /// [`Restart`](crate::Restart) policy. The request is sent at once; the future resolves when the
    /// child has started. Dropping the future does not stop the child. A child that does not start
    /// is not restarted.
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

    /// Requests that the child at `path` stops for good. Returns at once; false when the request
    /// could not be sent. Does nothing when there is no such child.
    pub fn stop(&self, path: &str) -> bool {
        self.request_stop(Target::Path(path.to_owned()))
    }

    /// Requests that a child stops as [`stop`](Self::stop) does, by its reference: a later child
    /// with the same name is not meant.
    pub fn stop_actor<A: Actor>(&self, child: &ActorRef<A>) -> bool {
        self.request_stop(Target::Node(Arc::clone(child.node())))
    }

    fn request_stop(&self, target: Target) -> bool {
        let requests = self.shared.requests.lock().clone();
        let request = Request::Stop(target);
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
