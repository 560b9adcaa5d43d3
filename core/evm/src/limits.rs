//! Bounds on what executing for others may cost this node.

/// Analysed contract codes that [`crate::CodeCache`] keeps. A busy chain runs a few hundred
/// contracts again and again; past that, analysing 24 KB once more costs some 20 µs.
pub const CODE_CACHE_ENTRIES: usize = 4_096;

/// Bytes of code (jump tables included, an eighth more) that [`crate::CodeCache`] keeps. It
/// stops a contract factory that deploys one 24 KB contract after another from holding
/// `CODE_CACHE_ENTRIES` of them, 110 MB, in memory.
pub const CODE_CACHE_BYTES: usize = 32 << 20;

/// Stacks, memory and fields, in bytes, that the struct logs of a transaction, or of all transactions
/// of a block, may hold before they are refused.
/// A block's gas buys gigabytes of memory dumps (each step repeats the whole memory); the caller
/// can ask again without memory, or with a `limit` on the steps.
pub const STRUCT_LOG_BYTES: usize = 256 << 20;

/// Frames that one call trace may hold. A call costs at least 700 gas (100 where warm), so a
/// block of 30 million gas can make 300,000; each is some 300 bytes.
pub const CALL_FRAMES: usize = 500_000;

/// Gas of a call that the protocol itself makes to a system contract (EIP-4788, EIP-2935, EIP-7002,
/// EIP-7251). It is not part of the block's gas; a request contract that needs more makes the
/// block invalid.
pub const SYSTEM_CALL_GAS: u64 = 30_000_000;
