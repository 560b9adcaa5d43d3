//! Every bound of the eth protocol's actors, with its reason. Bounds of the messages are in
//! `actoreum_wire::limits`, of the connection in [`crate::net::limits`], of the requests after an
//! announcement in `actoreum_sync`.

use std::time::Duration;

// --- requests -------------------------------------------------------------------

/// Maximum number of outstanding requests to one peer, including those whose caller has given up.
/// Further requests fail: a peer that answers none of so many will not answer the next.
pub const MAX_OUTSTANDING_REQUESTS: usize = 32;

/// Messages that the mailbox of a session's actor holds: one batch of the peer's messages, requests
/// ([`MAX_OUTSTANDING_REQUESTS`] may wait for their answers besides), and counts of useless work.
/// Their senders are the few actors of the eth protocol.
pub const SESSION_MAILBOX: usize = 256;

/// Maximum number of bytes of an answer with transactions: clients stop at 2 MiB, and the last
/// transaction may pass that by its own size, which is 1 MiB at most.
pub const MAX_POOLED_ANSWER_BYTES: usize = 3 * 1024 * 1024;

// --- penalty points, of the 100 at which a peer is disconnected -------------------

/// An answer that cannot be decoded or breaks a limit: no honest software sends it.
pub const MALFORMED_POINTS: i64 = 100;

/// An answer with other items than those requested, which a reorg of the peer can explain.
pub const MISMATCH_POINTS: i64 = 50;

/// An answer without a request. A few may belong to requests that were abandoned long ago.
pub const UNSOLICITED_POINTS: i64 = 10;

/// No answer before the caller's deadline. A slow line causes it too, so it takes many in a row.
pub const TIMEOUT_POINTS: i64 = 5;

/// Points that an answer in time takes back from a peer's score.
pub const ANSWER_CREDIT: i64 = 2;

/// A block or a transaction that cannot be valid: the peer that passes it on has not checked it.
pub const INVALID_POINTS: i64 = 50;

/// Blobs or proofs that are not those of their transaction: every node checks them before it passes a
/// transaction on, and they are expensive to send and to check. geth 1.17 disconnects as well.
pub const FALSE_SIDECAR_POINTS: i64 = 100;

/// An answer with more items than requested, or with transactions that were not requested: no honest
/// software sends it.
pub const UNREQUESTED_POINTS: i64 = 100;

/// Blocks between two messages about the range of available blocks (eth/69), as in geth.
pub const BLOCKS_PER_RANGE_UPDATE: u64 = 32;

/// A transaction announced with another type or size than it has (eth/68): geth 1.13 drops the
/// peer.
pub const FALSE_ANNOUNCEMENT_POINTS: i64 = 100;

/// Messages that are cheap to send and break no rule by themselves: more announcements than are
/// remembered, transactions that no node could have accepted.
pub const NOISE_POINTS: i64 = 2;

/// A block message beyond the budget of useless bytes ([`USELESS_BUDGET`]).
pub const USELESS_POINTS: i64 = 50;

// --- reading of messages ----------------------------------------------------------

/// Maximum size of a status in bytes: some numbers, two hashes and the fork id take under 150.
pub const MAX_STATUS_SIZE: usize = 1024;

/// Messages larger than this are decompressed and decoded on a thread pool. Up to this size it
/// takes under 0.1 ms, about as much as the handover to the pool and back.
pub const MAX_INLINE_MESSAGE: usize = 32 * 1024;

// --- useless blocks -----------------------------------------------------------------

/// Bytes of useless blocks that a peer may send at once: far from our head, sent again, refused for
/// want of room. Peers that are far ahead send each new block, and cannot know that it is useless
/// here. Each megabyte costs about a millisecond of a thread.
pub const USELESS_BUDGET: u64 = 32 << 20;

/// Bytes by which [`USELESS_BUDGET`] refills in a second: more than a chain with blocks of the
/// largest kind grows.
pub const USELESS_RATE: u64 = 4 << 20;

/// Minimum that a block is charged against [`USELESS_BUDGET`], whatever its size.
pub const MIN_USELESS_COST: usize = 32 * 1024;

/// Bytes that an announcement of a block far from our head is charged against [`USELESS_BUDGET`].
pub const USELESS_ANNOUNCEMENT_COST: usize = 4 * 1024;

/// A block whose gas limit is more than this many times our head's is not queued until its parent
/// arrives. The gas limit moves by a 1,024th a block, and doubles once, at London.
pub const ORPHAN_GAS_LIMIT_RATIO: u64 = 4;

/// Minimum gas that a transaction uses: half of the 21,000 that it pays, since up to half is
/// refunded before London. Bounds the transactions of a block by its header.
pub const MIN_TRANSACTION_GAS: u64 = 10_500;

/// Minimum gas that a byte of a transaction's data uses: half of the 4 that a zero costs.
pub const MIN_BYTE_GAS: u64 = 2;

/// Maximum number of bytes of a transaction that no gas is paid for: its fields, its signature,
/// hashes of blobs.
pub const MAX_TRANSACTION_OVERHEAD: usize = 1024;

/// Maximum number of bytes of a body that are neither transactions nor ommers: withdrawals, and
/// lists' headers.
pub const MAX_BODY_OVERHEAD: usize = 64 * 1024;

/// Maximum number of ommers of a block (ethash's rule; other engines have none).
pub const MAX_OMMERS: usize = 2;

// --- useless work that a peer causes ----------------------------------------------

/// Units of a transaction that cannot be executed at our head: its signature was recovered
/// needlessly. One unit is an eighth of that.
pub const USELESS_TRANSACTION_UNITS: u32 = 8;

/// Units of a transaction whose signature is not valid on this chain. Its peer did not check it, or
/// has another chain id: a few dozen are tolerated, thousands are not.
pub const INVALID_TRANSACTION_UNITS: u32 = 512;

/// Units of an announced transaction that was not remembered for want of room, or that its peer did
/// not deliver.
pub const USELESS_ANNOUNCEMENT_UNITS: u32 = 1;

/// Units that a peer may cause at once: 4,096 useless transactions. As many are in the pool of a
/// geth that was offline for a while and sends all of them; a peer with a large pool announces more
/// transactions than are remembered.
pub const WASTE_BURST_UNITS: u32 = 4096 * USELESS_TRANSACTION_UNITS;

/// Units that are forgiven in a second: 64 useless transactions, 4 ms of a core.
pub const WASTE_UNITS_PER_SECOND: u32 = 64 * USELESS_TRANSACTION_UNITS;

/// Pause of a peer beyond its burst after each slice of transactions (geth's, where a quarter of a
/// batch is rejected).
pub const WASTE_PAUSE: Duration = Duration::from_millis(200);

/// Number of such pauses in a row at which a peer is banned. Honest peers recover between two.
pub const WASTE_STRIKES: u32 = 20;

/// Points for each pause, so that the reason shows before the ban.
pub const WASTE_POINTS: i64 = 2;

// --- hashes known to a peer -------------------------------------------------------

/// Blocks that are remembered as known to a peer (geth's).
pub const KNOWN_BLOCKS: usize = 1024;

/// Transactions that are remembered as known to a peer (geth's): 1 MB a peer.
pub const KNOWN_TRANSACTIONS: usize = 32_768;

/// Announced blocks that are remembered with a peer, for a restart of FetcherActor: those of some
/// seconds on any chain, each with an honest peer once.
pub const REMEMBERED_BLOCKS: usize = 32;

/// Announced transactions that are remembered with a peer, for the same reason: 50 kB a peer.
pub const REMEMBERED_TRANSACTIONS: usize = 1024;

// --- gossip -------------------------------------------------------------------------

/// Minimum number of peers that a full block is sent to; otherwise the square root of their number
/// (geth's).
pub const MIN_BLOCK_RECEIVERS: usize = 4;

/// Maximum number of bytes of transactions in one message (geth's): one message does not hold up a
/// slow line for long.
pub const MAX_TRANSACTION_PACK: usize = 100 * 1024;

/// Transactions larger than this are announced where the version allows it, not sent (geth's).
pub const MAX_SENT_TRANSACTION: usize = 4096;

/// Pause between two messages of the initial transaction sync: other messages are sent in between,
/// and a peer's queue does not fill with transactions.
pub const TRANSACTION_SYNC_PAUSE: Duration = Duration::from_millis(100);

/// Timeout of a challenge whether a peer is on our chain (geth's).
pub const CHALLENGE_TIMEOUT: Duration = Duration::from_secs(15);

/// Hashes of propagated blocks that are remembered, so that they are not propagated again.
pub const PROPAGATED_BLOCKS: usize = 1024;

/// Announced transactions that the pool did not accept and that are not fetched again.
pub const REFUSED_TRANSACTIONS: usize = 32_768;

// --- states that are served by hash ---------------------------------------------

/// Depth below the head of the states that are served: what geths keep in memory. A fast sync asks
/// for the state 64 blocks below the head.
pub const SERVED_STATE_DEPTH: u64 = 128;

/// Maximum number of bytes of the nodes of a served state; one is held at a time. A larger one is
/// not served; the peer executes the chain, or asks another node.
pub const MAX_SERVED_STATE_BYTES: usize = 96 << 20;

/// Minimum pause between the computations of two states: computing one reads the whole flat state.
pub const SERVED_STATE_PAUSE: Duration = Duration::from_secs(15);

/// A state that was not requested for this time is dropped.
pub const SERVED_STATE_IDLE: Duration = Duration::from_secs(60);
