//! The graph of the asks that wait for each other, and its cycles: actors that wait until a timeout.
//!
//! A node of the graph is a piece of work: the handling of one message, with the futures that it
//! spawned. Work waits for the asks that it has sent. An ask waits for the work that handles it; in a
//! mailbox, for the work that holds the receiver's thread, or for the answers that the receiver owes
//! where it may owe no other. An answer that is deferred to a later message waits for nothing that is
//! known here, so that it is in no cycle.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tracing::{info, warn};

use crate::kernel::clock::{self, Nanos};
use crate::limits::{ASK_OVERDUE, OWED_ANSWERS};
use crate::observe::activity::Doing;
use crate::observe::node::Node;
use crate::observe::senders::WorkId;
use crate::observe::snapshot::State;
use crate::observe::waits::{Wait, WaitState};

/// Asks of a cycle that its description names.
const NAMED_ASKS: usize = 8;

/// Different asks of a cycle that are looked at for its description.
const MAX_ASKS: usize = 64;

/// Cycles of one round that are described.
const MAX_CYCLES: usize = 32;

/// An ask that waits, with its receiver.
struct Ask {
    to: Arc<Node>,
    wait: Wait,
}

/// The asks of a tree that have waited for some time.
struct WaitGraph<'a> {
    nodes: &'a [Arc<Node>],
    before: Nanos,
    asks: Vec<Ask>,
    /// The asks that a piece of work has sent: indices of `asks`.
    sent_by: HashMap<WorkId, Vec<usize>>,
    /// The work that each actor's mailbox was found to wait for, by the actor's number and whether an
    /// owing message waits.
    mailboxes: RefCell<HashMap<(u32, bool), Vec<WorkId>>>,
}

impl<'a> WaitGraph<'a> {
    /// Reads the asks that wait since `before` or longer.
    fn read(nodes: &'a [Arc<Node>], before: Nanos) -> Self {
        let mut asks = Vec::new();
        let mut sent_by = HashMap::<_, Vec<_>>::new();
        for node in nodes {
            for wait in node.waits_since(before) {
                let sender = wait.from.work();
                if sender.actor != 0 {
                    sent_by.entry(sender).or_default().push(asks.len());
                }
                let to = Arc::clone(node);
                asks.push(Ask { to, wait });
            }
        }
        Self {
            nodes,
            before,
            asks,
            sent_by,
            mailboxes: RefCell::default(),
        }
    }

    /// Returns the work that an ask waits for, where all of it waits for asks itself.
    fn blockers(&self, ask: &Ask) -> Vec<WorkId> {
        let work = |message| WorkId {
            actor: ask.to.sender_id().work().actor,
            message,
        };
        match ask.wait.state {
            WaitState::Handled(message) | WaitState::Owed(message) => vec![work(message)],
            WaitState::Start if ask.to.state() == State::Starting => vec![work(0)],
            WaitState::Start => Vec::new(),
            WaitState::Queued { is_owing } => self.mailbox_blockers(&ask.to, is_owing),
            WaitState::Room => self.mailbox_blockers(&ask.to, true),
        }
    }

    fn mailbox_blockers(&self, to: &Arc<Node>, is_owing: bool) -> Vec<WorkId> {
        let key = (to.sender_id().work().actor, is_owing);
        let mut mailboxes = self.mailboxes.borrow_mut();
        let blockers = mailboxes.entry(key);
        blockers
            .or_insert_with(|| self.find_mailbox_blockers(to, is_owing))
            .clone()
    }

    fn find_mailbox_blockers(&self, to: &Arc<Node>, is_owing: bool) -> Vec<WorkId> {
        if let Some(holder) = self.thread_holder(to) {
            return vec![holder];
        }
        let owed: Vec<WorkId> = if is_owing {
            self.owed_by(to).collect()
        } else {
            Vec::new()
        };
        let capacity = to.gauges.capacity.load(Relaxed) as usize;
        let is_at_bound = owed.len() >= OWED_ANSWERS.min(capacity);
        let all_wait = owed.iter().all(|work| self.sent_by.contains_key(work));
        if is_at_bound && all_wait {
            owed
        } else {
            Vec::new()
        }
    }

    /// Returns the work whose answers an actor owes.
    fn owed_by(&self, to: &Arc<Node>) -> impl Iterator<Item = WorkId> {
        let actor = to.sender_id().work().actor;
        let owed = self.asks.iter().filter(move |ask| Arc::ptr_eq(&ask.to, to));
        owed.filter_map(move |ask| match ask.wait.state {
            WaitState::Owed(message) => Some(WorkId { actor, message }),
            _ => None,
        })
    }

    /// Returns the work that holds the thread of an actor: its own, or that of another actor of its
    /// arbiter.
    fn thread_holder(&self, of: &Arc<Node>) -> Option<WorkId> {
        if let Some((work, ..)) = of.work_since(self.before) {
            return Some(work);
        }
        let arbiter = of.arbiter()?;
        let mut others = self.nodes.iter();
        let (work, ..) = others.find_map(|node| {
            let held = node.work_since(self.before)?;
            // The other two hooks are futures, which may leave the thread to others.
            let holds_thread = !matches!(held.1, Doing::Factory | Doing::Stopped);
            (holds_thread && node.arbiter().as_ref() == Some(&arbiter)).then_some(held)
        })?;
        Some(work)
    }

    /// Returns the asks that an ask waits for.
    fn next(&self, ask: usize) -> Vec<usize> {
        let blockers = self.blockers(&self.asks[ask]).into_iter();
        let asks = blockers.filter_map(|work| self.sent_by.get(&work));
        asks.flatten().copied().collect()
    }

    /// Returns cycles: for each ask that closes some, the shortest one on the path to it.
    fn cycles(&self) -> Vec<Vec<usize>> {
        let mut cycles = Vec::new();
        let mut is_done = vec![false; self.asks.len()];
        for start in 0..self.asks.len() {
            if !is_done[start] {
                self.search(start, &mut is_done, &mut cycles);
            }
        }
        cycles
    }

    /// Adds the cycles that a search from `start` finds, depth first.
    fn search(&self, start: usize, is_done: &mut [bool], cycles: &mut Vec<Vec<usize>>) {
        // The asks from `start` on, each with those after it that were not visited yet.
        let mut path: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut places = HashMap::new();
        let mut entered = Some(start);
        loop {
            if let Some(ask) = entered.take() {
                let next = self.next(ask);
                places.insert(ask, path.len());
                path.push((ask, next.clone()));
                let nearest = next.iter().filter_map(|next| places.get(next)).max();
                if let Some(begin) = nearest {
                    cycles.push(path[*begin..].iter().map(|(ask, _)| *ask).collect());
                }
            }
            let Some((ask, left)) = path.last_mut() else {
                return;
            };
            match left.pop() {
                Some(next) if is_done[next] || places.contains_key(&next) => {}
                Some(next) => entered = Some(next),
                None => {
                    let ask = *ask;
                    is_done[ask] = true;
                    places.remove(&ask);
                    path.pop();
                }
            }
        }
    }

    /// Returns the description of a cycle, which does not depend on where it was entered.
    fn describe(&self, cycle: &[usize], paths: &HashMap<u32, &str>) -> String {
        let path_of = |work: WorkId| paths.get(&work.actor).copied().unwrap_or("another tree");
        let mut asks: Vec<String> = Vec::new();
        for (place, ask) in cycle.iter().enumerate() {
            let Ask { to, wait } = &self.asks[*ask];
            let next = self.asks[cycle[(place + 1) % cycle.len()]].wait.from.work();
            let message = wait.message.and_then(|index| to.message_at(index));
            let message = message.map_or("to be sent", |metrics| &*metrics.name);
            let from = path_of(wait.from.work());
            let mut text = format!("{from} asks {} ({message})", to.path());
            if next.actor != to.sender_id().work().actor {
                text.push_str(&format!(", whose thread {} holds", path_of(next)));
            }
            // Two actors may ask each other many times.
            if !asks.contains(&text) {
                asks.push(text);
            }
            if asks.len() > MAX_ASKS {
                break;
            }
        }
        let first = (0..asks.len()).min_by_key(|place| &asks[*place]);
        asks.rotate_left(first.unwrap_or_default());
        let is_cut = asks.len() > NAMED_ASKS;
        asks.truncate(NAMED_ASKS);
        let mut text = asks.join(", ");
        if is_cut {
            text.push_str(", and more");
        }
        text
    }
}

/// The cycles of asks that the health monitor knows of.
#[derive(Default)]
pub(crate) struct Deadlocks {
    /// The cycles of the last round. One that is found again is reported.
    suspected: HashSet<String>,
    reported: HashSet<String>,
    marked: Vec<Arc<Node>>,
}

impl Deadlocks {
    /// Returns the cycles that were reported and still exist, in order.
    #[cfg(test)]
    pub(crate) fn reported(&self) -> Vec<String> {
        let mut reported: Vec<_> = self.reported.iter().cloned().collect();
        reported.sort();
        reported
    }

    /// Looks for cycles among the asks that have waited for [`ASK_OVERDUE`] at `now`. Each cycle that
    /// two rounds find is reported once.
    pub(crate) fn look(&mut self, nodes: &[Arc<Node>], now: Nanos) {
        let before = now.saturating_sub(clock::nanos(ASK_OVERDUE));
        let graph = WaitGraph::read(nodes, before);
        let cycles = if graph.sent_by.is_empty() {
            Vec::new()
        } else {
            graph.cycles()
        };
        if cycles.is_empty() && self.suspected.is_empty() {
            return;
        }
        let paths = nodes.iter();
        let paths = paths.map(|node| (node.sender_id().work().actor, node.path()));
        let paths: HashMap<u32, &str> = paths.collect();
        for node in self.marked.drain(..) {
            *node.deadlock.lock() = None;
        }
        let mut found = HashSet::new();
        for cycle in cycles.into_iter().take(MAX_CYCLES) {
            let text = graph.describe(&cycle, &paths);
            if !found.insert(text.clone()) || !self.suspected.contains(&text) {
                continue;
            }
            let mut members: Vec<&Arc<Node>> = Vec::new();
            for ask in &cycle {
                let node = &graph.asks[*ask].to;
                if !members.iter().any(|member| Arc::ptr_eq(member, node)) {
                    members.push(node);
                }
            }
            if self.reported.insert(text.clone()) {
                warn!(cycle = %text, "actors wait for each other");
                for node in &members {
                    node.deadlocks.fetch_add(1, Relaxed);
                }
                if let Some(first) = members.iter().min_by_key(|node| node.path()) {
                    first.note_deadlock(&text);
                }
            }
            for node in members {
                *node.deadlock.lock() = Some(text.clone());
                self.marked.push(Arc::clone(node));
            }
        }
        self.reported.retain(|text| {
            let is_left = found.contains(text);
            if !is_left {
                info!(cycle = %text, "actors no longer wait for each other");
            }
            is_left
        });
        self.suspected = found;
    }
}
