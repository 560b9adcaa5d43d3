//! Published progress of a sync.

use std::sync::Arc;

use actoreum_sync::SyncProgress;
use arc_swap::ArcSwapOption;

/// Progress of the sync, readable from any thread without a message. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SyncStatus(Arc<ArcSwapOption<SyncProgress>>);

impl SyncStatus {
    /// Returns the progress of the running sync; `None` where nothing is fetched.
    pub fn progress(&self) -> Option<SyncProgress> {
        let progress = self.0.load();
        progress.as_deref().copied()
    }

    pub(super) fn publish(&self, progress: Option<SyncProgress>) {
        if self.progress() != progress {
            self.0.store(progress.map(Arc::new));
        }
    }
}
