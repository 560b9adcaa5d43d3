//! Limits, each with its reason.

use std::time::Duration;

/// Bytes of pages that an engine may cache where nothing else is said. It fills with use. sled
/// counts page contents alone; what it holds besides is about as much again. With 48 MB, sled
/// takes 15 times the processor time to import ten times clique-bench, because pages are read over
/// and over; with this 12 times (docs/adr/0007-sled-or-redb.md).
pub const CACHE_BYTES: u64 = 256 << 20;

/// Journal bytes after which the sled engine flushes its tree and starts the journal
/// anew. More means fewer flushes (each rewrites a part of sled's log) and a longer
/// replay after a crash: 24 MB are replayed in well under a second.
pub const JOURNAL_BYTES: u64 = 24 << 20;

/// Longest key in a batch: a slot's history entry with its table byte (73 bytes),
/// with room.
pub const MAX_KEY_BYTES: usize = 128;

/// Codes kept in memory for execution: a block calls few contracts, most of them
/// again in the next block. At 24 KB a code (EIP-170) this is 12 MB at most.
pub const CODE_CACHE_ENTRIES: usize = 512;

/// Accounts and slots that a [`crate::FlatBuffer`] may go on to hold once they are committed, as a
/// cache of the state below it; past this, it lets go of all of them. A slot takes 72 bytes and an
/// account 168, in maps that are between half and seven eighths full: 8 to 34 MB.
pub const FLAT_CACHE_SLOTS: usize = 100_000;

/// Bytes of [`crate::StoreOptions::cache_bytes`] for each slot of [`FLAT_CACHE_SLOTS`]: a store
/// with a small cache keeps fewer.
pub const CACHE_BYTES_PER_SLOT: u64 = 480;

/// Bytes of clean trie nodes that a [`crate::TrieBuffer`] keeps between blocks, so
/// that the upper levels are neither read nor verified again for each block.
pub const TRIE_CACHE_BYTES: usize = 32 << 20;

/// Of a store with a small cache, the share that clean trie nodes get besides, in thirds.
pub const TRIE_CACHE_THIRDS: u64 = 2;

/// How often a read that met a commit half-way is tried again before it gives up.
pub const READ_RETRIES: u32 = 1_000;

/// Blocks whose history is pruned in one commit beyond those that the commit adds:
/// a node that is started with a shorter history catches up without a long pause.
pub const PRUNE_BLOCKS_PER_COMMIT: u64 = 256;

/// Blocks that stay in the database before they move to the ancient files, where
/// nothing else is configured: three epochs of clique, as in geth.
pub const ANCIENT_DEPTH: u64 = 90_000;

/// Longest record in an ancient file: above any block that a gas limit allows, so
/// that a damaged index cannot ask for more memory than a real record takes.
pub const MAX_ANCIENT_RECORD: u64 = 256 << 20;

/// Slots that one range query passes before it ends with what it has. Each is three reads; a
/// contract that filled and emptied millions of slots would otherwise hold a thread for minutes.
pub const RANGE_STEPS: usize = 16_384;

/// How long sled's own lock is waited for. Other processes are kept out by ours, which is held by
/// then; a database that was dropped a moment ago may still be in the hands of sled's threads.
pub const SLED_LOCK_PATIENCE: Duration = Duration::from_secs(5);
