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

/// Blocks that are told after the fact, where their events did not fit into the mailbox: each is
/// read from the database, and the actor answers nobody meanwhile. Past it those who follow the
/// chain learn that events are lost.
pub const RESYNC_BLOCKS: usize = 256;

/// Time between two looks at the pending block, for those who want its logs. What building it may
/// cost is bounded where it is built.
pub const PENDING_PERIOD: Duration = Duration::from_millis(250);
