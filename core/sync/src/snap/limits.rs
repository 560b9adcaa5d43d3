//! Limits of a snap sync.

/// Number of parts in which a key space is fetched at the same time: geth's. Each has at most one
/// request under way, so that this also bounds the answers that are held.
pub const CHUNKS: usize = 16;

/// Maximum number of parts that a record may name. More than [`CHUNKS`] would be read from a record of
/// a later version; the rest is a damaged one.
pub const MAX_CHUNKS: usize = 256;
