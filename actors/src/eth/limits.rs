//! Every bound of the eth protocol's actors, with its reason. Those of the messages themselves
//! are in `actoreum_wire::limits`, those of the connection in [`crate::net::limits`], those of what
//! is fetched after an announcement in `actoreum_sync`.

use std::time::Duration;

// --- requests -------------------------------------------------------------------

/// Requests to one peer that wait for their answers, those with it whose asker has given up. More
/// are refused to the asker: a peer that answers none of so many will not answer the next.
pub const OUTSTANDING_REQUESTS: usize = 32;

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

/// What is cheap to send and breaks no rule by itself: more announcements than are remembered,
/// transactions that nobody could have taken.
pub const NOISE_POINTS: i64 = 2;

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

/// Messages of transactions of one peer that wait to be checked. The conversation waits for room:
/// a peer that sends more than can be checked is read slower.
pub const UNCHECKED_MESSAGES: usize = 2;

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
