//! What the pool holds its inputs to, with the reasons. What the operator decides is in
//! [`crate::PoolConfig`].

/// Bytes of one slot. Limits of the pool are counted in slots, so that a large transaction
/// takes the room of several small ones (geth counts the same way from 1.9.15 on).
pub const SLOT_BYTES: usize = 32 * 1024;

/// Bytes of a transaction without its blobs: four slots. geth 1.8 allowed one, which is less
/// than the creation code that EIP-3860 allows.
pub const MAX_TX_BYTES: usize = 4 * SLOT_BYTES;

/// Bytes of a transaction with its blobs and their proofs, as geth's blob pool has it. The
/// largest transaction that Osaka allows (six blobs with their cell proofs) stays below.
pub const MAX_BLOB_TX_BYTES: usize = 1024 * 1024;

/// What the pool's own records of a transaction take, in bytes, added to its size wherever
/// memory is counted: a flood of small transactions must not hide behind their small size.
pub const RECORD_BYTES: usize = 1024;

/// What a sender's record takes, in bytes, without its transactions.
pub const ACCOUNT_BYTES: usize = 512;

/// The default of [`crate::PoolConfig::max_bytes`]: all of geth's default slots at their full
/// size would be 160 MiB, which no honest pool comes near.
pub const DEFAULT_MAX_BYTES: usize = 128 * 1024 * 1024;

/// Of the pool's slots, the share (in hundredths) that one peer's transactions may take: no
/// peer fills the pool alone.
pub const PEER_SHARE_PERCENT: u64 = 75;

/// Of the queue, the share (in hundredths) that one peer's transactions may take. It is
/// smaller than [`PEER_SHARE_PERCENT`], because what can't be executed costs its sender
/// nothing.
pub const PEER_QUEUE_SHARE_PERCENT: u64 = 25;

/// Gas that one transaction may ask for from Osaka on (EIP-7825).
pub const OSAKA_TX_GAS_LIMIT: u64 = 1 << 24;

/// Blobs of one transaction from Osaka on (EIP-7594).
pub const OSAKA_BLOBS_PER_TX: usize = 6;

/// Bytes of creation code from Shanghai on (EIP-3860).
pub const MAX_INITCODE_BYTES: usize = 49_152;

/// Bytes of one record of the journal: more is damage, and nothing is allocated for it.
pub const MAX_JOURNAL_RECORD_BYTES: u64 = MAX_BLOB_TX_BYTES as u64 + 16;

/// Transactions that are read from the journal before they go into the pool (geth's batch).
pub const JOURNAL_BATCH: usize = 1024;

/// Bytes of the transactions that are read from the journal before they go into the pool: 1,024
/// transactions with blobs would be a gigabyte.
pub const JOURNAL_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Bytes that are read of another node's journal, which nobody bounded: 300,000 plain transfers.
/// geth's own is written anew each hour and has a few megabytes at most.
pub const MAX_INHERITED_JOURNAL_BYTES: u64 = 32 * 1024 * 1024;
