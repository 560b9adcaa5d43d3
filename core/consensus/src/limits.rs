//! Limits of this crate, with their reasons.

/// Seconds that an ethash header's timestamp may be ahead of the local clock.
///
/// Miners set the time themselves, so that honest clocks need some slack; more would let a miner
/// lower the difficulty of the next block. The same 15 s as geth, so that both accept a block at
/// the same moment. Clique and merged headers have rules of their own: see [`crate::Clique`] and
/// [`crate::Merge`].
pub const ALLOWED_FUTURE_SECONDS: u64 = 15;

/// Maximum length of extra data in an ethash or merged header, in bytes (Yellow Paper 4.3.4).
/// Clique headers carry more: vanity, signers and a seal.
pub const MAX_EXTRA_DATA_BYTES: usize = 32;

/// Minimum gas limit of a block (Yellow Paper 4.3.4).
pub const MIN_GAS_LIMIT: u64 = 5_000;

/// Maximum gas limit of a block: 2^63 - 1, so that the sum of two gas amounts fits 64 bits in every
/// client.
pub const MAX_GAS_LIMIT: u64 = i64::MAX as u64;

/// Divisor of the maximum change: a block's gas limit differs from its parent's by less than the
/// parent's gas limit divided by this.
pub const GAS_LIMIT_BOUND_DIVISOR: u64 = 1024;

/// Minimum difficulty of an ethash block (Yellow Paper, D_0).
pub const MIN_DIFFICULTY: u64 = 131_072;

/// Maximum number of ommers in a block.
pub const MAX_OMMERS: usize = 2;

/// Number of generations back to which an ommer's parent may be, counted from the including block's
/// parent as the first: an ommer is at most 6 blocks older than the including block.
pub const OMMER_GENERATIONS: usize = 7;

/// Maximum RLP size of a block in bytes from Osaka on: 10 MiB less 2 MiB for the beacon block
/// around it (EIP-7934).
pub const MAX_BLOCK_RLP_BYTES: usize = 10_485_760 - 2_097_152;

/// The last epoch that ethash can compute.
///
/// The algorithm numbers dataset items with 32 bits, which are used up when the dataset reaches 256
/// GiB, in epoch 32,640 (block 979 million). The bound also stops a crafted header number from
/// requesting a cache of any size: the largest is 4 GiB.
pub const MAX_EPOCH: u64 = 32_600;

/// Number of light caches held in memory, 16 MiB and more each. Two serve an import that crosses an
/// epoch, the third an ommer or a side chain behind it (geth: two).
pub const CACHES_IN_MEMORY: usize = 3;

/// Number of light caches kept on disk, as in geth.
pub const CACHES_ON_DISK: u64 = 3;

/// Number of mining datasets held in memory, 1 GiB and more each, as in geth.
pub const DATASETS_IN_MEMORY: usize = 1;

/// Number of mining datasets kept on disk, as in geth.
pub const DATASETS_ON_DISK: u64 = 2;

/// Number of blocks before an epoch's end at which the next light cache is generated during the
/// import: at 10,000 blocks/s still 0.3 s ahead, about the duration of the generation.
pub const CACHE_PREPARE_BLOCKS: u64 = 3_000;

/// Number of blocks before an epoch's end at which the next dataset is generated during mining: at
/// one block in 13 s more than two days, for a generation that takes minutes to hours.
pub const DATASET_PREPARE_BLOCKS: u64 = 15_000;

/// Number of clique snapshots held in memory, as in geth. A node needs those of the newest blocks;
/// older ones are read from the store.
pub const CLIQUE_SNAPSHOTS_IN_MEMORY: usize = 128;

/// Number of blocks between the clique snapshots that are stored, as in geth: the maximum number of
/// headers that a restart reads again.
pub const CLIQUE_CHECKPOINT_INTERVAL: u64 = 1024;

/// Number of recovered clique signers held in memory, by header hash, 84 bytes each, as in geth.
pub const CLIQUE_SIGNATURES_IN_MEMORY: usize = 4096;

/// Number of headers that may be read on the way back to a snapshot before an epoch block's own
/// signer list is trusted instead. Headers that old are not reorganised any more. The same as
/// geth's full immutability threshold.
pub const CLIQUE_MAX_REPLAY: usize = 90_000;

/// Milliseconds of random delay per signer that an out-of-turn clique sealer adds, so that not all
/// of them seal at once, as in geth.
pub const CLIQUE_WIGGLE_MILLIS: u64 = 500;

/// Divisor of the head's difficulty: an orphan header with a lower difficulty than the quotient is
/// not queued, because a byzantine peer could seal any number of headers at the minimum difficulty.
/// From one block to the next the difficulty can fall by a twentieth, in 32 blocks to a fifth.
pub const ORPHAN_DIFFICULTY_DIVISOR: u64 = 8;
