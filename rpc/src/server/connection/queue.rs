//! The queue of messages that wait to be written to one connection, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use actoreum_messages::filter::{Change, Event, FilterId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::server::limits::{MAX_QUEUED_ANSWER_BYTES, MAX_QUEUED_EVENT_BYTES};
use crate::server::quota::{ByteCount, ClientQuota};

/// Memory of an entry beside its content, in bytes, rounded up.
const ENTRY_BYTES: usize = 64;
/// Memory of a header and of its JSON, which is rendered for the first reader, in bytes.
const HEAD_BYTES: usize = 2_560;
/// Memory of a log beside its data and topics, in bytes.
const LOG_BYTES: usize = 256;
/// Memory of a peer event or a sync event, in bytes.
const SMALL_EVENT_BYTES: usize = 512;

/// An entry of the queue.
pub(super) enum Outgoing {
    /// An answer, complete.
    Answer(Vec<u8>),
    /// An event for one of the connection's subscriptions.
    Event(FilterId, Arc<Event>),
    /// The end: nothing follows.
    End,
}

/// The reason for which an entry was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotQueued {
    /// The queued events would exceed [`MAX_QUEUED_EVENT_BYTES`], or the quota of all connections
    /// is used up.
    Full,
    /// The queue was closed.
    Closed,
}

/// A queue with one reader.
pub(super) struct Queue {
    quota: ClientQuota,
    state: Mutex<State>,
    /// Signals that an entry was added.
    filled: Notify,
    /// Signals that an answer was taken.
    drained: Notify,
}

struct State {
    waiting: VecDeque<(Outgoing, usize)>,
    /// The bytes of all entries and of the one that is being written, counted in the quota of all
    /// connections.
    counted: ByteCount,
    /// The bytes of the entry that is being written.
    writing_bytes: usize,
    answer_bytes: usize,
    event_bytes: usize,
    /// The event that was queued last. Several subscriptions of one connection share an event, and
    /// only its first entry counts its size.
    last_event: Weak<Event>,
    is_closed: bool,
}

impl Queue {
    /// Creates an empty queue, whose bytes are counted in `quota`.
    pub(super) fn new(quota: &ClientQuota) -> Self {
        Self {
            quota: quota.clone(),
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                counted: quota.bytes(),
                writing_bytes: 0,
                answer_bytes: 0,
                event_bytes: 0,
                last_event: Weak::new(),
                is_closed: false,
            }),
            filled: Notify::new(),
            drained: Notify::new(),
        }
    }

    /// Queues an answer, as soon as the connection has room for it. The quota of all connections
    /// counts the answer from the start, because it takes memory while it waits for room, too.
    pub(super) async fn answer(&self, body: Vec<u8>) -> Result<(), NotQueued> {
        let bytes = ENTRY_BYTES + body.len();
        let mut counted = self.quota.bytes();
        if !counted.try_add(bytes) {
            return Err(NotQueued::Full);
        }
        let mut answer = Some((body, counted));
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            // Registered before the check, so that an answer taken in between is not missed.
            drained.as_mut().enable();
            {
                let mut state = self.state.lock();
                if state.is_closed {
                    return Err(NotQueued::Closed);
                }
                let has_room = state.answer_bytes == 0
                    || state.answer_bytes + bytes <= MAX_QUEUED_ANSWER_BYTES;
                if let Some((body, counted)) = answer.take_if(|_| has_room) {
                    state.answer_bytes += bytes;
                    state.counted.absorb(counted);
                    state.waiting.push_back((Outgoing::Answer(body), bytes));
                    drop(state);
                    self.filled.notify_one();
                    return Ok(());
                }
            }
            drained.await;
        }
    }

    /// Queues an event, or refuses it at once.
    pub(super) fn event(
        &self,
        subscription: FilterId,
        event: &Arc<Event>,
    ) -> Result<(), NotQueued> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(NotQueued::Closed);
        }
        let is_shared = Weak::as_ptr(&state.last_event) == Arc::as_ptr(event);
        let bytes = if is_shared {
            ENTRY_BYTES
        } else {
            ENTRY_BYTES + weight(&event.change)
        };
        // A single event always fits: its size is bounded where it is made.
        if state.event_bytes > 0 && state.event_bytes + bytes > MAX_QUEUED_EVENT_BYTES {
            return Err(NotQueued::Full);
        }
        if !state.counted.try_add(bytes) {
            return Err(NotQueued::Full);
        }
        state.event_bytes += bytes;
        state.last_event = Arc::downgrade(event);
        let entry = Outgoing::Event(subscription, Arc::clone(event));
        state.waiting.push_back((entry, bytes));
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Marks the end of the queue, behind the entries that wait in it.
    pub(super) fn end(&self) {
        self.state.lock().waiting.push_back((Outgoing::End, 0));
        self.filled.notify_one();
    }

    /// Drops all entries and refuses new ones.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        let forgotten = std::mem::take(&mut state.waiting);
        (state.answer_bytes, state.event_bytes) = (0, 0);
        state.is_closed = true;
        state.counted.clear();
        state.writing_bytes = 0;
        drop(state);
        drop(forgotten);
        self.drained.notify_waiters();
    }

    /// Returns the next entry, as soon as there is one. The caller has written the last entry, whose
    /// bytes are no longer counted.
    pub(super) async fn next(&self) -> Outgoing {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            // A notification since the check is stored for this only reader.
            self.filled.notified().await;
        }
    }

    /// Releases the bytes of the last entry and takes the next one, if there is one.
    fn take(&self) -> Option<Outgoing> {
        let mut state = self.state.lock();
        let written = std::mem::take(&mut state.writing_bytes);
        state.counted.remove(written);
        let (next, bytes) = state.waiting.pop_front()?;
        state.writing_bytes = bytes;
        match &next {
            Outgoing::Answer(_) => {
                state.answer_bytes -= bytes;
                drop(state);
                self.drained.notify_waiters();
            }
            Outgoing::Event(..) => state.event_bytes -= bytes,
            Outgoing::End => {}
        }
        Some(next)
    }
}

/// Returns the memory of an event, in bytes.
fn weight(change: &Change) -> usize {
    match change {
        Change::Head(_) => HEAD_BYTES,
        Change::Logs(logs) => {
            let bytes = logs.iter().map(|entry| {
                LOG_BYTES + entry.log.data.len() + size_of_val(entry.log.topics.as_slice())
            });
            bytes.sum()
        }
        Change::Transactions(hashes) => size_of_val(hashes.as_ref()),
        Change::FullTransactions(all) => all.iter().map(|it| it.size()).sum(),
        Change::Peer(_) | Change::Sync(_) => SMALL_EVENT_BYTES,
    }
}
