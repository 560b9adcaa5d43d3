//! Limits, each with its reason.

/// Nibbles in the longest path: a 32-byte key. It bounds [`crate::Path`], which is
/// copied by value, and what a decoder accepts as a node's partial path.
pub const MAX_NIBBLES: usize = 64;

/// Changes below one branch from which its children are worked on in parallel.
/// Under it the hand-over between threads costs more than the hashing it spreads
/// (measured: `benches/state_root.rs`).
pub const PARALLEL_CHANGES: usize = 256;
