//! Storage of clique's snapshots in the node's database.

use actoreum_consensus::SnapshotStore;
use actoreum_primitives::B256;
use actoreum_storage::{Commit, Store};

/// Snapshot store of clique over the node's database; see the module.
pub struct StoredSnapshots(pub Store);

impl SnapshotStore for StoredSnapshots {
    fn load(&self, block_hash: &B256) -> Result<Option<Vec<u8>>, String> {
        self.0
            .snapshot(block_hash)
            .map_err(|error| error.to_string())
    }

    fn save(&self, block_hash: &B256, blob: &[u8]) -> Result<(), String> {
        let mut commit = Commit::new();
        commit.put_snapshot(block_hash, blob);
        self.0.commit(commit).map_err(|error| error.to_string())
    }
}
