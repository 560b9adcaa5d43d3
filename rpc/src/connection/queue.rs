//! What waits to be written to one connection, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use actoreum_messages::filter::{Change, Event, FilterId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits::{MAX_QUEUED_ANSWER_BYTES, MAX_QUEUED_EVENT_BYTES};
use crate::quota::{ByteCount, ClientQuota};

/// Memory of an entry beside what it points to, rounded up.
const ENTRY_BYTES: usize = 64;
/// A header, and its JSON text, once it is written for the first of its readers.
const HEAD_BYTES: usize = 2_560;
/// What a log takes beside its data and topics.
const LOG_BYTES: usize = 256;
/// A peer's or a sync's event.
const SMALL_EVENT_BYTES: usize = 512;

/// What waits to be written.
pub(super) enum Outgoing {
    /// An answer, complete.
    Answer(Vec<u8>),
    /// An event for one of the connection's subscriptions.
    Event(FilterId, Arc<Event>),
    /// Nothing more comes.
    End,
}

/// Why something was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotQueued {
    /// Events wait beyond [`MAX_QUEUED_EVENT_BYTES`], or the quota of all connections is used up.
    Full,
    /// Nobody reads the queue any more.
    Closed,
}

/// A queue with one reader.
pub(super) struct Queue {
    quota: ClientQuota,
    state: Mutex<State>,
    /// Something can be read.
    filled: Notify,
    /// An answer was read.
    drained: Notify,
}

struct State {
    waiting: VecDeque<(Outgoing, usize)>,
    /// The bytes of all that waits, in the quota of all connections.
    counted: ByteCount,
    answer_bytes: usize,
    event_bytes: usize,
    /// The event that was queued last. Several subscriptions of one connection share it, and only
    /// the first entry pays for it.
    last_event: Weak<Event>,
    is_closed: bool,
}

impl Queue {
    /// An empty queue.
    pub(super) fn new(quota: &ClientQuota) -> Self {
        Self {
            quota: quota.clone(),
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                counted: quota.bytes(),
                answer_bytes: 0,
                event_bytes: 0,
                last_event: Weak::new(),
                is_closed: false,
            }),
            filled: Notify::new(),
            drained: Notify::new(),
        }
    }

    /// Queues an answer, once the connection has room for it. The quota of all connections counts it
    /// from now on: it waits in memory, queued or not.
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
            // Registered before the look: what is read in between is not missed.
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
        let bytes = match is_shared {
            true => ENTRY_BYTES,
            false => ENTRY_BYTES + weight(&event.change),
        };
        // A single one passes whatever its size: it is bounded where it is made.
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

    /// Ends the queue behind what waits in it.
    pub(super) fn end(&self) {
        self.state.lock().waiting.push_back((Outgoing::End, 0));
        self.filled.notify_one();
    }

    /// Refuses everything from now on, and forgets what waits.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        let forgotten = std::mem::take(&mut state.waiting);
        (state.answer_bytes, state.event_bytes) = (0, 0);
        state.is_closed = true;
        state.counted.clear();
        drop(state);
        drop(forgotten);
        self.drained.notify_waiters();
    }

    /// The next entry.
    pub(super) async fn next(&self) -> Outgoing {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            // A notification that came since the look is kept for this one reader.
            self.filled.notified().await;
        }
    }

    fn take(&self) -> Option<Outgoing> {
        let mut state = self.state.lock();
        let (next, bytes) = state.waiting.pop_front()?;
        state.counted.remove(bytes);
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

/// Memory that an event takes, in bytes.
fn weight(change: &Change) -> usize {
    match change {
        Change::Head(_) => HEAD_BYTES,
        Change::Logs(logs) => {
            let bytes = logs.iter().map(|placed| {
                LOG_BYTES + placed.log.data.len() + size_of_val(placed.log.topics.as_slice())
            });
            bytes.sum()
        }
        Change::Transactions(hashes) => size_of_val(hashes.as_ref()),
        Change::Peer(_) | Change::Sync(_) => SMALL_EVENT_BYTES,
    }
}
