//! Monitors: actors that are told of each end of another actor's generations.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::kernel::actor::{Actor, Handles, Message};
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::exit::Exit;
use crate::observe::node::Node;

/// The end of a generation of an actor that the receiver monitors
/// ([`Ctx::monitor`](crate::Ctx::monitor)).
#[derive(Debug, Clone)]
pub struct Down {
    /// The monitor that reports the end.
    pub monitor: Monitor,
    /// The path of the actor that has ended.
    pub path: String,
    /// The generation that has ended.
    pub generation: u64,
    /// The reason.
    pub exit: Exit,
}

impl Message for Down {
    type Result = ();
}

/// A monitor of one actor, as [`Ctx::monitor`](crate::Ctx::monitor) returns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Monitor {
    id: u64,
    target: usize,
}

/// The actors that monitor one actor, and the last end of that.
#[derive(Default)]
pub(crate) struct Watchers {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    watchers: Vec<Watcher>,
    /// The last generation that has ended, and why.
    last_end: Option<(u64, Exit)>,
}

/// Sends a watcher the number and the exit of a generation that has ended.
type Tell = Arc<dyn Fn(u64, &Exit) + Send + Sync>;

/// A generation of an actor that monitors another one.
#[derive(Clone)]
struct Watcher {
    monitor: Monitor,
    node: Arc<Node>,
    generation: u64,
    tell: Tell,
}

impl Watcher {
    fn is_current(&self) -> bool {
        self.node.generation() == self.generation && !self.node.hang.is_given_up(self.generation)
    }
}

impl Inner {
    /// Takes out the watchers that have ended. They are dropped without the lock: one may be the last
    /// owner of its mailbox.
    fn take_gone(&mut self) -> Vec<Watcher> {
        let watchers = std::mem::take(&mut self.watchers);
        let (current, gone) = watchers.into_iter().partition(Watcher::is_current);
        self.watchers = current;
        gone
    }
}

impl Watchers {
    /// Tells the watchers of the end of a generation, once.
    pub(crate) fn note_end(&self, generation: u64, exit: &Exit) {
        let mut inner = self.inner.lock();
        let is_known = matches!(inner.last_end, Some((known, _)) if known >= generation);
        if is_known || generation == 0 {
            return;
        }
        inner.last_end = Some((generation, exit.clone()));
        let gone = inner.take_gone();
        let watchers = inner.watchers.clone();
        drop(inner);
        drop(gone);
        for watcher in watchers {
            (watcher.tell)(generation, exit);
        }
    }

    /// Adds a watcher. It is told at once where the generation that ran last has ended already.
    fn add(&self, watcher: Watcher, generation: u64) {
        let mut inner = self.inner.lock();
        let gone = inner.take_gone();
        inner.watchers.push(watcher.clone());
        let ended = inner.last_end.clone();
        drop(inner);
        drop(gone);
        if let Some((ended, exit)) = ended
            && ended >= generation
        {
            (watcher.tell)(ended, &exit);
        }
    }

    fn remove(&self, monitor: Monitor) {
        let mut inner = self.inner.lock();
        let index = inner
            .watchers
            .iter()
            .position(|watcher| watcher.monitor == monitor);
        let removed = index.map(|index| inner.watchers.swap_remove(index));
        drop(inner);
        drop(removed);
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watchers = self.inner.lock().watchers.len();
        write!(formatter, "Watchers({watchers})")
    }
}

/// The monitors of one generation of an actor, removed when it ends.
#[derive(Default)]
pub(crate) struct Monitors {
    /// By the address of the monitored actor's node, which the weak reference keeps from being
    /// used again.
    entries: HashMap<usize, Entry>,
    /// The number of entries at which those of actors that are gone are removed.
    prune_at: usize,
}

struct Entry {
    monitor: Monitor,
    target: Weak<Node>,
    /// False once the monitor is removed: messages that are queued already are dropped then.
    is_active: Arc<AtomicBool>,
}

impl Monitors {
    /// Monitors `target` for the generation of `me`. One actor is monitored once.
    pub(crate) fn add<A: Handles<Down>, B: Actor>(
        &mut self,
        me: &ActorRef<A>,
        generation: u64,
        target: &ActorRef<B>,
    ) -> Monitor {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let node = target.node();
        let key = Arc::as_ptr(node) as usize;
        if let Some(entry) = self.entries.get(&key) {
            return entry.monitor;
        }
        self.prune();
        let monitor = Monitor {
            id: NEXT_ID.fetch_add(1, Relaxed),
            target: key,
        };
        let is_active = Arc::new(AtomicBool::new(true));
        let entry = Entry {
            monitor,
            target: Arc::downgrade(node),
            is_active: Arc::clone(&is_active),
        };
        self.entries.insert(key, entry);
        let (me, path) = (me.clone(), node.path().to_owned());
        let watcher = Watcher {
            monitor,
            node: Arc::clone(me.node()),
            generation,
            tell: Arc::new(move |ended, exit| {
                let down = Down {
                    monitor,
                    path: path.clone(),
                    generation: ended,
                    exit: exit.clone(),
                };
                let is_active = Arc::clone(&is_active);
                let make = move || is_active.load(Relaxed).then_some(down);
                me.mailbox().push_lazy::<Down>(Some(generation), make);
            }),
        };
        node.watchers.add(watcher, node.generation());
        monitor
    }

    /// Removes a monitor. Returns false where there is no such one.
    pub(crate) fn remove(&mut self, monitor: Monitor) -> bool {
        let is_known = self
            .entries
            .get(&monitor.target)
            .is_some_and(|entry| entry.monitor == monitor);
        if is_known && let Some(entry) = self.entries.remove(&monitor.target) {
            entry.end();
        }
        is_known
    }

    /// Forgets the actors that are gone, each time that the number has doubled.
    fn prune(&mut self) {
        if self.entries.len() >= self.prune_at {
            self.entries
                .retain(|_, entry| entry.target.strong_count() > 0);
            self.prune_at = (2 * self.entries.len()).max(16);
        }
    }
}

impl Entry {
    fn end(&self) {
        self.is_active.store(false, Relaxed);
        if let Some(target) = self.target.upgrade() {
            target.watchers.remove(self.monitor);
        }
    }
}

impl Drop for Monitors {
    fn drop(&mut self) {
        for entry in self.entries.values() {
            entry.end();
        }
    }
}
