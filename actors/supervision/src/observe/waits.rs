//! The requests that wait for an actor, as the health monitor and the snapshots see them.
//!
//! A request that is answered by its handler is in no table: while it is queued it is found in the
//! mailbox, and while it is handled the actor's activity names it. Only requests whose answer comes
//! later, and callers that wait for a start or for a free slot, enter the table here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::kernel::clock::Nanos;
use crate::observe::activity::Doing;
use crate::observe::node::Node;
use crate::observe::senders::{SenderId, WorkId};
use crate::observe::snapshot::WaitPlace;

/// A request that has not been answered, or a caller that waits to send one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) from: SenderId,
    /// The index of the message's type at the actor, where it is known.
    pub(crate) message: Option<u32>,
    pub(crate) since: Nanos,
    pub(crate) state: WaitState,
}

/// The place at which a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitState {
    /// In the mailbox. `is_owing` says whether it would owe an answer that comes later.
    Queued { is_owing: bool },
    /// In its handler, which holds the thread, as the actor's message of this number.
    Handled(u32),
    /// For an answer that comes later, as the actor's message of this number.
    Owed(u32),
    /// For the actor to start.
    Start,
    /// For a free slot of the mailbox.
    Room,
}

impl From<WaitState> for WaitPlace {
    fn from(state: WaitState) -> Self {
        match state {
            WaitState::Queued { .. } => Self::Queued,
            WaitState::Handled(_) => Self::Handled,
            WaitState::Owed(_) => Self::Owed,
            WaitState::Start => Self::Start,
            WaitState::Room => Self::Room,
        }
    }
}

/// The requests of one actor that wait for something other than their turn.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    table: Mutex<Table>,
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    slots: Vec<Option<Wait>>,
    free: Vec<usize>,
}

impl Waits {
    /// Returns the waits that began at `before` or earlier.
    pub(crate) fn read(&self, before: Nanos) -> Vec<Wait> {
        if self.count.load(Relaxed) == 0 {
            return Vec::new();
        }
        let table = self.table.lock();
        let waits = table.slots.iter().flatten();
        waits.filter(|wait| wait.since <= before).copied().collect()
    }
}

/// An entry in the table of an actor, removed when it is dropped.
pub(crate) struct Waiting {
    node: Arc<Node>,
    slot: usize,
}

impl Waiting {
    pub(crate) fn begin(node: &Arc<Node>, wait: Wait) -> Self {
        let mut table = node.waits.table.lock();
        let slot = match table.free.pop() {
            Some(slot) => {
                table.slots[slot] = Some(wait);
                slot
            }
            None => {
                table.slots.push(Some(wait));
                table.slots.len() - 1
            }
        };
        node.waits.count.fetch_add(1, Relaxed);
        Self {
            node: Arc::clone(node),
            slot,
        }
    }

    /// Begins the wait of the code that runs on this thread.
    pub(crate) fn here(node: &Arc<Node>, state: WaitState, now: Nanos) -> Self {
        let wait = Wait {
            from: SenderId::current(),
            message: None,
            since: now,
            state,
        };
        Self::begin(node, wait)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut table = self.node.waits.table.lock();
        table.slots[self.slot] = None;
        table.free.push(self.slot);
        self.node.waits.count.fetch_sub(1, Relaxed);
    }
}

/// The message that an actor works on, and who waits for it. Written by the actor's thread alone.
#[derive(Debug, Default)]
pub(crate) struct CurrentWork {
    message: AtomicU32,
    /// The actor and its message that wait for the handler: two halves of a word. Zero where nobody
    /// does, or where the caller is outside of the tree.
    caller: AtomicU64,
}

impl CurrentWork {
    /// Records that the message of this number is worked on. Nobody is known to wait for it.
    #[inline]
    pub(crate) fn begin(&self, message: u32) {
        self.message.store(message, Relaxed);
        self.caller.store(0, Relaxed);
    }

    /// Records the caller that waits for the handler which runs.
    #[inline]
    pub(crate) fn note_caller(&self, caller: WorkId) {
        let bits = u64::from(caller.actor) << 32 | u64::from(caller.message);
        self.caller.store(bits, Relaxed);
    }

    fn caller(&self) -> WorkId {
        let bits = self.caller.load(Relaxed);
        WorkId {
            actor: (bits >> 32) as u32,
            message: bits as u32,
        }
    }
}

impl Node {
    /// Returns the requests that wait for this actor since `before` or longer.
    pub(crate) fn waits_since(&self, before: Nanos) -> Vec<Wait> {
        let mut waits = self.waits.read(before);
        if self.gauges.depth.load(Relaxed) > 0
            && let Some(control) = self.control()
        {
            control.add_waits(before, &mut waits);
        }
        if let Some((work, Doing::Message(index), since)) = self.work_since(before) {
            let caller = self.current.caller();
            let is_same = self.activity.read() == (Doing::Message(index), since);
            if is_same && caller.actor != 0 {
                waits.push(Wait {
                    from: SenderId::of_work(caller),
                    message: Some(index),
                    since,
                    state: WaitState::Handled(work.message),
                });
            }
        }
        waits
    }

    /// Returns what holds the actor's thread since `before` or longer: the work, the activity and its
    /// beginning.
    pub(crate) fn work_since(&self, before: Nanos) -> Option<(WorkId, Doing, Nanos)> {
        let (doing, since) = self.activity.read();
        if doing == Doing::Nothing || since > before {
            return None;
        }
        let message = match doing {
            Doing::Message(_) | Doing::Future(_) => self.current.message.load(Relaxed),
            _ => 0,
        };
        let is_same = self.activity.read() == (doing, since);
        let actor = self.sender_id().work().actor;
        is_same.then_some((WorkId { actor, message }, doing, since))
    }
}
