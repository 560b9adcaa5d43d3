//! What the fetcher of transactions holds its inputs to, with the reasons.

use std::time::Duration;

/// An announced transaction is asked for after this: it may come by itself before (geth's).
pub const ARRIVE_TIMEOUT: Duration = Duration::from_millis(500);

/// An answer that did not come in this time is asked of another peer (geth's).
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Announced transactions of one peer that are remembered (geth's): each takes some 250 bytes, so
/// that this is 1 MiB a peer.
pub const ANNOUNCED_PER_PEER: usize = 4096;

/// Transactions asked for at once (geth's).
pub const HASHES_PER_REQUEST: usize = 256;

/// Bytes asked for at once, by what peers say of the sizes: an answer ends at 2 MiB, and what it
/// leaves out is asked for twice.
pub const BYTES_PER_REQUEST: usize = 128 * 1024;

/// What a transaction is counted with where its peer did not say.
pub const ASSUMED_BYTES: u32 = 256;

/// Bytes by which an announced size may differ from that of what comes (geth's): clients disagree
/// on what counts.
pub const SIZE_TOLERANCE: u32 = 8;

/// The newest transaction type that can be read (EIP-7702's). What has another one is not asked
/// for: its answer would not decode, and count against a peer that is merely newer.
pub const MAX_KNOWN_TYPE: u8 = 4;

/// The type of transactions with blobs (EIP-4844).
pub const BLOB_TYPE: u8 = 3;
