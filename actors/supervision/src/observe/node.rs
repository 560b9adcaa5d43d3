//! The permanent entry of an actor or supervisor in the tree, shared by all of its generations.
//! Snapshots, health probes and crash requests use it without a mailbox. `faults` has the records of
//! failures and the requests to fail.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use crate::kernel::clock::{Clock, Nanos};
use crate::kernel::hang::{Hang, Lease};
use crate::kernel::monitor::Watchers;
use crate::kernel::quarantine::Quarantine;
use crate::observe::activity::{Activity, Doing};
use crate::observe::children::Children;
use crate::observe::dead_letters::DeadLetters;
use crate::observe::gauges::{Gauges, Probe, Unhandled};
use crate::observe::incidents::IncidentLog;
use crate::observe::metrics::{MessageMetrics, MessageTable};
use crate::observe::senders::SenderId;
use crate::observe::snapshot::{Incident, Kind, PoolSnapshot, State};
use crate::observe::threads::ThreadTable;
use crate::observe::waits::{CurrentWork, Wait, Waits};

mod faults;

/// Control of a running generation, which its queued messages do not delay.
pub(crate) trait Control: Send + Sync {
    /// Stops the actor before its next message.
    fn stop(&self);
    /// Sends the actor a health probe.
    fn probe(&self);
    /// Makes the actor panic inside a handler.
    fn crash(&self);
    /// Makes a handler of the actor hold its thread for `time`.
    fn hang(&self, _time: Duration) {}
    /// Gives up the generation: its code does not return. Callers and later generations do not wait
    /// for it.
    fn give_up(&self) {}
    /// Adds the requests that were sent at `before` or earlier and wait in the mailbox.
    fn add_waits(&self, before: Nanos, waits: &mut Vec<Wait>) {
        let _ = (before, waits);
    }
    /// Returns the lease of the thread that the generation runs on.
    fn lease(&self) -> Option<&Arc<Lease>> {
        None
    }
}

/// An entry of the tree.
pub(crate) struct Node {
    pub(super) name: String,
    path: OnceLock<String>,
    /// The path with `*` in place of the name of a dynamic supervisor's child, and its id as a
    /// sender.
    group: OnceLock<(String, SenderId)>,
    pub(super) kind: Kind,
    /// Whether the children come and go, so that they are counted together.
    is_dynamic: bool,
    state: AtomicU8,
    generation: AtomicU64,
    pub(super) started_at: AtomicU64,
    pub(super) restarts: AtomicU64,
    pub(crate) activity: Activity,
    pub(crate) current: CurrentWork,
    pub(crate) waits: Waits,
    /// The cycle of asks that the actor is part of, as the health monitor saw it last.
    pub(crate) deadlock: Mutex<Option<String>>,
    /// The number of cycles of asks that the actor was part of.
    pub(crate) deadlocks: AtomicU64,
    pub(crate) threads: ThreadTable,
    /// Time that futures of the `started` hook held the thread, in nanoseconds.
    pub(crate) polling_at_start: AtomicU64,
    held_at_start_before: AtomicU64,
    pub(crate) messages: MessageTable,
    pub(crate) gauges: Gauges,
    pub(crate) dead_letters: DeadLetters,
    /// The figures of the pool that the node stands for, if it does.
    pub(super) pool: OnceLock<Box<dyn Fn() -> PoolSnapshot + Send + Sync>>,
    pub(crate) probe: Probe,
    pub(crate) hang: Hang,
    pub(crate) unhandled: Unhandled,
    pub(crate) watchers: Watchers,
    pub(crate) quarantine: Quarantine,
    /// The last generation that was asked to crash.
    crashed: AtomicU64,
    crash_at: Mutex<Option<String>>,
    crash_is_set: AtomicBool,
    pub(super) generation_state: Mutex<GenerationState>,
    /// The clock of the tree that the node is part of.
    clock: OnceLock<Clock>,
    /// The log of the tree that the node is part of.
    incident_log: OnceLock<IncidentLog>,
    children: Mutex<Children>,
}

#[derive(Default)]
pub(super) struct GenerationState {
    pub(super) arbiter: Option<String>,
    control: Option<Arc<dyn Control>>,
    pub(super) incidents: VecDeque<Incident>,
}

impl Node {
    pub(crate) fn new(name: &str, kind: Kind) -> Arc<Self> {
        Self::build(name, kind, false)
    }

    /// Creates the node of a dynamic supervisor.
    pub(crate) fn new_dynamic(name: &str) -> Arc<Self> {
        Self::build(name, Kind::Supervisor, true)
    }

    fn build(name: &str, kind: Kind, is_dynamic: bool) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            path: OnceLock::new(),
            group: OnceLock::new(),
            kind,
            is_dynamic,
            state: AtomicU8::new(State::Waiting as u8),
            generation: AtomicU64::new(0),
            started_at: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            activity: Activity::default(),
            current: CurrentWork::default(),
            waits: Waits::default(),
            deadlock: Mutex::new(None),
            deadlocks: AtomicU64::new(0),
            threads: ThreadTable::default(),
            polling_at_start: AtomicU64::new(0),
            held_at_start_before: AtomicU64::new(0),
            messages: MessageTable::default(),
            gauges: Gauges::default(),
            dead_letters: DeadLetters::default(),
            pool: OnceLock::new(),
            probe: Probe::default(),
            hang: Hang::default(),
            unhandled: Unhandled::default(),
            watchers: Watchers::default(),
            quarantine: Quarantine::default(),
            crashed: AtomicU64::new(0),
            crash_at: Mutex::new(None),
            crash_is_set: AtomicBool::new(false),
            generation_state: Mutex::default(),
            clock: OnceLock::new(),
            incident_log: OnceLock::new(),
            children: Mutex::default(),
        })
    }

    /// Makes the node that of a pool with these figures.
    pub(crate) fn set_pool(&self, figures: impl Fn() -> PoolSnapshot + Send + Sync + 'static) {
        let _ = self.pool.set(Box::new(figures));
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the path once the node is part of a tree, the bare name before.
    pub(crate) fn path(&self) -> &str {
        self.path.get().unwrap_or(&self.name)
    }

    /// Makes the node part of a tree. Returns false when it is part of one already.
    #[must_use]
    pub(crate) fn bind(&self, parent: Option<&Node>) -> bool {
        let path = match parent {
            Some(parent) => format!("{}/{}", parent.path(), self.name),
            None => self.name.clone(),
        };
        let group = match parent {
            Some(parent) if parent.is_dynamic => format!("{}/*", parent.group()),
            Some(parent) => format!("{}/{}", parent.group(), self.name),
            None => self.name.clone(),
        };
        let is_new = self.path.set(path).is_ok();
        if is_new {
            if let Some(log) = parent.and_then(|parent| parent.incident_log.get()) {
                self.set_incident_log(log.clone());
            }
            if let Some(clock) = parent.and_then(|parent| parent.clock.get()) {
                self.set_clock(clock.clone());
            }
            let id = SenderId::of(&group);
            let _ = self.group.set((group, id));
        }
        is_new
    }

    pub(super) fn group(&self) -> &str {
        self.group.get().map_or(&self.name, |(group, _)| group)
    }

    /// Returns the id under which the messages that the node sends are counted.
    pub(crate) fn sender_id(&self) -> SenderId {
        self.group.get().map(|(_, id)| *id).unwrap_or_default()
    }

    /// Adds a bound child. Returns false when a sibling has the same name.
    #[must_use]
    pub(crate) fn add_child(&self, child: &Arc<Node>) -> bool {
        self.children.lock().add(child)
    }

    pub(crate) fn remove_child(&self, child: &Arc<Node>) {
        self.children.lock().remove(child);
    }

    pub(crate) fn children(&self) -> Vec<Arc<Node>> {
        self.children.lock().all()
    }

    /// Returns this node and all nodes under it.
    pub(crate) fn walk(self: &Arc<Self>) -> Vec<Arc<Node>> {
        let mut nodes = vec![Arc::clone(self)];
        for child in self.children() {
            nodes.extend(child.walk());
        }
        nodes
    }

    pub(crate) fn find(self: &Arc<Self>, path: &str) -> Option<Arc<Node>> {
        self.walk().into_iter().find(|node| node.path() == path)
    }

    pub(crate) fn state(&self) -> State {
        const STATES: [State; 7] = [
            State::Waiting,
            State::Starting,
            State::Running,
            State::BackingOff,
            State::Stopping,
            State::Stopped,
            State::Failed,
        ];
        let state = self.state.load(Relaxed);
        STATES
            .into_iter()
            .find(|known| *known as u8 == state)
            .unwrap_or(State::Waiting)
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, Relaxed);
    }

    /// Returns the number of the current or last generation; zero before the first.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Records the start of the next generation on `arbiter`. Returns its number.
    pub(crate) fn begin(&self, arbiter: Option<&str>, control: Arc<dyn Control>) -> u64 {
        self.probe.clear();
        self.probe.stuck.store(false, Relaxed);
        self.activity.leave();
        self.unhandled.take();
        let mut generation_state = self.generation_state.lock();
        generation_state.arbiter = arbiter.map(str::to_owned);
        generation_state.control = Some(control);
        drop(generation_state);
        self.set_state(State::Starting);
        self.started_at.store(self.now(), Relaxed);
        self.generation.fetch_add(1, Relaxed) + 1
    }

    /// Records the end of the current generation.
    pub(crate) fn end(&self, state: State) {
        self.generation_state.lock().control = None;
        self.started_at.store(0, Relaxed);
        self.probe.clear();
        self.probe.stuck.store(false, Relaxed);
        self.activity.leave();
        self.set_state(state);
    }

    pub(crate) fn control(&self) -> Option<Arc<dyn Control>> {
        self.generation_state.lock().control.clone()
    }

    /// Returns the arbiter of the current or last generation; `None` for a supervisor.
    pub(crate) fn arbiter(&self) -> Option<String> {
        self.generation_state.lock().arbiter.clone()
    }

    /// Returns whether a generation has begun and not ended.
    pub(crate) fn is_up(&self) -> bool {
        self.generation_state.lock().control.is_some()
    }

    /// Returns the time, in nanoseconds, that futures of the `started` hook held the thread since
    /// the last call. Must have one caller only.
    pub(crate) fn take_held_at_start(&self) -> u64 {
        let held = self.polling_at_start.load(Relaxed);
        held.saturating_sub(self.held_at_start_before.swap(held, Relaxed))
    }

    pub(crate) fn count_restart(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    /// Sets the clock of the tree. The nodes that are bound under this one get it, too.
    pub(crate) fn set_clock(&self, clock: Clock) {
        let _ = self.clock.set(clock);
    }

    /// Returns whether the node is part of a tree, or was.
    pub(crate) fn is_bound(&self) -> bool {
        self.clock.get().is_some()
    }

    /// Returns the clock of the tree; the system's before the node is part of one.
    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        static SYSTEM: Clock = Clock::system();
        self.clock.get().unwrap_or(&SYSTEM)
    }

    /// Reads the clock of the tree.
    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        self.clock().now()
    }

    /// Returns the metrics of the message type at `index`.
    pub(crate) fn message_at(&self, index: u32) -> Option<&Arc<MessageMetrics>> {
        self.messages.iter().nth(index as usize)
    }

    /// Returns whether answers of the actor are pending.
    pub(crate) fn owes_answers(&self) -> bool {
        self.messages
            .iter()
            .any(|metrics| metrics.owed.load(Relaxed) > 0)
    }

    /// Records that a generation's activity has ended, unless another generation has begun.
    #[inline]
    pub(crate) fn leave(&self, generation: u64) {
        if !self.hang.is_given_up(generation) {
            self.activity.leave();
        }
    }

    /// Returns the description of the current activity.
    pub(crate) fn doing(&self) -> Option<String> {
        self.describe(self.activity.read().0)
    }

    /// Returns the description of an activity.
    pub(crate) fn describe(&self, doing: Doing) -> Option<String> {
        let name = |index| {
            self.message_at(index)
                .map(|metrics| metrics.name.to_string())
        };
        match doing {
            Doing::Nothing => None,
            Doing::Factory => Some("its factory".to_owned()),
            Doing::Started => Some("its started hook".to_owned()),
            Doing::Stopped => Some("its stopped hook".to_owned()),
            Doing::Crash => Some("a requested crash".to_owned()),
            Doing::Hang => Some("a requested hang".to_owned()),
            Doing::Message(index) => name(index),
            Doing::Future(index) => {
                let author = name(index).unwrap_or_else(|| "its started hook".to_owned());
                Some(format!("a future of {author}"))
            }
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Node")
            .field("path", &self.path())
            .field("state", &self.state())
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
