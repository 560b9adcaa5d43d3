//! The part of RLP that a device needs to find the end of a transaction.

/// Returns the length of the item at the beginning of `bytes`, with its header; `None` where the
/// header is incomplete.
pub(super) fn item_length(bytes: &[u8]) -> Option<usize> {
    let first = usize::from(*bytes.first()?);
    let long = |count: usize| {
        let length = bytes.get(1..=count)?;
        let length = length
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        Some(1 + count + length)
    };
    match first {
        0..=0x7f => Some(1),
        0x80..=0xb7 => Some(1 + first - 0x80),
        0xb8..=0xbf => long(first - 0xb7),
        0xc0..=0xf7 => Some(1 + first - 0xc0),
        _ => long(first - 0xf7),
    }
}
