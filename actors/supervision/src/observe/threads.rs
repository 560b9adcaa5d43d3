//! The activity of a pool's threads: which job each one runs, since when, and whether that is longer
//! than it may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::kernel::clock::Nanos;
use crate::observe::activity::{Activity, Doing};

/// The activity of one thread. Written by that thread alone, but for the mark of a report.
#[derive(Debug)]
pub(crate) struct ThreadActivity {
    name: String,
    activity: Activity,
    /// The time from which the running job is late.
    due_at: AtomicU64,
    /// The start of the job that was last reported as late; zero where none was.
    reported: AtomicU64,
}

/// A job that a thread runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Running {
    pub(crate) doing: Doing,
    pub(crate) since: Nanos,
    /// Whether the job runs longer than it may.
    pub(crate) is_late: bool,
}

impl ThreadActivity {
    /// Returns the thread's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Records that a job begins at `now`, which is late from `due_at` on.
    pub(crate) fn begin(&self, doing: Doing, now: Nanos, due_at: Nanos) {
        self.due_at.store(due_at, Relaxed);
        self.activity.enter(doing, now);
    }

    /// Records the end of the job. Returns whether it was reported as late.
    pub(crate) fn end(&self) -> bool {
        let (_, since) = self.activity.read();
        self.activity.leave();
        self.reported.load(Relaxed) == since
    }

    /// Returns the job that runs at `now`, if any.
    pub(crate) fn running(&self, now: Nanos) -> Option<Running> {
        let (doing, since) = self.activity.read();
        (doing != Doing::Nothing).then(|| Running {
            doing,
            since,
            is_late: self.due_at.load(Relaxed) <= now,
        })
    }

    /// Returns the job that runs at `now` where it is late and was not reported before.
    pub(crate) fn take_late(&self, now: Nanos) -> Option<Running> {
        let running = self.running(now).filter(|running| running.is_late)?;
        let is_new = self.reported.swap(running.since, Relaxed) != running.since;
        is_new.then_some(running)
    }
}

/// The threads of a pool; empty for every other node.
#[derive(Debug, Default)]
pub(crate) struct ThreadTable {
    threads: Mutex<Vec<Arc<ThreadActivity>>>,
}

impl ThreadTable {
    /// Adds a thread.
    pub(crate) fn add(&self, name: &str) -> Arc<ThreadActivity> {
        let thread = Arc::new(ThreadActivity {
            name: name.to_owned(),
            activity: Activity::default(),
            due_at: AtomicU64::new(0),
            reported: AtomicU64::new(0),
        });
        self.threads.lock().push(Arc::clone(&thread));
        thread
    }

    /// Removes a thread that ends.
    pub(crate) fn remove(&self, thread: &Arc<ThreadActivity>) {
        self.threads
            .lock()
            .retain(|known| !Arc::ptr_eq(known, thread));
    }

    /// Returns the threads in the order in which they began.
    pub(crate) fn all(&self) -> Vec<Arc<ThreadActivity>> {
        self.threads.lock().clone()
    }
}
