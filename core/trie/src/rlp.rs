//! The part of RLP that trie nodes need. Decoding is strict: a value has one valid encoding.

use crate::TrieError;

/// An RLP item, borrowed from its input.
pub(crate) struct Item<'a> {
    /// Whether the item is a list.
    pub(crate) is_list: bool,
    /// Content without the header.
    pub(crate) payload: &'a [u8],
    /// Whole encoding, including the header.
    pub(crate) raw: &'a [u8],
}

/// Splits the first item off `input` and returns it with the rest.
pub(crate) fn split_item(input: &[u8]) -> Result<(Item<'_>, &[u8]), TrieError> {
    const SHORT: TrieError = TrieError::Malformed("the input is truncated");
    let first = *input.first().ok_or(SHORT)?;
    let (is_list, header, length) = match first {
        0x00..=0x7f => (false, 0, 1),
        0x80..=0xb7 => (false, 1, usize::from(first - 0x80)),
        0xb8..=0xbf => long_length(input, first - 0xb7).map(|(h, l)| (false, h, l))?,
        0xc0..=0xf7 => (true, 1, usize::from(first - 0xc0)),
        0xf8..=0xff => long_length(input, first - 0xf7).map(|(h, l)| (true, h, l))?,
    };
    let end = header.checked_add(length).ok_or(SHORT)?;
    let (raw, rest) = input.split_at_checked(end).ok_or(SHORT)?;
    let payload = &raw[header..];
    if first == 0x81 && payload[0] < 0x80 {
        return Err(TrieError::Malformed("a single byte has a header"));
    }
    Ok((
        Item {
            is_list,
            payload,
            raw,
        },
        rest,
    ))
}

fn long_length(input: &[u8], length_bytes: u8) -> Result<(usize, usize), TrieError> {
    let header = 1 + usize::from(length_bytes);
    let digits = input
        .get(1..header)
        .ok_or(TrieError::Malformed("the input is truncated"))?;
    if digits.len() > 4 || digits[0] == 0 {
        return Err(TrieError::Malformed(
            "a length has leading zeros or is too large",
        ));
    }
    let length = digits
        .iter()
        .fold(0, |length, digit| length << 8 | usize::from(*digit));
    if length < 56 {
        return Err(TrieError::Malformed("a short length has the long form"));
    }
    Ok((header, length))
}

/// Returns the size of the header of a payload of this length, in bytes.
pub(crate) const fn header_length(payload: usize) -> usize {
    match payload {
        0..56 => 1,
        56..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x100_0000 => 4,
        _ => 5,
    }
}

/// Returns the size of a string with its header, in bytes.
pub(crate) fn string_length(string: &[u8]) -> usize {
    match string {
        [byte] if *byte < 0x80 => 1,
        _ => header_length(string.len()) + string.len(),
    }
}

fn put_header(out: &mut Vec<u8>, short_base: u8, length: usize) {
    if length < 56 {
        out.push(short_base + length as u8);
        return;
    }
    let digits = length.to_be_bytes();
    let significant = &digits[length.leading_zeros() as usize / 8..];
    out.push(short_base + 55 + significant.len() as u8);
    out.extend_from_slice(significant);
}

pub(crate) fn put_list_header(out: &mut Vec<u8>, payload: usize) {
    put_header(out, 0xc0, payload);
}

pub(crate) fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    match string {
        [byte] if *byte < 0x80 => out.push(*byte),
        _ => {
            put_header(out, 0x80, string.len());
            out.extend_from_slice(string);
        }
    }
}

/// Encodes a big-endian integer without its leading zeros, which is the form of a storage slot's
/// value in its trie.
pub fn encode_uint(big_endian: &[u8]) -> Vec<u8> {
    let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
    let significant = &big_endian[zeros..];
    let mut out = Vec::with_capacity(string_length(significant));
    put_string(&mut out, significant);
    out
}
