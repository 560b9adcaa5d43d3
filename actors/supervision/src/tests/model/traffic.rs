//! The reference model of one actor's messages: mailbox, policies, answers and counts.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::plan::{Act, Kind, Post, Role, Sending};
use super::state::End;

mod room;

/// The results of sends and requests, by the number of the stimulus.
pub(super) type Results = BTreeMap<u32, &'static str>;

/// A message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope {
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) act: Act,
    pub(super) caller: Caller,
    /// The weight; zero where the mailbox has no bound in bytes.
    weight: usize,
    /// The time on the tree's clock from which it is not handled any more.
    expires_at: Option<Duration>,
}

/// The time of the timers, and the time by which the tree's clock is ahead of it, because handlers
/// held the thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    pub(super) now: Duration,
    pub(super) held: Duration,
}

impl Time {
    fn on_clock(self) -> Duration {
        self.now + self.held
    }
}

/// The caller that waits for the answer to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Nothing: the message was told.
    None,
    /// A request.
    Waits,
    /// A request that is sent again to the next generation, until its deadline.
    Until(Duration),
    /// A caller that has left.
    Left,
}

/// An answer that is given later.
#[derive(Debug, Clone, Copy)]
struct Owed {
    envelope: Envelope,
    /// `None` where the answer never comes.
    ready: Option<Duration>,
}

/// The counters of one kind of message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) handled: u64,
    pub(super) failed: u64,
    pub(super) rejected: u64,
    pub(super) unavailable: u64,
    pub(super) dropped: u64,
    pub(super) lost: u64,
    pub(super) expired: u64,
    /// Skipped unhandled, because the caller had left.
    pub(super) skipped: u64,
    /// Handled, but given up before the answer, because the caller had left.
    pub(super) given_up: u64,
    pub(super) owed: u64,
}

/// The messages of one actor, over all of its generations.
#[derive(Debug, Clone)]
pub(super) struct Traffic {
    capacity: usize,
    /// The bound in bytes.
    bound: Option<usize>,
    ask_deadline: Option<Duration>,
    pub(super) is_open: bool,
    queue: VecDeque<Envelope>,
    /// Messages that wait for a slot, in order.
    waiting: VecDeque<Envelope>,
    /// Messages that waited and have a slot, which they take when the actor's turn ends.
    granted: VecDeque<Envelope>,
    /// Messages of high priority that were taken since the last one of normal priority.
    high_run: usize,
    /// Requests that wait for the actor, in order.
    waiting_for_actor: Vec<Envelope>,
    owed: Vec<Owed>,
    /// Whether a message had to wait because the actor owed as many answers as it may. The model
    /// does not follow such a wait: `tests/owed.rs` tests it.
    pub(super) had_to_wait: bool,
    /// Whether the callers of the queued messages have not waited yet.
    is_fresh: bool,
    counts: [Counts; Kind::ALL.len()],
    pub(super) crash_at: Option<Kind>,
    /// The messages handled, in order.
    pub(super) got: Vec<u32>,
    /// Messages of normal priority that one of high priority passed.
    pub(super) overtaken: u64,
    /// Messages that found a free slot without room for their weight.
    pub(super) too_heavy: u64,
}

impl Traffic {
    pub(super) fn new(role: &Role) -> Self {
        let (capacity, bound, ask_deadline) = match *role {
            Role::Actor {
                capacity,
                bytes,
                ask_deadline,
                ..
            } => (capacity, bytes, ask_deadline),
            _ => (0, None, None),
        };
        Self {
            capacity,
            bound,
            ask_deadline,
            is_open: false,
            queue: VecDeque::new(),
            waiting: VecDeque::new(),
            granted: VecDeque::new(),
            high_run: 0,
            waiting_for_actor: Vec::new(),
            owed: Vec::new(),
            had_to_wait: false,
            is_fresh: false,
            counts: [Counts::default(); Kind::ALL.len()],
            crash_at: None,
            got: Vec::new(),
            overtaken: 0,
            too_heavy: 0,
        }
    }

    fn count(&mut self, kind: Kind) -> &mut Counts {
        &mut self.counts[kind as usize]
    }

    /// Returns the counters of a kind with the answers that are owed.
    pub(super) fn counts(&self, kind: Kind) -> Counts {
        let owed = self.owed.iter().filter(|owed| owed.envelope.kind == kind);
        Counts {
            owed: owed.count() as u64,
            ..self.counts[kind as usize]
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.queue.len()
    }

    /// Returns the weight of the queued messages.
    pub(super) fn bytes(&self) -> usize {
        self.queue.iter().map(|envelope| envelope.weight).sum()
    }

    /// Returns the number of messages of a kind that are neither handled nor refused yet.
    pub(super) fn undecided(&self, kind: Kind) -> u64 {
        let queued = self.queue.iter().chain(&self.granted).chain(&self.waiting);
        let all = queued.chain(&self.waiting_for_actor);
        all.filter(|envelope| envelope.kind == kind).count() as u64
    }

    /// Returns whether requests wait for the actor.
    pub(super) fn has_waiting_requests(&self) -> bool {
        !self.waiting_for_actor.is_empty()
    }

    /// Returns whether messages wait for a slot.
    pub(super) fn has_waiting_messages(&self) -> bool {
        !self.waiting.is_empty() || !self.granted.is_empty()
    }

    /// Returns whether the handler of a message that is queued, or waits, holds the thread.
    pub(super) fn has_holds(&self) -> bool {
        let mut queued = self.queue.iter().chain(&self.granted).chain(&self.waiting);
        queued.any(|envelope| matches!(envelope.act, Act::Hold(_)))
    }

    /// Returns the deadline of a message: its own, that of its kind, that of the actor; the first one
    /// holds. The last two are of requests.
    pub(super) fn deadline_of(&self, post: &Post) -> Option<Duration> {
        let is_told = matches!(post.sending, Sending::Tell | Sending::TellWhenRoom);
        let of_requests = post.kind.deadline().or(self.ask_deadline);
        post.deadline.or(of_requests.filter(|_| !is_told))
    }

    /// Sends a message.
    pub(super) fn send(&mut self, number: u32, post: Post, time: Time, results: &mut Results) {
        let Post { sending, kind, .. } = post;
        let caller = match sending {
            Sending::Tell | Sending::TellWhenRoom => Caller::None,
            Sending::Ask => Caller::Waits,
            Sending::AskAndLeave => Caller::Left,
            Sending::AskWithin(timeout) => Caller::Until(time.now + timeout),
        };
        let deadline = self.deadline_of(&post);
        let envelope = Envelope {
            number,
            kind,
            act: post.act,
            caller,
            weight: self.bound.map_or(0, |_| post.weight),
            expires_at: deadline.map(|deadline| time.on_clock() + deadline),
        };
        self.is_fresh = true;
        let refusal = if !self.is_open {
            "Unavailable"
        } else if self.makes_room(envelope.weight, results) {
            self.queue.push_back(envelope);
            self.grant();
            if caller == Caller::None {
                results.insert(number, "Ok");
            }
            self.count(kind).sent += 1;
            return;
        } else {
            "Full"
        };
        self.refused(envelope, sending, refusal, results);
    }

    fn refused(
        &mut self,
        envelope: Envelope,
        sending: Sending,
        refusal: &'static str,
        results: &mut Results,
    ) {
        let is_full = refusal == "Full";
        let may_wait = is_full && self.bound.is_none_or(|bound| envelope.weight <= bound);
        let waits = sending == Sending::TellWhenRoom || envelope.kind == Kind::Body;
        match sending {
            // Taken back before it was sent.
            Sending::AskAndLeave if waits => return,
            Sending::AskWithin(_) if !is_full => self.waiting_for_actor.push(envelope),
            Sending::AskWithin(_) if may_wait => self.waiting.push_back(envelope),
            Sending::TellWhenRoom | Sending::Ask if may_wait && waits => {
                self.waiting.push_back(envelope);
            }
            _ if is_full => self.count(envelope.kind).rejected += 1,
            _ => self.count(envelope.kind).unavailable += 1,
        }
        self.count(envelope.kind).sent += 1;
        let is_decided = !self
            .waiting
            .iter()
            .chain(&self.waiting_for_actor)
            .any(|waiting| waiting.number == envelope.number);
        if is_decided && envelope.caller != Caller::Left {
            results.insert(envelope.number, refusal);
        }
    }

    /// Opens the mailbox for a generation. The requests that waited for it are sent in order.
    pub(super) fn open(&mut self, results: &mut Results) {
        self.is_open = true;
        self.is_fresh = false;
        self.high_run = 0;
        for envelope in std::mem::take(&mut self.waiting_for_actor) {
            if self.makes_room(envelope.weight, results) {
                self.queue.push_back(envelope);
                self.grant();
            } else if self.bound.is_some_and(|bound| envelope.weight > bound) {
                self.count(envelope.kind).rejected += 1;
                results.insert(envelope.number, "Full");
            } else {
                self.waiting.push_back(envelope);
            }
        }
    }

    /// Handles the messages, until there is none or the actor ends.
    pub(super) fn turn(&mut self, time: &mut Time, results: &mut Results) -> Option<End> {
        loop {
            while let Some(envelope) = self.next() {
                self.grant();
                if let Some(end) = self.handle(envelope, time, results) {
                    self.close(results);
                    return Some(end);
                }
            }
            self.settle(time.now, results);
            if self.granted.is_empty() {
                return None;
            }
            self.is_fresh = false;
            for envelope in std::mem::take(&mut self.granted) {
                if envelope.caller == Caller::None {
                    results.insert(envelope.number, "Ok");
                }
                self.queue.push_back(envelope);
            }
        }
    }

    fn handle(
        &mut self,
        envelope: Envelope,
        time: &mut Time,
        results: &mut Results,
    ) -> Option<End> {
        let (kind, now) = (envelope.kind, time.now);
        self.had_to_wait |= kind == Kind::Query && self.owed.len() >= self.capacity;
        if envelope.expires_at.is_some_and(|at| at <= time.on_clock()) {
            self.count(kind).expired += 1;
            answer(&envelope, "Expired", results);
            return None;
        }
        if kind == Kind::Query && envelope.caller == Caller::Left {
            self.count(kind).skipped += 1;
            return None;
        }
        if self.crash_at == Some(kind) {
            self.crash_at = None;
            return self.crash(&envelope, results);
        }
        self.got.push(envelope.number);
        if envelope.act == Act::Panic {
            return self.crash(&envelope, results);
        }
        if let Act::Hold(held) = envelope.act {
            time.held += held;
        }
        self.count(kind).handled += 1;
        if kind == Kind::Query {
            let ready = match envelope.act {
                Act::Never => None,
                Act::Later(delay) => Some(now + delay),
                _ => Some(now),
            };
            self.owed.push(Owed { envelope, ready });
        } else {
            answer(&envelope, "Ok", results);
        }
        match envelope.act {
            Act::Fail => Some(End::Failed),
            Act::Stop => Some(End::Normal),
            _ => None,
        }
    }

    fn crash(&mut self, envelope: &Envelope, results: &mut Results) -> Option<End> {
        self.count(envelope.kind).failed += 1;
        answer(envelope, "Interrupted", results);
        Some(End::Panicked)
    }

    /// Closes the mailbox: the generation has ended.
    pub(super) fn close(&mut self, results: &mut Results) {
        self.is_open = false;
        let mut waiting = std::mem::take(&mut self.granted);
        waiting.append(&mut self.waiting);
        let queue = std::mem::take(&mut self.queue);
        // The callers that wait for a slot are woken first.
        for envelope in waiting {
            if matches!(envelope.caller, Caller::Until(_)) {
                self.waiting_for_actor.push(envelope);
            } else {
                self.count(envelope.kind).unavailable += 1;
                results.insert(envelope.number, "Unavailable");
            }
        }
        for envelope in queue {
            if matches!(envelope.caller, Caller::Until(_)) {
                self.waiting_for_actor.push(envelope);
            } else {
                self.count(envelope.kind).lost += 1;
                answer(&envelope, "Unavailable", results);
            }
        }
        // Callers that have not waited yet come in the order of their calls.
        if self.is_fresh {
            self.waiting_for_actor
                .sort_by_key(|envelope| envelope.number);
        }
        for owed in std::mem::take(&mut self.owed) {
            answer(&owed.envelope, "Interrupted", results);
        }
    }

    /// Returns the next time at which an answer is ready or a caller leaves.
    pub(super) fn next_event(&self) -> Option<Duration> {
        let leaves = |envelope: &Envelope| match envelope.caller {
            Caller::Until(deadline) => Some(deadline),
            _ => None,
        };
        let owed = self
            .owed
            .iter()
            .flat_map(|owed| [owed.ready, leaves(&owed.envelope)]);
        let waiting = self.waiting_for_actor.iter().map(leaves);
        owed.chain(waiting).flatten().min()
    }

    /// Returns whether an answer and its caller's deadline come at the same time.
    pub(super) fn is_ambiguous_at(&self, now: Duration) -> bool {
        self.owed
            .iter()
            .any(|owed| owed.ready == Some(now) && owed.envelope.caller == Caller::Until(now))
    }

    /// Gives the answers that are ready, and lets the callers leave whose deadline has come.
    pub(super) fn settle(&mut self, now: Duration, results: &mut Results) {
        for owed in std::mem::take(&mut self.owed) {
            let has_left = match owed.envelope.caller {
                Caller::Until(deadline) => deadline <= now,
                caller => caller == Caller::Left,
            };
            if owed.ready.is_some_and(|ready| ready <= now) {
                answer(&owed.envelope, "Ok", results);
            } else if has_left {
                answer(&owed.envelope, "TimedOut", results);
                self.count(owed.envelope.kind).given_up += 1;
            } else {
                self.owed.push(owed);
            }
        }
        for envelope in std::mem::take(&mut self.waiting_for_actor) {
            if matches!(envelope.caller, Caller::Until(deadline) if deadline <= now) {
                self.count(envelope.kind).unavailable += 1;
                results.insert(envelope.number, "Unavailable");
            } else {
                self.waiting_for_actor.push(envelope);
            }
        }
    }
}

fn answer(envelope: &Envelope, result: &'static str, results: &mut Results) {
    if matches!(envelope.caller, Caller::Waits | Caller::Until(_)) {
        results.insert(envelope.number, result);
    }
}
