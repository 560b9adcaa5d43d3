//! The snapshot cache, and its store.

use std::{fmt, num::NonZeroUsize, sync::Arc};

use actoreum_primitives::B256;
use lru::LruCache;
use parking_lot::Mutex;
use tracing::warn;

use super::{CliqueError, Snapshot};
use crate::limits::{CLIQUE_CHECKPOINT_INTERVAL, CLIQUE_SNAPSHOTS_IN_MEMORY};

/// Storage of snapshots across restarts. A lost snapshot is rebuilt from headers.
pub trait SnapshotStore: Send + Sync {
    /// Returns the blob that was saved for the block with this hash.
    fn load(&self, block_hash: &B256) -> Result<Option<Vec<u8>>, String>;
    /// Saves a blob for the block with this hash.
    fn save(&self, block_hash: &B256, blob: &[u8]) -> Result<(), String>;
}

/// The newest snapshots in memory, and a store of every 1,024th.
pub(super) struct Snapshots {
    memory: Mutex<LruCache<B256, Arc<Snapshot>>>,
    store: Option<Arc<dyn SnapshotStore>>,
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stored = self.store.is_some();
        formatter
            .debug_struct("Snapshots")
            .field("stored", &stored)
            .finish_non_exhaustive()
    }
}

impl Snapshots {
    pub(super) fn new(store: Option<Arc<dyn SnapshotStore>>) -> Self {
        let capacity = NonZeroUsize::new(CLIQUE_SNAPSHOTS_IN_MEMORY)
            .expect("because the limit is a constant above zero");
        Self {
            memory: Mutex::new(LruCache::new(capacity)),
            store,
        }
    }

    pub(super) fn find(&self, number: u64, hash: &B256) -> Option<Arc<Snapshot>> {
        if let Some(snapshot) = self.memory.lock().get(hash) {
            return Some(Arc::clone(snapshot));
        }
        if !number.is_multiple_of(CLIQUE_CHECKPOINT_INTERVAL) {
            return None;
        }
        let blob = match self.store.as_ref()?.load(hash) {
            Ok(blob) => blob?,
            Err(error) => {
                warn!(number, %hash, error, "failed to read clique snapshot, rebuilding it from headers");
                return None;
            }
        };
        match serde_json::from_slice::<Snapshot>(&blob) {
            Ok(snapshot) if snapshot.hash == *hash && snapshot.number == number => {
                Some(self.cache_snapshot(snapshot))
            }
            Ok(_) => None,
            Err(error) => {
                warn!(number, %hash, %error, "clique snapshot corrupt, rebuilding it from headers");
                None
            }
        }
    }

    /// Saves the snapshot if its number is a multiple of the checkpoint interval.
    pub(super) fn store_if_interval(&self, snapshot: &Snapshot) -> Result<(), CliqueError> {
        if !snapshot.number.is_multiple_of(CLIQUE_CHECKPOINT_INTERVAL) {
            return Ok(());
        }
        let Some(store) = &self.store else {
            return Ok(());
        };
        let blob = serde_json::to_vec(snapshot)
            .expect("because a snapshot holds nothing that JSON cannot express");
        store
            .save(&snapshot.hash, &blob)
            .map_err(CliqueError::Store)
    }

    /// Caches a snapshot in memory.
    pub(super) fn cache_snapshot(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        let snapshot = Arc::new(snapshot);
        self.memory.lock().put(snapshot.hash, Arc::clone(&snapshot));
        snapshot
    }
}
