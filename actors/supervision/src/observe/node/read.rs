//! Snapshots of a node and of those under it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::kernel::clock::{self, Nanos};
use crate::observe::histogram::Histogram;
use crate::observe::node::Node;
use crate::observe::snapshot::{Kind, MailboxSnapshot, NodeSnapshot, Stuck};

/// For each arbiter, the start and the description of the longest-running activity on it.
type Busy = HashMap<String, (Nanos, String)>;

impl Node {
    /// Returns a snapshot of the subtree.
    pub(crate) fn snapshot(self: &Arc<Self>) -> NodeSnapshot {
        let now = clock::now();
        let mut busy = Busy::new();
        for node in self.walk() {
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
        self.read(now, &busy)
    }

    fn read(&self, now: Nanos, busy: &Busy) -> NodeSnapshot {
        let generation_state = self.generation_state.lock();
        let arbiter = generation_state.arbiter.clone();
        let incidents = generation_state.incidents.iter().cloned().collect();
        drop(generation_state);
        let doing = self.doing();
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
            stuck: self.stuck(now, doing.as_ref(), arbiter.as_ref(), busy),
            doing,
            arbiter,
            mailbox: (self.kind == Kind::Actor).then(|| MailboxSnapshot {
                depth: gauge(&self.gauges.depth),
                peak: gauge(&self.gauges.peak),
                capacity: gauge(&self.gauges.capacity),
            }),
            restarts: self.restarts.load(Relaxed),
            incidents,
            queue: Histogram::read_together(self.messages.iter().map(|of| &of.queue)),
            handling: Histogram::read_together(self.messages.iter().map(|of| &of.handling)),
            messages: self.messages.iter().map(|metrics| metrics.read()).collect(),
            children: self
                .children()
                .iter()
                .map(|child| child.read(now, busy))
                .collect(),
        }
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
