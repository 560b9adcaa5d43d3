//! How far a sync is.

/// What `eth_syncing` tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyncProgress {
    /// Number of the block that the sync began at.
    pub starting_block: u64,
    /// Number of the newest block that we have.
    pub current_block: u64,
    /// Number of the block that the sync ends at.
    pub highest_block: u64,
    /// State values that were fetched; zero in a full sync.
    pub pulled_states: u64,
    /// State values that are known to be needed; zero in a full sync.
    pub known_states: u64,
}
