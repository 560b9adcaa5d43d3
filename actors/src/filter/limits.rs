//! Bounds of what clients can make the node hold for them.

use std::time::Duration;

/// Lifetime of a filter that is not polled, as in geth.
pub const FILTER_LIFETIME: Duration = Duration::from_secs(300);

/// Interval of the search for expired filters: a filter outlives [`FILTER_LIFETIME`] by this at
/// most.
pub const EXPIRY_CHECK: Duration = Duration::from_secs(15);

/// Maximum number of polled filters, over all clients. Each new block is compared with the criteria
/// of each; a client that forgets its filters loses them after [`FILTER_LIFETIME`].
pub const MAX_FILTERS: usize = 4_096;

/// Maximum number of bytes that all filters together hold for polls to come. Beyond it, the filter
/// that holds most is removed, and its client learns that it does not exist.
pub const MAX_COLLECTED_BYTES: usize = 64 << 20;

/// Blocks that are read from the database and sent in one step, where no event arrived: those of a
/// sync, and of events that did not fit into the mailbox. Other messages are handled between two
/// steps.
pub const RESYNC_BLOCKS: usize = 64;

/// Maximum number of blocks between the last sent block and the head. Nothing is buffered for them,
/// but a client wants to hear of the head in seconds: at some 20,000 blocks a second this is three
/// of them. Beyond it (the first sync of an empty node with `--syncmode fast` gets there in one
/// step) the blocks in between are skipped, and those who wanted their logs learn which.
pub const MAX_BLOCKS_BEHIND: u64 = 65_536;

/// Interval of the checks for a new pending block, where its logs are wanted. What building it may
/// cost is bounded by its builder.
pub const PENDING_PERIOD: Duration = Duration::from_millis(250);
