//! Every bound of the eth protocol's actors, with its reason. Those of the messages themselves
//! are in `actoreum_wire::limits`, those of the connection in [`crate::net::limits`], those of what
//! is fetched after an announcement in `actoreum_sync`.

use std::time::Duration;

// --- requests -------------------------------------------------------------------

/// Requests to one peer that wait for their answers, those with it whose asker has given up. More
/// are refused to the asker: a peer that answers none of so many will not answer the next.
pub const OUTSTANDING_REQUESTS: usize = 32;

/// Bytes of an answer with transactions: clients stop at 2 MiB, and the last one may pass that by
/// its own size, which is 1 MiB at most.
pub const POOLED_ANSWER_BYTES: usize = 3 * 1024 * 1024;

// --- what counts against a peer, of the 100 points at which it is sent away ------

/// An answer that cannot be decoded or breaks a limit: no honest software sends it.
pub const MALFORMED_POINTS: i64 = 100;

/// An answer with more than was asked for, or with something else.
pub const MISMATCH_POINTS: i64 = 50;

/// An answer to nothing. Few may be the rest of a request that was given up long ago.
pub const UNSOLICITED_POINTS: i64 = 10;

/// No answer in the asker's time. A slow line does it too, so it takes many in a row.
pub const TIMEOUT_POINTS: i64 = 5;

/// What an answer that came in time takes back of what stands against a peer.
pub const ANSWER_CREDIT: i64 = 2;

/// A block or a transaction that cannot be valid: whoever passes it on has not checked it.
pub const INVALID_POINTS: i64 = 50;

/// A transaction announced with another type or size than it has (eth/68): geth 1.13 drops the peer.
pub const FALSE_ANNOUNCEMENT_POINTS: i64 = 100;

/// What is cheap to send and breaks no rule by itself: more announcements than are remembered,
/// transactions that nobody could have taken.
pub const NOISE_POINTS: i64 = 2;

/// A message of blocks above the budget of those that are of no use ([`USELESS_BUDGET`]).
pub const USELESS_POINTS: i64 = 50;

// --- what is read -----------------------------------------------------------------

/// Longest status: some numbers, two hashes and the fork id take under 150 bytes.
pub const MAX_STATUS_SIZE: usize = 1024;

/// A larger message is decompressed and decoded on a pool. Up to this it takes under 0.1 ms, which
/// is about what the way to the pool and back costs.
pub const INLINE_MESSAGE: usize = 32 * 1024;

// --- blocks that are of no use ------------------------------------------------------

/// Bytes of blocks that are of no use here, and that a peer may send at once: far from our head,
/// sent again, refused for want of room. Peers that are far ahead send each new block, and cannot
/// know that it is of no use. Each megabyte costs us about a millisecond of a pool's thread.
pub const USELESS_BUDGET: u64 = 32 << 20;

/// Bytes by which [`USELESS_BUDGET`] fills up again in a second: more than a chain with blocks of
/// the largest kind grows.
pub const USELESS_RATE: u64 = 4 << 20;

/// What a block counts against [`USELESS_BUDGET`] at least, whatever its size.
pub const MIN_USELESS_COST: usize = 32 * 1024;

/// What an announcement of a block that is far from our head counts against it.
pub const USELESS_ANNOUNCEMENT_COST: usize = 4 * 1024;

/// A block whose gas limit is more than this many times our head's is not kept until its parent
/// comes. It moves by a 1,024th a block, and doubles once, at London.
pub const ORPHAN_GAS_LIMIT_RATIO: u64 = 4;

/// Gas that a transaction uses at least: half of the 21,000 that it pays, since up to half is
/// refunded before London. Bounds the transactions of a block by its header.
pub const MIN_TRANSACTION_GAS: u64 = 10_500;

/// Gas that a byte of a transaction's data uses at least: half of the 4 that a zero costs.
pub const MIN_BYTE_GAS: u64 = 2;

/// Bytes of a transaction that no gas is paid for: its fields, its signature, hashes of blobs.
pub const MAX_TRANSACTION_OVERHEAD: usize = 1024;

/// Bytes of a body that are neither transactions nor ommers: withdrawals, and lists' headers.
pub const MAX_BODY_OVERHEAD: usize = 64 * 1024;

/// Ommers of a block (ethash's rule; other engines have none).
pub const MAX_OMMERS: usize = 2;

// --- what a peer makes us do in vain ---------------------------------------------

/// What a transaction counts that can't be executed at our head: a signature was recovered in
/// vain. The unit of what follows is an eighth of that.
pub const USELESS_TRANSACTION_UNITS: u32 = 8;

/// What a transaction counts whose signature is not valid on this chain. Its peer did not check it,
/// or has another chain id than we: a few dozen are taken, thousands are not.
pub const INVALID_TRANSACTION_UNITS: u32 = 512;

/// What an announced transaction counts that was not taken down for want of room, or that its peer
/// did not deliver.
pub const VAIN_ANNOUNCEMENT_UNITS: u32 = 1;

/// What a peer may cost us at once: 4,096 useless transactions. As many are in the pool of a geth
/// that was away for a while and sends all of it, or announced by one whose pool is larger than
/// what we take down.
pub const WASTE_BURST_UNITS: u32 = 4096 * USELESS_TRANSACTION_UNITS;

/// What of it is forgotten in a second: 64 useless transactions, 4 ms of a core.
pub const WASTE_UNITS_PER_SECOND: u32 = 64 * USELESS_TRANSACTION_UNITS;

/// A peer beyond its burst pauses for so long after each slice of transactions (geth's, where a
/// quarter of a batch is rejected).
pub const WASTE_PAUSE: Duration = Duration::from_millis(200);

/// Such pauses in a row at which a peer is banned. Honest ones recover between two.
pub const WASTE_STRIKES: u32 = 20;

/// Points for each of them, so that the reason shows before the ban.
pub const WASTE_POINTS: i64 = 2;

// --- what a peer knows ----------------------------------------------------------

/// Blocks that are remembered as known to a peer (geth's).
pub const KNOWN_BLOCKS: usize = 1024;

/// Transactions that are remembered as known to a peer (geth's): 1 MB a peer.
pub const KNOWN_TRANSACTIONS: usize = 32_768;

/// Announced blocks that are remembered with a peer, for a FetcherActor that begins again: those
/// of some seconds on any chain, each with an honest peer once.
pub const REMEMBERED_BLOCKS: usize = 32;

/// Announced transactions that are remembered with a peer, for the same reason: 50 kB a peer.
pub const REMEMBERED_TRANSACTIONS: usize = 1024;

// --- what is told to peers --------------------------------------------------------

/// A block goes whole to the square root of the number of peers, and to so many at least (geth's).
pub const LEAST_BLOCK_RECEIVERS: usize = 4;

/// Bytes of transactions in one message (geth's): a slow line is not held for long by one.
pub const TRANSACTION_PACK: usize = 100 * 1024;

/// A larger transaction is announced where the version allows it, not sent (geth's).
pub const SENT_TRANSACTION: usize = 4096;

/// Between two packs of the pool for a peer that has just come: what is due is sent in between,
/// and a peer's queue is not filled with transactions.
pub const TRANSACTION_SYNC_PAUSE: Duration = Duration::from_millis(100);

/// Time for the answer to a question whether a peer is on our chain (geth's).
pub const CHALLENGE_TIMEOUT: Duration = Duration::from_secs(15);

/// Blocks that were propagated and are not propagated again.
pub const PROPAGATED_BLOCKS: usize = 1024;

/// Announced transactions that the pool did not take and that are not fetched again.
pub const REFUSED_TRANSACTIONS: usize = 32_768;

// --- states that are served by hash ---------------------------------------------

/// Blocks below the head whose state a peer may begin with: what geths keep in memory. A fast sync
/// asks for the state 64 below the head.
pub const SERVED_STATE_DEPTH: u64 = 128;

/// Bytes of the nodes of a state that is served: one is held at a time. A larger one is not
/// served; its peers execute the chain, or find somebody else.
pub const SERVED_STATE_BYTES: usize = 96 << 20;

/// Between the beginnings of two states: working one out reads the whole flat state.
pub const SERVED_STATE_PAUSE: Duration = Duration::from_secs(15);

/// A state that nobody asked for in this time is let go.
pub const SERVED_STATE_IDLE: Duration = Duration::from_secs(60);
