//! The thread that passes the incidents of a log to its sink, such as a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing::{error, warn};

use crate::kernel::exit::contain;
use crate::limits::SINK_QUEUE;
use crate::observe::incidents::IncidentRecord;

/// The code that keeps the incidents of a log beyond the process.
pub(super) type Sink = Box<dyn FnMut(&IncidentRecord) + Send>;

/// The thread of a sink. It ends when this is dropped, once it has passed on what is queued.
pub(super) struct SinkThread {
    queue: SyncSender<IncidentRecord>,
    /// The number of incidents that were queued.
    queued: AtomicU64,
    dropped: AtomicU64,
    progress: Arc<Progress>,
}

/// The number of incidents that the sink has seen.
#[derive(Default)]
struct Progress {
    seen: Mutex<u64>,
    has_grown: Condvar,
}

impl SinkThread {
    pub(super) fn start(sink: Sink) -> Self {
        let (queue, incidents) = sync_channel(SINK_QUEUE);
        let progress = Arc::new(Progress::default());
        let of_thread = Arc::clone(&progress);
        let started = thread::Builder::new()
            .name("incidents".to_owned())
            .spawn(move || pass_on(&incidents, sink, &of_thread));
        if let Err(error) = started {
            error!(%error, "incidents are not kept: their thread did not start");
        }
        Self {
            queue,
            queued: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            progress,
        }
    }

    /// Queues an incident for the sink; counts it where the queue is full. Must have one caller at a
    /// time.
    pub(super) fn send(&self, incident: &IncidentRecord) {
        if self.queue.try_send(incident.clone()).is_ok() {
            self.queued.fetch_add(1, Relaxed);
        } else if self.dropped.fetch_add(1, Relaxed) == 0 {
            warn!("incidents are not kept: their sink is too slow");
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Returns the point at which the sink has seen all that is queued now.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            wanted: self.queued.load(Relaxed),
            progress: Arc::clone(&self.progress),
        }
    }
}

fn pass_on(incidents: &Receiver<IncidentRecord>, mut sink: Sink, progress: &Progress) {
    for incident in incidents {
        if let Err(text) = contain(|| sink(&incident)) {
            error!(reason = %text, "the sink of incidents panicked");
        }
        *progress.seen.lock() += 1;
        progress.has_grown.notify_all();
    }
}

/// A point in the work of a sink.
pub(super) struct Seen {
    wanted: u64,
    progress: Arc<Progress>,
}

impl Seen {
    /// Waits for the point. Returns whether it was reached within `limit`, which is real time also
    /// where the runtime's clock is paused.
    pub(super) async fn within(self, limit: Duration) -> bool {
        if *self.progress.seen.lock() >= self.wanted {
            return true;
        }
        let ends_at = Instant::now() + limit;
        let wait = move || {
            let mut seen = self.progress.seen.lock();
            while *seen < self.wanted {
                let wait = self.progress.has_grown.wait_until(&mut seen, ends_at);
                if wait.timed_out() {
                    break;
                }
            }
            *seen >= self.wanted
        };
        // The runtime does not let its paused clock jump while a blocking task runs.
        tokio::task::spawn_blocking(wait).await.unwrap_or(false)
    }
}
