//! Limits of the pool, with their reasons. The limits that the operator sets are in
//! [`crate::PoolConfig`].

/// Size of one slot in bytes. The pool's limits are counted in slots, so that a large transaction
/// takes the room of several small ones (as in geth from 1.9.15 on).
pub const SLOT_BYTES: usize = 32 * 1024;

/// Maximum size of a transaction without its blobs, in bytes: four slots. geth 1.8 allowed one
/// slot, which is less than the init code that EIP-3860 allows.
pub const MAX_TX_BYTES: usize = 4 * SLOT_BYTES;

/// Maximum size of a transaction with its blobs and their proofs, in bytes (as in geth's blob
/// pool). The largest transaction that Osaka allows (six blobs with their cell proofs) is smaller.
pub const MAX_BLOB_TX_BYTES: usize = 1024 * 1024;

/// Bytes that are added to a transaction's size for the pool's own records when memory is counted:
/// otherwise a flood of small transactions would take more memory than counted.
pub const RECORD_BYTES: usize = 1024;

/// Bytes that are counted for a sender's record, without its transactions.
pub const ACCOUNT_BYTES: usize = 512;

/// The default of [`crate::PoolConfig::max_bytes`], in bytes: all of geth's default slots at their
/// full size would be 160 MiB, which no honest pool comes near.
pub const DEFAULT_MAX_BYTES: usize = 128 * 1024 * 1024;

/// Maximum share of the pool's slots, in percent, that one peer's transactions may take: no peer
/// can fill the pool alone.
pub const PEER_SHARE_PERCENT: u64 = 75;

/// Maximum share of the queue, in percent, that one peer's transactions may take. It is smaller
/// than [`PEER_SHARE_PERCENT`], because non-executable transactions cost their sender nothing.
pub const PEER_QUEUE_SHARE_PERCENT: u64 = 25;

/// Maximum gas limit of a transaction from Osaka on (EIP-7825).
pub const OSAKA_TX_GAS_LIMIT: u64 = 1 << 24;

/// Maximum number of blobs of a transaction from Osaka on (EIP-7594).
pub const OSAKA_BLOBS_PER_TX: usize = 6;

/// Maximum length of init code in bytes from Shanghai on (EIP-3860).
pub const MAX_INITCODE_BYTES: usize = 49_152;

/// Maximum length of a journal record in bytes: a longer one is corrupt, and nothing is allocated
/// for it.
pub const MAX_JOURNAL_RECORD_BYTES: u64 = MAX_BLOB_TX_BYTES as u64 + 16;

/// Number of transactions that are read from the journal before they are added to the pool (geth's
/// batch size).
pub const JOURNAL_BATCH: usize = 1024;

/// Bytes of transactions that are read from the journal before they are added to the pool: 1,024
/// transactions with blobs would be a gigabyte.
pub const JOURNAL_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Maximum bytes that are read of another node's journal, whose size has no bound: 300,000 plain
/// transfers. geth rotates its own each hour, so that it has a few megabytes at most.
pub const MAX_GETH_JOURNAL_BYTES: u64 = 32 * 1024 * 1024;
