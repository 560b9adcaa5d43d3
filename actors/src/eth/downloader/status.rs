//! What others see of a sync.

use std::sync::Arc;

use actoreum_sync::SyncProgress;
use arc_swap::ArcSwapOption;

/// How far the sync is, for whoever asks: no mailbox is between. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SyncStatus(Arc<ArcSwapOption<SyncProgress>>);

impl SyncStatus {
    /// The sync that runs; `None` where there is nothing to fetch.
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
