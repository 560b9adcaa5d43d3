//! The reading of a node into a snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::kernel::clock::{self, Nanos};
use crate::limits::ASK_OVERDUE;
use crate::observe::histogram::Histogram;
use crate::observe::node::Node;
use crate::observe::snapshot::{
    Kind, MailboxSnapshot, NodeSnapshot, Stuck, ThreadSnapshot, WaitSnapshot,
};

/// For each arbiter, the start and the description of the longest-running activity on it.
type Busy = HashMap<String, (Nanos, String)>;

/// The figures of the whole tree, read before those of its nodes.
struct Tree {
    now: Nanos,
    busy: Busy,
    /// The paths of the actors by their numbers as senders.
    paths: HashMap<u32, String>,
}

impl Node {
    /// Returns a snapshot of the subtree.
    pub(crate) fn snapshot(self: &Arc<Self>) -> NodeSnapshot {
        let now = self.now();
        let mut busy = Busy::new();
        let nodes = self.walk();
        let before = overdue_before(now);
        let has_waits = nodes
            .iter()
            .any(|node| !node.waits_since(before).is_empty());
        let paths: Option<HashMap<u32, String>> = has_waits.then(|| {
            let paths = nodes.iter();
            let paths = paths.map(|node| (node.sender_id().work().actor, node.path().to_owned()));
            paths.collect()
        });
        for node in nodes {
            let (doing, since) = node.activity.read();
            let Some(doing) = node.describe(doing) else {
                continue;
            };
            let Some(arbiter) = node.generation_state.lock().arbiter.clone() else {
                continue;
            };
            let entry = busy.entry(arbiter).or_insert((Nanos::MAX, String::new()));
            if since < entry.0 {
                *entry = (since, format!("{} in {doing}", node.path()));
            }
        }
        let tree = Tree {
            now,
            busy,
            paths: paths.unwrap_or_default(),
        };
        self.read(&tree)
    }

    fn read(&self, tree: &Tree) -> NodeSnapshot {
        let now = tree.now;
        let generation_state = self.generation_state.lock();
        let arbiter = generation_state.arbiter.clone();
        let incidents = generation_state.incidents.iter().cloned().collect();
        drop(generation_state);
        let doing = self.doing();
        let threads = self.read_threads(now);
        let stuck = self.stuck(now, doing.as_ref(), arbiter.as_ref(), &tree.busy);
        let busy_threads = threads.iter().filter(|thread| thread.doing.is_some());
        let longest = busy_threads.max_by_key(|thread| thread.for_ms);
        let job = longest.and_then(|thread| thread.doing.clone());
        let started_at = self.started_at.load(Relaxed);
        let gauge = |value: &AtomicU64| value.load(Relaxed);
        NodeSnapshot {
            name: self.name.clone(),
            path: self.path().to_owned(),
            group: self.group().to_owned(),
            kind: self.kind,
            state: self.state(),
            generation: self.generation(),
            uptime_ms: (started_at != 0).then(|| now.saturating_sub(started_at) / 1_000_000),
            stuck: stuck.or_else(|| late_job(&threads)),
            doing: doing.or(job),
            threads,
            waits: self.read_waits(tree),
            deadlock: self.deadlock.lock().clone(),
            deadlocks: gauge(&self.deadlocks),
            arbiter,
            mailbox: (self.kind == Kind::Actor).then(|| MailboxSnapshot {
                depth: gauge(&self.gauges.depth),
                peak: gauge(&self.gauges.peak),
                capacity: gauge(&self.gauges.capacity),
                bytes: self.gauges.bytes.read(),
            }),
            pool: self.pool.get().map(|pool| pool()),
            restarts: self.restarts.load(Relaxed),
            incidents,
            dead_letters: self.dead_letters.read(),
            queue: Histogram::read_together(self.messages.iter().map(|of| &of.queue)),
            handling: Histogram::read_together(self.messages.iter().map(|of| &of.handling)),
            messages: self.messages.read(),
            children: self
                .children()
                .iter()
                .map(|child| child.read(tree))
                .collect(),
        }
    }

    fn read_waits(&self, tree: &Tree) -> Vec<WaitSnapshot> {
        if tree.paths.is_empty() {
            return Vec::new();
        }
        let waits = self.waits_since(overdue_before(tree.now)).into_iter();
        let read = waits.map(|wait| {
            let from = tree.paths.get(&wait.from.work().actor);
            let message = wait.message.and_then(|index| self.message_at(index));
            WaitSnapshot {
                from: from.map_or_else(|| wait.from.name().to_string(), Clone::clone),
                message: message.map(|metrics| metrics.name.to_string()),
                place: wait.state.into(),
                for_ms: tree.now.saturating_sub(wait.since) / 1_000_000,
            }
        });
        read.collect()
    }

    fn read_threads(&self, now: Nanos) -> Vec<ThreadSnapshot> {
        let threads = self.threads.all();
        let read = threads.iter().map(|thread| {
            let running = thread.running(now);
            ThreadSnapshot {
                name: thread.name().to_owned(),
                doing: running.and_then(|running| self.describe(running.doing)),
                for_ms: running.map_or(0, |running| now.saturating_sub(running.since) / 1_000_000),
                is_late: running.is_some_and(|running| running.is_late),
            }
        });
        read.collect()
    }

    fn stuck(
        &self,
        now: Nanos,
        doing: Option<&String>,
        arbiter: Option<&String>,
        busy: &Busy,
    ) -> Option<Stuck> {
        if !self.probe.stuck.load(Relaxed) {
            return None;
        }
        let sent_at = self.probe.sent_at.load(Relaxed);
        let blocker = arbiter
            .filter(|_| doing.is_none())
            .and_then(|arbiter| busy.get(arbiter));
        Some(Stuck {
            for_ms: now.saturating_sub(sent_at) / 1_000_000,
            doing: doing.cloned(),
            blocked_by: blocker.map(|(_, what)| what.clone()),
        })
    }
}

/// Returns the time at which a request that is overdue at `now` began at the latest.
fn overdue_before(now: Nanos) -> Nanos {
    now.saturating_sub(clock::nanos(ASK_OVERDUE))
}

/// Returns the late job of a pool that has run for the longest time.
fn late_job(threads: &[ThreadSnapshot]) -> Option<Stuck> {
    let late = threads.iter().filter(|thread| thread.is_late);
    let longest = late.max_by_key(|thread| thread.for_ms)?;
    let doing = longest.doing.as_ref();
    Some(Stuck {
        for_ms: longest.for_ms,
        doing: doing.map(|job| format!("{job} on {}", longest.name)),
        blocked_by: None,
    })
}
