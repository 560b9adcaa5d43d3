//! The tree as data: what the admin page and the tree's RPC method show.
//!
//! A snapshot is read from atomics and short locks of the metrics. It goes through no
//! mailbox, so it works when every actor is stuck.

use serde::Serialize;

pub use super::histogram::Latency;

/// What a node of the tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It handles messages.
    Actor,
    /// It starts, restarts and stops its children.
    Supervisor,
}

/// Where a node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not started yet.
    Waiting,
    /// Its factory or its `started` runs.
    Starting,
    /// It handles messages.
    Running,
    /// It failed and will be started again after a pause.
    BackingOff,
    /// It was asked to stop.
    Stopping,
    /// It was stopped, or it ended and is not to be restarted.
    Stopped,
    /// It failed and will not be restarted.
    Failed,
}

/// A failure, or a restart, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// When, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// The generation that ended.
    pub generation: u64,
    /// Why it ended: the text of an [`Exit`](super::Exit), or the sibling that it was
    /// restarted with.
    pub reason: String,
}

/// An actor that does not answer its health probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// How long the probe has been waiting, in milliseconds.
    pub for_ms: u64,
    /// What the actor is in: a message type, a hook, or a future.
    pub doing: Option<String>,
    /// Where it is in nothing: the actor that holds their common arbiter, and its message.
    pub blocked_by: Option<String>,
}

/// The queue in front of an actor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MailboxSnapshot {
    /// Messages that wait.
    pub depth: u64,
    /// The most that ever waited.
    pub peak: u64,
    /// The most that may wait.
    pub capacity: u64,
}

/// One message type at one actor. Counts go on over restarts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MessageSnapshot {
    /// The type's name without module paths.
    pub name: String,
    /// Messages handled a second, lately.
    pub per_second: f64,
    /// Messages handled to the end.
    pub handled: u64,
    /// Handled with an error as the result, or ended by a panic.
    pub failed: u64,
    /// Refused, because the mailbox was full.
    pub rejected: u64,
    /// Refused, because the actor was down.
    pub unavailable: u64,
    /// Dropped unhandled in favour of newer ones.
    pub dropped: u64,
    /// Lost unhandled when a generation ended.
    pub lost: u64,
    /// Skipped unhandled, because the caller had gone.
    pub abandoned: u64,
    /// Handlers that held their thread for longer than
    /// [`SLOW_HANDLER`](super::limits::SLOW_HANDLER).
    pub slow: u64,
    /// Answers that are owed at this moment.
    pub owed: u64,
    /// Time in the queue.
    pub queue: Latency,
    /// Time that the handler held its thread.
    pub handling: Latency,
    /// Time from the handler's begin to the answer, for answers that come later.
    pub answering: Latency,
}

/// A node of the tree and everything under it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeSnapshot {
    /// Its name among its siblings.
    pub name: String,
    /// Its place: names from the root, joined by `/`.
    pub path: String,
    /// Actor or supervisor.
    pub kind: Kind,
    /// Where it is in its life.
    pub state: State,
    /// How often it was started.
    pub generation: u64,
    /// Milliseconds since its current generation began; `None` when it is down.
    pub uptime_ms: Option<u64>,
    /// The arbiter (thread) that it runs on.
    pub arbiter: Option<String>,
    /// Its queue; `None` for a supervisor.
    pub mailbox: Option<MailboxSnapshot>,
    /// What it is in at this moment.
    pub doing: Option<String>,
    /// Set while it does not answer its health probe.
    pub stuck: Option<Stuck>,
    /// Times that it was started again.
    pub restarts: u64,
    /// Its last failures and restarts, oldest first. A dynamic supervisor holds here those
    /// of the children it has lost.
    pub incidents: Vec<Incident>,
    /// Time in the queue, over all of its message types.
    pub queue: Latency,
    /// Time that a handler held its thread, over all of its message types.
    pub handling: Latency,
    /// Its message types, in the order of first sight.
    pub messages: Vec<MessageSnapshot>,
    /// Its children in their order of start.
    pub children: Vec<NodeSnapshot>,
}

impl NodeSnapshot {
    /// This node and all nodes under it, each before its children.
    pub fn walk(&self) -> Vec<&NodeSnapshot> {
        let mut nodes = vec![self];
        for child in &self.children {
            nodes.extend(child.walk());
        }
        nodes
    }

    /// The node at `path`, which begins with this node's own path.
    pub fn find(&self, path: &str) -> Option<&NodeSnapshot> {
        self.walk().into_iter().find(|node| node.path == path)
    }

    /// The message type called `name`.
    pub fn message(&self, name: &str) -> Option<&MessageSnapshot> {
        self.messages.iter().find(|message| message.name == name)
    }
}
