//! Limits of the work and the memory of an import.

/// Gas after which a bulk import commits the executed blocks. A commit costs one flush to disk
/// (some milliseconds); uncommitted blocks are held in memory and are executed again after a crash.
/// 200 Mgas is well under a second of execution.
pub const COMMIT_GAS: u64 = 200_000_000;

/// Divisor of the gas imported since the chain was opened: one commit may hold that share of it, if
/// it is more than [`COMMIT_GAS`]. The larger a database, the more pages a commit of a given number
/// of entries touches: a long import keeps its speed only if its commits grow with it.
pub const COMMIT_SHARE: u64 = 5;

/// Maximum gas in one commit: some 20,000 transactions, 50 MB of changes in memory, a second of
/// execution to repeat after a crash.
pub const MAX_COMMIT_GAS: u64 = 1_000_000_000;

/// Number of blocks after which a bulk import commits, however little gas they used: bounds the
/// memory that a run of empty blocks takes.
pub const COMMIT_BLOCKS: usize = 1_024;

/// Number of blocks whose bodies are checked and whose senders are recovered together, ahead of
/// execution: enough to keep all cores busy, few enough that execution begins soon.
pub const SEGMENT_BLOCKS: usize = 16;

/// Number of executed blocks that may wait for their state root. The root thread lags behind when
/// blocks write much and compute little; each waiting block holds its state diff.
pub const PIPELINE_DEPTH: usize = 8;

/// Number of blocks, and of lists of senders, in the read caches (geth's `blockCacheLimit`). A full
/// block of today's mainnet takes some 200 KB decoded.
pub const BLOCK_CACHE: usize = 128;
/// Number of lists of receipts in the read cache (geth's `receiptsCacheLimit`); see
/// [`BLOCK_CACHE`].
pub const RECEIPT_CACHE: usize = 64;

/// Number of bad blocks kept for `debug_getBadBlocks` (geth's `badBlockLimit`).
pub const BAD_BLOCKS: usize = 10;

/// Number of dropped blocks above which a reorg is logged as a warning (geth).
pub const REORG_WARNING_BLOCKS: usize = 63;

/// Maximum number of blocks of one reorg, removed and added together, that get events with their
/// receipts. The events wait in the mailboxes of all actors that follow the chain; the blocks of a
/// larger reorg are read from the database, at each actor's own pace.
pub const MAX_EVENT_BLOCKS: usize = 256;

/// Maximum number of blocks with transactions or logs that a rewind reports before it deletes them:
/// they can't be read afterwards. A test suite that reverts to its fixture rewinds tens of small
/// blocks; together with [`MAX_EVENT_GAS`] this is some 20 MB.
pub const MAX_REWIND_EVENT_BLOCKS: usize = 4_096;

/// Maximum gas of the blocks of one reorg, or of one rewind, that get events. A byte of a
/// transaction costs at least 4 gas, a byte of a log 8: so this is at most 50 MB.
pub const MAX_EVENT_GAS: u64 = 200_000_000;

/// Number of accounts at the head that a view caches, some 100 bytes each. Further accounts are
/// read from the store each time until the next head.
pub const HEAD_ACCOUNTS: usize = 4_096;

/// Maximum number of queued future blocks (geth's `maxFutureBlocks`).
pub const FUTURE_BLOCKS: usize = 256;

/// Maximum bytes of all queued future blocks: 256 blocks of the largest size would be 2 GB.
pub const FUTURE_BYTES: usize = 64 << 20;

/// Seconds that a block may be ahead of the clock to be queued (geth's `maxTimeFutureBlocks`).
pub const FUTURE_SECONDS: u64 = 30;

/// Seconds before its timestamp from which a queued block is tried: ethash accepts it 15 s early.
pub const FUTURE_RETRY_AHEAD: u64 = actoreum_consensus::limits::ALLOWED_FUTURE_SECONDS;
