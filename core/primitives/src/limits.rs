//! Limits on the size of untrusted input.

/// Number of bytes in a blob (EIP-4844: 4096 field elements of 32 bytes). The decoder refuses a
/// sidecar that holds a blob of another size.
pub const BLOB_BYTES: usize = 4096 * 32;

/// Maximum number of characters of a value that an error about a genesis quotes: enough to
/// recognise an address or a hash, but few enough to keep the error on one line.
pub const QUOTED_VALUE_CHARS: usize = 80;
