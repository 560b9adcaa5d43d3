//! Progress of a sync.

/// Progress of a sync, as `eth_syncing` reports it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyncProgress {
    /// Number of the block at which the sync began.
    pub starting_block: u64,
    /// Number of the newest local block.
    pub current_block: u64,
    /// Number of the block at which the sync ends.
    pub highest_block: u64,
    /// State values fetched so far; zero in a full sync.
    pub pulled_states: u64,
    /// State values known to be needed; zero in a full sync.
    pub known_states: u64,
}
