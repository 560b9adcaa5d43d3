//! The state of the reference model.

use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::plan::*;
use super::traffic::{Results, Traffic};
use crate::snapshot::State;

/// The end of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Normal,
    Shutdown,
    Failed,
    Panicked,
    StartFailed,
    Killed,
    GaveUp(Id, Box<End>),
}

impl End {
    pub(super) fn is_failure(&self) -> bool {
        !matches!(self, Self::Normal | Self::Shutdown)
    }

    pub(super) fn state(&self) -> State {
        if self.is_failure() {
            State::Failed
        } else {
            State::Stopped
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Normal => "normal",
            Self::Shutdown => "shutdown",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::StartFailed => "did not start",
            Self::Killed => "killed",
            Self::GaveUp(child, cause) => return write!(formatter, "gave up n{child}: {cause}"),
        })
    }
}

/// The state of the world that the model predicts.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) plan: Rc<Plan>,
    pub(super) now: Duration,
    /// The time that handlers have held the thread, by which the tree's clock is ahead of the timers.
    pub(super) held: Duration,
    pub(super) nodes: Vec<Node>,
    /// The starts and ends, in order.
    pub(super) log: Vec<String>,
    pub(super) results: Results,
    /// The end of the tree.
    pub(super) ended: Option<End>,
    /// The children that were killed when their supervisor stopped, in order.
    pub(super) killed: Vec<Id>,
    /// Whether two events have no order that OTP's rules or the crate define, so that the step
    /// cannot be compared.
    pub(super) is_ambiguous: bool,
    /// The actor whose failed start made the first start of the tree fail.
    pub(super) first_failed: Option<Id>,
    /// The time of the last start of an actor that requests waited for. It handles them while its
    /// siblings start.
    pub(super) served_at: Option<Duration>,
    /// The supervisors that are starting or stopping a child.
    pub(super) busy: Vec<Id>,
    /// Draws the pauses, as the kernel's `SeededRng` of the same seed does. A copy of the model has
    /// its own.
    pub(super) pauses: StdRng,
}

/// A node: an actor or a supervisor.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) state: State,
    pub(super) generation: u64,
    pub(super) restarts: u64,
    pub(super) is_up: bool,
    pub(super) traffic: Traffic,
    pub(super) start_faults: VecDeque<StartFault>,
    pub(super) stop_faults: VecDeque<StopFault>,
    /// The last generation that was asked to crash.
    pub(super) crashed: u64,
    /// Whether the crash has yet to happen.
    pub(super) is_crashing: bool,
    /// Whether the child of a dynamic supervisor was ever accepted.
    pub(super) is_bound: bool,
    /// Ends of children that the supervisor has not seen yet.
    pub(super) ends: VecDeque<(Id, End)>,
    /// The running children of a dynamic supervisor, in order of start.
    pub(super) members: Vec<Id>,
    /// The children of a supervisor.
    pub(super) slots: Vec<Slot>,
    /// The times of the restarts.
    pub(super) restart_times: VecDeque<Duration>,
}

/// A supervisor's view of a child.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) child: Id,
    pub(super) is_running: bool,
    pub(super) running_since: Option<Duration>,
    pub(super) due: Option<Duration>,
    pub(super) is_done: bool,
    pub(super) failures: u32,
    pub(super) restart_times: VecDeque<Duration>,
}

impl Model {
    pub(super) fn new(plan: &Rc<Plan>) -> Self {
        let nodes = plan.nodes.iter().map(|node| Node {
            state: State::Waiting,
            generation: 0,
            restarts: 0,
            is_up: false,
            traffic: Traffic::new(&node.role),
            start_faults: VecDeque::new(),
            stop_faults: VecDeque::new(),
            crashed: 0,
            is_crashing: false,
            is_bound: false,
            ends: VecDeque::new(),
            members: Vec::new(),
            slots: Vec::new(),
            restart_times: VecDeque::new(),
        });
        let mut model = Self {
            plan: Rc::clone(plan),
            now: Duration::ZERO,
            held: Duration::ZERO,
            nodes: nodes.collect(),
            log: Vec::new(),
            results: Results::new(),
            ended: None,
            killed: Vec::new(),
            is_ambiguous: false,
            first_failed: None,
            served_at: None,
            busy: Vec::new(),
            pauses: StdRng::seed_from_u64(plan.seed),
        };
        for (id, fault) in &plan.faults {
            model.nodes[*id].start_faults.push_back(*fault);
        }
        model
    }
}

impl Slot {
    pub(super) fn new(child: Id) -> Self {
        Self {
            child,
            is_running: false,
            running_since: None,
            due: None,
            is_done: false,
            failures: 0,
            restart_times: VecDeque::new(),
        }
    }
}
