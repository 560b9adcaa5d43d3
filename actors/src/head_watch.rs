//! Notice of new heads to tasks that wait for something to be in the chain.

use std::sync::Arc;

use tokio::sync::watch;

/// A notice of changes of the chain's head. Any number of tasks may wait for it. It may come late
/// or, when events are dropped, not at all: a waiting task reads the chain after each notice, and
/// from time to time without one.
#[derive(Debug, Clone)]
pub struct HeadWatch(Arc<watch::Sender<()>>);

impl Default for HeadWatch {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }
}

impl HeadWatch {
    /// Notifies every receiver.
    pub fn notify(&self) {
        self.0.send_replace(());
    }

    /// Returns a receiver of the notices from now on.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}
