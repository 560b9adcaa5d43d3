//! Limits on the cost of executing untrusted code.

/// Maximum number of analysed codes in [`crate::CodeCache`]. A busy chain runs a few hundred
/// contracts over and over. If a code is not cached, analysing its 24 KB takes about 20 µs.
pub const CODE_CACHE_ENTRIES: usize = 4_096;

/// Maximum size in bytes of the code in [`crate::CodeCache`], including the jump tables, which take
/// another eighth. It prevents a contract factory that deploys one 24 KB contract after another
/// from filling the cache with `CODE_CACHE_ENTRIES` of them, 110 MB.
pub const CODE_CACHE_BYTES: usize = 32 << 20;

/// Maximum size in bytes of the struct logs (stacks, memory and fields) of a transaction, or of all
/// transactions of a block. A larger trace is refused. The gas of a block buys gigabytes of memory
/// dumps (each step repeats the whole memory). The caller can ask again without memory, or with a
/// `limit` on the steps.
pub const MAX_STRUCT_LOG_BYTES: usize = 256 << 20;

/// Maximum number of frames in a call trace. A call costs at least 700 gas (100 if it is warm), so
/// a block of 30 million gas can make 300,000; each takes about 300 bytes.
pub const MAX_CALL_FRAMES: usize = 500_000;

/// Maximum number of calls of Hardhat's console that are kept of a block, or of a call. A test prints
/// some tens of lines.
pub const MAX_CONSOLE_CALLS: usize = 10_000;

/// Maximum size in bytes of the inputs of the calls of [`MAX_CONSOLE_CALLS`].
pub const MAX_CONSOLE_BYTES: usize = 1 << 20;

/// Gas of a system call, which the protocol makes to a system contract (EIP-4788, EIP-2935,
/// EIP-7002, EIP-7251). It does not count against the block's gas limit. A block is invalid if a
/// request contract needs more.
pub const SYSTEM_CALL_GAS: u64 = 30_000_000;
