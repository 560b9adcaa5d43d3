//! Limits of the transaction fetcher, with their reasons.

use std::time::Duration;

/// Delay between the announcement of a transaction and its request (geth's `txArriveTimeout`): the
/// transaction may arrive by itself before.
pub const ARRIVE_TIMEOUT: Duration = Duration::from_millis(500);

/// Time after which an unanswered request goes to another peer (geth's `txFetchTimeout`).
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of announced transactions that are remembered for one peer (geth's
/// `maxTxAnnounces`). Each takes some 250 bytes, so that this is 1 MiB a peer.
pub const ANNOUNCED_PER_PEER: usize = 4096;

/// Maximum number of transactions in one request (geth's `maxTxRetrievals`).
pub const HASHES_PER_REQUEST: usize = 256;

/// Maximum number of bytes in one request, by the announced sizes. An answer ends at 2 MiB, and
/// transactions beyond that must be requested again.
pub const BYTES_PER_REQUEST: usize = 128 * 1024;

/// Size in bytes assumed for a transaction whose announcement has no size.
pub const ASSUMED_BYTES: u32 = 256;

/// Maximum difference in bytes between the announced size of a transaction and its real one (geth's
/// rule): clients disagree on what counts.
pub const SIZE_TOLERANCE: u32 = 8;

/// Newest transaction type that can be decoded (EIP-7702). Transactions of a newer type are not
/// requested: the answer would not decode, and would count against a peer that is merely newer.
pub const MAX_KNOWN_TYPE: u8 = 4;

/// Type of transactions with blobs (EIP-4844).
pub const BLOB_TYPE: u8 = 3;
