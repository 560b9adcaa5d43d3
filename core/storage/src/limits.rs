//! Limits of the storage.

use std::time::Duration;

/// Default size in bytes of an engine's page cache, which fills with use. sled counts only the
/// contents of pages and holds about as much again. With 48 MB, sled takes 15 times the processor
/// time for an import of ten times clique-bench, because pages are read over and over; with this
/// value 12 times (docs/adr/0007-sled-or-redb.md).
pub const CACHE_BYTES: u64 = 256 << 20;

/// Journal size in bytes at which the sled engine flushes its tree and restarts the journal. A
/// larger value means fewer flushes (each rewrites a part of sled's log) and a longer replay after
/// a crash: 24 MB are replayed in well under a second.
pub const JOURNAL_BYTES: u64 = 24 << 20;

/// Maximum length of a key in a batch: a slot's history entry with its table byte has 73 bytes; the
/// rest is reserve.
pub const MAX_KEY_BYTES: usize = 128;

/// Number of contract codes cached for execution. A block calls few contracts, most of them again
/// in the next block. At 24 KB a code (EIP-170) the cache takes 12 MB at most.
pub const CODE_CACHE_ENTRIES: usize = 512;

/// Maximum number of committed accounts and slots that a [`crate::FlatBuffer`] keeps as a cache of
/// the state below it. When the number is exceeded, the buffer drops all of them. A slot takes 72
/// bytes and an account 168, in maps that are between half and seven eighths full: 8 to 34 MB.
pub const FLAT_CACHE_SLOTS: usize = 100_000;

/// Bytes of [`crate::StoreOptions::cache_bytes`] for each slot of [`FLAT_CACHE_SLOTS`]: a store
/// with a small cache keeps fewer slots.
pub const CACHE_BYTES_PER_SLOT: u64 = 480;

/// Bytes of clean trie nodes that a [`crate::TrieBuffer`] keeps between blocks, so that the upper
/// levels need not be read and verified again for each block.
pub const TRIE_CACHE_BYTES: usize = 32 << 20;

/// Size of the cache of clean trie nodes in a store with a small cache, in thirds of the engine's
/// cache. It is taken in addition to that cache.
pub const TRIE_CACHE_THIRDS: u64 = 2;

/// Maximum number of attempts of a read that is disturbed by a commit.
pub const READ_RETRIES: u32 = 1_000;

/// Maximum number of blocks whose history is pruned in one commit, beyond those that the commit
/// adds. A node that is restarted with a shorter history catches up without a long pause.
pub const PRUNE_BLOCKS_PER_COMMIT: u64 = 256;

/// Default number of blocks that stay in the database before they move to the ancient files: three
/// epochs of clique, as in geth.
pub const ANCIENT_DEPTH: u64 = 90_000;

/// Maximum length of a record in an ancient file in bytes. It is above any block that a gas limit
/// allows, so that a damaged index cannot cause a larger allocation than a real record.
pub const MAX_ANCIENT_RECORD: u64 = 256 << 20;

/// Maximum number of slots that one range query visits before it returns what it has found. Each
/// slot takes three reads; a contract that filled and emptied millions of slots would otherwise
/// occupy a thread for minutes.
pub const MAX_RANGE_STEPS: usize = 16_384;

/// Time for which the engine waits for sled's own lock. The folder's lock, which is held at that
/// time, keeps other processes out; but sled's threads may still use a database that was dropped a
/// moment ago.
pub const SLED_LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum size of an answer about a served state (snap/1) in bytes, whatever the peer asks for; the
/// last item may exceed it. geth's.
pub const MAX_SERVED_BYTES: u64 = 2 << 20;

/// Part of the limit of an answer by which slots may exceed it, so that a contract whose last slots
/// would not fit need not be split: a tenth, as in geth.
pub const SERVED_SLOTS_SLACK: u64 = 10;

/// Maximum number of codes that are looked up for one answer: geth's.
pub const MAX_SERVED_CODES: usize = 1024;

/// Maximum number of trie nodes that are looked up for one answer: geth's.
pub const MAX_SERVED_NODES: usize = 1024;

/// Maximum number of accounts and slots that later blocks have changed in a state that is served. They
/// are held in memory, about 150 bytes each with the changed trie nodes: 75 MB. Blocks of 30 Mgas that
/// only write slots reach it within 80 blocks; those of a real chain within 1,000.
pub const MAX_SERVED_CHANGES: usize = 500_000;
