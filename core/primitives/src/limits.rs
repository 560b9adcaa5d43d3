//! Sizes that inputs from outside are held to.

/// Bytes in a blob (EIP-4844: 4096 field elements of 32 bytes). A sidecar with a blob of
/// another size is refused while it is decoded.
pub const BLOB_BYTES: usize = 4096 * 32;

/// Characters of a value that an error about a genesis quotes: enough to recognise an
/// address or a hash, not so many that the error stops being one line.
pub const QUOTED_VALUE_CHARS: usize = 80;
