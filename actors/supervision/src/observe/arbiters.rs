//! The table of arbiters: how busy each thread is, how late a wake-up runs on it, and the actor and
//! the message type that took most of its time.
//!
//! The figures are taken once for each interval from counters that exist anyway: the busy time of the
//! thread's runtime, and the time that each handler held the thread. A message costs nothing more.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use actix::ArbiterHandle;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::runtime::{Handle, RuntimeMetrics};
use tokio::time::{MissedTickBehavior, interval};

use crate::kernel::clock::{self, Clock, Nanos};
use crate::observe::activity::Doing;
use crate::observe::histogram::{Histogram, Latency};
use crate::observe::node::Node;
use crate::observe::snapshot::Kind;

/// An arbiter (thread) of the tree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArbiterSnapshot {
    /// The name.
    pub name: String,
    /// The actors that run on it.
    pub actors: u64,
    /// The share of the last interval in which the thread did not sleep, from zero to one.
    pub busy: f64,
    /// The time from the last wake-up of the thread to the code that it was for, in nanoseconds.
    /// While a wake-up waits for longer than that, the time that it has waited.
    pub lag_ns: u64,
    /// The lags of all wake-ups that were measured, one in each interval.
    pub lag: Latency,
    /// The actor that took most of the thread's time in the last interval, if any did.
    pub busiest: Option<Busiest>,
}

/// The actor that took most of a thread's time in an interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Busiest {
    /// The path of the actor.
    pub actor: String,
    /// The actor's share of the interval, from zero to one.
    pub share: f64,
    /// The message type whose handler and futures took most of that time; the hook or the future
    /// where it was none.
    pub message: String,
    /// The share of the interval that this message type took, from zero to one.
    pub message_share: f64,
}

/// The arbiters of one tree with their figures.
#[derive(Debug)]
pub(crate) struct ArbiterTable {
    clock: Clock,
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    /// `None` where actors run on the thread that started the tree.
    thread: Option<Thread>,
    actors: u64,
    busy: f64,
    busiest: Option<Busiest>,
    wake_ups: Arc<WakeUps>,
}

#[derive(Debug)]
struct Thread {
    arbiter: ArbiterHandle,
    metrics: RuntimeMetrics,
    /// The busy time of the thread up to the last interval.
    was_busy: Duration,
}

/// The wake-ups of one thread. At most one is under way.
#[derive(Debug, Default)]
struct WakeUps {
    /// The time when the wake-up under way was requested; zero if none is.
    sent_at: AtomicU64,
    last: AtomicU64,
    lag: Histogram,
}

/// The time that an actor took of its thread in one interval, with the part of each activity.
struct Taken {
    node: Arc<Node>,
    all: u64,
    most: (u64, Doing),
}

impl ArbiterTable {
    /// Stops the thread called `name`. Returns false where there is none, or it has ended.
    pub(crate) fn stop(&self, name: &str) -> bool {
        let entries = self.entries.lock();
        let entry = entries.iter().find(|entry| entry.name == name);
        let thread = entry.and_then(|entry| entry.thread.as_ref());
        thread.is_some_and(|thread| thread.arbiter.stop())
    }
}

impl Entry {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            thread: None,
            actors: 0,
            busy: 0.0,
            busiest: None,
            wake_ups: Arc::default(),
        }
    }

    fn read(&self, now: Nanos) -> ArbiterSnapshot {
        ArbiterSnapshot {
            name: self.name.clone(),
            actors: self.actors,
            busy: self.busy,
            lag_ns: self.wake_ups.lag(now),
            lag: self.wake_ups.lag.read(),
            busiest: self.busiest.clone(),
        }
    }

    /// Takes the figures of an interval of `span` nanoseconds, in which `taken` ran here.
    fn update(&mut self, taken: &[Taken], span: u64) {
        let handled: u64 = taken.iter().map(|of| of.all).sum();
        // The thread tells its busy time when it sleeps, and a handler its own when it ends: that
        // of a handler that runs is known from its start.
        let awake = self.thread.as_mut().map_or(0, Thread::take_busy);
        self.busy = share(awake.max(handled), span);
        self.actors = taken.iter().filter(|of| of.node.is_up()).count() as u64;
        let busiest = taken.iter().max_by_key(|of| of.all).filter(|of| of.all > 0);
        self.busiest = busiest.map(|of| Busiest {
            actor: of.node.path().to_owned(),
            share: share(of.all, span),
            message: of.node.describe(of.most.1).unwrap_or_default(),
            message_share: share(of.most.0, span),
        });
    }
}

impl Thread {
    /// Returns the busy time since the last call, in nanoseconds.
    fn take_busy(&mut self) -> u64 {
        let busy = self.metrics.worker_total_busy_duration(0);
        let grown = busy.saturating_sub(self.was_busy);
        self.was_busy = busy;
        clock::nanos(grown)
    }
}

impl WakeUps {
    /// Wakes the thread up, unless a wake-up is under way.
    fn send(self: &Arc<Self>, arbiter: &ArbiterHandle, clock: &Clock, now: Nanos) {
        if self.sent_at.load(Relaxed) != 0 {
            return;
        }
        self.sent_at.store(now, Relaxed);
        let (wake_ups, clock) = (Arc::clone(self), clock.clone());
        let is_accepted = arbiter.spawn_fn(move || {
            let lag = clock.now().saturating_sub(now);
            wake_ups.last.store(lag, Relaxed);
            wake_ups.lag.record(lag);
            wake_ups.sent_at.store(0, Relaxed);
        });
        if !is_accepted {
            self.sent_at.store(0, Relaxed);
        }
    }

    fn lag(&self, now: Nanos) -> u64 {
        let waiting = match self.sent_at.load(Relaxed) {
            0 => 0,
            sent_at => now.saturating_sub(sent_at),
        };
        waiting.max(self.last.load(Relaxed))
    }
}

impl ArbiterTable {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            entries: Mutex::default(),
        }
    }

    /// Records that the thread of the arbiter called `name` has begun, with its runtime where that
    /// is known. Lags of an earlier thread of that name are forgotten.
    pub(crate) fn note_thread(&self, name: &str, arbiter: ArbiterHandle, runtime: Option<Handle>) {
        let thread = runtime.map(|runtime| Thread {
            arbiter,
            metrics: runtime.metrics(),
            was_busy: Duration::ZERO,
        });
        let fresh = Entry {
            thread,
            ..Entry::new(name)
        };
        let mut entries = self.entries.lock();
        match entries.iter_mut().find(|entry| entry.name == name) {
            Some(entry) => *entry = fresh,
            None => entries.push(fresh),
        }
    }

    /// Returns the figures of the last interval.
    pub(crate) fn read(&self) -> Vec<ArbiterSnapshot> {
        let now = self.clock.now();
        let entries = self.entries.lock();
        entries.iter().map(|entry| entry.read(now)).collect()
    }

    /// Takes the figures of the interval from `begun_at` to `now`, and wakes each thread up once.
    /// Must have one caller only.
    fn end_interval(&self, nodes: &[Arc<Node>], begun_at: Nanos, now: Nanos) {
        let span = now.saturating_sub(begun_at);
        let mut by_arbiter: HashMap<String, Vec<Taken>> = HashMap::new();
        for node in nodes.iter().filter(|node| node.kind() == Kind::Actor) {
            let taken = take(node, begun_at, now);
            if let Some(arbiter) = node.arbiter() {
                by_arbiter.entry(arbiter).or_default().push(taken);
            }
        }
        let mut entries = self.entries.lock();
        for name in by_arbiter.keys() {
            if !entries.iter().any(|entry| entry.name == *name) {
                entries.push(Entry::new(name));
            }
        }
        for entry in entries.iter_mut() {
            let taken = by_arbiter.remove(&entry.name).unwrap_or_default();
            entry.update(&taken, span);
            if let Some(thread) = &entry.thread {
                entry.wake_ups.send(&thread.arbiter, &self.clock, now);
            }
        }
    }
}

/// Takes the figures of all arbiters once in each `period`, for ever.
pub(crate) async fn watch(root: Arc<Node>, table: Arc<ArbiterTable>, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut begun_at = root.now();
    loop {
        ticks.tick().await;
        let now = root.now();
        table.end_interval(&root.walk(), begun_at, now);
        begun_at = now;
    }
}

/// Returns the time that an actor took since the last call. What runs at `now` counts from its
/// beginning or from `begun_at`, and again, up to the whole interval, in the one in which it ends.
fn take(node: &Arc<Node>, begun_at: Nanos, now: Nanos) -> Taken {
    let span = now.saturating_sub(begun_at);
    let (doing, since) = node.activity.read();
    let running = match doing {
        Doing::Nothing => 0,
        _ => now.saturating_sub(since.max(begun_at)),
    };
    let index_of = |doing| match doing {
        Doing::Message(index) | Doing::Future(index) => Some(index),
        _ => None,
    };
    let mut parts: Vec<(u64, Doing)> = node
        .messages
        .iter()
        .map(|of| (of.take_held().min(span), Doing::Message(of.index)))
        .collect();
    parts.push((node.take_held_at_start().min(span), Doing::Started));
    let same = parts.iter_mut().find(|(_, of)| {
        index_of(doing).is_some() && index_of(*of) == index_of(doing) || *of == doing
    });
    match same {
        Some((held, _)) => *held = held.saturating_add(running).min(span),
        None => parts.push((running, doing)),
    }
    let all = parts.iter().map(|(held, _)| held).sum::<u64>().min(span);
    let most = parts.iter().copied().max_by_key(|(held, _)| *held);
    Taken {
        node: Arc::clone(node),
        all,
        most: most.unwrap_or((0, Doing::Nothing)),
    }
}

fn share(part: u64, span: u64) -> f64 {
    if span == 0 {
        return 0.0;
    }
    (part as f64 / span as f64).min(1.0)
}
