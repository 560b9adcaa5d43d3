//! What bounds the work and the memory of an import.

/// Gas after which a bulk import commits what it has executed. A commit costs one flush to disk
/// (some milliseconds); blocks that are not committed are held in memory and are executed again
/// after a crash. 200 Mgas is well under a second of execution.
pub const COMMIT_GAS: u64 = 200_000_000;

/// The part of all the gas that a chain has imported since it was opened that may go into one
/// commit, where that is more than [`COMMIT_GAS`]. The larger a database, the more of its pages a
/// commit touches for as many entries: a long import stays as fast as a short one only if its
/// commits grow with it.
pub const COMMIT_SHARE: u64 = 5;

/// The most gas in one commit: some 20,000 transactions, 50 MB of changes in memory, a second of
/// execution to be done again after a crash.
pub const MOST_COMMIT_GAS: u64 = 1_000_000_000;

/// Blocks after which a bulk import commits, however little gas they used: bounds what a run of
/// empty blocks holds in memory.
pub const COMMIT_BLOCKS: usize = 1_024;

/// Blocks whose bodies are checked and whose senders are recovered together, ahead of their
/// execution: enough to keep all cores busy, little enough that execution begins soon.
pub const SEGMENT_BLOCKS: usize = 16;

/// Executed blocks that may wait for their state root. The root's thread lags behind execution
/// when blocks write much and compute little; each waiting block holds its state diff.
pub const PIPELINE_DEPTH: usize = 8;

/// Blocks, receipts and senders that the read caches hold, as geth's `blockCacheLimit` and
/// `receiptsCacheLimit`. A full block of today's mainnet takes some 200 KB decoded.
pub const BLOCK_CACHE: usize = 128;
/// See [`BLOCK_CACHE`].
pub const RECEIPT_CACHE: usize = 64;

/// Bad blocks kept for `debug_getBadBlocks` (geth's `badBlockLimit`).
pub const BAD_BLOCKS: usize = 10;

/// Blocks that a reorg drops from which it is a warning and no longer a matter of course (geth).
pub const LOUD_REORG: usize = 63;

/// Blocks of one reorg that are told one by one with their receipts, those that leave and those
/// that come. The events wait in the mailboxes of all who follow the chain; of a larger reorg they
/// read the blocks from the database, at their own pace.
pub const TOLD_BLOCKS: usize = 256;

/// Blocks with transactions that a step back tells before it deletes them: nobody can read them
/// afterwards. A test suite that goes back to its fixture takes tens of small blocks back;
/// together with [`TOLD_GAS`] this is some 20 MB.
pub const TOLD_REMOVED_BLOCKS: usize = 4_096;

/// Gas of the blocks of one reorg, or of one step back, up to which they are told one by one. A
/// byte of a transaction costs 4 gas and more, a byte of a log 8: so this is 50 MB at most.
pub const TOLD_GAS: u64 = 200_000_000;

/// Accounts that a view keeps for those who ask for the same ones again. Some 100 bytes each; past
/// it, further ones are read each time until the next head.
pub const HEAD_ACCOUNTS: usize = 4_096;

/// Blocks that wait for their time (geth's `maxFutureBlocks`).
pub const FUTURE_BLOCKS: usize = 256;

/// Bytes of all blocks that wait for their time: 256 blocks of the largest size would be 2 GB.
pub const FUTURE_BYTES: usize = 64 << 20;

/// Seconds that a block may be ahead of the clock to be kept (geth's `maxTimeFutureBlocks`).
pub const FUTURE_SECONDS: u64 = 30;

/// Seconds before its time from which a kept block is tried: ethash takes it 15 s early.
pub const FUTURE_TRIED_AHEAD: u64 = actoreum_consensus::limits::ALLOWED_FUTURE_SECONDS;
