//! Every bound of this crate, with what it protects.

/// Seconds that an ethash header's timestamp may lie ahead of the local clock.
///
/// Miners set the time themselves, so some slack is needed for honest clocks; more
/// would let a miner lower the difficulty of the next block. The same 15 s as geth,
/// so that both accept a block at the same moment. Clique and merged headers have
/// their own rule: see [`crate::Clique`] and [`crate::Merge`].
pub const ALLOWED_FUTURE_SECONDS: u64 = 15;

/// Bytes of extra data that a miner may put into an ethash or merged header.
/// (Yellow Paper 4.3.4; clique headers carry more: vanity, signers and a seal.)
pub const MAX_EXTRA_DATA_BYTES: usize = 32;

/// The smallest gas limit of a block. (Yellow Paper 4.3.4.)
pub const MIN_GAS_LIMIT: u64 = 5_000;

/// The largest gas limit of a block: 2^63 - 1, so that sums of two gas amounts fit
/// 64 bits in every client.
pub const MAX_GAS_LIMIT: u64 = i64::MAX as u64;

/// A block's gas limit differs from its parent's by less than the parent's divided by this.
pub const GAS_LIMIT_BOUND_DIVISOR: u64 = 1024;

/// The smallest difficulty of an ethash block. (Yellow Paper, D_0.)
pub const MIN_DIFFICULTY: u64 = 131_072;

/// Ommers that one block may include.
pub const MAX_OMMERS: usize = 2;

/// Generations back to which an ommer's parent may lie, counted from the including
/// block's parent as the first: an ommer is at most 6 blocks older than its nephew.
pub const OMMER_GENERATIONS: usize = 7;

/// Bytes of a whole block in RLP from Osaka on: 10 MiB less 2 MiB for the beacon
/// block around it. (EIP-7934.)
pub const MAX_BLOCK_RLP_BYTES: usize = 10_485_760 - 2_097_152;

/// Epochs that ethash can compute.
///
/// The algorithm numbers dataset items with 32 bits, which are used up when the
/// dataset reaches 256 GiB, in epoch 32,640 (block 979 million). The bound also stops
/// a crafted header number from asking for a cache of any size: the largest is 4 GiB.
pub const MAX_EPOCH: u64 = 32_600;

/// Light caches held in memory, 16 MiB and more each. Two serve an import that
/// crosses an epoch, the third an ommer or a side chain behind it. (geth: two.)
pub const CACHES_IN_MEMORY: usize = 3;

/// Light caches kept on disk. As in geth.
pub const CACHES_ON_DISK: u64 = 3;

/// Mining datasets held in memory, 1 GiB and more each. As in geth.
pub const DATASETS_IN_MEMORY: usize = 1;

/// Mining datasets kept on disk. As in geth.
pub const DATASETS_ON_DISK: u64 = 2;

/// Blocks before an epoch's end at which the next light cache is generated beside the
/// import: at 10,000 blocks/s still 0.3 s ahead, about what generation takes.
pub const CACHE_PREPARE_BLOCKS: u64 = 3_000;

/// Blocks before an epoch's end at which the next dataset is generated beside mining:
/// at one block in 13 s more than two days, for a generation that takes minutes to hours.
pub const DATASET_PREPARE_BLOCKS: u64 = 15_000;

/// Clique snapshots held in memory. A node asks for those of the newest blocks; older
/// ones are found again from the store. As in geth.
pub const CLIQUE_SNAPSHOTS_IN_MEMORY: usize = 128;

/// Blocks between the clique snapshots that are handed to the store: the most headers
/// that a restart has to read again. As in geth.
pub const CLIQUE_CHECKPOINT_INTERVAL: u64 = 1024;

/// Recovered clique signers held in memory, by header hash: 84 bytes each. As in geth.
pub const CLIQUE_SIGNATURES_IN_MEMORY: usize = 4096;

/// Headers that may be gathered on the way back to a snapshot before an epoch block's
/// own signer list is trusted instead. Headers that old are no longer reorganised.
/// As geth's full immutability threshold.
pub const CLIQUE_MAX_REPLAY: usize = 90_000;

/// Milliseconds of random delay for each signer that an out-of-turn clique sealer adds,
/// so that not all of them seal at once. As in geth.
pub const CLIQUE_WIGGLE_MILLIS: u64 = 500;

/// A header whose parent is not known is not kept where its difficulty is below that of our head,
/// divided by this: otherwise a byzantine peer seals what it likes at the least difficulty. From
/// one block to the next it can fall by a twentieth, in 32 blocks to a fifth.
pub const ORPHAN_DIFFICULTY_DIVISOR: u64 = 8;
