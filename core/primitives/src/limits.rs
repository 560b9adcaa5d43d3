//! Sizes that inputs from outside are held to.

/// Bytes in a blob (EIP-4844: 4096 field elements of 32 bytes). A sidecar with a blob of
/// another size is refused while it is decoded.
pub const BLOB_BYTES: usize = 4096 * 32;
