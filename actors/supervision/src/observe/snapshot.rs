//! Snapshots of the tree, shown by the admin page and by the tree's RPC method.
//!
//! A snapshot is read from atomics and short locks of the metrics. It uses no
//! mailbox, so that it works when every actor is stuck.

use serde::Serialize;

pub use crate::observe::arbiters::{ArbiterSnapshot, Busiest};
pub use crate::observe::dead_letters::{DeadLetter, DeadLetterReason};
pub use crate::observe::histogram::{EDGES_NS, Latency};
pub use crate::observe::senders::SenderSnapshot;

/// The kind of a node of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An actor, which handles messages.
    Actor,
    /// A supervisor, which starts, restarts and stops its children.
    Supervisor,
}

/// The lifecycle state of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not started yet.
    Waiting,
    /// The factory or the `started` hook runs.
    Starting,
    /// The node is up.
    Running,
    /// The node failed and will be started again after a pause.
    BackingOff,
    /// The node was requested to stop.
    Stopping,
    /// The node was stopped, or it ended normally and will not be restarted.
    Stopped,
    /// The node failed and will not be restarted.
    Failed,
}

/// A failure or a restart, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// The time in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// The generation that ended.
    pub generation: u64,
    /// The reason: the text of an [`Exit`](crate::Exit), or the sibling that the node was
    /// restarted with.
    pub reason: String,
}

/// A thread of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThreadSnapshot {
    /// The thread's name.
    pub name: String,
    /// The name of the job that it runs, if any.
    pub doing: Option<String>,
    /// The time since the job began, in milliseconds; zero where none runs.
    pub for_ms: u64,
    /// Whether the job is past its deadline or runs longer than it may.
    pub is_late: bool,
}

/// An actor that does not answer its health probe, or a pool with a job that runs too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// The time since the probe was sent, or since the job began, in milliseconds.
    pub for_ms: u64,
    /// The actor's activity: a message type, a hook, a future, or a job and its thread.
    pub doing: Option<String>,
    /// The actor that holds the common arbiter and its activity, where this actor itself is idle.
    pub blocked_by: Option<String>,
}

/// A request to an actor that has waited for [`ASK_OVERDUE`](crate::limits::ASK_OVERDUE) or longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitSnapshot {
    /// The path of the actor that waits; `outside` for code outside of the tree.
    pub from: String,
    /// The type of the message, where it has been sent.
    pub message: Option<String>,
    /// The place at which it waits.
    pub place: WaitPlace,
    /// The time since the request was sent, or since its handling began, in milliseconds.
    pub for_ms: u64,
}

/// The place at which a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitPlace {
    /// In the mailbox.
    Queued,
    /// In its handler, which holds the thread.
    Handled,
    /// It was handled, and its answer comes later.
    Owed,
    /// Its caller waits for the actor to start.
    Start,
    /// Its caller waits for a free slot of the mailbox.
    Room,
}

/// The mailbox of an actor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MailboxSnapshot {
    /// Messages queued now.
    pub depth: u64,
    /// The largest number of messages ever queued.
    pub peak: u64,
    /// The largest number of messages that may be queued.
    pub capacity: u64,
    /// The weight of the messages, where it is bounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<BytesSnapshot>,
}

/// The weight of the messages in a mailbox with a bound in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BytesSnapshot {
    /// The weight of the messages that are queued now.
    pub queued: u64,
    /// The largest weight ever queued.
    pub peak: u64,
    /// The largest weight that may be queued.
    pub bound: u64,
}

/// The threads of a [`Pool`](crate::Pool).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PoolSnapshot {
    /// The number of threads; zero where jobs run on the thread that submits them.
    pub threads: usize,
    /// The number of threads that run a job.
    pub busy: usize,
}

/// The metrics of one message type at one actor, or of one kind of job at one pool. Counts continue
/// over restarts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MessageSnapshot {
    /// The type's name without module paths; with them where the actor has two types of one
    /// name; or the job's name.
    pub name: String,
    /// Messages handled a second, a moving average.
    pub per_second: f64,
    /// Messages handled to the end.
    pub handled: u64,
    /// Messages handled with an error as the result, or ended by a panic.
    pub failed: u64,
    /// Messages refused because the mailbox was full.
    pub rejected: u64,
    /// Messages refused because the actor was down.
    pub unavailable: u64,
    /// Messages dropped unhandled for newer ones.
    pub dropped: u64,
    /// Messages lost unhandled when a generation ended.
    pub lost: u64,
    /// Requests skipped unhandled, or jobs not run, because the caller no longer waited.
    pub abandoned: u64,
    /// Messages not handled, or jobs not run, because their deadline passed while they were queued.
    pub expired: u64,
    /// Messages refused because the type has crashed the actor too often.
    pub quarantined: u64,
    /// Handlers that held their thread for
    /// [`SLOW_HANDLER`](crate::limits::SLOW_HANDLER) or longer.
    pub slow: u64,
    /// Answers that are pending at this moment.
    pub owed: u64,
    /// The senders, in the order of their first message. Timers and results of the actor itself
    /// have none.
    pub senders: Vec<SenderSnapshot>,
    /// Time in the queue.
    pub queue: Latency,
    /// Time that the handler held its thread.
    pub handling: Latency,
    /// Time from the start of the handler to the answer, for answers that come later.
    pub answering: Latency,
}

/// A node of the tree with all nodes under it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeSnapshot {
    /// The name, unique among its siblings.
    pub name: String,
    /// The path: names from the root, joined by `/`.
    pub path: String,
    /// The path under which the node's messages are counted as a sender: `*` stands in place of the
    /// name of a dynamic supervisor's child.
    pub group: String,
    /// Actor or supervisor.
    pub kind: Kind,
    /// The lifecycle state.
    pub state: State,
    /// The number of starts.
    pub generation: u64,
    /// Milliseconds since the current generation began; `None` when the node is down.
    pub uptime_ms: Option<u64>,
    /// The arbiter (thread) that the node runs on.
    pub arbiter: Option<String>,
    /// The mailbox; `None` for a supervisor.
    pub mailbox: Option<MailboxSnapshot>,
    /// The threads, where the node is a pool. Its mailbox is then the queue of jobs.
    pub pool: Option<PoolSnapshot>,
    /// The activity at this moment. For a pool, the job that has run for the longest time.
    pub doing: Option<String>,
    /// Set while the actor does not answer its health probe, and while a job of a pool runs longer
    /// than it may.
    pub stuck: Option<Stuck>,
    /// The requests that have waited long for this actor: the edges of the wait-for graph.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<WaitSnapshot>,
    /// The cycle of asks that the actor is part of, as the health monitor found it: each actor waits
    /// for the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadlock: Option<String>,
    /// The number of such cycles since the start.
    pub deadlocks: u64,
    /// The threads of a pool; empty for other nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<ThreadSnapshot>,
    /// The number of restarts.
    pub restarts: u64,
    /// The last failures and restarts, oldest first. For a dynamic supervisor, those of the
    /// children that it has lost.
    pub incidents: Vec<Incident>,
    /// The last messages that were not handled, oldest first: samples, of which a flood of one type
    /// adds ten a second.
    pub dead_letters: Vec<DeadLetter>,
    /// Time in the queue, over all message types.
    pub queue: Latency,
    /// Time that a handler held its thread, over all message types.
    pub handling: Latency,
    /// The message types, in the order of first use.
    pub messages: Vec<MessageSnapshot>,
    /// The children in their order of start.
    pub children: Vec<NodeSnapshot>,
}

impl NodeSnapshot {
    /// Returns this node and all nodes under it, each before its children.
    pub fn walk(&self) -> Vec<&NodeSnapshot> {
        let mut nodes = vec![self];
        for child in &self.children {
            nodes.extend(child.walk());
        }
        nodes
    }

    /// Returns the node at `path`, which begins with this node's own path.
    pub fn find(&self, path: &str) -> Option<&NodeSnapshot> {
        self.walk().into_iter().find(|node| node.path == path)
    }

    /// Returns the metrics of the message type called `name`.
    pub fn message(&self, name: &str) -> Option<&MessageSnapshot> {
        self.messages.iter().find(|message| message.name == name)
    }
}
