//! Limits of the block fetcher, with their reasons. The numbers are geth's.

use std::time::Duration;

/// Delay between the announcement of a block and its request: most blocks arrive by themselves
/// before.
pub const ARRIVE_TIMEOUT: Duration = Duration::from_millis(500);

/// Requests that are due within this time of each other are sent together.
pub const GATHER_SLACK: Duration = Duration::from_millis(100);

/// Time after which an unanswered request goes to another peer that has announced the block.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum distance of a block below the local head. Blocks further below are of no use, not even
/// as ommers.
pub const MAX_UNCLE_DISTANCE: u64 = 7;

/// Maximum distance of a block above the local head. Blocks further above come with a sync. Bounds
/// the number of blocks that a peer can queue with false block numbers.
pub const MAX_QUEUE_DISTANCE: u64 = 32;

/// Maximum number of announced blocks that are remembered for one peer.
pub const HASH_LIMIT: usize = 256;

/// Maximum number of blocks of one peer that wait for import: full blocks are large.
pub const BLOCK_LIMIT: usize = 64;

/// Maximum number of bytes of headers and blocks held for one peer, from the header's arrival to
/// the end of the import. This leaves room for one block of the largest kind (10 MiB) and the
/// ordinary ones around it.
pub const MAX_PEER_BYTES: usize = 16 << 20;

/// Maximum number of bytes of headers and blocks held for all peers together. Without it, 50 peers
/// with a full share each could have 800 MiB held. Blocks above the limit are evicted from the peer
/// that holds most, so that byzantine peers that fill it lose their own blocks to the next honest
/// one.
pub const MAX_TOTAL_BYTES: usize = 64 << 20;

/// Bytes that a held block takes beside its body and the extra data of its header: the header's
/// fields and the map entries.
pub const ENTRY_BYTES: usize = 1024;
