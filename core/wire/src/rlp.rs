//! RLP helpers beyond `actoreum_primitives::rlp`: bounds before allocation, and writing of lists
//! whose elements have different types.

use actoreum_primitives::rlp::{
    Decode, DecodeError, List, decode_raw, decode_str, encode_list_header,
};

/// Error of a list that is longer than its kind may be. The sender broke the protocol.
pub const TOO_MANY_ELEMENTS: DecodeError = DecodeError::Custom("list has more than its limit");

/// Error of a list whose elements are shorter than any valid one.
pub const IMPLAUSIBLE_ELEMENTS: DecodeError =
    DecodeError::Custom("list elements are too short to be valid");

/// Opens the list at the start of `input`; bytes after it are ignored (EIP-8).
pub fn open_tolerant(mut input: &[u8]) -> Result<List<'_>, DecodeError> {
    List::open(&mut input)
}

/// Returns the number of items that are left in the list, or an error if there are more than
/// `limit`. Reads item headers alone: nothing is allocated, nothing is decoded.
pub fn count_bounded(list: &List<'_>, limit: usize) -> Result<usize, DecodeError> {
    let mut rest = list.remaining();
    let mut count = 0;
    while !rest.is_empty() {
        if count == limit {
            return Err(TOO_MANY_ELEMENTS);
        }
        decode_raw(&mut rest)?;
        count += 1;
    }
    Ok(count)
}

/// Does the same as [`count_bounded`], and fails if the elements are shorter than `minimum` bytes
/// on average. This bounds how much an input grows when it is decoded into bigger structs.
pub fn count_plausible(
    list: &List<'_>,
    limit: usize,
    minimum: usize,
) -> Result<usize, DecodeError> {
    let count = count_bounded(list, limit)?;
    if count.saturating_mul(minimum) > list.remaining().len() {
        return Err(IMPLAUSIBLE_ELEMENTS);
    }
    Ok(count)
}

/// Decodes the items that are left, at most `limit` of them.
pub fn decode_bounded<T: Decode>(mut list: List<'_>, limit: usize) -> Result<Vec<T>, DecodeError> {
    let mut items = Vec::with_capacity(count_bounded(&list, limit)?);
    while let Some(item) = list.next_optional()? {
        items.push(item);
    }
    Ok(items)
}

/// Returns the content of the next item, which must be a string.
pub fn next_str<'a>(list: &mut List<'a>) -> Result<&'a [u8], DecodeError> {
    decode_str(&mut list.next_raw()?)
}

/// Returns the content of the next item, which must be a string of `N` bytes.
pub fn next_fixed<const N: usize>(list: &mut List<'_>) -> Result<[u8; N], DecodeError> {
    next_str(list)?
        .try_into()
        .map_err(|_| DecodeError::UnexpectedLength)
}

/// Appends a list whose elements `write` appends.
pub fn put_list(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let payload_length = out.len() - start;
    encode_list_header(payload_length, out);
    let header_length = out.len() - start - payload_length;
    if let Some(list) = out.get_mut(start..) {
        list.rotate_right(header_length);
    }
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::rlp::{Encode, encode_str};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_that_claims_a_billion_elements_is_refused() {
        let claim = [0xfb, 0x3b, 0x9a, 0xca, 0x00];
        assert!(open_tolerant(&claim).is_err());
        assert!(open_tolerant(&[0xff; 9]).is_err());
    }

    #[test]
    fn counting_stops_at_the_limit() {
        let mut bytes = Vec::new();
        put_list(&mut bytes, |out| out.extend([0x80; 5000]));
        let list = open_tolerant(&bytes).unwrap();
        assert_eq!(count_bounded(&list, 5000), Ok(5000));
        assert_eq!(count_bounded(&list, 4999), Err(TOO_MANY_ELEMENTS));
        assert_eq!(count_bounded(&list, 0), Err(TOO_MANY_ELEMENTS));
        assert_eq!(count_bounded(&open_tolerant(&[0xc0]).unwrap(), 0), Ok(0));
        assert_eq!(count_plausible(&list, 5000, 2), Err(IMPLAUSIBLE_ELEMENTS));
    }

    proptest! {
        #[test]
        fn lists_round_trip(
            numbers in proptest::collection::vec(any::<u64>(), 0..50),
            text in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut out = vec![0xaa];
            put_list(&mut out, |out| {
                numbers.encode(out);
                encode_str(&text, out);
            });
            let mut list = open_tolerant(&out[1..]).unwrap();
            let inner = list.next_list().unwrap();
            prop_assert_eq!(decode_bounded::<u64>(inner, 50).unwrap(), numbers);
            prop_assert_eq!(next_str(&mut list).unwrap(), text.as_slice());
            prop_assert!(list.is_empty());
        }
    }
}
