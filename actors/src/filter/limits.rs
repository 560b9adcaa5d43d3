//! What clients can make the node keep for them, and where it ends.

use std::time::Duration;

/// How long a filter lives that nobody polls, as in geth.
pub const FILTER_LIFETIME: Duration = Duration::from_secs(300);

/// How often it is looked for filters that nobody polls: a filter lives longer than
/// [`FILTER_LIFETIME`] by this at most.
pub const EXPIRY_CHECK: Duration = Duration::from_secs(15);

/// Filters that are polled, at a time, over all clients. Each new block is compared with the
/// criteria of each; a client that forgets its filters loses them after [`FILTER_LIFETIME`].
pub const MAX_FILTERS: usize = 4_096;

/// Bytes that all filters together may hold for clients who have not asked yet. Past it, the
/// filter that holds most goes, and its client learns that it is not there.
pub const MAX_COLLECTED_BYTES: usize = 64 << 20;

/// Blocks that are read from the database and told in one turn, where no event told them: those of
/// a sync, and events that did not fit into the mailbox. Between two turns others are answered.
pub const RESYNC_BLOCKS: usize = 64;

/// Blocks that may be left to be told. Nothing is held for them, but a client wants to hear of the
/// head in seconds: at some 20,000 blocks a second this is three of them. Past it (the first sync
/// of an empty node with `--syncmode fast` gets there in one step) the blocks in between are left
/// out, and those who wanted their logs learn which.
pub const MAX_BLOCKS_BEHIND: u64 = 65_536;

/// Time between two looks at the pending block, for those who want its logs. What building it may
/// cost is bounded where it is built.
pub const PENDING_PERIOD: Duration = Duration::from_millis(250);
