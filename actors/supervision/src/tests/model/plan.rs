//! The plan of a run: a supervision tree and the steps that are taken with it. Plain data.

use std::time::Duration;

use crate::{Backoff, Intensity, Restart, Strategy};

/// The index of a node in its plan. Parents come before their children, siblings in their order of
/// start.
pub(super) type Id = usize;

/// The time that an actor of a plan has to start.
pub(super) const START_TIMEOUT: Duration = Duration::from_millis(300);

/// The time that an actor of a plan has to stop.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_millis(200);

/// The time that actors have to begin with a query. As all deadlines of a plan it is no whole number
/// of milliseconds, so that none passes at the time of a timer.
pub(super) const QUERY_DEADLINE: Duration = Duration::from_micros(60_500);

/// The time that a slow `stopped` hook takes.
pub(super) const SLOW_STOP: Duration = Duration::from_millis(70);

#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) nodes: Vec<NodePlan>,
    /// Faults of the first starts.
    pub(super) faults: Vec<(Id, StartFault)>,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(super) struct NodePlan {
    /// `None` for the root.
    pub(super) parent: Option<Id>,
    pub(super) restart: Restart,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    Actor {
        capacity: usize,
        /// The bound on the weight of the queued messages.
        bytes: Option<usize>,
        /// The deadline of requests whose kind has none.
        ask_deadline: Option<Duration>,
        /// The bound on the restarts of this actor alone.
        intensity: Option<Intensity>,
    },
    Supervisor {
        strategy: Strategy,
        intensity: Intensity,
        backoff: Backoff,
    },
    /// A dynamic supervisor. Its children in the plan are started by steps.
    Dynamic { limit: usize },
}

/// A fault in the next start of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartFault {
    FactoryFails,
    FactoryPanics,
    FactoryHangs,
    StartedFails,
    StartedPanics,
    /// `started` succeeds after it has called `Ctx::stop`.
    StartedStops,
}

/// A fault of the next `stopped` hook of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopFault {
    /// It takes [`SLOW_STOP`].
    Slow,
    /// It never ends.
    Hangs,
}

/// The type of a message, each with its own policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Refused by a full mailbox.
    Command,
    /// Replaces the oldest of its kind in a full mailbox.
    Gossip,
    /// Waits for a slot in a full mailbox.
    Body,
    /// Refused by a full mailbox, answered later, skipped when its caller has left. Requests have
    /// [`QUERY_DEADLINE`].
    Query,
    /// As a command, of high priority.
    Urgent,
    /// As gossip, of high priority.
    Alarm,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::Command,
        Self::Gossip,
        Self::Body,
        Self::Query,
        Self::Urgent,
        Self::Alarm,
    ];

    /// Returns whether messages of this kind go before others.
    pub(super) fn is_high(self) -> bool {
        matches!(self, Self::Urgent | Self::Alarm)
    }

    /// Returns whether messages of this kind give way to newer ones.
    pub(super) fn is_droppable(self) -> bool {
        matches!(self, Self::Gossip | Self::Alarm)
    }

    /// Returns the time that an actor has to begin with a request of this kind.
    pub(super) fn deadline(self) -> Option<Duration> {
        (self == Self::Query).then_some(QUERY_DEADLINE)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Command => "Command",
            Self::Gossip => "Gossip",
            Self::Body => "Body",
            Self::Query => "Query",
            Self::Urgent => "Urgent",
            Self::Alarm => "Alarm",
        }
    }
}

/// The action of the handler of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// It answers; a query is answered by a future that is ready.
    Work,
    Panic,
    /// It answers and fails the actor.
    Fail,
    /// It answers and stops the actor.
    Stop,
    /// A query is answered after this time; for other kinds the same as `Work`.
    Later(Duration),
    /// A query is never answered; for other kinds the same as `Work`.
    Never,
    /// It holds the thread for this time on the clock of the tree, and answers.
    Hold(Duration),
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Tell,
    TellWhenRoom,
    Ask,
    /// The caller leaves at once.
    AskAndLeave,
    AskWithin(Duration),
}

/// A message that is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post {
    pub(super) sending: Sending,
    pub(super) kind: Kind,
    pub(super) act: Act,
    /// The weight in bytes.
    pub(super) weight: usize,
    /// The deadline of this message. That of a request which waits for the actor is the time that it
    /// waits; a message that waits for a slot has none.
    pub(super) deadline: Option<Duration>,
}

impl Post {
    /// Returns a told command.
    pub(super) fn command(act: Act) -> Self {
        Self {
            sending: Sending::Tell,
            kind: Kind::Command,
            act,
            weight: 0,
            deadline: None,
        }
    }
}

/// One act of the outside world on an actor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stimulus {
    /// Identifies the result. Unique in the plan.
    pub(super) number: u32,
    pub(super) to: Id,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    Send(Post),
    /// `TreeHandle::crash`.
    Crash,
    /// `TreeHandle::crash_at`.
    CrashAt(Kind),
    /// A later start goes wrong.
    SpoilStart(StartFault),
    /// A later `stopped` hook goes wrong.
    SpoilStop(StopFault),
    /// Starts the child of a dynamic supervisor.
    StartDynamic,
    /// Stops the child of a dynamic supervisor by its path.
    StopDynamic,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Acts in one instant, before the actors run. Afterwards all is quiet.
    Batch(Vec<Stimulus>),
    /// Time passes.
    Advance(Duration),
}

impl Plan {
    /// Returns the children of a node, in order.
    pub(super) fn children(&self, id: Id) -> Vec<Id> {
        (0..self.nodes.len())
            .filter(|child| self.nodes[*child].parent == Some(id))
            .collect()
    }

    pub(super) fn is_actor(&self, id: Id) -> bool {
        matches!(self.nodes[id].role, Role::Actor { .. })
    }

    pub(super) fn is_dynamic(&self, id: Id) -> bool {
        matches!(self.nodes[id].role, Role::Dynamic { .. })
    }

    /// Returns whether the node is a child of a dynamic supervisor.
    pub(super) fn is_dynamic_child(&self, id: Id) -> bool {
        self.nodes[id]
            .parent
            .is_some_and(|parent| self.is_dynamic(parent))
    }

    pub(super) fn path(&self, id: Id) -> String {
        match self.nodes[id].parent {
            Some(parent) => format!("{}/n{id}", self.path(parent)),
            None => format!("n{id}"),
        }
    }
}
