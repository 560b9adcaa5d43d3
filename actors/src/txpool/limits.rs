//! Bounds of the work and memory of peers' transactions before they are in the pool. The pool's own
//! bounds are in `actoreum_txpool::limits`.

use std::time::Duration;

/// Maximum number of a peer's transactions that are checked in one turn: at some 60 microseconds a
/// signature, 4 ms. Another peer's transactions wait for a turn, and a turn is completed even after
/// its peer has left.
pub const SLICE_TRANSACTIONS: usize = 64;

/// Maximum number of bytes of transactions that are checked in one turn; a larger transaction has a
/// turn of its own. Decoding and hashing so much takes well under a millisecond.
pub const SLICE_BYTES: usize = 128 * 1024;

/// Maximum number of bytes of one peer's messages that wait to be checked, whatever other peers
/// send: five of the packs of 100 KB that geth sends. The peer's next message is not read until
/// there is room.
pub const PEER_UNCHECKED_BYTES: usize = 512 * 1024;

/// Minimum that a message counts against [`PEER_UNCHECKED_BYTES`]: its place in the queue.
pub const MIN_UNCHECKED_COST: usize = 1024;

/// Maximum number of bytes of larger messages that wait to be checked, of all peers together. geth
/// 1.8 sends the transactions of a reorg in one message, which may have megabytes; where there is
/// no room for one, its first [`PEER_UNCHECKED_BYTES`] are checked and the rest is dropped.
pub const SHARED_UNCHECKED_BYTES: usize = 32 * 1024 * 1024;

/// Maximum number of local transactions whose blobs wait to be checked; further submissions wait
/// for a place. One takes up to 1 MiB.
pub const MAX_LOCAL_UNCHECKED: usize = 32;

/// Maximum number of local transactions that are checked in a row while slices of peers wait: then
/// a slice has its turn, so that gossip continues.
pub const MAX_LOCAL_IN_A_ROW: u32 = 8;

/// Pause before a slice is tried again whose threads were down: they are restarted after
/// [`BACKOFF`](super::BACKOFF).
pub const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Maximum number of retries of a slice. Threads that are down for longer do not come back soon.
pub const MAX_RETRIES: u32 = 100;

/// A transaction that was sealed in one of this number of last blocks may still be gossiped, which
/// does not count against the peer that sends it. Honest peers do not send older ones.
pub const RECENT_BLOCKS: u64 = 128;

/// Number of blocks for which the sidecar of an included blob transaction is kept: two epochs of
/// the beacon chain, after which its blocks are final, and geth's limbo drops the sidecar. A reorg
/// of a network that seals its own blocks is hardly ever deeper.
pub const LIMBO_BLOCKS: u64 = 64;

/// Maximum number of bytes of blob transactions that are kept after their inclusion: some 240
/// blobs, or 64 blocks with four each.
pub const MAX_LIMBO_BYTES: usize = 32 * 1024 * 1024;
