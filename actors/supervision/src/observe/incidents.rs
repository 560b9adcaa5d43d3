//! The log of incidents of a whole tree: failures, escalations, restarts with a group, hangs.
//!
//! A node of the tree remembers its own last incidents; the log has those of all nodes in one
//! order, those of nodes that are gone, and, with a sink, those of earlier processes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::kernel::clock;
use crate::kernel::exit::{Exit, bounded, contain};
use crate::limits::LOGGED_INCIDENTS;

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

/// The code that keeps the incidents of a log beyond the process, such as a file.
type Sink = Box<dyn FnMut(&IncidentRecord) + Send>;

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
    sink: Option<Sink>,
}

impl IncidentLog {
    /// Creates a log that begins with `earlier` incidents, oldest first, and passes each new one to
    /// `sink`.
    ///
    /// The sink runs on the thread of the supervisor that reports the incident, so that it has seen
    /// an incident before the process can end because of it. It must not wait for an actor.
    pub fn with_sink(
        earlier: impl IntoIterator<Item = IncidentRecord>,
        sink: impl FnMut(&IncidentRecord) + Send + 'static,
    ) -> Self {
        let mut shared = Shared::default();
        for incident in earlier {
            shared.push(incident);
        }
        shared.sink = Some(Box::new(sink));
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

    pub(crate) fn add(&self, kind: IncidentKind, actor: &str, generation: u64, reason: &str) {
        let incident = IncidentRecord {
            unix_ms: clock::unix_millis(),
            kind,
            actor: actor.to_owned(),
            generation,
            reason: bounded(reason),
        };
        let mut shared = self.shared.lock();
        if let Some(sink) = &mut shared.sink
            && let Err(text) = contain(|| sink(&incident))
        {
            error!(reason = %text, "the sink of incidents panicked");
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

    fn reasons(log: &IncidentLog, seen: u64) -> (u64, Vec<String>) {
        let (added, incidents) = log.since(seen);
        (added, incidents.into_iter().map(|it| it.reason).collect())
    }

    #[test]
    fn a_reader_gets_each_incident_once() {
        let log = IncidentLog::default();
        assert_eq!(reasons(&log, 0), (0, vec![]));
        log.add(IncidentKind::Failure, "root/a", 1, "one");
        log.add(IncidentKind::Stuck, "root/b", 1, "two");
        assert_eq!(reasons(&log, 0), (2, vec!["one".into(), "two".into()]));
        assert_eq!(reasons(&log, 1), (2, vec!["two".into()]));
        assert_eq!(reasons(&log, 2), (2, vec![]));
        assert_eq!(reasons(&log, 9), (2, vec![]));
    }

    #[test]
    fn the_log_is_bounded() {
        let log = IncidentLog::default();
        for _ in 0..LOGGED_INCIDENTS + 5 {
            log.add(IncidentKind::Failure, "root/a", 1, &"x".repeat(100_000));
        }
        let (added, incidents) = log.since(3);
        assert_eq!(added, LOGGED_INCIDENTS as u64 + 5);
        assert_eq!(incidents.len(), LOGGED_INCIDENTS);
        assert!(incidents[0].reason.len() < 1_000);
    }

    #[test]
    fn a_sink_that_panics_does_not_end_the_log() {
        let earlier = IncidentLog::default();
        earlier.add(IncidentKind::Failure, "root/a", 1, "before");
        let log = IncidentLog::with_sink(earlier.since(0).1, |_| panic!("disk full"));
        log.add(IncidentKind::Failure, "root/a", 2, "after");
        let both = vec!["before".to_owned(), "after".to_owned()];
        assert_eq!(reasons(&log, 0), (2, both));
    }
}
