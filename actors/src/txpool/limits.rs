//! What bounds the work and the memory that transactions of peers take before they are in the
//! pool. The pool's own bounds are in `actoreum_txpool::limits`.

use std::time::Duration;

/// Transactions of one peer that are checked in one turn: at some 60 microseconds a signature,
/// 4 ms. A turn is what another peer's transaction waits for, and what runs on after its peer
/// has left.
pub const SLICE_TRANSACTIONS: usize = 64;

/// Bytes of transactions that are checked in one turn; a larger one has a turn of its own. Decoding
/// and hashing so much takes well under a millisecond.
pub const SLICE_BYTES: usize = 128 * 1024;

/// Bytes of messages of one peer that wait to be checked, whatever other peers send: five of the
/// packs of 100 KB that geth sends. The next message of the peer is not read until there is room.
pub const PEER_UNCHECKED_BYTES: usize = 512 * 1024;

/// What a message counts at least against [`PEER_UNCHECKED_BYTES`]: its place in the queue.
pub const MIN_UNCHECKED_COST: usize = 1024;

/// Bytes of larger messages that wait to be checked, of all peers together. geth 1.8 sends what a
/// reorganisation took back in one message, which may have megabytes; where there is no room for
/// one, its first [`PEER_UNCHECKED_BYTES`] are checked and the rest is dropped.
pub const SHARED_UNCHECKED_BYTES: usize = 32 * 1024 * 1024;

/// Local transactions whose blobs wait to be checked; further submissions wait for a place. One
/// takes up to 1 MiB.
pub const LOCAL_UNCHECKED: usize = 32;

/// Local transactions that are checked one after the other while slices of peers wait: then one
/// of those has its turn, so that gossip goes on.
pub const LOCAL_IN_A_ROW: u32 = 8;

/// Pause before a slice is tried again whose threads were down: they are restarted after
/// [`BACKOFF`](super::BACKOFF).
pub const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// How often a slice is tried again. Threads that are down for longer have other troubles.
pub const RETRIES: u32 = 100;

/// A transaction that was sealed in one of so many last blocks may still be on its way from peer to
/// peer, and says nothing against whoever passes it on. Older ones are not passed on by honest
/// peers.
pub const RECENT_BLOCKS: u64 = 128;

/// Blocks above the one that includes a blob transaction, for which its sidecar is kept: two epochs of
/// the beacon chain, after which geth's limbo lets go. A reorg of a network that seals its own blocks
/// is hardly ever deeper.
pub const LIMBO_BLOCKS: u64 = 64;

/// Bytes of blob transactions that are kept after their inclusion: some 240 blobs, or 64 blocks
/// with four each.
pub const MAX_LIMBO_BYTES: usize = 32 * 1024 * 1024;
