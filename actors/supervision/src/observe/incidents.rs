//! The log of incidents of a whole tree: failures, escalations, restarts with a group, hangs.
//!
//! A node of the tree remembers its own last incidents; the log has those of all nodes in one
//! order, those of nodes that are gone, and, with a sink, those of earlier processes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::kernel::exit::{Exit, bounded};
use crate::limits::LOGGED_INCIDENTS;
use crate::observe::incident_sink::{Sink, SinkThread};

/// The kind of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// A generation ended with a failure.
    Failure,
    /// A supervisor gave up because of a child, which is a failure of the supervisor itself.
    Escalation,
    /// An actor was restarted or stopped together with a sibling that failed.
    Group,
    /// An actor did not answer its health probe in time.
    Stuck,
    /// Actors wait for each other's answers in a circle.
    Deadlock,
}

impl IncidentKind {
    /// Returns the kind of a failure with this exit.
    pub(crate) fn of(exit: &Exit) -> Self {
        match exit {
            Exit::GaveUp { .. } | Exit::Escalated { .. } => Self::Escalation,
            _ => Self::Failure,
        }
    }
}

/// An incident of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentRecord {
    /// The time in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// The kind.
    pub kind: IncidentKind,
    /// The path of the actor or supervisor.
    pub actor: String,
    /// The generation that ended or hangs.
    pub generation: u64,
    /// The reason: the text of an [`Exit`], the sibling, or what the actor does.
    pub reason: String,
}

/// A log of the last [`LOGGED_INCIDENTS`] incidents. Clones share it.
#[derive(Clone, Default)]
pub struct IncidentLog {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    recent: VecDeque<IncidentRecord>,
    /// The incidents ever added.
    added: u64,
    sink: Option<SinkThread>,
}

impl IncidentLog {
    /// Creates a log that begins with `earlier` incidents, oldest first, and passes each new one to
    /// `sink`.
    ///
    /// The sink runs on a thread of its own, so that a slow disk delays no supervisor. It gets the
    /// incidents in their order, through a queue of
    /// [`SINK_QUEUE`](crate::limits::SINK_QUEUE): those that find it full are counted
    /// ([`dropped`](Self::dropped)). A panic of the sink is logged, and the sink goes on with the next
    /// incident. The end of a tree ([`Tree::wait`](crate::Tree::wait)) waits for a bounded time until
    /// the sink has seen every incident. The thread ends with the last clone of the log.
    pub fn with_sink(
        earlier: impl IntoIterator<Item = IncidentRecord>,
        sink: impl FnMut(&IncidentRecord) + Send + 'static,
    ) -> Self {
        let sink: Sink = Box::new(sink);
        let mut shared = Shared::default();
        for incident in earlier {
            shared.push(incident);
        }
        shared.sink = Some(SinkThread::start(sink));
        Self {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// Returns the incidents that were added after the first `seen` ones, oldest first, and the
    /// number of all: the next `seen`. Those that the log no longer holds are left out.
    pub fn since(&self, seen: u64) -> (u64, Vec<IncidentRecord>) {
        let shared = self.shared.lock();
        let new = usize::try_from(shared.added.saturating_sub(seen)).unwrap_or(usize::MAX);
        let skipped = shared.recent.len().saturating_sub(new);
        let incidents = shared.recent.iter().skip(skipped).cloned();
        (shared.added, incidents.collect())
    }

    /// Returns the number of incidents that the sink was not given because it was too slow.
    pub fn dropped(&self) -> u64 {
        let shared = self.shared.lock();
        shared.sink.as_ref().map_or(0, SinkThread::dropped)
    }

    /// Waits until the sink has seen the incidents that were added before. Returns whether it has
    /// within `limit`.
    pub(crate) async fn flush(&self, limit: Duration) -> bool {
        let seen = self.shared.lock().sink.as_ref().map(SinkThread::seen);
        match seen {
            Some(seen) => seen.within(limit).await,
            None => true,
        }
    }

    pub(crate) fn add(
        &self,
        unix_ms: u64,
        kind: IncidentKind,
        actor: &str,
        generation: u64,
        reason: &str,
    ) {
        let incident = IncidentRecord {
            unix_ms,
            kind,
            actor: actor.to_owned(),
            generation,
            reason: bounded(reason),
        };
        let mut shared = self.shared.lock();
        if let Some(sink) = &shared.sink {
            sink.send(&incident);
        }
        shared.push(incident);
    }
}

impl Shared {
    fn push(&mut self, incident: IncidentRecord) {
        if self.recent.len() == LOGGED_INCIDENTS {
            self.recent.pop_front();
        }
        self.recent.push_back(incident);
        self.added += 1;
    }
}

impl fmt::Debug for IncidentLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared.lock();
        formatter
            .debug_struct("IncidentLog")
            .field("added", &shared.added)
            .field("recent", &shared.recent.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SINK_QUEUE;

    fn reasons(log: &IncidentLog, seen: u64) -> (u64, Vec<String>) {
        let (added, incidents) = log.since(seen);
        (added, incidents.into_iter().map(|it| it.reason).collect())
    }

    #[test]
    fn a_reader_gets_each_incident_once() {
        let log = IncidentLog::default();
        assert_eq!(reasons(&log, 0), (0, vec![]));
        log.add(1, IncidentKind::Failure, "root/a", 1, "one");
        log.add(1, IncidentKind::Stuck, "root/b", 1, "two");
        assert_eq!(reasons(&log, 0), (2, vec!["one".into(), "two".into()]));
        assert_eq!(reasons(&log, 1), (2, vec!["two".into()]));
        assert_eq!(reasons(&log, 2), (2, vec![]));
        assert_eq!(reasons(&log, 9), (2, vec![]));
    }

    #[test]
    fn the_log_is_bounded() {
        let log = IncidentLog::default();
        for _ in 0..LOGGED_INCIDENTS + 5 {
            log.add(1, IncidentKind::Failure, "root/a", 1, &"x".repeat(100_000));
        }
        let (added, incidents) = log.since(3);
        assert_eq!(added, LOGGED_INCIDENTS as u64 + 5);
        assert_eq!(incidents.len(), LOGGED_INCIDENTS);
        assert!(incidents[0].reason.len() < 1_000);
    }

    #[test]
    fn a_sink_that_panics_does_not_end_the_log() {
        let earlier = IncidentLog::default();
        earlier.add(1, IncidentKind::Failure, "root/a", 1, "before");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let to_seen = Arc::clone(&seen);
        let log = IncidentLog::with_sink(earlier.since(0).1, move |incident| {
            to_seen.lock().push(incident.reason.clone());
            panic!("disk full");
        });
        for reason in ["after", "again"] {
            log.add(2, IncidentKind::Failure, "root/a", 2, reason);
        }
        let all = ["before", "after", "again"].map(str::to_owned);
        assert_eq!(reasons(&log, 0), (3, all.to_vec()));
        assert!(crate::block_on(log.flush(Duration::from_secs(60))));
        assert_eq!(*seen.lock(), ["after", "again"]);
        assert_eq!(log.dropped(), 0);
    }

    #[test]
    fn a_sink_that_hangs_delays_nobody_and_what_it_misses_counts() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let seen = Arc::new(Mutex::new(0));
        let to_seen = Arc::clone(&seen);
        let log = IncidentLog::with_sink([], move |_| {
            let _ = held.recv();
            *to_seen.lock() += 1;
        });
        let added = SINK_QUEUE as u64 + 10;
        for number in 0..added {
            log.add(number, IncidentKind::Failure, "root/a", 1, "full");
        }
        // One more than the queue holds where the thread has taken the first one.
        let dropped = log.dropped();
        assert!((9..=10).contains(&dropped), "{dropped}");
        assert!(!crate::block_on(log.flush(Duration::ZERO)));
        drop(release);
        assert!(crate::block_on(log.flush(Duration::from_secs(60))));
        assert_eq!(*seen.lock(), added - dropped);
    }
}
